"""A server process on this machine: started, waited for, stopped, and never longer alive than who started it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO, Self

from stack import tethered

SECONDS_TO_START = 180
SECONDS_TO_STOP = 2 * tethered.SECONDS_TO_END + 10
LOG_BYTES = 32 << 20
"""Of a server's log; what is older is in a second file of at most that size."""
_LINES_TOLD = 8
_CHARACTERS_TOLD = 200
"""Of each line."""
_SECONDS_UNTIL_FREE = 2.0
_STARTED = "--- started "
"""How the line begins that parts a log by starts of the server."""
_FRAMES = ("at ", "... ")
"""How lines of Java's stack traces begin."""


class ServerError(Exception):
    """The server can't be run; the message says why and what to do."""


class Server(ABC):
    """One process with a folder of its own, in which its data, its configuration and its log lie.

    Nothing is left behind but the folder: a server that is started there later goes on with the data.
    """

    name: str
    """As messages call it."""
    port_names: Mapping[int, str] = MappingProxyType({})
    """Where ports are set, for who has to set another one."""

    def __init__(self, folder: Path, host: str, ports: Sequence[int]) -> None:
        """Start nothing yet; `ports` must be free of others when it is started."""
        self.folder = folder
        self.log = folder / "server.log"
        self._host, self._ports = host, tuple(ports)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @abstractmethod
    def prepare(self) -> list[str]:
        """Write the configuration into the folder; returns the program and its arguments.

        Raises:
            ServerError: something that it needs is missing.
        """

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves its clients."""

    def environment(self) -> Mapping[str, str]:
        """Variables of the process beside those of this one."""
        return {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the process lives, if this object started it."""
        return self._process is not None and self._process.poll() is None

    def start(self, seconds: float = SECONDS_TO_START) -> None:
        """Start it and wait until it answers clients; where it runs already, nothing is done.

        Raises:
            ServerError: its folder or a port is in use, something is missing, it ended, or it didn't answer in that time.
        """
        if self.is_running:
            return
        self.launch()
        try:
            self.wait(seconds)
        except BaseException:
            self.kill()
            raise

    def launch(self) -> None:
        """Start it without waiting for an answer.

        Raises:
            ServerError: its folder or a port is in use, something is missing, or its folder can't be written.
        """
        self.stop()
        try:
            self._launch()
        except OSError as error:
            message = f"{self.name} can't be started in {self.folder}: {error.strerror or error}"
            raise ServerError(message) from error

    def await_former(self) -> None:
        """Wait until nobody's server runs in the folder: one whose starter was killed ends by itself.

        Raises:
            ServerError: it doesn't end.
        """
        if self.folder.exists():
            _await_unlocked(self.folder)

    def _launch(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = locked(self.folder)
        try:
            for port in self._ports:
                self._check_free(port)
            command = self.prepare()
            self.bound_log()
            with self.log.open("ab", buffering=0) as log:
                log.write(f"{_STARTED}{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode())
                self._process = subprocess.Popen(
                    [sys.executable, tethered.__file__, *command],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env={**os.environ, **self.environment()},
                    pass_fds=(self._lock.fileno(),),  # the folder is locked until the server has ended
                    start_new_session=True,  # Ctrl-C is for the starter, who then ends the server in its own time
                )
        except BaseException:
            self.kill()
            raise

    def wait(self, seconds: float = SECONDS_TO_START) -> None:
        """Wait until it answers clients.

        Raises:
            ServerError: it ended, or didn't answer in that time.
        """
        end = time.monotonic() + seconds
        while not self.answers():
            if self._process is None or self._process.poll() is not None:
                status = None if self._process is None else self._process.returncode
                raise self._failed(f"ended with status {status} before it answered")
            if time.monotonic() > end:
                raise self._failed(f"didn't answer within {seconds:.0f} s")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it in order, or kill it where it doesn't end; where it doesn't run, nothing is done."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(SECONDS_TO_STOP)
        self.kill()

    def kill(self) -> None:
        """End it at once, as a crash does; where it doesn't run, nothing is done."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
            _await_unlocked(self.folder)

    def bound_log(self) -> None:
        """Put a log that is too long aside, in place of the one that was put aside before; the server goes on with an empty one."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            shutil.copyfile(self.log, self.log.with_suffix(".old.log"))
            os.truncate(self.log, 0)  # it writes to the end of the file, wherever that is

    def ended(self) -> ServerError:
        """With what status it ended, and what it said last."""
        status = None if self._process is None else self._process.poll()
        return self._failed(f"ended with status {status}")

    def _check_free(self, port: int) -> None:
        """Refuse a port that is taken; one that was killed gives its folder free a moment before its ports."""
        end = time.monotonic() + _SECONDS_UNTIL_FREE
        while True:
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    listener.bind((self._host, port))
                except OSError as error:
                    if time.monotonic() > end:
                        where = self.port_names.get(port, "another port")
                        message = f"{self.name} can't listen on port {port} of {self._host} ({error.strerror}); end what does, or give {where}"
                        raise ServerError(message) from error
                else:
                    return
            time.sleep(0.05)

    def _failed(self, what: str) -> ServerError:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.rpartition(_STARTED)[2].splitlines()[1:]]
        telling = [line for line in lines if line and not line.startswith(_FRAMES)]
        last = " | ".join(line[:_CHARACTERS_TOLD] for line in telling[-_LINES_TOLD:])
        return ServerError(f"{self.name} in {self.folder} {what}; {self.log} ends with: {last or 'nothing'}")


def java(wanting: str) -> str:
    """The path of Java.

    Raises:
        ServerError: there is none; `wanting` is who needs it.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(Path(home, "bin", "java") if home else "java")
    if found is None:
        message = f"{wanting} needs Java 17 or newer and there is none on the path or in JAVA_HOME; `make setup` installs one"
        raise ServerError(message)
    return found


def listening(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    with suppress(OSError), socket.create_connection((host, port), timeout=5):
        return True
    return False


def locked(folder: Path) -> IO[bytes]:
    """The folder's lock, held.

    Raises:
        ServerError: another server holds it.
    """
    lock = (folder / ".lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        message = f"{folder} is in use by another server; stop that one, or give another folder"
        raise ServerError(message) from error
    return lock


def _await_unlocked(folder: Path) -> None:
    """Wait for the end of a server that was killed: the system takes a moment to take its memory and ports back.

    Raises:
        ServerError: it doesn't end.
    """
    end = time.monotonic() + SECONDS_TO_STOP
    while True:
        try:
            locked(folder).close()
        except ServerError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return
