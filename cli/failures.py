"""Exit codes, and the one exception that ends a command with a clear line instead of a traceback."""

from __future__ import annotations

MISTAKE = 1
"""The input or the request can't be served; the message says why and what to do."""
CANNOT_KNOW = 3
"""Nothing is published that could answer."""
BUSY = 4
"""Another process writes to this home."""
AUDIT_FAILED = 5
"""The candidate was not published."""
DIFFERS = 6
"""The law does not hold, or two views differ."""
EMPTY = 7
"""Nothing was ever brought in, so that there is nothing to compute."""
INTERRUPTED = 130
"""Ctrl-C; what was done is kept, the same command goes on from there."""


class Failure(Exception):  # noqa: N818  how a command ends
    """Ends the command with its message and exit code."""

    def __init__(self, message: str, code: int = MISTAKE) -> None:
        """Keep both."""
        super().__init__(message)
        self.code = code
