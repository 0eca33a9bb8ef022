"""The gate before publishing: Great Expectations, from what the dataset's table says of its columns."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"
logging.getLogger("great_expectations").setLevel(logging.ERROR)

import great_expectations as gx  # noqa: E402  after its reporting was switched off
import great_expectations.expectations as gxe  # noqa: E402
from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: E402
from pyspark.errors import AnalysisException  # noqa: E402
from pyspark.sql import DataFrame, SparkSession  # noqa: E402
from pyspark.sql import functions as f  # noqa: E402

from shared_logic.language import Column, Dataset, DefinitionError  # noqa: E402

QUARANTINED = 1_000
"""Failing rows that are kept per check."""


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation and how it went."""

    expectation: str
    success: bool
    failing_rows: int


@dataclass(frozen=True, slots=True)
class Audit:
    """All checks of one candidate."""

    dataset: str
    run: str
    checks: tuple[Check, ...]

    @property
    def success(self) -> bool:
        """Whether the candidate may be published."""
        return all(check.success for check in self.checks)


def audit(spark: SparkSession, dataset: Dataset, candidate: DataFrame, run: str, home: Path) -> Audit:
    """Check the candidate; results go to `delta/audits`, failing rows with their keys to `delta/quarantine`.

    Raises:
        DefinitionError: an expectation of the table is no SQL over its columns.
    """
    conditions = dict(_conditions(dataset))
    for condition in conditions.values():
        _must_be_sql(dataset, candidate, condition)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_or_update_spark("candidate", persist=False)
    batch = source.add_dataframe_asset(dataset.name).add_batch_definition_whole_dataframe("whole")
    suite = gx.ExpectationSuite(dataset.name, expectations=list(_expectations(dataset, conditions)))
    persisted = candidate.persist()
    try:
        context.suites.add_or_update(suite)
        validation = gx.ValidationDefinition(name=dataset.name, data=batch, suite=suite)
        context.validation_definitions.add_or_update(validation)
        outcome = validation.run(batch_parameters={"dataframe": persisted}, result_format="BASIC")
        checks = tuple(_check(result) for result in outcome.results)
        found = Audit(dataset.name, run, checks)
        if not found.success:
            _quarantine(persisted, dataset, conditions, run, home)
    finally:
        persisted.unpersist()
    rows = [(run, dataset.name, check.expectation, check.success, check.failing_rows) for check in checks]
    columns = "run string, dataset string, expectation string, success boolean, failing_rows long"
    spark.createDataFrame(rows, columns).write.format("delta").mode("append").save(
        str(home / "delta" / "audits")
    )
    return found


def _conditions(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Name and SQL condition of what every row must meet."""
    for column in dataset.schema.columns:
        yield from _of_column(column)
    for condition in dataset.schema.expectations:
        yield condition, condition


def _of_column(column: Column) -> Iterator[tuple[str, str]]:
    about, name = column.about, column.name
    if not column.optional:
        yield f"{name} is not null", f"`{name}` IS NOT NULL"
    if about.at_least is not None:
        yield f"{name} is at least {about.at_least}", f"`{name}` IS NULL OR `{name}` >= {about.at_least}"
    if about.at_most is not None:
        yield f"{name} is at most {about.at_most}", f"`{name}` IS NULL OR `{name}` <= {about.at_most}"
    if about.one_of:
        values = ", ".join("'" + str(value).replace("'", "''") + "'" for value in about.one_of)
        yield f"{name} is one of {', '.join(about.one_of)}", f"`{name}` IS NULL OR `{name}` IN ({values})"


def _expectations(dataset: Dataset, conditions: dict[str, str]) -> Iterator[Any]:
    keys = list(dataset.schema.key_names)
    if len(keys) > 1:
        yield gxe.ExpectCompoundColumnsToBeUnique(column_list=keys, meta={"name": f"unique {' '.join(keys)}"})
    else:
        yield gxe.ExpectColumnValuesToBeUnique(column=keys[0], meta={"name": f"unique {keys[0]}"})
    for name, condition in conditions.items():
        escaped = condition.replace("{", "{{").replace("}", "}}")
        query = f"SELECT * FROM {{batch}} WHERE NOT coalesce(({escaped}), false)"  # noqa: S608  from the definition
        yield gxe.UnexpectedRowsExpectation(
            unexpected_rows_query=query, description=name, meta={"name": name}
        )


def _check(result: Any) -> Check:
    told = result.result or {}
    observed = told.get("unexpected_count", told.get("observed_value", 0))
    failing = observed if isinstance(observed, int) else 0
    return Check((result.expectation_config.meta or {})["name"], bool(result.success), failing)


def _quarantine(rows: DataFrame, dataset: Dataset, conditions: dict[str, str], run: str, home: Path) -> None:
    """Keep the rows that fail, as JSON, with the condition that they fail; null counts as failing."""
    keys = [f.col(name) for name in dataset.schema.key_names]
    repeated = rows.groupBy(*keys).count().where("count > 1").drop("count")
    failing = [(f"unique {' '.join(dataset.schema.key_names)}", repeated)]
    failing += [
        (name, rows.where(f"NOT coalesce(({condition}), false)")) for name, condition in conditions.items()
    ]
    kept = reduce(
        DataFrame.unionByName,
        (
            found.limit(QUARANTINED).select(
                f.lit(run).alias("run"),
                f.lit(dataset.name).alias("dataset"),
                f.lit(name).alias("expectation"),
                f.to_json(f.struct("*")).alias("row"),
            )
            for name, found in failing
        ),
    )
    _replace(kept, home / "delta" / "quarantine", run, dataset)


def _replace(rows: DataFrame, path: Path, run: str, dataset: Dataset) -> None:
    """Write what the run says of the dataset in place of what it said before: a repeated run repeats nothing."""
    mine = f"run = '{run}' AND dataset = '{dataset.name}'"
    rows.write.format("delta").mode("overwrite").option("replaceWhere", mine).save(str(path))


def _must_be_sql(dataset: Dataset, candidate: DataFrame, condition: str) -> None:
    try:
        candidate.where(f"NOT coalesce(({condition}), false)")
    except AnalysisException as error:
        message = f"{dataset.name}: the expectation {condition!r} can't be read ({error.getCondition()}); correct it"
        raise DefinitionError(message) from error
