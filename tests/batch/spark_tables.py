"""Every registered dataset, computed by Spark as a batch run does."""

from __future__ import annotations

from pyspark.sql import DataFrame

from batch.groups import groups
from batch.lowering import lower, lower_rows, rows_of_things
from shared_logic.language import registry


def computed(states: DataFrame) -> dict[str, DataFrame]:
    """As a run does it: those that read things by one pass."""
    rows = rows_of_things(
        [dataset for dataset in registry.values() if dataset.source is None], states
    ).persist()
    found: dict[str, DataFrame] = {}
    linked: dict[str, DataFrame] = {}
    for dataset in registry.values():
        table = lower_rows(dataset, rows) if dataset.source is None else lower(dataset, found, linked)
        found[dataset.name] = table.persist()
        if dataset.schema.links:
            linked[dataset.name] = groups(found[dataset.name], dataset.schema)
    return found
