"""reference(all) == batch(all): Spark gives the reference's tables, however the work is cut up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import to_date

import shared_logic.datasets  # noqa: F401  registers them
from batch import audit as audits
from batch import views
from batch.archive import archive
from batch.archive_error import ArchiveError
from batch.fingerprint import uniting_fingerprint
from batch.lowering import struct_of
from batch.raised import Raised
from batch.run import Inputs, Result, base_id, compute, earlier
from batch.states import SCHEMA, said_by_log, united
from shared_logic.definition import Dataset
from shared_logic.entities import encode
from shared_logic.kernel import Rows
from shared_logic.keys import decode_key, decode_values
from shared_logic.reference import reference, told
from shared_logic.registry import registry
from shared_logic.tables import DefinitionError, Schema
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from tests import sample
from tests.batch.spark_tables import computed, rows_of

pytestmark = pytest.mark.spark
DATASETS = tuple(registry.values())


def table(dataset: Dataset, frame: DataFrame) -> Rows:
    schema = dataset.schema
    return {decode_key(schema, key): decode_values(schema, row) for key, row in rows_of(dataset, frame)}


def test_spark_gives_the_references_tables(spark: SparkSession, tmp_path: Path) -> None:
    # given a log with a real wiki's events, as those of two wikis
    events = sample.events()
    other = tuple(event.replace(b"gtbwiki", b"otherwiki") for event in events)
    with SqliteLog(tmp_path / "log.db") as log:
        ingest(log, "real", (*events, *other))
        cut = log.ends()
        archive(log, tmp_path / "archive", cut)
    expected = reference(DATASETS, told((*events, *other)).states)
    for partitions in (1, 5):
        # when Spark unites what each message says and computes every dataset
        states = united(said_by_log(spark, tmp_path / "archive", cut).repartition(partitions)).persist()
        found = computed(states)
        for dataset in DATASETS:
            # then each table is the reference's, row for row
            assert table(dataset, found[dataset.name]) == expected[dataset.name], dataset.name


def test_a_run_that_is_repeated_or_goes_on_gives_the_same(spark: SparkSession, tmp_path: Path) -> None:
    # given an archived log and a run
    with SqliteLog(tmp_path / "log.db") as log:
        ingest(log, "real", sample.events())
        cut = tuple(end // 2 for end in log.ends())
        archive(log, tmp_path / "archive", cut)
        assert archive(log, tmp_path / "archive", cut).added == 0

    made: list[Result] = []

    def run() -> dict[str, tuple[int, list[tuple[bytes, bytes]]]]:
        fingerprints = dict.fromkeys(registry, "code")
        made.append(
            compute(
                spark,
                registry.closure(["daily_edits"]),
                Inputs({}, tmp_path / "archive", cut),
                tmp_path,
                tmp_path / "passing",
                "run",
                fingerprints,
                lambda _: None,
            )
        )
        assert all(view.audit.success for view in made[-1].views.values())
        return {name: (view.version, list(view.rows(tmp_path))) for name, view in made[-1].views.items()}

    first = run()
    hidden = set(made[0].hidden())
    # when it is repeated, then nothing is made twice, and what is hidden is told again
    assert run() == first
    assert set(made[1].hidden()) == hidden
    # when a view is lost before its commit, as by a kill, and the run is repeated
    commits = tmp_path / "delta" / "editor_days" / "_delta_log"
    (commits / "00000000000000000000.json").unlink()
    assert run() == first
    assert set(made[2].hidden()) == hidden
    # then versions and rows are the same, and they are the reference's over the log before the cut
    states = united(said_by_log(spark, tmp_path / "archive", cut))
    editor_days = registry["editor_days"]
    assert dict(first["editor_days"][1]) == dict(
        rows_of(editor_days, computed(states, [editor_days])["editor_days"])
    )


def test_a_run_goes_on_from_the_states_of_the_last_one(spark: SparkSession, tmp_path: Path) -> None:
    # given a run over a half of the log, and one bootstrap
    def bootstrap(name: str, events: tuple[bytes, ...]) -> Path:
        path = tmp_path / name
        rows = [(*entity, encode(state)) for entity, state in told(events).states.items()]
        spark.createDataFrame(rows, SCHEMA).write.parquet(str(path))
        return path

    first, second = bootstrap("first", sample.events()[:900]), bootstrap("second", sample.events()[600:1200])
    with SqliteLog(tmp_path / "log.db") as log:
        ingest(log, "real", sample.events()[1_000:])
        archive(log, tmp_path / "archive", log.ends())
        ends, half = log.ends(), tuple(end // 2 for end in log.ends())

    def run(home: str, bootstraps: dict[str, Path], cut: tuple[int, ...], *purges: str) -> Rows:
        inputs = Inputs(bootstraps, tmp_path / "archive", cut, purges)
        code = {"page_current": "code"}
        datasets = registry.closure(["page_current"])
        made = compute(
            spark,
            datasets,
            inputs,
            tmp_path / home,
            tmp_path / "passing",
            f"{cut}{purges}",
            code,
            lambda _: None,
        )
        return {**dict(made.entity_states()), **table(datasets[0], made.views["page_current"].table)}

    run("home", {"first": first}, half)
    # when all of the log and another bootstrap have come
    everything = Inputs({"first": first, "second": second}, tmp_path / "archive", ends)
    states = tmp_path / "home" / "delta" / "entity_states"
    known = next(earlier(states, everything), None)
    assert known is not None
    assert (known.bootstraps, known.cut) == ({"first"}, half)
    # then what is made of the earlier states is what is made of everything, byte for byte
    wanted = run("other", dict(everything.bootstraps), ends)
    assert run("home", dict(everything.bootstraps), ends) == wanted
    # but what a purge has rewritten since, or a cut that is not after it, is begun anew
    assert list(earlier(states, replace(everything, purges=("p",)))) == []
    assert list(earlier(states, replace(everything, cut=(*half[:-1], half[-1] - 1)))) == []


def test_the_audit_stops_a_bad_row_and_keeps_it(spark: SparkSession, tmp_path: Path) -> None:
    # given a candidate with a negative count and an unknown kind of user
    dataset = registry["daily_edits"]
    good = dict.fromkeys(dataset.schema.sums, 1)
    rows = [
        {"wiki": "w", "day": "2024-01-01", "namespace": 0, "user_kind": "account", **good},
        {"wiki": "w", "day": "2024-01-02", "namespace": 0, "user_kind": "wizard", **good, "edits": -1},
    ]
    candidate = spark.createDataFrame(rows).withColumn("day", to_date("day"))
    # when it is audited
    found = audits.audit(dataset, candidate, 0, "run", {}, Raised())
    audits.keep([found], tmp_path)
    # then two checks fail, and the row is in quarantine with its key
    assert sorted(check.expectation.split(" ")[0] for check in found.checks if not check.success) == [
        "edits",
        "user_kind",
    ]
    kept = spark.read.format("delta").load(str(tmp_path / "delta" / "quarantine")).collect()
    assert {row["row"].count("2024-01-02") for row in kept} == {1}
    assert views.made(tmp_path / "delta" / "audits") == []


def test_a_gap_in_the_log_stops_the_archive(tmp_path: Path) -> None:
    # given a log whose first messages are gone before they were archived
    with SqliteLog(tmp_path / "log.db", 1) as log:
        ingest(log, "real", sample.events())
        log._db.execute("DELETE FROM messages WHERE position < 5")
        # then the archive refuses, naming the place
        with pytest.raises(ArchiveError, match="holds 5 at offset 0"):
            archive(log, tmp_path / "archive", log.ends())


def test_other_code_that_reads_events_is_another_base(monkeypatch: pytest.MonkeyPatch) -> None:
    # given the id of the page states of a cut
    before = base_id(["b"], (1, 2), uniting_fingerprint())
    # when what makes states of events is changed
    monkeypatch.setattr("shared_logic.fingerprint._code", lambda module: f"changed {module.__name__}")
    # then the same input makes another base
    assert base_id(["b"], (1, 2), uniting_fingerprint()) != before


def test_an_expectation_that_is_no_sql_is_named(
    spark: SparkSession, capfd: pytest.CaptureFixture[str]
) -> None:
    dataset = registry["active_editors"]
    candidate = spark.createDataFrame([], struct_of(dataset))
    broken = replace(dataset)
    object.__setattr__(broken, "schema", Schema(dataset.schema.table))
    broken.schema.expectations = ("no_such_column > 1",)
    with pytest.raises(
        DefinitionError,
        match=r"active_editors: the expectation 'no_such_column > 1' can't be read: .*`no_such_column` cannot be resolved",
    ):
        audits.audit(broken, candidate, 0, "run", {}, Raised())
    # and Spark prints no trace of it beside that
    assert "QueryContextLogger" not in capfd.readouterr().err
