"""access.yaml: who may see what is private over HTTP."""

from __future__ import annotations

from pathlib import Path

from cli.configuration import parsed_entries
from cli.failures import Failure
from serving.http.access import Bearer, BearersFile
from shared_logic.protocols import Tell


def bearers(path: Path) -> dict[str, Bearer]:
    """Those that the file names; none, if it isn't there.

    Raises:
        Failure: it can't be used; the message names the file, the line and what is wrong.
    """
    return dict(parsed_entries(path, Bearer).entries) if path.exists() else {}


def followed(path: Path, tell: Tell) -> BearersFile:
    """Those that the file names at any time; nobody, while it can't be used, which is told.

    Raises:
        Failure: it can't be used now.
    """
    bearers(path)

    def read() -> dict[str, Bearer]:
        try:
            return bearers(path)
        except Failure as failure:
            tell(f"{failure}; nobody is let in until it is mended")
            return {}

    return BearersFile(path, read)
