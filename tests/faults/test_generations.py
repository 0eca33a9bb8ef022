"""Whoever dies while generations are made and flipped to: every answer is of one generation, and of all of it."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest

from cli.home import Home
from serving.reader import Reader
from stack.cassandra_node import CassandraNode
from tests.faults.flipper import DATASET, ROWS, WIKI, flip
from tests.faults.installation import alive, running
from tests.faults.processes import Program, chance, eventually, rounds, strike

pytestmark = pytest.mark.e2e


@pytest.fixture
def embedded(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def on_servers(tmp_path: Path, node: CassandraNode) -> Home:
    store = f"cassandra://127.0.0.1:{node.settings.port}/flips_{uuid.uuid4().hex}"
    running(tmp_path / "home")("init", "--store", store, "--buckets", "8")
    return Home(tmp_path / "home")


@pytest.mark.parametrize("where", ["embedded", pytest.param("on_servers", marks=pytest.mark.cassandra)])
def test_every_answer_is_of_one_generation(request: pytest.FixtureRequest, where: str) -> None:
    # given a published generation, and a reader who reads the whole table again and again
    draw, home = chance(), request.getfixturevalue(where)
    with home.store() as store:
        assert flip(store) == 1
    answers: list[tuple[int, list[int]]] = []
    over = threading.Event()

    def read() -> None:
        with home.store() as store:
            reader = Reader(store)
            while not over.is_set():
                found = reader.scan(DATASET, (WIKI,))
                answers.append((found.generation, [row["revisions"] for row in found.rows]))

    polling = threading.Thread(target=read)
    polling.start()
    flipper = Program("flipper", home.path, "tests.faults.flipper", str(home.path))
    try:
        with alive(flipper):
            for _ in range(rounds(2, 50)):
                # when who makes the next ones is killed somewhere in their midst
                known = answers[-1][0] if answers else 1
                eventually(lambda known=known: bool(answers) and answers[-1][0] > known, flipper.said)  # type: ignore[misc]
                strike(flipper, draw, within=1)
    finally:
        over.set()
        polling.join()
    # then no answer is of two generations, or of half of one, and none goes back
    assert all(revisions == [generation] * ROWS for generation, revisions in answers)
    numbers = [generation for generation, _ in answers]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 2
