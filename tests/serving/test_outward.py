"""What leaves the serving layer: Cassandra's DDL, Arrow tables, and frames for notebooks."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

import shared_logic.datasets  # noqa: F401  registers them
import wikibraid
from serving.arrow import arrow_schema, table
from serving.ddl import create_table
from serving.reader import NotPublished
from serving.sqlite_store import SqliteStore, StoreError
from shared_logic.registry import registry
from shared_logic.sinks import whole_table
from tests.serving.tables import everything, lines, publish

DAY, NOON = date(2021, 1, 1), datetime(2021, 1, 1, 12, 0, 0, 5_000, tzinfo=UTC)

# --- DDL


def test_the_table_of_daily_edits() -> None:
    assert create_table(whole_table(registry["daily_edits"]), "wiki") == (
        'CREATE TABLE IF NOT EXISTS "wiki"."daily_edits" (\n'
        '    "wiki" text, -- database name of the wiki\n'
        '    "day" date, -- UTC day of the revision\n'
        '    "namespace" bigint, -- namespace that the page has now or had at its deletion; -99: not known\n'
        '    "user_kind" text, -- who edited\n'
        '    "edits" bigint, -- revisions that readers can reach, imported and null ones apart\n'
        '    "imported_edits" bigint, -- revisions that came by an import\n'
        '    "null_edits" bigint, -- revisions with their parent\'s very text\n'
        '    "editors" bigint, -- distinct editors of those edits; hidden ones not\n'
        '    "bytes_added" bigint, -- growth over the parent, where it grew; in bytes\n'
        '    "bytes_removed" bigint, -- loss against the parent, where it shrank; in bytes\n'
        '    PRIMARY KEY (("wiki"), "day", "namespace", "user_kind")\n'
        ") WITH comment = 'Edits, distinct editors and bytes per wiki, day, namespace and kind of user.';\n"
    )


def test_every_type_and_quoted_names() -> None:
    text = create_table(whole_table(everything), 'odd"name')
    assert text.startswith('CREATE TABLE IF NOT EXISTS "odd""name"."everything" (\n')
    assert '    "token" text, -- a name that is reserved\n    "at" timestamp,\n    "day" date,\n' in text
    assert '"flag" boolean,\n' in text
    assert '"parts" frozen<list<text>>,\n' in text
    assert 'PRIMARY KEY (("token", "at"), "day", "number", "flag")' in text
    assert "comment = 'It''s a column of every type.';" in text


def test_private_columns_say_so() -> None:
    assert '"user" text, -- who; private, never served outside: a name\n' in create_table(whole_table(lines))


# --- Arrow


def test_every_type_as_arrow() -> None:
    record = {
        "token": "t", "at": NOON, "day": DAY, "number": -(2**63), "flag": True, "text": None, "instant": NOON,
        "born": None, "yes": False, "amount": None, "parts": ("a", "b"),
    }  # fmt: skip
    made = table(everything, [record])
    assert [str(field.type) for field in made.schema] == [
        "string", "timestamp[ms, tz=UTC]", "date32[day]", "int64", "bool", "string", "timestamp[ms, tz=UTC]",
        "date32[day]", "bool", "int64", "list<item: string>",
    ]  # fmt: skip
    (found,) = made.to_pylist()
    assert found | {"parts": tuple(found["parts"])} == record
    assert table(everything, []).schema == arrow_schema(everything)


def test_what_can_be_hidden_may_be_null() -> None:
    record = {"wiki": "w", "rev_id": 1, "sha1": None, "comment": None, "user": None, "size": None}
    assert table(lines, [record]).to_pylist() == [record]
    nullable = [field.name for field in arrow_schema(lines) if field.nullable]
    assert nullable == ["sha1", "comment", "user", "size"]


# --- reading


@pytest.fixture
def home(tmp_path: Path) -> Path:
    keys = [("w", DAY, 0, "bot"), ("w", DAY, 1, "account"), ("x", DAY, 0, "bot")]
    with SqliteStore(tmp_path / "store.db") as store:
        publish(store, registry["daily_edits"], 1, dict.fromkeys(keys, (1, 0, 0, 1, 2, 3)))
        publish(store, registry["daily_edits"], 2, {keys[0]: (9, 0, 0, 1, 2, 3)})
        publish(store, registry["page_current"], 1, {
            ("w", 1): ("T", 0, False, False, 1, 7, NOON, 5, ("user",)),
        })  # fmt: skip
    return tmp_path


def test_read_by_key_and_generation(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIKIBRAID_HOME", str(home))
    table = wikibraid.read("daily_edits")
    assert isinstance(table, pa.Table)
    assert table.column("edits").to_pylist() == [9]
    assert wikibraid.read("daily_edits", "w", DAY, generation=1).num_rows == 2
    assert wikibraid.read("daily_edits", "none", home=str(home)).num_rows == 0


def _pandas(frame: Any) -> list[dict[str, Any]]:
    assert isinstance(frame, pd.DataFrame)
    records: list[dict[str, Any]] = frame.to_dict("records")
    return records


def _polars(frame: Any) -> list[dict[str, Any]]:
    assert isinstance(frame, pl.DataFrame)
    return frame.to_dicts()


@pytest.mark.parametrize("format_, records", [("pandas", _pandas), ("polars", _polars)])
def test_frames(home: Path, format_: Any, records: Any) -> None:
    (found,) = records(wikibraid.read("page_current", "w", home=home, format=format_))
    assert (found["title"], found["latest_at"], list(found["latest_hidden"])) == ("T", NOON, ["user"])


@pytest.mark.spark
def test_a_spark_frame(home: Path, spark: SparkSession) -> None:
    frame = wikibraid.read("page_current", home=home, format="spark")
    assert frame.sparkSession is spark
    (found,) = frame.collect()
    assert (found.title, found.revisions, list(found.latest_hidden)) == ("T", 1, ["user"])


def test_what_cannot_be_read(home: Path, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"no dataset 'dayly_edits'; did you mean daily_edits\?"):
        wikibraid.read("dayly_edits", home=home)
    with pytest.raises(LookupError, match=r'a view.*wikibraid\.sql\("FROM mediawiki_history'):
        wikibraid.read("mediawiki_history", home=home)
    with pytest.raises(ValueError, match="format 'csv': unknown; there are arrow, pandas"):
        wikibraid.read("daily_edits", home=home, format="csv")  # type: ignore[arg-type]
    with pytest.raises(NotPublished, match="active_editors is not published yet"):
        wikibraid.read("active_editors", home=home)
    with pytest.raises(StoreError, match="there is no store"):
        wikibraid.read("daily_edits", home=tmp_path / "none")


def test_reading_makes_and_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        wikibraid.read("daily_edits", home=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_every_public_name_is_there() -> None:
    for name in wikibraid.__all__:
        assert hasattr(wikibraid, name)
    assert set(wikibraid.__all__) == {
        "Account", "Clustering", "DeclaredEvent", "Fold", "Link", "Linked", "LogEntry", "Page", "Partition", "Revision", "Settings", "Site",
        "Sum", "Table", "User", "UserKind", "about", "dataset", "event", "history", "read", "registry", "sql",
    }  # fmt: skip
