"""The gate before publishing: Great Expectations, from what the dataset's table says of its columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from importlib import import_module
from pathlib import Path
from threading import Thread

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyspark.errors import AnalysisException
from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from batch.growth import ROWS, Counts, Measure, Outlier, measures, outliers, wiki_of
from batch.raised import Raised
from shared_logic.definition import Dataset
from shared_logic.tables import Column, DefinitionError

GROWTH = "since the last generation: "
"""How the names of checks of growth begin."""
RAISES = "the function raises once for a thousand rows, at most"
ROWS_FOR_ONE_RAISED = 1_000
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
    raised: Raised
    """What the function raised, however often."""
    failing: pa.Table = field(repr=False, compare=False)
    """Rows that fail, with the check that they fail, what the function raised for, and wikis that grew or shrank too much."""

    @property
    def success(self) -> bool:
        """Whether the candidate may be published."""
        return all(check.success for check in self.checks)


def get_ready() -> None:
    """Begin to import what audits need, while this process waits for Spark."""
    Thread(target=import_module, args=("batch.expectations",), daemon=True).start()


def audit(
    dataset: Dataset, candidate: DataFrame, repeated: int, run: str, before: Counts, raised: Raised
) -> Audit:
    """Check the candidate; `keep` writes what comes of it.

    `repeated` is how many rows more than keys it has. `before` are the counts of the generation that is published; none: there is
    none. `raised` is what the function raised while the candidate was made: of that there are no rows, which one in a thousand may be.

    One pass of Spark counts the rows of every wiki and those that fail each condition; the counts are what Great Expectations is
    asked about, so that an audit costs a pass over the candidate whatever the number of its expectations.

    Raises:
        DefinitionError: an expectation of the table is no SQL over its columns.
    """
    from batch.expectations import verdict  # noqa: PLC0415  it takes seconds: see `get_ready`

    conditions = dict(_conditions(dataset))
    failing, held = _counted(dataset, candidate, conditions)
    counts = {_unique(dataset): repeated, **failing}
    grown = list(outliers(before, held))
    counts |= {
        f"{GROWTH}{measure}": sum(one.measure == measure for one in grown)
        for measure in dict.fromkeys(measure for _, measure in before)
    }
    rows = sum(count for measure, count in held.items() if measure.measure == ROWS)
    counts[RAISES] = raised.times if ROWS_FOR_ONE_RAISED * raised.times > rows else 0
    checks = tuple(
        Check(condition, success, counts[condition]) for condition, success in verdict(dataset.name, counts)
    )
    kept = _raising(dataset, run, raised)
    if not all(check.success for check in checks):
        found = _quarantined(candidate, dataset, conditions, run).toArrow().cast(_QUARANTINED)
        kept = pa.concat_tables([kept, found, _outlying(dataset, run, grown)])
    return Audit(dataset.name, run, checks, held, raised, kept)


def keep(audits: Sequence[Audit], home: Path) -> None:
    """Write the results to `delta/audits`, the counts to `delta/growth`, and what fails to `delta/quarantine`."""
    now = datetime.now(tz=UTC)
    rows = [
        {
            "run": audit.run,
            "dataset": audit.dataset,
            "expectation": check.expectation,
            "success": check.success,
            "failing_rows": check.failing_rows,
            "at": now,
        }
        for audit in audits
        for check in audit.checks
    ]
    _replace(pa.Table.from_pylist(rows, _RESULTS), home / "delta" / "audits", audits)
    counts = [
        {"run": audit.run, "dataset": audit.dataset, **measure._asdict(), "rows": count}
        for audit in audits
        for measure, count in audit.counts.items()
    ]
    _replace(pa.Table.from_pylist(counts, _GROWTH), home / "delta" / "growth", audits)
    if failed := [audit for audit in audits if audit.failing.num_rows]:
        failing = pa.concat_tables([audit.failing for audit in failed])
        _replace(failing, home / "delta" / "quarantine", failed)


def counts_of(home: Path, runs: Mapping[str, str]) -> dict[str, Counts]:
    """What the runs (by dataset) counted, by dataset; those of which nothing is kept are left out."""
    path = home / "delta" / "growth"
    found: dict[str, dict[Measure, int]] = {}
    if runs and DeltaTable.is_deltatable(str(path)):
        wanted = [("run", "in", sorted(set(runs.values())))]
        for row in DeltaTable(str(path)).to_pyarrow_table(filters=wanted).to_pylist():
            if runs.get(row["dataset"]) == row["run"]:
                found.setdefault(row["dataset"], {})[Measure(row["wiki"], row["measure"])] = row["rows"]
    return dict(found)


_RESULTS = pa.schema(
    [
        ("run", pa.string()),
        ("dataset", pa.string()),
        ("expectation", pa.string()),
        ("success", pa.bool_()),
        ("failing_rows", pa.int64()),
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)
_GROWTH = pa.schema(
    [
        ("run", pa.string()),
        ("dataset", pa.string()),
        ("wiki", pa.string()),
        ("measure", pa.string()),
        ("rows", pa.int64()),
    ]
)
_QUARANTINED = pa.schema([(name, pa.string()) for name in ("run", "dataset", "expectation", "row")])


def _counted(
    dataset: Dataset, candidate: DataFrame, conditions: Mapping[str, str]
) -> tuple[dict[str, int], dict[Measure, int]]:
    """How many rows fail each condition (null counts as failing), and what growth asks."""
    failing = {name: _fails(condition) for name, condition in conditions.items()}
    grown = measures(dataset)
    try:
        counting = candidate.groupBy(wiki_of(dataset)).agg(*failing.values(), *grown.values())
    except AnalysisException:
        for condition in (*conditions.values(), *dataset.schema.growth):
            _must_be_sql(dataset, candidate, condition)
        raise
    wikis = [(wiki, counts[: len(failing)], counts[len(failing) :]) for wiki, *counts in counting.collect()]
    return (
        {name: sum(counts[place] for _, counts, _ in wikis) for place, name in enumerate(failing)},
        {
            Measure(wiki, name): count
            for wiki, _, counts in wikis
            for name, count in zip(grown, counts, strict=True)
        },
    )


def _unique(dataset: Dataset) -> str:
    return f"unique {' '.join(dataset.schema.key_names)}"


def _fails(condition: str) -> Expression:
    return f.count(f.when(f.expr(f"NOT coalesce(({condition}), false)"), 1))


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
    failing = [(_unique(dataset), repeated)]
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


def _raising(dataset: Dataset, run: str, raised: Raised) -> pa.Table:
    """What the function raised for, as JSON."""
    rows = [
        {
            "run": run,
            "dataset": dataset.name,
            "expectation": RAISES,
            "row": json.dumps({"place": place, "raised": error}),
        }
        for place, error in raised.examples
    ]
    return pa.Table.from_pylist(rows, _QUARANTINED)


def _outlying(dataset: Dataset, run: str, grown: Sequence[Outlier]) -> pa.Table:
    """The wikis that grew or shrank too much, as JSON, with what was counted."""
    rows = [
        {
            "run": run,
            "dataset": dataset.name,
            "expectation": f"{GROWTH}{one.measure}",
            "row": json.dumps(one._asdict()),
        }
        for one in grown[:QUARANTINED]
    ]
    return pa.Table.from_pylist(rows, _QUARANTINED)


def _replace(rows: pa.Table, path: Path, audits: Sequence[Audit]) -> None:
    """Write what the audits say in place of what the same ones said before: a repeated run repeats nothing."""
    mine = " OR ".join(f"(run = '{audit.run}' AND dataset = '{audit.dataset}')" for audit in audits)
    if DeltaTable.is_deltatable(str(path)):
        write_deltalake(str(path), rows, mode="overwrite", predicate=mine, schema_mode="merge")
    else:
        path.mkdir(parents=True, exist_ok=True)
        write_deltalake(str(path), rows)


def _must_be_sql(dataset: Dataset, candidate: DataFrame, condition: str) -> None:
    try:
        candidate.agg(_fails(condition))
    except AnalysisException as error:
        why = str(error).strip().partition("\n")[0].partition(" SQLSTATE")[0]
        message = f"{dataset.name}: the expectation {condition!r} can't be read: {why} Correct it"
        raise DefinitionError(message) from error
