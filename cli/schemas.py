"""The JSON Schemas of events: which fields are known, and what is wrong with an event that could not be read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "conf" / "schemas"
ERRORS_SHOWN = 5


@cache
def known_fields() -> Mapping[str, tuple[int, frozenset[str]]]:
    """By schema title: the newest minor version that is known, and the paths (as `page.page_id`) of all its fields.

    In a path `*` is any name, and `**` whatever lies in what has no schema of its own.
    """
    found: dict[str, tuple[int, frozenset[str]]] = {}
    for path in sorted(FOLDER.rglob("*.json")):
        title = str(path.parent.relative_to(FOLDER))
        minor = int(path.stem.split(".")[1])
        fields = frozenset(_paths(json.loads(path.read_text()), ""))
        known = found.get(title, (0, frozenset()))
        found[title] = max(minor, known[0]), fields | known[1]
    return found


def faults(value: bytes) -> list[str]:
    """What the newest schema of its title says is wrong with an event; no text of the event is repeated."""
    from jsonschema import Draft7Validator

    try:
        event = json.loads(value)
        title = re.sub(r"/\d+\.\d+\.\d+$", "", event["$schema"].strip("/"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ["it is no JSON object with a $schema"]
    paths = sorted((FOLDER / title).glob("*.json")) if re.fullmatch(r"[\w/-]+", title) else []
    if not paths:
        return ["no schema of its title is known here"]
    newest = max(paths, key=lambda path: [int(part) for part in path.stem.split(".")])
    errors = Draft7Validator(json.loads(newest.read_text())).iter_errors(event)
    return [
        f"{error.json_path}: {error.validator} fails"
        for error, _ in zip(errors, range(ERRORS_SHOWN), strict=False)
    ]


def _paths(schema: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        yield prefix + name
        yield from _paths(inner, f"{prefix}{name}.")
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        yield f"{prefix}*"
        yield from _paths(others, f"{prefix}*.")
    elif others and prefix and "properties" not in schema:
        yield f"{prefix}**"
