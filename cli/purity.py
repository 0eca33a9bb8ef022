"""Prints a digest of a dataset's rows over the events of standard input, for comparison between processes. Run as `python -m cli.purity`."""

from __future__ import annotations

import sys
from hashlib import sha256
from importlib import import_module

import shared_logic.datasets  # noqa: F401  registers the datasets
from shared_logic.reference import reference, told
from shared_logic.registry import registry

if __name__ == "__main__":
    _, module, name = sys.argv
    import_module(module)
    table = reference(registry.closure([name]), told(sys.stdin.buffer.read().splitlines()).states)[name]
    print(sha256(repr(sorted(table.items(), key=repr)).encode()).hexdigest())  # noqa: T201  the answer to the parent process
