"""The operators' routes and page: how every dataset is, its audits, dead letters, and a look at single rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from serving.http.answers import private
from serving.http.problems import RESPONSES, Problem, described
from serving.http.similar_users import PAGE_HEADERS
from serving.http.source import Source
from serving.reader import NotPublished
from serving.standing import lag_of
from shared_logic.clock import SECOND_MS
from shared_logic.definition import Dataset

PREFIX = "/operations"
PAGE = Path(__file__).parent / "pages" / "operations.html"
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Records:
    """What is kept beside the store."""

    audits: Callable[[], Rows]
    """The last result of every expectation of every dataset."""
    failing: Callable[[str], Rows]
    """Rows of a dataset that failed its last audit."""
    dead_letters: Callable[[], Rows]
    """The newest."""
    drifts: Callable[[], Rows]
    """Of every dataset that was compared with a recomputation: when, and how many values differed by column."""
    waiting: Callable[[], Mapping[str, int]]
    """How many dead letters could still be replayed, by reason."""


def routes(source: Source, datasets: Sequence[Dataset], kept: Records) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix=PREFIX, tags=["operations"], responses=RESPONSES)
    keyed: dict[int | str, dict[str, Any]] = {403: described("the key of the table is private")}
    by_name = {dataset.name: dataset for dataset in datasets}

    @router.get("/state", summary="Every dataset: generation, cut, lag")
    def state() -> Response:
        return private({"datasets": [state_of(source, dataset) for dataset in datasets]})

    @router.get("/audits", summary="The last audits")
    def audits() -> Response:
        return private({"audits": kept.audits()})

    @router.get("/audits/{dataset}/failing", summary="Rows that failed the last audit", responses=keyed)
    def failing(dataset: str) -> Response:
        return private({"rows": kept.failing(_shown(by_name, dataset).name)})

    @router.get("/deadletters", summary="Events that could not be read, without their text")
    def dead_letters() -> Response:
        return private({"waiting": kept.waiting(), "dead_letters": kept.dead_letters()})

    @router.get(
        "/parity", summary="How far merged and recomputed tables differed when they were compared last"
    )
    def parity() -> Response:
        return private({"parity": kept.drifts()})

    @router.get("/explain/{dataset}", summary="Which layer says what of one row", responses=keyed)
    def explain(
        dataset: str,
        key: Annotated[
            list[Annotated[str, Query(max_length=1_024)]],
            Query(max_length=16, description="Values of the key's columns, in order."),
        ],
    ) -> Response:
        made = _shown(by_name, dataset)
        schema = made.schema
        kinds = tuple(schema.column(name).type for name in schema.key_names)
        try:
            whole = msgspec.convert(tuple(key), tuple[kinds], strict=False)  # type: ignore[valid-type]
            found = source.reader.explain(made, whole)
        except (msgspec.ValidationError, ValueError) as error:
            names = ", ".join(schema.key_names)
            message = f"{dataset} is keyed by {names}: {error}"
            raise Problem(HTTPStatus.BAD_REQUEST, message) from error
        return private({"columns": list(schema.value_names), **asdict(found)})

    @router.get("/page", summary="The operators' page", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE, media_type="text/html", headers=PAGE_HEADERS)

    return router


def _shown(datasets: Mapping[str, Dataset], name: str) -> Dataset:
    """The dataset, if its rows may be shown to operators: not if they tell what one person did, which nothing would write down here."""
    found = _named(datasets, name)
    if any(found.schema.column(column).about.private for column in found.schema.key_names):
        message = (
            f"the key of {name} is private, and its rows are not shown here; whoever may read the home sees them by "
            "`wikibraid explain`, and those that failed an audit in delta/quarantine"
        )
        raise Problem(HTTPStatus.FORBIDDEN, message)
    return found


def _named(datasets: Mapping[str, Dataset], name: str) -> Dataset:
    if name not in datasets:
        raise Problem(HTTPStatus.NOT_FOUND, f"no dataset {name}")
    return datasets[name]


def state_of(source: Source, dataset: Dataset) -> dict[str, Any]:
    """How a dataset is for its readers; `generation` is None where nothing is published."""
    made = source.store.published(dataset.name)
    told: dict[str, Any] = {
        "dataset": dataset.name,
        "about": dataset.doc.split("\n")[0],
        "key": list(dataset.schema.key_names),
        "generations": len(source.store.generations(dataset.name)),
    }
    if made is None:
        return {**told, "generation": None}
    try:
        through = source.reader.through(dataset, made.number)
    except NotPublished:
        return {**told, "generation": None}
    since = source.missing_since(through)
    return {
        **told,
        "generation": made.number,
        "cut": made.cut,
        "run": made.run,
        "fingerprint": made.fingerprint,
        "delta_version": made.delta_version,
        "through": through,
        "lag": lag_of(source.ends(), through),
        "missing_seconds": 0.0 if since is None else max(0.0, time.time() - since / SECOND_MS),
        "since_cut": sum(at - cut for at, cut in zip(through, made.cut, strict=True)),
    }
