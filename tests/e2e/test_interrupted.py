"""Ctrl-C leaves a state to resume: the same command goes on where it was stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.failures import INTERRUPTED
from cli.home import Home

pytestmark = pytest.mark.e2e
EVENTS = 60_000
PATIENCE_SECONDS = 120
LEFT_SECONDS = 20


def event(rev_id: int) -> bytes:
    return (
        b'{"$schema": "/mediawiki/revision/create/1.1.0", "meta": {"stream": "mediawiki.revision-create", '
        b'"dt": "2024-01-01T00:00:00Z"}, "database": "testwiki", "page_id": %d, "page_title": "Page", '
        b'"page_namespace": 0, "rev_id": %d, "rev_timestamp": "2024-01-01T00:00:00Z"}\n'
        % (rev_id % 100 + 1, rev_id)
    )


def messages(home: Path) -> int:
    if not (home / "log.db").exists():
        return 0
    with Home(home).log() as log:
        return sum(log.ends())


def test_ingest_goes_on_after_ctrl_c(tmp_path: Path) -> None:
    # given an ingest of many events that is at work
    file, home = tmp_path / "events.ndjson", tmp_path / "home"
    file.write_bytes(b"".join(map(event, range(1, EVENTS + 1))))
    words = [sys.executable, "-m", "cli.main", "ingest", "events", str(file), "--json", "--home", str(home)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while messages(home) == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    # when it is interrupted
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    # then it says how to go on, and what it acknowledged is there
    assert process.returncode == INTERRUPTED
    assert "wikibraid: interrupted; run the same command again to go on" in errors
    assert "Traceback" not in errors
    before = messages(home)
    assert 0 < before < EVENTS
    # and the same command brings the rest
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    counts = json.loads(done.stdout)
    assert (counts["kept"], counts["copies"], messages(home)) == (EVENTS - before, 0, EVENTS)


def test_ctrl_c_while_modules_are_imported_is_one_line() -> None:
    # given a command that has imported some of what it needs
    words = [sys.executable, "-m", "cli.start", "datasets"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        maps = Path(f"/proc/{process.pid}/maps")
        while ".venv" not in maps.read_text():
            assert time.monotonic() < deadline
        # when it is interrupted
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, errors) == (INTERRUPTED, "wikibraid: interrupted before anything was done\n")


@pytest.mark.spark
def test_no_spark_stays_behind_after_ctrl_c(tmp_path: Path) -> None:
    # given a process whose Spark is just starting
    program = "import sys; from pathlib import Path; from batch.session import session; session('test', Path(sys.argv[1]))"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not others_of(process.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        # when it is interrupted
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_SECONDS)
    # then all that it had started ends, too
    deadline = time.monotonic() + LEFT_SECONDS
    while (left := others_of(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert process.returncode != 0
    assert left == []


def others_of(leader: int) -> list[int]:
    """The other processes of that one's session."""
    listed = subprocess.run(
        ["ps", "-s", str(leader), "-o", "pid="], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in listed.stdout.split() if int(pid) != leader]
