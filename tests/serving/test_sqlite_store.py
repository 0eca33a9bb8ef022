"""What the embedded store promises beyond the protocol: transactions, several processes, its format, redactions."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.sqlite_file import FORMAT
from serving.sqlite_store import SqliteStore, StoreError
from shared_logic.protocols import Accumulator, Lane
from tests.serving.tables import batch_row, speed_row

ONE = Lane("d", 1)
WRITER = """
import sys
from collections.abc import Iterator
from pathlib import Path
from serving.sqlite_store import SqliteStore
from shared_logic.protocols import Lane
store, lane = SqliteStore(Path(sys.argv[1])), Lane("d", 1)
for number in range(10_000_000):
    with store.atomically():
        store.write_batch_end(lane, 0, number)
        store.write_rows(lane, {bytes([place]): str(number).encode() for place in range(200)})
        store.write_progress(lane, 0, number)
    print(number, flush=True)
"""


class Broken(Exception):  # noqa: N818  what happens
    """Raised in the middle."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_an_exception_undoes_all_writes_inside(sqlite: SqliteStore) -> None:
    sqlite.write_rows(ONE, {b"a": b"before"})

    def breaks() -> None:
        with sqlite.atomically():
            sqlite.write_rows(ONE, {b"a": b"inside"})
            with sqlite.atomically():
                sqlite.write_progress(ONE, 0, 7)
            raise Broken

    with pytest.raises(Broken):
        breaks()
    assert speed_row(sqlite, ONE, b"a") == (b"before",)
    assert sqlite.progress(ONE, 0) is None
    sqlite.write_progress(ONE, 0, 8)
    assert sqlite.progress(ONE, 0) == 8


def test_a_write_of_many_is_one_write(sqlite: SqliteStore, path: Path) -> None:
    def states() -> Iterator[tuple[str, bytes]]:
        yield "w/1", b"1"
        with SqliteStore(path, readonly=True) as other:
            assert other.states_of("base", ["w/1"]) == {}
        raise Broken

    with pytest.raises(Broken):
        sqlite.load_states("base", states())
    assert sqlite.states_of("base", ["w/1"]) == {}


def test_a_load_that_breaks_leaves_the_view_as_it_was(sqlite: SqliteStore) -> None:
    def rows() -> Iterator[tuple[bytes, bytes]]:
        yield from ((number.to_bytes(4, "big"), b"new") for number in range(7_000))
        raise Broken

    sqlite.load("d", 1, [(b"\x00\x00\x00\x01", b"old")])
    with pytest.raises(Broken):
        sqlite.load("d", 1, rows())
    assert list(sqlite.batch_rows(ONE, b"")) == [(b"\x00\x00\x00\x01", b"old")]


def test_a_second_connection_reads_what_is_committed(sqlite: SqliteStore, path: Path) -> None:
    with SqliteStore(path, readonly=True) as reader:
        with sqlite.atomically():
            sqlite.write_rows(ONE, {b"a": b"1"})
            assert speed_row(reader, ONE, b"a") is None
        assert speed_row(reader, ONE, b"a") == (b"1",)
        with pytest.raises(StoreError, match=r"readonly.*the right to write"):
            reader.write_rows(ONE, {b"a": b"2"})


def test_a_scan_shows_one_moment(sqlite: SqliteStore, path: Path) -> None:
    sqlite.write_rows(ONE, {b"a": b"1", b"b": b"1"})
    with SqliteStore(path, readonly=True) as reader:
        rows = reader.speed_rows(ONE, b"")
        first = next(rows)
        sqlite.write_rows(ONE, {b"b": b"2", b"c": b"2"})
        assert [first, *rows] == [(b"a", b"1"), (b"b", b"1")]


def test_killed_while_writing_it_holds_whole_transactions(path: Path) -> None:
    for round_ in range(3):
        # given a process that writes, and is killed in the middle
        program = [sys.executable, "-c", WRITER, str(path)]
        environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            for _ in range(5 + 7 * round_):
                told = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
        # then what it had told is there, and every transaction is whole
        with SqliteStore(path, readonly=True) as store:
            progress = store.progress(ONE, 0)
            assert progress is not None
            assert progress >= told
            assert store.batch_end(ONE, 0) == progress
            rows = list(store.speed_rows(ONE, b""))
            assert rows == [(bytes([place]), str(progress).encode()) for place in range(200)]


def test_reads_are_searches_by_key(sqlite: SqliteStore) -> None:
    # given every statement that reads
    statements: list[str] = []
    sqlite._db.set_trace_callback(statements.append)
    sqlite.write_rows(ONE, {b"a": b"1"})
    for prefix in (b"", b"a", b"\xff"):
        for read in (sqlite.batch_rows, sqlite.speed_rows, sqlite.accumulated):
            list(read(ONE, prefix))
    batch_row(sqlite, ONE, b"a")
    sqlite.parts("d", b"a")
    sqlite.accumulators(ONE, [b"a", b"b"])
    sqlite.passed(ONE, [b"a"])
    sqlite.tails_of(0, ["w/1"], 0, 1)
    sqlite.states_of("base", ["w/1"])
    sqlite.redactions("w", [1, 2])
    sqlite.load("d", 1, [(b"a", b"1")])
    sqlite._db.set_trace_callback(None)
    selects = [statement for statement in statements if statement.lstrip().startswith("SELECT")]
    assert len(selects) > 15
    # then none scans a table, none sorts
    for statement in selects:
        plan = " ".join(str(step[3]) for step in sqlite._db.execute(f"EXPLAIN QUERY PLAN {statement}"))
        assert "SCAN" not in plan, statement
        assert "TEMP B-TREE" not in plan, statement


# --- the file


def test_it_survives_being_closed(path: Path) -> None:
    with SqliteStore(path) as store:
        store.write_accumulators(ONE, 0, {b"a": Accumulator((1,), 2)})
    with SqliteStore(path) as store:
        assert store.accumulators(ONE, [b"a"]) == {b"a": {0: Accumulator((1,), 2)}}
        assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert store._db.execute("PRAGMA busy_timeout").fetchone() == (5_000,)


def test_a_store_of_another_format_is_refused(path: Path) -> None:
    SqliteStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    for readonly in (False, True):
        with pytest.raises(StoreError, match=rf"format 99, this version reads {FORMAT}; use the wikibraid"):
            SqliteStore(path, readonly=readonly)


def test_what_is_no_store_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store; make one"):
        SqliteStore(path, readonly=True)
    assert not path.exists()
    path.write_bytes(b"something else, and long enough to be looked at" * 100)
    for readonly in (False, True):
        with pytest.raises(StoreError, match="can't be opened as a store"):
            SqliteStore(path, readonly=readonly)
    with pytest.raises(StoreError, match="can't be opened as a store"):
        SqliteStore(path / "below" / "store.db")


def test_names_with_signs(tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d%20" / "store.db"
    with SqliteStore(path) as store:
        store.write_progress(ONE, 0, 1)
    with SqliteStore(path, readonly=True) as store:
        assert store.progress(ONE, 0) == 1


# --- redactions


@given(said=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 15), st.integers(0, 9)), max_size=12))
def test_what_was_hidden_stays_hidden(
    said: list[tuple[int, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    wanted: dict[int, int] = {}
    with SqliteStore(tmp_path_factory.mktemp("any") / "store.db") as store:
        for rev_id, bits, clock in said:
            store.redact("w", rev_id, bits, clock)
            wanted[rev_id] = wanted.get(rev_id, 0) | bits
        assert store.redactions("w", [1, 2, 3]) == wanted
        assert store.redactions("v", [1, 2, 3]) == {}


@pytest.mark.parametrize("bits", [0, -1, 16])
def test_bits_that_say_nothing(sqlite: SqliteStore, bits: int) -> None:
    with pytest.raises(ValueError, match=r"revision 5 of w: .* names no hidden parts"):
        sqlite.redact("w", 5, bits, 0)


def test_processes_that_open_a_new_store_at_once_make_one(tmp_path: Path) -> None:
    # given programs that open a store which is not there yet
    program = (
        "import sys; from pathlib import Path; from serving.sqlite_store import SqliteStore; "
        "print(SqliteStore(Path(sys.argv[1])).published('d'))"
    )
    for number in range(3):
        command = [sys.executable, "-c", program, str(tmp_path / f"{number}.db")]
        # when four start together
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
        # then each has the same, whole
        assert [process.communicate()[0] for process in processes] == [b"None\n"] * 4


def test_what_a_reader_holds_back_from_leaving_the_file_is_told(sqlite: SqliteStore, path: Path) -> None:
    # given states that were given up, while another process is in the middle of reading
    secret = b"secret" * 100
    sqlite.load_states("one", [("w/1", secret)])
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM entity_states").fetchone()
    sqlite.forget(set(), ())
    # when the file is made anew, then it says that it can't be yet
    with pytest.raises(StoreError, match="somebody has been reading it"):
        sqlite.vacuum()
    # and once the reader has ended, nothing is left
    reader.close()
    sqlite.vacuum()
    assert not any(b"secret" in file.read_bytes() for file in path.parent.glob("store.db*"))
