"""Great Expectations' verdict on counts of failing rows. To import it takes seconds, so that it is done while Spark works."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from threading import Lock
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"
logging.getLogger("great_expectations").setLevel(logging.ERROR)

import great_expectations as gx  # noqa: E402  after its reporting was switched off
import great_expectations.expectations as gxe  # noqa: E402
import pandas as pd  # noqa: E402
from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: E402


def verdict(name: str, counts: Mapping[str, int]) -> Iterator[tuple[str, bool]]:
    """Each condition, and whether no row fails it."""
    with _VALIDATING:
        batch = _context().data_sources.get("counts").get_asset("counts").get_batch_definition("whole")
        suite = gx.ExpectationSuite(
            name,
            expectations=[
                gxe.ExpectColumnMaxToBeBetween(column=condition, max_value=0, description=condition)
                for condition in counts
            ],
        )
        outcome = batch.get_batch({"dataframe": pd.DataFrame([counts])}).validate(suite)
    for result in outcome.results:
        yield result.expectation_config.kwargs["column"], bool(result.success)


_VALIDATING = Lock()
"""The context is one for all threads."""


@lru_cache(maxsize=1)
def _context() -> Any:
    """One context for the process: to make one takes longer than an audit."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("counts").add_dataframe_asset("counts")
    asset.add_batch_definition_whole_dataframe("whole")
    return context
