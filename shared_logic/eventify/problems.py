"""What is said of input that was skipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One row or element that could not be read; the rest goes on."""

    table: str
    """Table, or element of a dump."""
    row: str
    """Its key, as far as it can be told."""
    field: str
    """The column or element at fault; empty: the whole row."""
    code: str
    detail: str


Report = Callable[[Problem], None]
