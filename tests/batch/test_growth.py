"""Growth: no wiki is too small to be missed, and none is stopped by what chance does."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from batch import audit as audits
from batch.growth import ROWS, Measure, Outlier, bounds, measures, outliers, wiki_of
from batch.raised import Raised
from shared_logic.datasets.revision_history import RevisionFacts
from shared_logic.registry import registry
from shared_logic.tables import Schema


@pytest.mark.parametrize(
    "before,after,is_wrong",
    [
        (1_000_000, 989_999, True),
        (1_000_000, 990_000, False),
        (1_000_000, 2_000_001, True),
        (1_000_000, 2_000_000, False),
        (100, 59, True),
        (100, 60, False),
        (100, 0, True),
        (10, 0, False),
        (10, 1_010, False),
        (10, 1_011, True),
    ],
)
def test_bounds_of_rows(before: int, after: int, is_wrong: bool) -> None:
    rows = Measure("w", ROWS)
    assert bool(list(outliers({rows: before}, {rows: after}))) == is_wrong


def test_a_small_wiki_that_is_gone_is_told_beside_a_large_one() -> None:
    large, small, new = Measure("largewiki", ROWS), Measure("smallwiki", ROWS), Measure("newwiki", ROWS)
    found = outliers({large: 5_000_000, small: 40}, {large: 5_000_100, new: 90_000})
    assert list(found) == [Outlier("smallwiki", ROWS, 40, 0)]


@given(st.integers(0, 10**9))
def test_what_does_not_change_is_right(count: int) -> None:
    for measure in (ROWS, "page_is_deleted"):
        least, most = bounds(measure, count)
        assert least <= count <= most


@pytest.mark.spark
def test_growth_stops_a_candidate_and_is_kept(spark: SparkSession, tmp_path: Path) -> None:
    # given a published generation of two wikis
    dataset = registry["active_editors"]
    columns = "wiki string, month date, activity string, editors long"

    def rows(wiki: str, count: int) -> list[tuple[object, ...]]:
        return [(wiki, date(2001, 1, 1) + timedelta(days=number), "1 to 4", 1) for number in range(count)]

    first = spark.createDataFrame(rows("large", 900) + rows("small", 50), columns)
    one = audits.audit(dataset, first, 0, "one", {}, Raised())
    audits.keep([one], tmp_path)
    assert one.success
    before = audits.counts_of(tmp_path, {dataset.name: "one"})[dataset.name]
    assert before == {Measure("large", ROWS): 900, Measure("small", ROWS): 50}
    # when the candidate after it has nothing of the small one
    two = audits.audit(
        dataset, spark.createDataFrame(rows("large", 910), columns), 0, "two", before, Raised()
    )
    audits.keep([two], tmp_path)
    # then it is stopped, and the wiki is in quarantine
    (failed,) = (check for check in two.checks if not check.success)
    assert failed == audits.Check(f"{audits.GROWTH}rows", success=False, failing_rows=1)
    (kept,) = spark.read.format("delta").load(str(tmp_path / "delta" / "quarantine")).collect()
    assert '"wiki": "small"' in kept["row"]
    # and of a run that kept no counts nothing is asked
    assert audits.counts_of(tmp_path, {dataset.name: "none"}) == {}


@pytest.mark.spark
def test_audits_that_fail_at_once_are_kept_together(spark: SparkSession, tmp_path: Path) -> None:
    # given two datasets of which a row fails
    months, days = registry["active_editors"], registry["daily_edits"]
    editors = spark.createDataFrame(
        [("w", date(2001, 1, 1), "1 to 4", -1)], "wiki string, month date, activity string, editors long"
    )
    edits = spark.createDataFrame(
        [("w", date(2001, 1, 1), 0, "wizard", *(1 for _ in days.schema.sums))],
        "wiki string, day date, namespace long, user_kind string, "
        + ", ".join(f"{name} long" for name in days.schema.sums),
    )
    # when both are audited, as threads of one run do
    found = [
        audits.audit(months, editors, 0, "run", {}, Raised()),
        audits.audit(days, edits, 0, "run", {}, Raised()),
    ]
    # then nothing is written by the audits, and all of it by the run, once however often it is repeated
    assert not (tmp_path / "delta").exists()
    audits.keep(found, tmp_path)
    audits.keep(found, tmp_path)
    kept = DeltaTable(str(tmp_path / "delta" / "quarantine")).to_pyarrow_table().to_pylist()
    assert sorted(row["dataset"] for row in kept) == ["active_editors", "daily_edits"]


@pytest.mark.spark
def test_conditions_of_growth_are_counted_by_wiki(spark: SparkSession) -> None:
    # given two revisions, of which one is deleted and none has an account
    facts = registry["revision_facts"]
    names = Schema(RevisionFacts).growth
    row = {name: False for name in names if name.isidentifier()} | {"wiki": "w"}
    columns = ", ".join(f"{name} boolean" for name in row if name != "wiki")
    table = spark.createDataFrame(
        [row, row | {"revision_is_deleted": True}],
        f"{columns}, wiki string, revision_text_bytes long, user_id long",
    )
    # when the measures of a wiki are taken
    asked = measures(facts)
    ((wiki, *counts),) = table.groupBy(wiki_of(facts)).agg(*asked.values()).collect()
    found = dict(zip(asked, counts, strict=True))
    # then each is the number of rows that meet it
    assert wiki == "w"
    assert (found[ROWS], found["revision_is_deleted"], found["user_id IS NOT NULL"]) == (2, 1, 0)
