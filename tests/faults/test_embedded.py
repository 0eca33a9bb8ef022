"""kill -9 of the speed worker and of what brings events in, under load, on the embedded log and store."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.home import Home
from serving.sqlite_store import SqliteStore
from shared_logic.laws import differences, states_before
from shared_logic.reference import reference
from tests import sample
from tests.faults import story
from tests.faults.installation import begin, is_current, kept_alive
from tests.faults.processes import chance, daemon, eventually, feeder, rounds, strike
from tests.faults.witness import Witness, asking, pages_of

pytestmark = [pytest.mark.e2e, pytest.mark.bytewax]
DATASETS = ("page_current", "daily_edits", "coedits", "identity_reverts")


def test_whoever_dies_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    # given a daemon, somebody who brings events in, and a reader who polls
    draw, home = chance(), Home(tmp_path / "home")
    lanes = begin(home, {}, DATASETS)
    path = home.path / "store.db"
    told = story.written(tmp_path, wikis=rounds(1, 6))
    keeper = daemon(home.path, "1/1", DATASETS)
    bringer = feeder(home.path, told, at_a_time=rounds(60, 30), seconds=0.02)
    victims = [keeper, bringer]
    pages = pages_of([sample.WIKI], range(1, 60))
    with (
        kept_alive(keeper, bringer),
        Witness(asking(lambda: SqliteStore(path, readonly=True)), pages) as witness,
    ):
        # when one of them is killed, again and again, mostly at work
        for _ in range(rounds(5, 100)):
            if draw.random() < 0.75:
                eventually(lambda: keeper.answers("/health/live"))
            strike(draw.choice(victims), draw, within=2)
        # then in the end all events are there
        eventually(bringer.has_finished, bringer.said)
        with home.log() as log, home.store() as store:
            eventually(lambda: is_current(store, log, lanes))
        # a daemon that was just begun again is stopped by SIGTERM only once it is up
        eventually(lambda: keeper.answers("/health/live"), keeper.said)
        assert keeper.stop() == 0, keeper.said()
    with home.log() as log, home.notes() as notes, home.store() as store:
        assert notes.source_position("story") == len(told.read_bytes().splitlines())
        # once each, in tables that are the reference's
        assert (
            differences(store, lanes, reference([d for d, _ in lanes], states_before(log, log.ends(), {})))
            == []
        )
        # and no reader was ever told what was not so
        assert witness.contradictions(log, {}) == []
        assert len({found.row for found in witness.answers}) > 10
