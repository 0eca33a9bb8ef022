"""Processes that are killed and started again, and the chance by which that happens."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from tests.servers import free_ports

ROUNDS = os.environ.get("WIKIBRAID_FAULTS", "")
"""`full`: as many rounds as are wanted before a release; else as many as a change waits for."""


def rounds(usual: int, full: int) -> int:
    """How often something dies in this run."""
    return full if ROUNDS == "full" else usual


def chance() -> random.Random:
    """What decides who dies when; the seed is printed, and WIKIBRAID_SEED sets it."""
    seed = int(os.environ.get("WIKIBRAID_SEED") or time.time_ns() // 1_000)
    print(f"to run it again as it was: WIKIBRAID_SEED={seed}")  # noqa: T201  pytest shows it where a test fails
    return random.Random(seed)


class Victim(Protocol):
    """What can die."""

    name: str

    def kill(self) -> None:
        """End it at once."""

    def start(self) -> None:
        """Start it again, on what it left."""


class Program:
    """A program of this project in a process of its own, which may end by itself."""

    def __init__(self, name: str, folder: Path, *words: str) -> None:
        """Start nothing yet; `words` follow `python -m`."""
        self.name = name
        self.log = folder / f"{name.replace('/', '-')}.log"
        self._command = [sys.executable, "-m", *words]
        self.process: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()

    def start(self) -> None:
        """Start it, and wait for nothing."""
        with self._lock, self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=Path.cwd())

    def kill(self) -> None:
        """End it at once."""
        with self._lock:
            if self.process is not None:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
                self.process = None

    def hang(self) -> None:
        """Let it stand still wherever it is."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on as if nothing had been."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def mend(self) -> None:
        """Start it again if it has ended with an error."""
        with self._lock:
            if self.process is not None and self.process.poll() not in {None, 0}:
                self.start()

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def ended(self, seconds: float) -> int:
        """Wait for its end; its exit code."""
        assert self.process is not None
        return self.process.wait(seconds)

    def has_finished(self) -> bool:
        """Whether it has ended well."""
        return self.process is not None and self.process.poll() == 0

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3_000:]


class Service(Program):
    """A program that answers over HTTP."""

    def __init__(self, name: str, folder: Path, *words: str) -> None:
        """Start nothing yet; it is told a free port."""
        (self.port,) = free_ports(1)
        super().__init__(name, folder, *words, "--port", str(self.port))

    def asked(self, path: str, seconds: float = 5) -> tuple[int, bytes]:
        """Status and body of its answer; 0 where there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=seconds) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except (urllib.error.URLError, OSError):
            return 0, b""

    def answers(self, path: str) -> bool:
        """Whether it says that all is well there."""
        return self.asked(path)[0] == 200

    def metric(self, line: str) -> float:
        """The value in its metrics of what that line begins with, added up; no number where there is none."""
        _, text = self.asked("/metrics")
        found = [one for one in text.decode().splitlines() if one.startswith(line)]
        return sum(float(one.rpartition(" ")[2]) for one in found) if found else math.nan


def daemon(home: Path, share: str, datasets: Sequence[str], name: str = "") -> Service:
    """A speed daemon of that share."""
    words = ("speed", "daemon", *datasets, "--share", share, "--home", str(home))
    return Service(name or f"daemon-{share}", home, "cli.main", *words)


def feeder(home: Path, story: Path, at_a_time: int, seconds: float) -> Program:
    """The process that brings events in."""
    return Program("feeder", home, "tests.faults.feeder", str(home), str(story), str(at_a_time), str(seconds))


def eventually(holds: Callable[[], bool], told: Callable[[], str] = lambda: "", seconds: float = 300) -> None:
    """Wait until it holds; if it never does, `told` is what is known of why."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it took too long {told()}"
        time.sleep(0.1)


def strike(victim: Victim, chance: random.Random, *, within: float) -> None:
    """Kill it at some moment within so many seconds, and start it again."""
    time.sleep(chance.uniform(0, within))
    victim.kill()
    victim.start()
