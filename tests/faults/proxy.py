"""A TCP proxy that makes a network bad: it delays, throttles, stops, and cuts. Bytes are never changed, lost or put in another order
within a connection: that is what TCP promises on a bad network as well.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.servers import free_ports

_BYTES = 16_384


class Proxy:
    """Passes connections on to `port` of this machine while inside."""

    def __init__(self, port: int) -> None:
        """Nothing is passed on yet."""
        (self.port,) = free_ports(1)
        """That clients connect to."""
        self._target = port
        self._delay = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._flowing = asyncio.Event()
        self._connections: set[asyncio.StreamWriter] = set()
        self._cut = False

    def __enter__(self) -> Self:
        self._thread.start()
        self._done(asyncio.start_server(self._connected, "127.0.0.1", self.port))
        self.heal()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def slow(self, delay: float) -> None:
        """Every 16 KiB wait so many seconds, in each direction of each connection."""
        self._delay = delay

    def stall(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def cut(self) -> None:
        """End all connections, and every new one."""
        self._cut = True

        async def end() -> None:
            for writer in self._connections:
                writer.transport.abort()

        self._done(end())

    def heal(self) -> None:
        """All is well again."""
        self._delay, self._cut = 0.0, False
        self._loop.call_soon_threadsafe(self._flowing.set)

    def _done(self, what: object) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result()  # type: ignore[arg-type]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, back}
        self._connections |= both
        try:
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        finally:
            self._connections -= both
            for one in both:
                one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either side ends; only so much is held here, so that who sends notices that nothing is taken."""
        with suppress(ConnectionError):
            while some := await reader.read(_BYTES):
                await asyncio.sleep(self._delay)
                await self._flowing.wait()
                writer.write(some)
                await writer.drain()
            writer.close()
