"""One log is asked for all threads: where it is away, nobody waits for another's turn."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

from serving.http import source as sources
from serving.http.source import Source
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Cut
from tests.serving.http.conftest import CUT, application_over

SECONDS = 10


class AwayError(Exception):
    """Of a log that is away."""


class Log:
    """Is away until it is back."""

    def __init__(self) -> None:
        self.is_away, self.asked = True, 0

    def ends(self) -> Cut:
        self.asked += 1
        if self.is_away:
            message = f"away at question {self.asked}"
            raise AwayError(message)
        return CUT


def test_all_who_ask_are_told_of_one_failure_of_the_log() -> None:
    # given a log that is away
    log = Log()
    source = Source(MemoryStore, log.ends)
    # when several ask for its ends
    told = []
    for _ in range(3):
        with pytest.raises(AwayError) as failure:
            source.ends()
        told.append(str(failure.value))
    # then it was asked once, and all are told the same
    assert told == ["away at question 1"] * 3
    assert log.asked == 1


def test_a_failure_of_the_log_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a log that was away a while ago
    log = Log()
    source = Source(MemoryStore, log.ends)
    with pytest.raises(AwayError):
        source.ends()
    monkeypatch.setattr(sources, "SECONDS_A_FAILURE_IS_KEPT", 0.0)
    # when it is back, then its ends are known
    log.is_away = False
    assert source.ends() == CUT
    # and kept as if it had never been away
    assert source.ends() == CUT
    assert log.asked == 2


def test_what_is_published_is_known_while_the_log_is_asked(store: MemoryStore) -> None:
    # given a log that is slow to say where it ends
    asked, may_answer = threading.Event(), threading.Event()
    in_time: list[bool] = []

    def ends() -> Cut:
        asked.set()
        in_time.append(may_answer.wait(SECONDS))
        return CUT

    source = Source(lambda: store, ends)
    with ThreadPoolExecutor(1) as beside:
        slow = beside.submit(source.ends)
        assert asked.wait(SECONDS)
        # when tables that were published together are wanted meanwhile
        source.moment(("page_current",))
        # then they are had before the log has answered
        may_answer.set()
        assert slow.result() == CUT
    assert in_time == [True]


def test_who_only_passes_on_bytes_does_not_wait_long_for_who_computes() -> None:
    before = sys.getswitchinterval()
    # given a server that answers
    with TestClient(application_over(MemoryStore())):
        # then its threads take turns ten times as often as Python's do, until it ends
        assert sys.getswitchinterval() == pytest.approx(before / 10)
    assert sys.getswitchinterval() == before
