"""A program of this project as a server."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stack.server import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is run, and how it tells that it is up."""

    name: str
    folder: Path
    command: Sequence[str]
    host: str
    port: int
    path: str
    """Of the address that answers with 200 when it lives."""
    variables: Mapping[str, str] = field(default_factory=dict)


class ProgramServer(Server):
    """Runs it."""

    def __init__(self, program: Program) -> None:
        """Start nothing yet."""
        self.name = program.name
        super().__init__(program.folder, program.host, (program.port,))
        self._program = program

    def prepare(self) -> list[str]:
        """See `Server`."""
        return list(self._program.command)

    def environment(self) -> Mapping[str, str]:
        """See `Server`."""
        return self._program.variables

    def answers(self) -> bool:
        """Whether its address answers."""
        address = f"http://{self._program.host}:{self._program.port}{self._program.path}"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004  OK
        except (urllib.error.URLError, OSError):
            return False
