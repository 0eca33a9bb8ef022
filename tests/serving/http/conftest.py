"""An application over the real wiki of the sample, all datasets published."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from serving.http.access import OPERATOR, SIMILAR_EDITORS, Access, Bearer
from serving.http.application import application
from serving.http.operations import Records
from serving.http.query_log import QueryLog
from serving.http.source import Source
from serving.standing import Waiting
from shared_logic.clock import from_iso
from shared_logic.eventify.tables import states
from shared_logic.keys import encode_key, encode_values
from shared_logic.laws import load_generation
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Cut
from shared_logic.reference import united
from shared_logic.registry import registry
from shared_logic.tables import Key, Values
from tests import sample
from tests.generations import generation

SECRETS = {"investigator": "open-sesame", "operator": "and-again"}
AUTHORIZED = {"Authorization": f"Bearer {SECRETS['investigator']}"}
OPERATING = {"Authorization": f"Bearer {SECRETS['operator']}"}
CUT = (5, 7)
AUDITS = [
    {
        "dataset": "daily_edits",
        "run": "r",
        "expectation": "edits is at least 0",
        "success": True,
        "failing_rows": 0,
    },
    {
        "dataset": "page_current",
        "run": "r",
        "expectation": "revisions < 3",
        "success": False,
        "failing_rows": 4,
    },
]
FAILING = [{"dataset": "page_current", "expectation": "revisions < 3", "row": '{"page_id": 17}'}]
LETTERS = [
    {"id": 7, "source": "kafka", "line": 3, "reason": "new-major-version", "replayed": False},
]
WAITING = {"new-major-version": 5, "not-json": 2}
DRIFT = {
    "dataset": "daily_edits",
    "generation": 1,
    "through": [5, 7],
    "at": "2026-01-01T00:00:00Z",
    "rows": 100,
    "compared": "stored",
    "left_out": 2,
    "columns": {"edits": 3, "row": 1},
}


def digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


KNOWN = {
    "investigator": Bearer(sha256=digest(SECRETS["investigator"]), roles=(SIMILAR_EDITORS,)),
    "operator": Bearer(sha256=digest(SECRETS["operator"]), roles=(OPERATOR,)),
}


@cache
def store_of_the_sample() -> MemoryStore:
    """The sample's tables, of one run."""
    tables = read_table_folder(sample.FINAL)
    known = united(states(tables, sample.WIKI, from_iso("2023-01-01T00:00:00Z"), lambda _: None))
    made = MemoryStore()
    for lane in load_generation(made, tuple(registry.values()), known, CUT, "run"):
        made.publish(lane.dataset.name, lane.generation.number)
    return made


def publish(store: MemoryStore, name: str, rows: Mapping[Key, Values], number: int = 1) -> None:
    """Publish a generation of a table that has these rows."""
    columns = registry[name].schema.signature
    store.add_generation(generation(name, number, cut=CUT, run=f"run {number}", columns=columns))
    store.load(name, number, sorted((encode_key(key), encode_values(values)) for key, values in rows.items()))
    store.publish(name, number)


@pytest.fixture(scope="session")
def store() -> MemoryStore:
    return store_of_the_sample()


def application_over(
    store: MemoryStore,
    ends: Cut | Callable[[], Cut] = CUT,
    per_minute: int = 120,
    happened: Callable[[int, int], int | None] = lambda *_: None,
    queries: QueryLog | None = None,
    present: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
    waiting: Waiting = dict,
    usual_wiki: str = sample.WIKI,
) -> FastAPI:
    kept = Records(lambda: AUDITS, lambda _: FAILING, lambda: LETTERS, lambda: [DRIFT], lambda: WAITING)
    access = Access(lambda: KNOWN, per_minute)
    source = Source(lambda: store, ends if callable(ends) else lambda: ends, happened, waiting)
    log = queries or QueryLog(Path(mkdtemp()) / "access.log")
    return application(source, tuple(registry.values()), access, kept, log, usual_wiki, present)


@pytest.fixture(scope="session")
def app(store: MemoryStore) -> FastAPI:
    return application_over(store)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as made:
        yield made
