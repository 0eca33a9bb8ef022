"""kill -9 of daemons, the API, Kafka, Cassandra, Spark's driver and who brings events in, under load, on real servers."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cli.home import Home
from stack.cassandra_node import CassandraNode
from stack.kafka_broker import KafkaBroker
from tests import sample
from tests.faults import story
from tests.faults.installation import DATASETS, Run, alive, assert_whole, bootstrap, kept_alive
from tests.faults.processes import (
    Program,
    Service,
    Victim,
    chance,
    daemon,
    eventually,
    feeder,
    rounds,
    strike,
)
from tests.faults.witness import Witness, asking, asking_over_http, pages_of

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.spark,
    pytest.mark.bytewax,
    pytest.mark.cassandra,
    pytest.mark.kafka,
]
SHARES = ("1/2", "2/2")
PAGES = pages_of([sample.WIKI], range(1, 60))


def batch(home: Home) -> Program:
    """A batch run in a process of its own, which is Spark's driver."""
    return Program("driver", home.path, "cli.main", "batch", "run", *DATASETS, "--home", str(home.path))


def order(victims: list[Victim], count: int, draw: random.Random) -> list[Victim]:
    """Each as often as the others, mixed."""
    found = victims * count
    draw.shuffle(found)
    return found


def test_whoever_dies_nothing_is_lost_or_doubled(
    run: Run, tmp_path: Path, broker: KafkaBroker, node: CassandraNode, spark: SparkSession
) -> None:
    # given two daemons that share the work, the API, and somebody who brings events in
    draw, home = chance(), Home(tmp_path / "home")
    daemons = [daemon(home.path, share, DATASETS) for share in SHARES]
    api = Service("api", home.path, "cli.main", "serve", "--home", str(home.path))
    bringer = feeder(home.path, story.written(tmp_path, wikis=rounds(1, 4)), at_a_time=60, seconds=0.1)
    driver = batch(home)
    victims: list[Victim] = [*daemons, api, bringer, broker, node]
    with (
        kept_alive(*daemons, api, bringer),
        Witness(asking(home.store), PAGES) as witness,
        Witness(asking_over_http(api.asked), PAGES) as client,
    ):
        # when each of them, and the servers, are killed at any moment and started again
        struck = order(victims, rounds(1, 10), draw)
        for number, victim in enumerate(struck):
            strike(victim, draw, within=3)
            if number == len(struck) // 2:
                # and a batch run is killed as well, and the next one makes a generation that is flipped to meanwhile
                driver.start()
                time.sleep(draw.uniform(3, 20))
                driver.kill()
                run("batch", "run", *DATASETS)
        eventually(bringer.has_finished, bringer.said)
        eventually(lambda: all(one.answers("/health/ready") for one in daemons))
        eventually(lambda: api.answers("/health/ready"))
        # then nothing is lost, and nothing is there twice
        with home.log() as log, home.store() as store:
            lanes = assert_whole(log, store, bootstrap())
            assert len({made.run for _, made in lanes}) == 1
            assert all(made.number > 1 for _, made in lanes)
        # and each tells how it is, which it looks at once a second, and ends in order when it is asked to
        for one in daemons:
            eventually(lambda one=one: one.metric('wikibraid_lag_messages{dataset="') == 0, one.said, 30)
        assert [one.stop() for one in daemons] == [0, 0]
    # and no reader was ever told what was not so
    with home.log() as log:
        for told in (witness, client):
            assert told.contradictions(log, bootstrap()) == []
            assert len({found.row for found in told.answers}) > 10


@pytest.mark.slow
def test_three_daemons_take_over_from_two_of_which_one_hangs(run: Run, tmp_path: Path) -> None:
    # given two daemons at work
    draw, home = chance(), Home(tmp_path / "home")
    hanging, ending = (daemon(home.path, share, DATASETS) for share in SHARES)
    three = [daemon(home.path, share, DATASETS) for share in ("1/3", "2/3", "3/3")]
    bringer = feeder(home.path, story.written(tmp_path, wikis=1), at_a_time=60, seconds=0.1)
    with alive(hanging, ending, bringer):
        eventually(lambda: hanging.answers("/health/ready") and ending.answers("/health/ready"))
        # when one hangs somewhere in its work, and others, by another number, take over
        time.sleep(draw.uniform(0, 3))
        hanging.hang()
        assert ending.stop() == 0
        with alive(*three):
            eventually(lambda: all(one.answers("/health/ready") for one in three))
            # then the one that goes on as if nothing had been is refused, and ends
            hanging.wake()
            assert hanging.ended(60) != 0
            assert "is written by another process by now" in hanging.said()
            # and nothing is lost or doubled
            eventually(bringer.has_finished, bringer.said)
            with home.log() as log, home.store() as store:
                assert_whole(log, store, bootstrap())
            assert [one.stop() for one in three] == [0, 0, 0]


@pytest.mark.slow
def test_killed_batches_leave_the_old_generation_served(
    run: Run, tmp_path: Path, spark: SparkSession
) -> None:
    # given a daemon at work, and a reader who polls
    draw, home = chance(), Home(tmp_path / "home")
    keeper = daemon(home.path, "1/1", DATASETS)
    bringer = feeder(home.path, story.written(tmp_path, wikis=1), at_a_time=100, seconds=0.5)
    driver = batch(home)
    with kept_alive(keeper, bringer), Witness(asking(home.store), PAGES) as witness:
        # when batch runs are killed wherever they are
        for _ in range(rounds(2, 10)):
            driver.start()
            time.sleep(draw.uniform(3, 90))
            driver.kill()
        # then readers are shown nothing of them
        eventually(bringer.has_finished, bringer.said)
        with home.log() as log, home.store() as store:
            assert_whole(log, store, bootstrap())
        # and the next one is whole
        run("batch", "run", *DATASETS)
        with home.log() as log, home.store() as store:
            assert all(made.number > 1 for _, made in assert_whole(log, store, bootstrap()))
        assert keeper.answers("/health/live")
    with home.log() as log:
        assert witness.contradictions(log, bootstrap()) == []
