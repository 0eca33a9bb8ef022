"""Events while they happen, from Wikimedia's EventStreams or a service like it: server-sent events over HTTP.

The service tells with each event where it stands, and goes on from there where it is told so (Last-Event-ID). It may send again what
was there before; the log knows copies. It ends connections by itself, every 15 minutes or so, which is no failure.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import httpx
from httpx_sse import ServerSentEvent, SSEError, connect_sse

from shared_logic.addresses import shown
from shared_logic.protocols import LogError, Tell
from speed.ingest import Arrived, Scope
from speed.sqlite_log import SqliteLog

WIKIMEDIA = "https://stream.wikimedia.org/v2/stream"
SECONDS_OF_SILENCE = 60.0
"""Without a byte after which a connection is made anew."""
SECONDS_BEFORE_AGAIN = (1.0, 60.0)
"""After a failure; doubled with each further one, up to the second."""
_HELD = 10_000
"""Events that wait to be taken; while there are so many, nothing more is read."""
_USER_AGENT = "wikibraid (https://pypi.org/project/wikibraid/)"
_CLIENT_ERRORS = range(400, 500)
_PASSING = {408, 425, 429}


class StreamRefused(LogError):  # noqa: N818  what happened
    """The service won't give these streams; asking again would not help."""


class _Told(NamedTuple):
    data: bytes
    id: str


class EventStreams:
    """See `speed.sources.Source`. Reads ahead in a thread of its own, while inside `reading`."""

    def __init__(
        self,
        log: SqliteLog,
        url: str,
        streams: Sequence[str],
        since: str,
        tell: Tell,
        scope: Scope | None = None,
    ) -> None:
        """Go on after what the log holds of these streams for what is wanted (`scope`, or all).

        If it holds nothing, from `since` on, an instant; else from now on. `tell` is told of what an operator wants to read.

        Raises:
            StreamRefused: several parts of what is wanted were read apart, and `since` does not say from when on all is.
        """
        scope = scope or Scope()
        self._address = f"{url.rstrip('/')}/{','.join(streams)}"
        self._shown = shown(self._address)
        self._place = self._shown if len(streams) == 1 else f"{shown(url)} ({len(streams)} streams)"
        source = f"live {self._address}"
        self._name = scope.named(source)
        if not since and not log.source_positions(source):
            self._say_of_others(log.sources(f"live {url.rstrip('/')}/"), tell)
        before = self._before(source, scope, log.source_positions(source), since, tell)
        self._last = (log.facts.recall(before) or b"").decode()
        self._taken = log.source_position(self._name)
        self._since, self._tell = since, tell
        self._waiting: queue.Queue[_Told | Exception] = queue.Queue(_HELD)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, name="event streams", daemon=True)

    def _say_of_others(self, names: Sequence[str], tell: Tell) -> None:
        """Tell of other streams that were followed: the place in those is none in these."""
        if names:
            known = "; ".join(shown(name.removeprefix("live ")) for name in names)
            tell(
                f"{self._shown} was never followed (but {known}): it begins now, and with --since INSTANT earlier; what is known is not "
                "taken twice"
            )

    def _before(self, source: str, scope: Scope, names: Collection[str], since: str, tell: Tell) -> str:
        """The name under which the log holds where to go on: one of `names`, under which the source was read before, else its own.

        Raises:
            StreamRefused: several parts of what is wanted were read apart, and `since` does not say from when on all is.
        """
        if self._name in names:
            return self._name
        if covered := scope.covered(source, names):
            return covered[0]
        if since or not names:
            return self._name
        touched = scope.touched(source, names)
        read = "; ".join(name.removeprefix(f"{source} for ") for name in names)
        if not touched:
            tell(
                f"{self._shown} was read for {read}; for other wikis it begins now, and with --since INSTANT earlier"
            )
            return self._name
        if len(touched) > 1:
            message = f"{self._shown} was read apart for {read}; say with --since INSTANT from when on: what is known is not taken twice"
            raise StreamRefused(message)
        return touched[0]

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read ahead while inside."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join(timeout=5)

    def take(self, most: int, seconds: float) -> Sequence[Arrived]:
        """See `Source`.

        Raises:
            StreamRefused: the service won't give these streams.
            LogError: nothing is read any more.
            Whatever else ended the reading.
        """
        found: list[Arrived] = []
        while len(found) < most:
            # Asked before the queue: the last thing that the thread does is to put there why it ends.
            is_read = self._thread.is_alive()
            try:
                told = self._waiting.get(timeout=seconds) if not found else self._waiting.get_nowait()
            except queue.Empty:
                if not found and not is_read:
                    message = f"nothing reads {self._shown} any more; start the command again"
                    raise LogError(message) from None
                break
            if isinstance(told, Exception):
                raise told
            self._taken += 1
            self._last = told.id or self._last
            found.append(Arrived(self._name, self._taken, told.data))
        return found

    def note(self, log: SqliteLog) -> None:
        """See `Source`."""
        log.facts.remember(self._name, self._last.encode())
        log.advance_source(self._name, self._taken)

    def _read(self) -> None:
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001  whatever it is, who takes is told, and does not wait for ever
            self._put(error)

    def _follow(self) -> None:
        """Go on until stopped, over connections that end.

        Raises:
            StreamRefused: the service won't give these streams.
        """
        least, most = SECONDS_BEFORE_AGAIN
        pause = least
        last = self._last
        with httpx.Client(
            timeout=httpx.Timeout(SECONDS_OF_SILENCE),
            headers={"User-Agent": _USER_AGENT},
            follow_redirects=True,
        ) as client:
            while not self._stopping.is_set():
                try:
                    for told in self._connection(client, last):
                        if not self._put(told):
                            return
                        last = told.id or last
                        pause = least
                    why = "the service ended the connection"
                except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                    message = f"{self._shown} is no address ({error}); check the --url"
                    raise StreamRefused(message) from error
                except httpx.HTTPStatusError as error:  # its own words repeat the address
                    why = f"it answers {error.response.status_code}"
                except (httpx.HTTPError, SSEError) as error:
                    why = f"{type(error).__name__} {error}".strip()
                self._tell(f"{self._place}: {why}; connecting again in {pause:.0f} s")
                self._stopping.wait(pause)
                pause = min(2 * pause, most)

    def _connection(self, client: httpx.Client, last: str) -> Iterator[_Told]:
        headers = {"Last-Event-ID": last} if last else {}
        parameters = {"since": self._since} if self._since and not last else {}
        with connect_sse(client, "GET", self._address, headers=headers, params=parameters) as source:
            status = source.response.status_code
            if status in _CLIENT_ERRORS and status not in _PASSING:
                source.response.read()
                message = (
                    f"{self._shown} answers {status} ({source.response.text[:200].strip()}); check the names of the streams in "
                    "streams.yaml and the --url"
                )
                raise StreamRefused(message)
            source.response.raise_for_status()
            for event in source.iter_sse():
                if event.event == "error":
                    raise httpx.RemoteProtocolError(event.data[:200])
                if event.event == "message" and event.data:
                    yield _told(event)

    def _put(self, told: _Told | Exception) -> bool:
        """Hand it over; False: nobody takes it any more."""
        while not self._stopping.is_set():
            try:
                self._waiting.put(told, timeout=0.5)
            except queue.Full:
                continue
            return True
        return False


def _told(event: ServerSentEvent) -> _Told:
    return _Told(event.data.encode(), event.id)
