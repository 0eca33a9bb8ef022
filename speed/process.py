"""How the process of a speed daemon is set up."""

from __future__ import annotations

import gc

YOUNG = 1_000_000
"""Objects made between two looks at the youngest generation."""


def tune() -> None:
    """Let the cycle collector look seldom, and never at what was imported.

    Page states hold no cycles, and to walk all of them took 40 % of the time here.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 1_000)
