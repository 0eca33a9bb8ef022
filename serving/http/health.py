"""Whether the API lives, and whether it has anything to answer from: for those who start it and share out requests."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from serving.http.problems import Problem, answer
from serving.http.source import Source
from shared_logic.definition import Dataset


def routes(source: Source, datasets: Sequence[Dataset]) -> APIRouter:
    """The routes; ready is who has one of these datasets."""
    router = APIRouter(prefix="/health")

    # `async`: it needs no thread, of which all may wait for a log or a store that is away.
    @router.get("/live", include_in_schema=False)
    async def live() -> PlainTextResponse:
        return PlainTextResponse("live\n")

    @router.get("/ready", include_in_schema=False)
    def ready() -> Response:
        if any(source.store.published(dataset.name) is not None for dataset in datasets):
            return PlainTextResponse("ready\n")
        return answer(Problem(503, "nothing is published yet"))

    return router
