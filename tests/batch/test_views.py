"""Views: one commit per run, old versions stay readable, and every Delta reader understands the table."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from batch import views

pytestmark = pytest.mark.spark


def made(run: str) -> views.Made:
    return views.Made(run, "boot", (3, 4), "code")


def test_the_same_run_writes_once(spark: SparkSession, tmp_path: Path) -> None:
    # given a view that a run wrote
    path = tmp_path / "view"
    first = views.write(spark.range(3), path, made("one"))
    # when the run is repeated, as after a kill
    again = views.write(spark.range(3), path, made("one"))
    # then there is one commit, one version and no row twice
    assert again == first == views.version_of(path, made("one"))
    assert len(list((path / "_delta_log").glob("*.json"))) == 1
    assert views.read(spark, path, again).count() == 3


def test_another_run_replaces_and_the_old_version_stays(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "view"
    old = views.write(spark.range(3), path, made("one"))
    new = views.write(spark.range(10, 12), path, made("two"))
    assert new > old
    assert sorted(row[0] for row in views.read(spark, path, new).collect()) == [10, 11]
    assert sorted(row[0] for row in views.read(spark, path, old).collect()) == [0, 1, 2]
    # and a repeat of the first run still finds its own version
    assert views.write(spark.range(3), path, made("one")) == old


def test_a_run_without_rows_is_a_version_even_after_another_one(spark: SparkSession, tmp_path: Path) -> None:
    path, nothing = tmp_path / "view", spark.createDataFrame([], "number long")
    versions = [views.write(nothing, path, made(run)) for run in ("one", "two", "three")]
    assert len(set(versions)) == 3
    assert [views.read(spark, path, version).count() for version in versions] == [0, 0, 0]


def test_what_no_kept_run_holds_is_forgotten_and_made_again_when_asked_for(
    spark: SparkSession, tmp_path: Path
) -> None:
    # given three versions, and a file that a killed run left
    path = tmp_path / "view"
    for number, run in enumerate(("one", "two", "three")):
        views.write(spark.range(number, number + 2), path, made(run))
    (path / "part-left-behind.parquet").write_bytes(b"half a file")
    (path / ".part-left-behind.parquet.crc").write_bytes(b"its sum")
    # when only one is kept beside the newest
    assert views.forget(path, {"one"}) > 0
    # then both are whole, and nothing else is there
    kept = [views.version_of(path, made(run)) for run in ("one", "three")]
    found = [sorted(row[0] for row in views.read(spark, path, version or 0).collect()) for version in kept]
    assert found == [[0, 1], [2, 3]]
    assert views.version_of(path, made("two")) is None
    assert not (path / "part-left-behind.parquet").exists()
    assert {one.name.partition("-")[0] for one in path.glob("[!.]*")} == {"_delta_log", "one", "three"}
    # and the run whose files are gone writes them again
    again = views.write(spark.range(1, 3), path, made("two"))
    assert sorted(row[0] for row in views.read(spark, path, again).collect()) == [1, 2]
    assert views.forget(tmp_path / "none", set()) == 0


def test_files_of_a_run_killed_before_its_commit_are_not_read(spark: SparkSession, tmp_path: Path) -> None:
    # given data files without a commit beside those of a run that ended
    path = tmp_path / "view"
    views.write(spark.range(3), path, made("one"))
    spark.range(100).write.mode("append").parquet(str(tmp_path / "loose"))
    for number, file in enumerate((tmp_path / "loose").glob("*.parquet")):
        file.rename(path / f"part-loose-{number}.parquet")
    # when the killed run is repeated
    version = views.write(spark.range(5), path, made("two"))
    # then only what was committed is there
    assert views.read(spark, path, version).count() == 5


def test_the_commit_says_what_it_was_made_of_and_any_reader_can_read_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    path = tmp_path / "view"
    views.write(spark.range(3), path, made("one"))
    detail = spark.sql(f"DESCRIBE DETAIL delta.`{path}`").first()
    assert detail is not None
    assert (detail["minReaderVersion"], detail["minWriterVersion"]) == (1, 2)
    history = spark.sql(f"DESCRIBE HISTORY delta.`{path}`").first()
    assert history is not None
    told = json.loads(history["userMetadata"])
    assert told == {"run": "one", "bootstrap": "boot", "cut": [3, 4], "fingerprint": "code"}


def test_a_table_of_other_columns_takes_the_place_of_the_one_before(
    spark: SparkSession, tmp_path: Path
) -> None:
    # given a view, and a run of a dataset with more columns, of every type that a table can have
    path = tmp_path / "view"
    views.write(spark.range(3), path, made("one"))
    columns = "id long, name string, is_bot boolean, day date, at timestamp, groups array<string>"
    row = (
        7,
        "Ä",
        True,
        date(2026, 1, 2),
        datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC).replace(tzinfo=None),
        ["a", "b"],
    )
    # when it is written
    views.write(spark.createDataFrame([row], columns), path, made("two"))
    # then Spark's own Delta reads it, and the version before it
    (found,) = spark.read.format("delta").load(str(path)).collect()
    assert tuple(found) == row
    assert spark.read.format("delta").option("versionAsOf", 0).load(str(path)).columns == ["id"]


def test_deltas_log_tells_no_value(spark: SparkSession, tmp_path: Path) -> None:
    # given a view that names somebody
    path = tmp_path / "view"
    views.write(spark.createDataFrame([("Canary",)], "name string"), path, made("one"))
    # then the name is in the files, and no log would have to be purged of it
    log = "".join(file.read_text() for file in (path / "_delta_log").iterdir())
    assert "numRecords" in log
    assert "Canary" not in log


def test_a_folder_may_have_any_name(spark: SparkSession, tmp_path: Path) -> None:
    # given a view in a folder whose name is no plain ASCII
    path = tmp_path / "ä b" / "view"
    version = views.write(spark.range(3), path, made("one"))
    # then its files are found where they are
    assert views.is_whole(path, version)
    assert {file.parent.parent for file in views.files(path, version)} == {path}
    assert views.read(spark, path, version).count() == 3
    assert views.write(spark.range(3), path, made("one")) == version


def test_a_version_that_delta_no_longer_knows_is_not_whole(spark: SparkSession, tmp_path: Path) -> None:
    # given two versions, and a log of Delta's that was cleaned up to the newer one
    path = tmp_path / "view"
    old = views.write(spark.range(3), path, made("one"))
    new = views.write(spark.range(4), path, made("two"))
    DeltaTable(str(path)).create_checkpoint()
    (path / "_delta_log" / f"{old:020}.json").unlink()
    # then the older one can't be gone on from, and is written again when it is asked for
    assert [views.is_whole(path, version) for version in (old, new)] == [False, True]
    assert views.write(spark.range(3), path, made("one")) > new


def test_no_table_has_no_version(tmp_path: Path) -> None:
    assert views.version_of(tmp_path / "none", made("one")) is None


def test_what_runs_left_that_never_committed_is_removed(spark: SparkSession, tmp_path: Path) -> None:
    # given a view, and the files of an attempt at another one that was killed
    path = tmp_path / "view"
    version = views.write(spark.range(3), path, made("one"))
    attempt = views.new_folder(path, made("two"))
    attempt.mkdir()
    (attempt / "part-1.parquet").write_bytes(b"half a file")
    # when the next run begins
    views.remove_unfinished(path)
    views.remove_unfinished(tmp_path / "not there")
    # then they are gone, and the view is whole
    assert not attempt.exists()
    assert views.read(spark, path, version).count() == 3
    assert views.version_of(path, made("one")) == version
