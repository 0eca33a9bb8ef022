"""The gate before publishing: Great Expectations, from what the dataset's table says of its columns."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from pathlib import Path
from threading import Lock
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"
logging.getLogger("great_expectations").setLevel(logging.ERROR)

import great_expectations as gx  # noqa: E402  after its reporting was switched off
import great_expectations.expectations as gxe  # noqa: E402
import pandas as pd  # noqa: E402
from delta.tables import DeltaTable  # noqa: E402
from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: E402
from pyspark.errors import AnalysisException  # noqa: E402
from pyspark.sql import DataFrame, SparkSession  # noqa: E402
from pyspark.sql import functions as f  # noqa: E402

from batch.growth import Counts, Measure, Outlier, counted, outliers  # noqa: E402
from shared_logic.language import Column, Dataset, DefinitionError  # noqa: E402

GROWTH = "since the last generation: "
"""How the names of checks of growth begin."""
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
    counts: Counts
    """Of the candidate, for the growth of the next one."""

    @property
    def success(self) -> bool:
        """Whether the candidate may be published."""
        return all(check.success for check in self.checks)


def audit(dataset: Dataset, candidate: DataFrame, run: str, home: Path, before: Counts) -> Audit:
    """Check the candidate; failing rows go to `delta/quarantine` with their keys, and so do wikis that grew or shrank too much.

    `before` are the counts of the generation that is published; none: there is none.

    One pass of Spark counts the rows that fail each condition; the counts are what Great Expectations is asked about, so that
    an audit costs a pass over the candidate whatever the number of its expectations.

    Raises:
        DefinitionError: an expectation of the table is no SQL over its columns.
    """
    conditions = dict(_conditions(dataset))
    for condition in conditions.values():
        _must_be_sql(dataset, candidate, condition)
    counts = _failing(dataset, candidate, conditions)
    held = counted(dataset, candidate)
    grown = list(outliers(before, held))
    counts |= {
        f"{GROWTH}{measure}": sum(one.measure == measure for one in grown)
        for measure in dict.fromkeys(measure for _, measure in before)
    }
    found = Audit(dataset.name, run, tuple(_validated(dataset.name, counts)), held)
    if not found.success:
        rows = _quarantined(candidate, dataset, conditions, run).unionByName(
            _outlying(candidate.sparkSession, dataset, run, grown)
        )
        _replace(rows, home / "delta" / "quarantine", found)
    return found


def keep(spark: SparkSession, audits: Sequence[Audit], home: Path) -> None:
    """Write the results to `delta/audits`, and the counts to `delta/growth`."""
    rows = [
        (audit.run, audit.dataset, check.expectation, check.success, check.failing_rows)
        for audit in audits
        for check in audit.checks
    ]
    columns = "run string, dataset string, expectation string, success boolean, failing_rows long"
    told = spark.createDataFrame(rows, columns).withColumn("at", f.current_timestamp())
    _replace(told, home / "delta" / "audits", *audits)
    counts = [
        (audit.run, audit.dataset, *measure, count)
        for audit in audits
        for measure, count in audit.counts.items()
    ]
    columns = "run string, dataset string, wiki string, measure string, rows long"
    _replace(spark.createDataFrame(counts, columns), home / "delta" / "growth", *audits)


def counts_of(spark: SparkSession, home: Path, runs: Mapping[str, str]) -> dict[str, Counts]:
    """What the runs (by dataset) counted, by dataset; those of which nothing is kept are left out."""
    path = home / "delta" / "growth"
    found: dict[str, dict[Measure, int]] = {}
    if runs and DeltaTable.isDeltaTable(spark, str(path)):
        wanted = spark.read.format("delta").load(str(path)).where(f.col("run").isin(*set(runs.values())))
        for row in wanted.collect():
            if runs.get(row["dataset"]) == row["run"]:
                found.setdefault(row["dataset"], {})[Measure(row["wiki"], row["measure"])] = row["rows"]
    return dict(found)


def _failing(dataset: Dataset, candidate: DataFrame, conditions: dict[str, str]) -> dict[str, int]:
    """How many rows fail each condition; null counts as failing. Of keys: how many rows too many there are."""
    keys = dataset.schema.key_names
    measured = [
        (f.count(f.lit(1)) - f.count_distinct(f.struct(*keys))).alias(f"unique {' '.join(keys)}"),
        *(
            f.count(f.when(f.expr(f"NOT coalesce(({condition}), false)"), 1)).alias(name)
            for name, condition in conditions.items()
        ),
    ]
    (row,) = candidate.agg(*measured).collect()
    return dict(row.asDict())


def _validated(name: str, counts: dict[str, int]) -> Iterator[Check]:
    """Great Expectations' verdict on the counts: each must be 0."""
    with _VALIDATING:
        yield from _verdict(name, counts)


def _verdict(name: str, counts: dict[str, int]) -> Iterator[Check]:
    context = _context()
    batch = context.data_sources.get("counts").get_asset("counts").get_batch_definition("whole")
    suite = gx.ExpectationSuite(
        name,
        expectations=[
            gxe.ExpectColumnMaxToBeBetween(column=condition, max_value=0, description=condition)
            for condition in counts
        ],
    )
    outcome = batch.get_batch({"dataframe": pd.DataFrame([counts])}).validate(suite)
    for result in outcome.results:
        condition = result.expectation_config.kwargs["column"]
        yield Check(condition, bool(result.success), counts[condition])


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


def _quarantined(rows: DataFrame, dataset: Dataset, conditions: dict[str, str], run: str) -> DataFrame:
    """The rows that fail, as JSON, with the condition that they fail; null counts as failing."""
    keys = [f.col(name) for name in dataset.schema.key_names]
    repeated = rows.groupBy(*keys).count().where("count > 1").drop("count")
    failing = [(f"unique {' '.join(dataset.schema.key_names)}", repeated)]
    failing += [
        (name, rows.where(f"NOT coalesce(({condition}), false)")) for name, condition in conditions.items()
    ]
    return reduce(
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


def _outlying(spark: SparkSession, dataset: Dataset, run: str, grown: Sequence[Outlier]) -> DataFrame:
    """The wikis that grew or shrank too much, as JSON, with what was counted."""
    rows = [
        (run, dataset.name, f"{GROWTH}{one.measure}", json.dumps(one._asdict()))
        for one in grown[:QUARANTINED]
    ]
    return spark.createDataFrame(rows, "run string, dataset string, expectation string, row string")


def _replace(rows: DataFrame, path: Path, *audits: Audit) -> None:
    """Write what the audits say in place of what the same ones said before: a repeated run repeats nothing."""
    mine = " OR ".join(f"(run = '{audit.run}' AND dataset = '{audit.dataset}')" for audit in audits)
    written = rows.write.format("delta").mode("overwrite").option("mergeSchema", "true")
    written.option("replaceWhere", mine).save(str(path))


def _must_be_sql(dataset: Dataset, candidate: DataFrame, condition: str) -> None:
    try:
        candidate.where(f"NOT coalesce(({condition}), false)")
    except AnalysisException as error:
        message = f"{dataset.name}: the expectation {condition!r} can't be read ({error.getCondition()}); correct it"
        raise DefinitionError(message) from error
