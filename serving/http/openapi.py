"""What the OpenAPI document tells beside the routes: credentials, and the answers of the gate before them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI

from serving.http.problems import described

_SCHEMES = {"basic": {"type": "http", "scheme": "basic"}, "bearer": {"type": "http", "scheme": "bearer"}}
_OF_THE_GATE = {
    "401": described("credentials with the role for it are missing"),
    "429": described("too many requests of these credentials; `Retry-After` says when to go on"),
}


def document(app: FastAPI, private: Sequence[str]) -> None:
    """Let the application's document tell that paths which begin so are behind the gate, and what no route ever answers."""
    as_made = app.openapi

    def openapi() -> dict[str, Any]:
        told = as_made()
        told.setdefault("components", {})["securitySchemes"] = _SCHEMES
        for path, operation in _operations(told):
            # What a request gets wrong is a problem of status 400.
            operation["responses"].pop("422", None)
            if any(path == start or path.startswith(f"{start}/") for start in private):
                operation["security"] = [{name: []} for name in _SCHEMES]
                operation["responses"] |= _OF_THE_GATE
        return told

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _operations(told: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in told["paths"].items():
        for operation in methods.values():
            yield path, operation
