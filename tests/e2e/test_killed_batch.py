"""A batch run that is killed with SIGKILL in each of its phases, and run again, gives what an unbroken one gives."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.home import Home
from tests import sample

pytestmark = pytest.mark.e2e
EVENTS = 1_500
PHASES = (
    "archiving the log",
    "uniting what was said",
    "computing page_current",
    "auditing page_current",
    "loading entity states",
    "loading page_current",
    "catching up",
    "flip",
)
"""As progress tells them; of the flip its write, before it is durable."""
DYING = """
import os, signal, sys
from cli import main, output
from serving.sqlite_store import SqliteStore

phase, layer = sys.argv.pop(1), sys.argv.pop(1)
publish = SqliteStore.publish

def say(meter, what):
    if what.startswith(phase):
        os.kill(os.getpid(), signal.SIGKILL)

def publish_and_die(store, dataset, number):
    publish(store, dataset, number)
    if phase == "flip":
        os.kill(os.getpid(), signal.SIGKILL)

output.Meter.say = say
SqliteStore.publish = publish_and_die
if layer == "reference":
    from tests.e2e import reference_batch
    reference_batch.stand_in()
main.run()
"""


def wikibraid(
    home: Path, *words: str, layer: str = "spark", dies_at: str = "never"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", DYING, dies_at, layer, *words, "--home", str(home)],
        capture_output=True,
        text=True,
        check=False,
    )


def made_anew(home: Path, events: Path) -> str:
    """A home with these events in its log; returns a cut in the middle, so that there is something to catch up with."""
    done = wikibraid(home, "ingest", "events", str(events))
    assert done.returncode == 0, done.stderr
    with Home(home).log() as log:
        return ",".join(str(end // 2) for end in log.ends())


def kept(home: Path) -> tuple[object, object]:
    """The generations with their states, and the merged rows."""
    with Home(home).store() as store:
        published = store.published("page_current")
        assert published is not None
        assert store.has_states(published.base)
        generations = store.generations("page_current")
    answer = json.loads(wikibraid(home, "query", "page_current", "--format", "json").stdout)
    assert answer["rows"]
    return [(made.number, made.run, made.base, made.delta_version) for made in generations], answer


@pytest.mark.parametrize(
    "layer", ["reference", pytest.param("spark", marks=[pytest.mark.spark, pytest.mark.slow])]
)
def test_killed_in_each_phase_it_goes_on(layer: str, tmp_path: Path) -> None:
    # given two homes with the same log
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(sample.events()[:EVENTS]))
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    cut = made_anew(unbroken, events)
    shutil.copytree(unbroken, broken)
    run = ("batch", "run", "page_current", "--cut", cut)
    # when a run in one of them is killed in each phase, one after the other
    for phase in PHASES:
        done = wikibraid(broken, *run, layer=layer, dies_at=phase)
        assert done.returncode == -signal.SIGKILL, (phase, done.stdout, done.stderr)
        # then nothing is published
        with Home(broken).store() as store:
            assert store.published("page_current") is None, phase
    # and when it is run to its end, as in the other
    for home in (broken, unbroken):
        done = wikibraid(home, *run, layer=layer)
        assert done.returncode == 0, done.stderr
    # then both are alike: generations, versions, states, and every merged row
    assert kept(broken) == kept(unbroken)
    # and the same command once more is the same run
    done = wikibraid(broken, *run, layer=layer)
    assert done.returncode == 0, done.stderr
    assert kept(broken) == kept(unbroken)
