"""What is sent to Cassandra while nothing answers there."""

from __future__ import annotations

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
