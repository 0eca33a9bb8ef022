"""What is hidden on the wiki is in no answer: not as of before, not in an old generation, not after a replay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest

from serving.reader import Reader
from serving.sqlite_store import SqliteStore
from shared_logic.language import Clustering, Partition, Table, about
from shared_logic.laws import load_generation, states_before
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Store
from shared_logic.registry import Registry
from shared_logic.things import Revision
from speed import loop_engine
from speed.memory_log import MemoryLog
from speed.worker import Worker

COMMENT, NAME = "token-in-the-comment", "Token in the name"
private = Registry()


class Summary(Table, frozen=True, kw_only=True):
    """One row per revision with a summary."""

    wiki: Annotated[Partition[str], about("wiki")]
    page_id: Annotated[Clustering[int], about("page")]
    rev_id: Annotated[Clustering[int], about("revision")]
    comment: Annotated[str | None, about("summary", hidden_with="comment")]
    name: Annotated[str | None, about("author", hidden_with="user")]


@private.dataset
def summaries(revision: Revision) -> Iterator[Summary]:
    """Summaries with their authors."""
    name = revision.user.name if revision.user else None
    yield Summary(
        wiki=revision.wiki,
        page_id=revision.page_id,
        rev_id=revision.rev_id,
        comment=revision.comment,
        name=name,
    )


def event(schema: str, at: str, **fields: object) -> bytes:
    page = {"database": "testwiki", "page_id": 1, "page_title": "A", "page_namespace": 0}
    told = {"rev_id": 5, "rev_timestamp": "2024-01-01T00:00:00Z"}
    meta = {"stream": schema, "dt": at, "domain": "test.example"}
    return json.dumps(
        {"$schema": f"/mediawiki/revision/{schema}/1.0.0", "meta": meta, **page, **told, **fields}
    ).encode()


def edit(at: str) -> bytes:
    return event("create", at, comment=COMMENT, performer={"user_id": 7, "user_text": NAME})


HIDE = event(
    "visibility-change", "2024-01-02T00:00:00Z", visibility={"text": True, "comment": False, "user": False}
)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")


def everything_read(store: Store) -> str:
    """All that any way of reading gives, of every generation."""
    read, dataset = Reader(store), private["summaries"]
    found: list[object] = []
    for made in store.generations("summaries"):
        found += [
            read.scan(dataset, (), made.number),
            read.get(dataset, ("testwiki", 1, 5), made.number),
            read.explain(dataset, ("testwiki", 1, 5), made.number),
            list(read.sorted_rows(dataset, made.number)),
        ]
    return repr(found)


def test_hidden_parts_are_in_no_answer(store: Store) -> None:
    # given a published row with tokens in comment and name
    log = MemoryLog(1)
    datasets = tuple(private.values())
    log.append("testwiki/1", edit("2024-01-01T00:00:00Z"))
    lanes = load_generation(store, datasets, states_before(log, (1,), {}), (1,), "first")
    assert COMMENT in everything_read(store)
    assert NAME in everything_read(store)
    # when both are hidden on the wiki, and speed has caught up
    log.append("testwiki/1", HIDE)
    loop_engine.run_until_idle(Worker(log, store, lanes))
    # then no way of reading shows them: not the old generation as of its own cut, not a new one
    assert COMMENT not in everything_read(store)
    load_generation(store, datasets, states_before(log, (1,), {}), (1,), "as of before")
    load_generation(store, datasets, states_before(log, (2,), {}), (2,), "after")
    assert COMMENT not in everything_read(store)
    assert NAME not in everything_read(store)
    # and a replay of the original event, even under a later clock, brings none back
    for at in ("2024-01-01T00:00:00Z", "2024-01-03T00:00:00Z"):
        log.append("testwiki/1", edit(at))
    loop_engine.run_until_idle(Worker(log, store, lanes))
    assert COMMENT not in everything_read(store)
    assert NAME not in everything_read(store)
