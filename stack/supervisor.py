"""Keeps the servers of one installation: starts them in order, starts again what dies or no longer answers, stops them in reverse.

It runs in the background (`wikibraid stack up`) and tells its state in `status.json` of the stack's folder; servers never outlive it.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from stack.server import Server, ServerError

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BEFORE_AGAIN = 5.0
SECONDS_BETWEEN_QUESTIONS = 30.0
"""Whether a server that is up still answers."""
NOES = 10
"""In a row, after which it is ended and started again; some may come of a machine that is busy."""
STATUS = "status.json"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How one server is."""

    name: str
    state: str
    """waiting, starting, up, or down."""
    restarts: int
    log: str
    told: str = ""
    """Why it was down last, and when; empty: it never was."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How all of them are."""

    pid: int
    """Of the supervisor."""
    ready: bool
    """Whether all are up."""
    servers: tuple[State, ...]
    configured: dict[str, Any] = {}
    """By file what the configuration said at the start; empty: that was not noted."""


@dataclass
class Child:
    """A server, and what became of it."""

    name: str
    server: Server
    state: str = "waiting"
    restarts: int = 0
    told: str = ""
    died_at: float = field(default=float("-inf"))
    asked_at: float = field(default_factory=time.monotonic)
    noes: int = 0
    question: Future[bool] | None = None
    """Whether it answers; None: it is not being asked."""
    end: Future[None] | None = None
    """Of one that did not answer; None: it ended by itself."""


class Supervisor:
    """Runs until it is told to stop by SIGTERM."""

    def __init__(
        self,
        folder: Path,
        pid: int,
        stages: Sequence[Sequence[tuple[str, Server]]],
        configured: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Servers of one stage start together, those of the next when all before answer; `configured` is told in the status."""
        self._folder, self._pid, self._configured = folder, pid, dict(configured)
        self._stages = [[Child(name, server) for name, server in stage] for stage in stages]
        # Beside, since a server that hangs is slow to say no and slow to end, and another may die meanwhile.
        self._beside = ThreadPoolExecutor(sum(map(len, stages)) or 1, "supervisor")
        self._stopping = False

    def run(self, after: Callable[[int], None]) -> None:
        """Start everything, and keep it; `after` is called when a stage, from 0, is up."""
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._tell()
        try:
            self._await_former()
            for number, stage in enumerate(self._stages):
                self._start(stage)
                if self._stopping:
                    return
                after(number)
            while not self._stopping:
                self._mend()
                self._tell()
                time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            self._beside.shutdown()  # servers are not for several threads at once
            for stage in reversed(self._stages):
                for child in stage:
                    child.server.stop()
                    child.state = "down"
            self._tell()

    def stop(self) -> None:
        """Stop all servers soon."""
        self._stopping = True

    def _await_former(self) -> None:
        """Servers of a supervisor that was killed end by themselves, and take some seconds for it.

        Raises:
            ServerError: one doesn't end.
        """
        for child in (child for stage in self._stages for child in stage):
            if not self._stopping:
                child.server.await_former()

    def _start(self, stage: Sequence[Child]) -> None:
        for child in stage:
            child.state = "starting"
            child.server.launch()
        self._tell()
        for child in stage:
            while not self._stopping and child.state == "starting":
                try:
                    child.server.wait(SECONDS_BETWEEN_LOOKS)
                except ServerError as error:
                    if not child.server.is_running:
                        self._note_death(child, error)
                        raise
                else:
                    child.state = "up"
                self._tell()

    def _mend(self) -> None:
        for child in (child for stage in self._stages for child in stage):
            with suppress(OSError):  # where there is no space for a copy, the log waits for it
                child.server.bound_log()
            if not child.server.is_running and child.state == "up":
                self._note_death(child, child.server.ended())
            elif child.state == "up":
                self._ask(child)
            elif child.end is not None:
                if child.end.done():
                    child.end = None
            elif child.state == "down" and time.monotonic() - child.died_at > SECONDS_BEFORE_AGAIN:
                child.restarts += 1
                try:
                    child.server.launch()
                    child.state = "starting"
                except ServerError as error:
                    self._note_death(child, error)
            elif child.state == "starting":
                if not child.server.is_running:
                    self._note_death(child, child.server.ended())
                elif child.server.answers():
                    child.state, child.asked_at, child.noes = "up", time.monotonic(), 0

    def _ask(self, child: Child) -> None:
        """Ask now and then whether it still answers; end it where it doesn't."""
        if child.question is None:
            if time.monotonic() - child.asked_at > SECONDS_BETWEEN_QUESTIONS:
                child.question = self._beside.submit(child.server.answers)
        elif child.question.done():
            answers = child.question.exception() is None and child.question.result()
            child.question, child.asked_at = None, time.monotonic()
            child.noes = 0 if answers else child.noes + 1
            if child.noes == NOES:
                message = f"{child.server.name} in {child.server.folder} didn't answer {NOES} times in a row; it is started again"
                self._note_death(child, ServerError(message))
                sys.stderr.write(f"{child.told}\n")
                sys.stderr.flush()
                child.end = self._beside.submit(child.server.stop)

    def _note_death(self, child: Child, error: ServerError) -> None:
        told = f"{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%SZ}: {error}"
        child.state, child.told, child.died_at = "down", told, time.monotonic()
        child.question = None
        self._tell()

    def _tell(self) -> None:
        states = tuple(
            State(
                name=child.name,
                state=child.state,
                restarts=child.restarts,
                log=str(child.server.log),
                told=child.told,
            )
            for stage in self._stages
            for child in stage
        )
        ready = all(state.state == "up" for state in states)
        # Where there is no space what was told before stays: servers must not end for that.
        with suppress(OSError):
            told = Status(pid=self._pid, ready=ready, servers=states, configured=self._configured)
            note(self._folder, told)


def note(folder: Path, told: Status) -> None:
    """Write down how the servers of that folder are, for `status`.

    Raises:
        OSError: it can't be written.
    """
    unfinished = folder / f".{STATUS}"
    unfinished.write_bytes(msgspec.json.encode(told))
    unfinished.replace(folder / STATUS)


def status(folder: Path) -> Status | None:
    """What the supervisor of that folder told last; None: there was none, or a crash of the machine left nothing readable of it."""
    path = folder / STATUS
    try:
        return msgspec.json.decode(path.read_bytes(), type=Status) if path.exists() else None
    except msgspec.DecodeError:
        return None
