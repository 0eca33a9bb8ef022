"""Folders for files that are gone when the command that made them ends; if it was killed, the next one removes them."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

LOCK = "LOCK"
"""In every folder, held while it is in use; beside them, held while one is made or removed."""


@contextmanager
def temporary(parent: Path) -> Iterator[Path]:
    """A new folder below `parent`, which may be missing; what killed processes left there goes first.

    Who may not write there gets one where the system has such folders.
    """
    if not os.access(parent if parent.exists() else parent.parent, os.W_OK):
        with TemporaryDirectory(prefix="wikibraid-") as elsewhere:
            yield Path(elsewhere)
        return
    parent.mkdir(exist_ok=True)
    with ExitStack() as stack:
        with _held(parent / LOCK):
            _remove_unused(parent)
            folder = Path(mkdtemp(dir=parent))
            stack.enter_context(_held(folder / LOCK))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        files = folder / "files"
        files.mkdir()
        yield files


def remove_unused(parent: Path) -> None:
    """Remove the folders that killed processes left below `parent`, which may be missing."""
    if parent.exists():
        with _held(parent / LOCK):
            _remove_unused(parent)


def _remove_unused(parent: Path) -> None:
    for folder in parent.iterdir():
        if folder.name == LOCK:
            continue
        try:
            with _held(folder / LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(folder, ignore_errors=True)
        except (BlockingIOError, FileNotFoundError):
            # In use, or gone by now.
            continue


@contextmanager
def _held(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, how)
        yield
