"""How the process of a speed daemon is set up."""

from __future__ import annotations

import gc

YOUNG = 1_000_000
"""Objects made between two looks at the youngest generation."""


def tune() -> None:
    """Let the cycle collector look seldom: page states hold no cycles, but it walks all of them (40 % of the time here), and what was imported."""
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 1_000)
