"""Prints a digest of a dataset's rows over the sample, for comparison between processes. Run as `python -m cli.purity`."""

from __future__ import annotations

import sys
from hashlib import sha256
from importlib import import_module

import shared_logic.datasets  # noqa: F401  registers the datasets
from cli.check import SAMPLE
from shared_logic.reference import reference, told
from shared_logic.registry import registry

if __name__ == "__main__":
    _, module, name = sys.argv
    import_module(module)
    table = reference(registry.closure([name]), told(SAMPLE).states)[name]
    print(sha256(repr(sorted(table.items(), key=repr)).encode()).hexdigest())  # noqa: T201  the answer to the parent process
