"""What readers of views take for the present: the instant that the last batch run named, in the home's file NOW."""

from __future__ import annotations

from pathlib import Path

_NAME = "NOW"


def named(home: Path) -> str | None:
    """The instant; None: the last run named none, the present itself is meant."""
    path = home / _NAME
    return path.read_text().strip() if path.exists() else None


def name(home: Path, instant: str | None) -> None:
    """Note the instant, in place of the one before; None: the present itself."""
    path = home / _NAME
    if instant is None:
        path.unlink(missing_ok=True)
        return
    unfinished = home / f".{_NAME}.part"
    unfinished.write_text(instant + "\n")
    unfinished.replace(path)
