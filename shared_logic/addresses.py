"""Addresses in messages: what stands before an @ may be a password, and is not repeated."""

from __future__ import annotations

import re


def shown(address: str) -> str:
    """The address as messages may bear it."""
    return re.sub(r"^(\w+://)?.*@", r"\1…@", address, flags=re.DOTALL)
