"""A disk that is full is told in one line, nothing is damaged, and all goes on when there is room again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from cli.home import Home
from serving.reader import Reader
from shared_logic.kernel import Rows
from shared_logic.keys import decode_key, decode_values
from shared_logic.laws import states_before
from shared_logic.reference import reference
from shared_logic.registry import registry
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from tests import sample

pytestmark = [pytest.mark.e2e, pytest.mark.spark]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """A small disk of its own, and what makes it as many MiB large."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this user may not mount a disk in memory")

    def resize(mebibytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", str(place)], check=True)

    yield place, resize
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *words, "--home", str(home)],
        capture_output=True,
        text=True,
        check=False,
    )


def assert_told(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1, done.stderr
    # Threads of Delta's library, which fail too, may say so before it or after it.
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("wikibraid: ")]
    assert said.endswith("run the same command again: nothing is lost"), done.stderr
    assert "Traceback" not in done.stderr


def rows(home: Path) -> Rows:
    dataset = registry["page_current"]
    with Home(home).store() as store:
        return {
            decode_key(dataset.schema, key): decode_values(dataset.schema, values)
            for key, values in Reader(store).sorted_rows(dataset)
        }


def expected(folder: Path) -> Rows:
    """The reference's rows, over a log whose disk was never full."""
    with SqliteLog(folder / "whole.db") as log:
        ingest(log, "all", sample.events())
        states = states_before(log, log.ends(), {})
    return reference([registry["page_current"]], states)["page_current"]


def test_all_goes_on_after_space_returns(disk: tuple[Path, Callable[[int], None]], tmp_path: Path) -> None:
    place, resize = disk
    home = place / "home"
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(sample.events()))
    # given a log whose disk is full while events come
    assert_told(run(home, "ingest", "events", str(events)))
    resize(40)
    done = run(home, "ingest", "events", str(events), "--json")
    assert done.returncode == 0, done.stderr
    # and a batch run that finds the disk full at several places
    usage = shutil.disk_usage(place)
    used = (usage.used >> 20) + 1
    failures = 0
    for size in (used, used + 2, 300):
        resize(size)
        done = run(home, "batch", "run", "page_current")
        if done.returncode == 0:
            break
        assert_told(done)
        failures += 1
    assert done.returncode == 0
    assert failures
    # then all that came is there, once
    assert rows(home) == expected(tmp_path)
