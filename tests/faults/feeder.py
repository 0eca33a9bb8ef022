"""A process that brings a file of events in, a few at a time, until it is killed or at the end; it goes on where the last one got.

`python -m tests.faults.feeder HOME FILE EVENTS_AT_A_TIME SECONDS_BETWEEN`
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path

from cli.home import Home
from speed.ingest import ingest

SOURCE = "story"


def feed(home: Home, story: Path, at_a_time: int, seconds: float) -> None:
    """Bring in what is not there yet."""
    lines = story.read_bytes().splitlines()
    with home.writing_log("the feeder"), home.intake() as intake:
        while (done := intake.notes.source_position(SOURCE)) < len(lines):
            ingest(intake.notes, SOURCE, islice(lines, done + at_a_time))
            intake.relay()
            time.sleep(seconds)


if __name__ == "__main__":
    feed(Home(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
