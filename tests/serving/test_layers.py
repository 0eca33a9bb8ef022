"""A whole table put together from its layers is the table that is read row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shared_logic.datasets  # noqa: F401  registers them
from batch.arrow_types import ARROW_TYPES
from batch.table_files import read_table_folder
from serving.analysis import Analysis
from serving.arrow import table
from serving.layers import FilesGone, put_together, whole_table
from serving.reader import Layers, Reader
from shared_logic.clock import from_iso
from shared_logic.definition import Dataset
from shared_logic.eventify.tables import states
from shared_logic.hidden_names import name_digest
from shared_logic.keys import decode_key, decode_values, encode_key, encode_values
from shared_logic.laws import load_generation
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Generation, Lane
from shared_logic.reference import united
from shared_logic.registry import registry
from speed import loop_engine
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from speed.worker import Worker
from tests import sample

DATASETS = tuple(registry.values())
Files = Mapping[str, Sequence[Path]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MemoryStore:
    """The sample's tables of a moment, with the events after them, and revisions and an account that are hidden by now."""
    store, log = MemoryStore(), SqliteLog(tmp_path_factory.mktemp("log") / "log.db", 3)
    known = united(
        states(read_table_folder(sample.SNAPSHOT), sample.WIKI, from_iso("2022-01-30T17:25:37Z"), print)
    )
    lanes = load_generation(store, DATASETS, known, (0, 0, 0), "run")
    for dataset, made in lanes:
        store.publish(dataset.name, made.number)
    ingest(log, "events", sample.events())
    loop_engine.run_until_idle(Worker(log, store, lanes))
    for row in Reader(store).scan(registry["revision_facts"]).rows[::9]:
        store.redact(sample.WIKI, row["rev_id"], 1 + row["rev_id"] % 7, 0)
    account = next(
        row for row in Reader(store).scan(registry["user_current"]).rows if row["user_kind"] == "account"
    )
    hide(store, account)
    return store


def hide(store: MemoryStore, account: dict[str, object]) -> None:
    """As the worker does when a block hides the account."""
    digest = name_digest(str(account["name"]))
    store.write_rows(Lane("hidden_names", 1), {encode_key((sample.WIKI, digest)): encode_values(())})
    schema = registry["user_current"].schema
    hidden = account | {"is_hidden": True}
    key = encode_key(tuple(hidden[name] for name in schema.key_names))
    values = encode_values(tuple(hidden[name] for name in schema.value_names))
    store.write_rows(Lane("user_current", 1), {key: values})


@pytest.fixture(scope="module")
def files(store: MemoryStore, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What the batch made of every table, in two files."""
    folder = tmp_path_factory.mktemp("views")
    found: dict[str, list[Path]] = {}
    for dataset in DATASETS:
        schema = dataset.schema
        records = [
            schema.record(decode_key(schema, key), decode_values(schema, row))
            for key, row in store.batch_rows(Lane(dataset.name, 1), b"")
        ]
        for number, some in enumerate((records[::2], records[1::2])):
            path = folder / f"{dataset.name}-{number}.parquet"
            columns = pa.schema([(name, ARROW_TYPES[schema.column(name).type]) for name in schema.names])
            pq.write_table(pa.Table.from_pylist(some, schema=columns), path)
            found.setdefault(dataset.name, []).append(path)
    return found


def layers_of(store: MemoryStore, files: Files, dataset: Dataset) -> Layers:
    def known(made: Generation) -> Sequence[Path]:
        return files[made.dataset]

    layers = Reader(store, files=known).stream(dataset).layers
    assert layers is not None
    return layers


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda d: d.name)
def test_every_table_is_the_one_that_is_read_row_by_row(
    store: MemoryStore, files: Files, dataset: Dataset, tmp_path: Path
) -> None:
    assert whole_table(dataset, layers_of(store, files, dataset), tmp_path).equals(
        table(dataset, Reader(store).stream(dataset).rows)
    )


def test_the_tables_show_all_that_layers_can_say(store: MemoryStore) -> None:
    # then there are rows that speed put, took away and added to
    lanes = [(dataset, Lane(dataset.name, 1)) for dataset in DATASETS]
    put = [row for dataset, lane in lanes if not dataset.is_rollup for row in store.speed_rows(lane, b"")]
    assert {row is None for _, row in put} == {True, False}
    assert any(list(store.accumulated(lane, b"")) for dataset, lane in lanes if dataset.is_rollup)
    # and rows that are shown otherwise than they are stored, or not at all
    read = Reader(store)
    redacted = {
        dataset.name: (
            len(list(read.sorted_rows(dataset))),
            len(list(read.sorted_rows(dataset, redacted=False))),
        )
        for dataset in DATASETS
    }
    assert any(shown < all_ for shown, all_ in redacted.values())
    assert any(
        list(read.sorted_rows(dataset)) != list(read.sorted_rows(dataset, redacted=False))
        and redacted[dataset.name][0] == redacted[dataset.name][1]
        for dataset in DATASETS
    )


def test_a_part_of_a_table_and_one_without_files_have_no_layers(store: MemoryStore, files: Files) -> None:
    dataset = registry["page_current"]
    assert Reader(store).stream(dataset).layers is None
    assert Reader(store, files=lambda _: None).stream(dataset).layers is None
    assert Reader(store, files=lambda _: files["page_current"]).stream(dataset, (sample.WIKI,)).layers is None


def test_nothing_of_what_is_hidden_stays_in_the_database(store: MemoryStore, files: Files) -> None:
    # given a database in which tables with hidden parts and names are put together
    with duckdb.connect() as db:
        db.execute("SET TimeZone='UTC'")
        for dataset in DATASETS:
            put_together(db, dataset, layers_of(store, files, dataset))
        # then there is no table beside theirs
        assert {name for (name,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall()} == {
            dataset.name for dataset in DATASETS
        }


def test_a_table_may_be_called_as_a_word_of_sql(store: MemoryStore, files: Files, tmp_path: Path) -> None:
    called = replace(registry["page_current"], name="references")
    found = whole_table(called, layers_of(store, files, registry["page_current"]), tmp_path)
    assert found.num_rows == len(Reader(store).scan(registry["page_current"]).rows)


def test_files_that_are_gone_are_told(store: MemoryStore, tmp_path: Path) -> None:
    layers = (
        Reader(store, files=lambda _: [tmp_path / "gone.parquet"]).stream(registry["page_current"]).layers
    )
    assert layers is not None
    with pytest.raises(FilesGone):
        whole_table(registry["page_current"], layers, tmp_path)


def test_an_analysis_takes_the_stores_rows_where_files_are_gone(store: MemoryStore, tmp_path: Path) -> None:
    reader = Reader(store, files=lambda _: [tmp_path / "gone.parquet"])
    with Analysis(reader.stream, None, datetime(2023, 6, 1, tzinfo=UTC)) as db:
        db.prepare(["page_current"])
        found = db.execute("SELECT count(*) FROM page_current").fetchone()
    assert found == (len(Reader(store).scan(registry["page_current"]).rows),)
