"""Checks uv.lock without a network: every package is one of the public index, and every file of it has a SHA-256.

Whether one of them is known to be vulnerable is asked elsewhere: `make audit`, which needs a network.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

INDEX = "https://pypi.org/simple"
FILES = "files.pythonhosted.org"
OWN = {"editable": "."}
_SHA256_LENGTH = len("sha256:") + 64


def faults(lock: dict[str, Any]) -> Iterator[str]:
    """What is wrong, each with the package that it is of."""
    for package in lock["package"]:
        name, source = f"{package['name']} {package.get('version', '')}", package["source"]
        if source == OWN:
            continue
        if source != {"registry": INDEX}:
            yield f"{name} is not of {INDEX}, but of {source}; use 'make lock'"
            continue
        files = [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
        if not files:
            yield f"{name} has no files"
        for file in files:
            if urlsplit(file["url"])[:2] != ("https", FILES):
                yield f"{name}: {file['url']} is of another host than {FILES}; use 'make lock'"
            digest = file.get("hash", "")
            if not digest.startswith("sha256:") or len(digest) != _SHA256_LENGTH:
                yield f"{name}: {file['url']} has no SHA-256"


if __name__ == "__main__":
    found = list(faults(tomllib.loads(Path(__file__).parents[1].joinpath("uv.lock").read_text("utf-8"))))
    for fault in found:
        print(fault, file=sys.stderr)
    sys.exit(bool(found))
