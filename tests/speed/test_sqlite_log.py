"""The embedded log: who opens it, what it takes over, and what leaves its file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from shared_logic.entities import page
from shared_logic.protocols import LogError
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog


def test_an_unusable_log_is_refused_with_a_clear_word(tmp_path: Path) -> None:
    # given a file that is no log
    (tmp_path / "log.db").write_bytes(b"something else, long enough to be no database" * 100)
    # then opening it says so
    with pytest.raises(LogError, match=r"log\.db: can't be opened as a log"):
        SqliteLog(tmp_path / "log.db")


def test_processes_that_open_a_new_log_at_once_make_one(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from speed.sqlite_log import SqliteLog; "
        "print(SqliteLog(Path(sys.argv[1]), 7).partitions)"
    )
    for number in range(5):
        path = str(tmp_path / f"{number}.db")
        command = [sys.executable, "-c", program, path]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
        assert [process.communicate()[0] for process in processes] == [b"7\n"] * 4


def test_every_log_is_told_from_every_other_one(tmp_path: Path) -> None:
    # given two logs
    with SqliteLog(tmp_path / "one.db") as one, SqliteLog(tmp_path / "two.db") as two:
        known = one.identity
        assert known != two.identity
    # then each is the same when it is opened again
    with SqliteLog(tmp_path / "one.db") as again:
        assert again.identity == known


def test_what_a_reader_holds_back_from_leaving_the_file_is_told(tmp_path: Path) -> None:
    # given a log with a secret, while another process is in the middle of reading
    path = tmp_path / "log.db"
    with SqliteLog(path) as log:
        log.append([(page("testwiki", 1), b"secret" * 100)])
        ingest(log, "file", [b"{secret"])
        reader = sqlite3.connect(path)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM messages").fetchone()
        # when it is purged, then it says that the file can't be made anew yet
        with pytest.raises(LogError, match="somebody has been reading it"):
            log.purge(log.ends(), bytes)
        # and once the reader has ended, nothing is left
        reader.close()
        log.purge(log.ends(), bytes)
        assert not any(b"secret" in file.read_bytes() for file in tmp_path.glob("log.db*"))


def test_a_log_takes_over_dead_letters_beside_its_own(tmp_path: Path) -> None:
    # given two logs with a dead letter each, which both number from 1
    with SqliteLog(tmp_path / "other.db") as other:
        ingest(other, "other", [b"{other"])
    with SqliteLog(tmp_path / "log.db") as log:
        ingest(log, "one", [b"{one"])
        # when one takes over what the other notes, twice
        log.adopt(tmp_path / "other.db")
        log.adopt(tmp_path / "other.db")
        # then it has both
        assert [letter.value for letter in log.dead_letters.kept()] == [b"{one", b"{other"]
