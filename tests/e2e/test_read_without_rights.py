"""Who may read a home and not write to it reads its tables, while its owner writes and while nobody does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import msgspec
import pytest

from cli.failures import MISTAKE
from cli.home import Home
from serving.reader import Reader
from serving.sqlite_readonly import WrittenMeanwhileError
from serving.sqlite_store import SqliteStore
from shared_logic.fingerprint import fingerprint
from shared_logic.laws import load_generation, states_before
from shared_logic.registry import registry
from speed.ingest import ingest
from tests import sample

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
NOBODY = 65_534
COMMAND = f"""
import contextlib, os, shutil, sys, tempfile
from cli import main

def command(home):
    sys.argv = ["wikibraid", *sys.argv[1:-1], home]
    try:
        main.run()
    except SystemExit as end:
        return end.code
    return 0

home = sys.argv[-1]
if os.geteuid() == 0:
    # Once as the superuser, in a copy, who may read what is imported; then as somebody whose rights are looked at.
    with (
        tempfile.TemporaryDirectory() as copy,
        open(os.devnull, "w") as nothing,
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
    ):
        command(shutil.copytree(home, copy, dirs_exist_ok=True))
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
sys.exit(command(home))
"""
READS = (
    ("query", "daily_edits", "--format", "json"),
    ("sql", "FROM daily_edits SELECT count(*) AS rows", "--json"),
    ("explain", "daily_edits", sample.WIKI, "2022-01-30", "0", "account"),
    ("generations", "list", "daily_edits"),
    ("deadletters", "list"),
    ("cut",),
)


@pytest.fixture
def home() -> Iterator[Home]:
    """A home of which everybody may read everything; only the superuser may write."""
    path = Path(mkdtemp(prefix="wikibraid-read-"))
    place = Home(path)
    datasets = registry.closure(["daily_edits", "page_current"])
    with place.log() as log, place.store() as store:
        ingest(log, "events", sample.events()[:1_000])
        lanes = load_generation(store, datasets, states_before(log, log.ends(), {}), log.ends(), "run")
        for dataset, made in lanes:
            store.add_generation(msgspec.structs.replace(made, fingerprint=fingerprint(dataset)))
            store.publish(dataset.name, made.number)
    shut(path)
    yield place
    path.chmod(0o755)
    shutil.rmtree(path)


def shut(path: Path) -> None:
    """Let others, and whoever runs this unless it is the superuser, read it only."""
    for file in path.iterdir():
        file.chmod(0o644)
    path.chmod(0o555)


def somebody(place: Home, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, run by who may not write to the home."""
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words, "--home", str(place.path)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"COLUMNS": "200"},
    )


@pytest.mark.parametrize("words", READS, ids=lambda words: words[0])
def test_what_only_reads_needs_no_right_to_write(home: Home, words: tuple[str, ...]) -> None:
    # given a home in which nobody is at work; when somebody reads
    done = somebody(home, *words)
    # then it is told, and nothing is left behind
    assert (done.returncode, "wikibraid:" in done.stderr) == (0, False), done.stderr
    assert {file.name for file in home.path.iterdir()} <= {"FORMAT", "log.db", "store.db", "temporary"}


def test_what_is_exported_is_the_readers_own(home: Home) -> None:
    out = Path(mkdtemp(prefix="wikibraid-out-"))
    out.chmod(0o777)
    done = somebody(home, "export", "daily_edits", "--out", str(out))
    assert done.returncode == 0, done.stderr
    with home.store() as store:
        wanted = len(Reader(store).scan(registry["daily_edits"]).rows)
    assert len((out / "daily_edits.jsonl").read_text().splitlines()) == wanted > 0
    shutil.rmtree(out)


def test_what_is_being_written_is_read_as_it_is(home: Home) -> None:
    before = json.loads(somebody(home, "query", "daily_edits", "--format", "json").stdout)
    home.path.chmod(0o755)
    # given an owner who has brought in more, and still has the log open
    with home.log() as log, home.store() as store:
        ingest(log, "more", sample.events()[1_000:2_000])
        assert store.published("daily_edits")
        shut(home.path)
        # then somebody is told that tables are behind the log by now
        after = json.loads(somebody(home, "query", "daily_edits", "--format", "json").stdout)
    assert after["lag"] > before["lag"] == 0
    assert after["rows"] == before["rows"]


def test_what_a_killed_owner_wrote_last_is_read_or_told(home: Home) -> None:
    # given an owner who was killed: what was written last lies beside the file
    home.path.chmod(0o755)
    program = "import os, sys; from pathlib import Path; from cli.home import Home; from speed.ingest import ingest; from tests import sample\n"
    program += "with Home(Path(sys.argv[1])).log() as log: ingest(log, 'more', sample.events()[1_000:2_000]); os._exit(9)"
    subprocess.run([sys.executable, "-c", program, str(home.path)], cwd=ROOT, check=False)
    assert (home.path / "log.db-wal").stat().st_size
    shut(home.path)
    # then it is read
    assert json.loads(somebody(home, "query", "daily_edits", "--format", "json").stdout)["lag"] > 0
    # and where that can't be, as in a copy without the other file, it is not passed over
    (home.path / "log.db-shm").unlink()
    done = somebody(home, "query", "daily_edits")
    assert done.returncode == MISTAKE
    assert "log.db-wal: have its owner run `wikibraid plan` here, then try again" in done.stderr


def test_a_file_that_is_written_while_it_is_read_as_it_lies_is_told(home: Home) -> None:
    # given somebody who reads it as it lies there, since nobody was writing
    program = "import os, sys; from pathlib import Path; from serving.sqlite_store import SqliteStore\n"
    program += f"if os.geteuid() == 0: os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
    program += "with SqliteStore(Path(sys.argv[1]), readonly=True) as store: print(store.published('daily_edits').number, flush=True); input()"
    path = home.path / "store.db"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        # when its owner writes
        home.path.chmod(0o755)
        with SqliteStore(path) as store, store.atomically():
            store.add_generation(store.generations("daily_edits")[0])
        _, said = process.communicate("\n")
    # then the reader does not take what it read for sure
    assert process.returncode != 0
    assert f"{WrittenMeanwhileError.__name__}: {path}: somebody wrote to it while it was read" in said


@pytest.mark.parametrize("words", [("speed", "run"), ("ingest", "relocations"), ("archive",)])
def test_what_writes_says_who_may(home: Home, words: tuple[str, ...]) -> None:
    done = somebody(home, *words)
    assert (done.returncode, done.stdout) == (MISTAKE, "")
    assert len(done.stderr.splitlines()) == 1
    assert "not allowed to read or write it; ask its owner for the rights" in done.stderr


def test_the_doctor_takes_no_file_that_may_not_be_read_for_damaged(home: Home) -> None:
    # given a store that is the owner's alone
    (home.path / "store.db").chmod(0o000)
    found = {row["check"]: row for row in json.loads(somebody(home, "doctor", "--json").stdout)}
    # then nobody is told to remove it
    assert found["log.db"]["found"] == "whole"
    assert found["store.db"]["fix"] == "run this as a user who may read it, or once more when nobody uses it"
