"""Statements: sent while nothing answers, and over."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from cassandra import OperationTimedOut

from serving.cassandra_session import Address, Cql, Unreachable


class Silent:
    """A session and its futures: a node that takes statements and never answers."""

    def __init__(self) -> None:
        self.sent_again: list[str] = []

    def execute_async(self, _: str) -> Silent:
        return self

    def result(self) -> Any:
        raise OperationTimedOut

    def execute(self, statement: str, **_: object) -> Any:
        self.sent_again.append(statement)
        raise OperationTimedOut


@pytest.mark.parametrize("statements", [["one", "two", "three"], [f"number {n}" for n in range(100)]])
def test_only_the_first_statement_that_fails_is_sent_again(statements: list[str]) -> None:
    # given statements under way, of which none is answered
    session = Silent()
    cql = Cql(session, Address(("nowhere",), 1, "tests"), patience=0.2)
    # when it is waited for them
    with pytest.raises(Unreachable):
        cql.send(statements)
    # then patience is lost once, not with each of them
    assert set(session.sent_again) == {statements[0]}


@pytest.fixture
def no_cycles_collected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.cassandra
@pytest.mark.usefixtures("no_cycles_collected")
def test_a_statement_that_is_over_is_not_left_to_the_cycle_collector(cql: Cql) -> None:
    # given a statement that ended
    sent = cql.begin(cql.bound("SELECT release_version FROM system.local WHERE key=?", ("local",)))
    cql.finish(sent)
    # when nobody holds it any more
    is_there = weakref.ref(sent.future)
    del sent
    # then it is gone as soon as the driver's thread is done with it; thousands a second would fill the memory between two collections
    end = time.monotonic() + 10
    while is_there() is not None and time.monotonic() < end:
        time.sleep(0.01)
    assert is_there() is None
