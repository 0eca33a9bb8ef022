"""What tells whether the server lives waits for nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi.testclient import TestClient

from serving.http.source import AT_ONCE_EMBEDDED
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Cut
from tests.serving.http.conftest import CUT, OPERATING, application_over

SECONDS = 10


class SlowLog:
    """Does not say where it ends until it may."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Event(), threading.Event()
        self.waited_in_vain = False

    def ends(self) -> Cut:
        self.asked.set()
        self.waited_in_vain = not self.may_answer.wait(SECONDS)
        return CUT


@contextmanager
def waiting(client: TestClient, log: SlowLog, path: str) -> Iterator[Callable[[], int]]:
    """A request that waits for the log while inside; gives what lets the log answer, and the status then."""
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(client.get, path, headers=OPERATING)
        assert log.asked.wait(SECONDS)

        def status() -> int:
            log.may_answer.set()
            return asked.result().status_code

        yield status


def test_a_scrape_that_waits_for_the_log_stops_no_other_request(store: MemoryStore) -> None:
    # given a scrape that waits for the log
    log = SlowLog()
    with (
        TestClient(application_over(store, log.ends)) as client,
        waiting(client, log, "/prometheus/") as status,
    ):
        # when something else is asked meanwhile
        answers = [client.get(path).status_code for path in ("/health/live", "/health/ready")]
        # then it is answered before the log has answered
        assert status() == 200
    assert answers == [200, 200]
    assert not log.waited_in_vain


def test_it_lives_while_every_thread_waits_for_the_log(store: MemoryStore) -> None:
    # given as many requests as there are threads, and all wait for the log
    log = SlowLog()
    with TestClient(application_over(store, log.ends)) as client:
        assert client.portal is not None
        client.portal.call(_let_there_be_one_thread)
        with waiting(client, log, "/operations/state") as status:
            # when it is asked whether it lives
            answer = client.get("/health/live").status_code
            # then it says so before the log has answered
            assert status() == 200
    assert answer == 200
    assert not log.waited_in_vain


def test_no_more_are_answered_at_a_time_than_the_store_can_use(store: MemoryStore) -> None:
    # given a server of which many ask at a time
    counting, under_way, most = threading.Lock(), 0, 0

    def ends() -> Cut:
        nonlocal under_way, most
        with counting:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.01)
        with counting:
            under_way -= 1
        return CUT

    app = application_over(store)

    @app.get("/slow")
    def slow() -> Cut:
        return ends()

    with TestClient(app) as client, ThreadPoolExecutor(20) as many:
        codes = {answer.status_code for answer in many.map(client.get, ["/slow"] * 60)}
    # then all are answered, each in its turn
    assert codes == {200}
    assert 1 < most <= AT_ONCE_EMBEDDED


async def _let_there_be_one_thread() -> None:
    current_default_thread_limiter().total_tokens = 1


def test_metrics_come_as_they_are_wanted(store: MemoryStore) -> None:
    with TestClient(application_over(store)) as client:
        client.get("/health/live")

        def scraped(path: str = "/prometheus/", **headers: str) -> tuple[str, str, str]:
            answer = client.get(path, headers={"Accept-Encoding": "identity", **OPERATING, **headers})
            assert answer.status_code == 200
            return answer.headers["Content-Type"], answer.headers.get("Content-Encoding", ""), answer.text

        # given no wish: text, at the address without a slash at its end too
        assert scraped()[:2] == ("text/plain; version=0.0.4; charset=utf-8", "")
        assert scraped("/prometheus")[:2] == scraped()[:2]
        # given a wish for OpenMetrics: that
        kind, _, text = scraped(Accept="application/openmetrics-text; version=1.0.0")
        assert kind.startswith("application/openmetrics-text; version=1.0.0")
        assert text.endswith("# EOF\n")
        # given a wish for compression: that
        assert scraped(**{"Accept-Encoding": "gzip"})[1] == "gzip"
        # given a name: only what is called so
        _, _, text = scraped("/prometheus/?name[]=http_requests_total")
        assert "http_requests_total{" in text
        assert "http_request_duration_seconds" not in text
