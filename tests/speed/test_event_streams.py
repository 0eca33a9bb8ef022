"""Wikimedia's EventStreams: nothing is lost and nothing comes twice, wherever the connection or the process ends."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from shared_logic.protocols import LogError
from speed import event_streams
from speed.event_streams import EventStreams, StreamRefused
from speed.ingest import Counts, Ingestion, Scope, ingest
from speed.sqlite_log import SqliteLog
from tests.servers import free_ports
from tests.speed.event_service import EventService
from tests.speed.followed import EVENTS, expected, followed, is_balanced, messages, wanting


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "SECONDS_BEFORE_AGAIN", (0.01, 0.05))


def done(counts: Counts) -> bool:
    """Whether all was kept that a file of these events would keep."""
    with SqliteLog(Path(":memory:")) as log:
        return counts.kept >= ingest(log, "all", EVENTS).kept


def test_a_stream_comes_whole_over_connections_that_end(tmp_path: Path) -> None:
    # given a service that fails first and ends every connection after 100 events
    service = EventService(EVENTS, cut_after=100, failures=2)
    told: list[str] = []
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, url, ["a", "b"], "", told.append)
        with source.reading():
            counts = followed(log, source, done)
        # then the log is as if all had come from one file, and each connection went on where the last one ended
        assert messages(log) == expected(tmp_path)
    assert is_balanced(counts)
    assert {streams for streams, _, _ in service.asked} == {"a,b"}
    assert service.asked[2][1] == ""
    assert [json.loads(last)[0]["offset"] for _, last, _ in service.asked[3:6]] == [99, 198, 297]
    assert "503" in told[0]
    assert any("ended the connection" in line for line in told)


def test_a_process_that_died_goes_on_where_its_log_is(tmp_path: Path) -> None:
    service = EventService(EVENTS)
    with service.served() as url:
        for least in (150, 400, len(EVENTS)):
            # given a process that dies somewhere, what it read ahead being lost
            with SqliteLog(tmp_path / "log.db") as log:
                source = EventStreams(log, url, ["a"], "", lambda _: None)
                before = log.source_position(f"live {url}/a")
                taken: list[int] = []
                with source.reading():
                    while before + len(taken) < least:
                        events = source.take(37, 5)
                        taken += [event.position for event in events]
                        Ingestion(log, Scope()).add(events, lambda source=source, log=log: source.note(log))
                    source.take(20, 1)
        with SqliteLog(tmp_path / "log.db") as log:
            source = EventStreams(log, url, ["a"], "", lambda _: None)
            with source.reading():
                followed(log, source, lambda _: messages(log) == expected(tmp_path))
            # then nothing is missing and nothing came twice
            assert messages(log) == expected(tmp_path)


def test_the_first_connection_says_since_when(tmp_path: Path) -> None:
    service = EventService(EVENTS[:10])
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, url, ["a"], "2024-01-01T00:00:00Z", lambda _: None)
        with source.reading():
            followed(log, source, lambda counts: counts.read >= 10)
    assert service.asked[0] == ("a", "", "2024-01-01T00:00:00Z")
    assert all(since == "" for _, last, since in service.asked if last)


def test_a_stream_that_is_refused_is_told(tmp_path: Path) -> None:
    service = EventService(EVENTS)
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, url, ["unknown"], "", lambda _: None)
        with source.reading(), pytest.raises(StreamRefused, match=r"answers 404 .* streams\.yaml"):
            followed(log, source, lambda _: True)


def test_a_password_in_the_address_is_not_repeated(tmp_path: Path) -> None:
    # given an address with a password, of a service that fails once, and does not know a stream
    service, told = EventService(EVENTS, failures=1), list[str]()
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        place = url.replace("//", "//u:s3cret@")
        source = EventStreams(log, place, ["a"], "", told.append)
        with source.reading():
            followed(log, source, lambda counts: counts.read >= 10)
        source = EventStreams(log, place, ["unknown"], "", told.append)
        with source.reading(), pytest.raises(StreamRefused) as refused:
            followed(log, source, lambda _: True)
    # then all is told without it
    assert "it answers 503" in told[0]
    assert all("//…@" in line and "s3cret" not in line for line in (told[0], str(refused.value)))
    assert "s3cret" not in "".join(told)


@pytest.mark.parametrize("address", ["http://[::1", "http://host:port", "no address"])
def test_an_address_that_is_none_is_told(tmp_path: Path, address: str) -> None:
    with SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, address, ["s"], "", lambda _: None)
        with source.reading(), pytest.raises(StreamRefused, match="check the --url"):
            source.take(1, 10)


def test_certificates_that_are_not_there_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a file of certificates that does not exist
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, "https://127.0.0.1:9/v2/stream", ["a"], "", lambda _: None)
        # when events are taken, then that ends it
        with source.reading(), pytest.raises(FileNotFoundError):
            source.take(1, 10)


def test_an_operator_who_can_not_be_told_ends_the_reading(tmp_path: Path) -> None:
    # given a service that fails, and nowhere to tell of it
    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    service = EventService(EVENTS, failures=1)
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, url, ["a"], "", full)
        with source.reading():
            # when events are taken, then that ends it
            with pytest.raises(OSError, match="No space left"):
                source.take(1, 10)
            # and who takes again does not wait for what nobody reads
            with pytest.raises(LogError, match="nothing reads"):
                any(source.take(1, 0.1) for _ in range(100))


def test_what_was_read_is_taken_before_the_end_is_told(tmp_path: Path) -> None:
    # given a service that ends the connection after some events, and nowhere to tell of it
    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    service = EventService(EVENTS[:10])
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, url, ["a"], "", full)
        with source.reading():
            source._thread.join(10)
            # when they are taken, then all come, and the end after them
            assert len(source.take(10, 10)) == 10
            with pytest.raises(OSError, match="No space left"):
                source.take(10, 10)


def edit(wiki: str, rev_id: int) -> bytes:
    meta = {"stream": "mediawiki.revision-create", "dt": "2024-01-01T00:00:00Z"}
    about = {"database": wiki, "page_id": 1, "page_title": "P", "page_namespace": 0, "rev_id": rev_id}
    schema = {"$schema": "/mediawiki/revision/create/1.1.0", "rev_timestamp": "2024-01-01T00:00:00Z"}
    return json.dumps({"meta": meta, **about, **schema}).encode()


def brought(log: SqliteLog, service: EventService, url: str, scope: Scope, since: str = "") -> list[str]:
    """What an operator is told while all that the service has is brought in for these wikis."""
    told: list[str] = []
    source = EventStreams(log, url, ["s"], since, told.append, scope)
    with source.reading():
        while events := source.take(100, 0.5):
            Ingestion(log, scope).add(events, lambda: source.note(log))
            goes_on_after = log.facts.recall(scope.named(f"live {url}/s"))
            if json.loads(goes_on_after or b"")[0]["offset"] == len(service.events) - 1:
                break
    return [line for line in told if "was read for" in line]


def revisions(log: SqliteLog) -> set[tuple[str, int]]:
    """Wiki and id of every revision that the log tells of."""
    told = (message.value for number in range(log.partitions) for message in log.read(number, 0, 1_000))
    return {(event["database"], event["rev_id"]) for event in map(json.loads, told)}


def test_who_follows_other_streams_is_told_that_they_begin_now(tmp_path: Path) -> None:
    # given a stream that was followed
    with SqliteLog(tmp_path / "log.db") as log:
        told: list[str] = []
        before = EventStreams(log, "https://there/stream", ["a"], "", told.append)
        before.note(log)
        assert told == []
        # when it is followed with another, then where it stood is no place in both
        EventStreams(log, "https://there/stream/", ["a", "b"], "", told.append)
        assert len(told) == 1
        assert told[0].startswith(
            "https://there/stream/a,b was never followed (but https://there/stream/a): it begins now"
        )
        # but nothing is to be told where the beginning is named, of another service, or of what was followed
        EventStreams(log, "https://there/stream", ["a", "b"], "2024-01-01T00:00:00Z", told.append)
        EventStreams(log, "https://elsewhere/stream", ["a", "b"], "", told.append)
        EventStreams(log, "https://there/stream", ["a"], "", told.append)
        assert len(told) == 1


def test_a_stream_stands_for_the_wikis_that_are_wanted_of_it(tmp_path: Path) -> None:
    # given a stream of three wikis that was followed for one of them
    service = EventService([edit(wiki, number) for number in range(1, 5) for wiki in ("a", "b", "c")])
    of = {wiki: {(wiki, number) for number in range(1, 5)} for wiki in ("a", "b", "c")}
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        assert brought(log, service, url, wanting("a")) == []
        assert revisions(log) == of["a"]
        # when it is followed for another, then that one begins where it is told to, or is told that it begins now
        service.asked.clear()
        (told,) = brought(log, service, url, wanting("b"))
        assert told.endswith(
            "was read for a; for other wikis it begins now, and with --since INSTANT earlier"
        )
        assert service.asked[0][1] == ""
        assert revisions(log) == of["a"] | of["b"]


def test_a_stream_of_more_wikis_goes_on_where_it_was_for_some(tmp_path: Path) -> None:
    # given a stream that was followed for one wiki up to some event
    service = EventService([edit("a", 1), edit("b", 2)])
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        brought(log, service, url, wanting("a"))
        # when it is followed for two, then it goes on there: nothing of the first is missing
        service.events = [*service.events, edit("a", 3), edit("b", 4)]
        service.asked.clear()
        brought(log, service, url, wanting("a", "b"))
        assert json.loads(service.asked[0][1])[0]["offset"] == 1
        assert revisions(log) == {("a", 1), ("b", 2), ("a", 3), ("b", 4)}
        # and for the second alone where it was for both, not where it was for the first
        service.asked.clear()
        brought(log, service, url, wanting("b"))
        assert json.loads(service.asked[0][1])[0]["offset"] == 3


def test_parts_that_were_read_apart_are_read_together_from_a_named_instant(tmp_path: Path) -> None:
    service = EventService([edit("a", 1), edit("b", 2)])
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        # given a stream that was followed for two wikis apart
        brought(log, service, url, wanting("a"))
        brought(log, service, url, wanting("b"))
        # when it is followed for both, then nobody guesses where both stood
        with pytest.raises(StreamRefused, match="was read apart for a; b; say with --since INSTANT"):
            brought(log, service, url, wanting("a", "b"))
        service.asked.clear()
        brought(log, service, url, wanting("a", "b"), since="2024-01-01T00:00:00Z")
        assert service.asked[0] == ("s", "", "2024-01-01T00:00:00Z")


@pytest.mark.e2e
def test_the_command_goes_on_after_a_kill(tmp_path: Path) -> None:
    # given the command on a service with bad events among good ones, killed twice at random
    seed = int(os.environ.get("WIKIBRAID_SEED", random.randrange(1 << 30)))
    sys.stderr.write(f"WIKIBRAID_SEED={seed}\n")  # shown where the test fails
    rng = random.Random(seed)
    events = [*EVENTS[:300], b"{not json", *EVENTS[300:]]
    service = EventService(events, cut_after=250)
    home = tmp_path / "home"
    with service.served() as url:
        command = [
            *(sys.executable, "-m", "cli.main", "ingest", "live", "mediawiki.page_change", "--url", url),
            *("--home", str(home), "--json", "--port"),
        ]

        def started() -> tuple[subprocess.Popen[bytes], int]:
            (port,) = free_ports(1)
            return subprocess.Popen([*command, str(port)], stdout=subprocess.PIPE), port

        def read() -> int:
            if not (home / "log.db").exists():
                return 0
            with SqliteLog(home / "log.db") as log:
                return sum(map(len, messages(log)[0]))

        for _ in range(2):
            process, _ = started()
            while not read() and process.poll() is None:
                time.sleep(0.05)
            time.sleep(rng.random())
            process.send_signal(signal.SIGKILL)
            process.wait()
        process, port = started()
        wanted = sum(map(len, expected(tmp_path)[0]))
        end = time.monotonic() + 60
        while read() < wanted and time.monotonic() < end:
            time.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            metrics = answer.read().decode()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    # then the log has every event once, and the bad one is a dead letter
    with SqliteLog(home / "log.db") as log:
        assert messages(log) == expected(tmp_path)
        assert [letter.code for letter in log.dead_letters.kept()] == ["not-json"]
    assert 'wikibraid_ingested_events_total{outcome="copies"}' in metrics
