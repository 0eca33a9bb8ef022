"""A route for every table that may be seen, made from its specification: `/v1/{dataset}/{partition key…}`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from http import HTTPStatus
from itertools import takewhile
from typing import Annotated, Any
from unicodedata import category

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field, create_model

from serving.http.answers import fresh
from serving.http.cursors import MOST_CHARACTERS, decoded, encoded
from serving.http.problems import RESPONSES, Problem
from serving.http.segments import SegmentRoute
from serving.http.source import Source
from serving.reader import Stream
from shared_logic.definition import Dataset
from shared_logic.generations import generation_of
from shared_logic.keys import encode_key
from shared_logic.tables import Column, Key

MOST_ROWS = 1_000
USUAL_ROWS = 100
_NEXT = b"\x00"
"""After the bytes of a key: no key lies between the two."""


class _Cursor(msgspec.Struct, array_like=True, frozen=True):
    """Where the next page begins: after this key, in this generation."""

    generation: int
    key: tuple[Any, ...]


def routes(source: Source, datasets: Iterable[Dataset]) -> APIRouter:
    """The routes of those datasets of which no key column is private; other private columns are left out."""
    router = APIRouter(prefix="/v1", tags=["tables"], responses=RESPONSES, route_class=SegmentRoute)
    shown = [dataset for dataset in datasets if is_public(dataset)]

    @router.get("", summary="The tables that can be read")
    def tables() -> list[dict[str, Any]]:
        return [
            {
                "dataset": dataset.name,
                "about": dataset.doc,
                "path": f"{router.prefix}{_path(dataset)}",
                "columns": [
                    {"name": column.name, "about": column.about.text, "unit": column.about.unit or None}
                    for column in _columns(dataset)
                ],
            }
            for dataset in shown
        ]

    for dataset in shown:
        router.add_api_route(
            _path(dataset),
            _endpoint(source, dataset),
            methods=["GET"],
            summary=dataset.doc.split("\n")[0],
            description=dataset.doc,
            response_model=_page(dataset),
            name=dataset.name,
        )
    return router


def is_public(dataset: Dataset) -> bool:
    """Whether the table may be seen: no column of its key is private, and some other column isn't."""
    schema = dataset.schema
    keys = (schema.column(name) for name in schema.key_names)
    values = (schema.column(name) for name in schema.value_names)
    return not any(column.about.private for column in keys) and not all(
        column.about.private for column in values
    )


def _endpoint(source: Source, dataset: Dataset) -> Callable[..., Response]:
    names = [column.name for column in _columns(dataset)]
    schema = dataset.schema

    def read(request: Request, **given: Any) -> Response:
        prefix, first, last = _chosen(dataset, given)
        cursor = _cursor(dataset, given.get("cursor_"))
        start = b"" if first is None else _place((*prefix, first), "from")
        found = _stream(source, dataset, prefix, start, cursor)
        rows = _upto(found.rows, _ranged(dataset, prefix), last)
        limit = given["limit"]
        page: list[dict[str, Any]] = []
        following = None
        for row in rows:
            if len(page) == limit:
                following = encoded(
                    _Cursor(found.generation, tuple(page[-1][name] for name in schema.key_names))
                )
                break
            page.append(row)
        source.reader.check_kept(dataset, found.generation)
        if not page and cursor is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"{dataset.name} has no rows with this key")
        items = [{name: row[name] for name in names} for row in page]
        return fresh(request, {"items": items, "next": following}, found)

    request = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)
    # What FastAPI makes parameters of.
    vars(read)["__signature__"] = inspect.Signature([request, *_parameters(dataset)])
    return read


def _parameters(dataset: Dataset) -> Iterator[inspect.Parameter]:
    """Of the path the partition key; of the query clustering columns, a range of the first that isn't given, and the page."""
    schema = dataset.schema
    for name in schema.partition:
        column = schema.column(name)
        yield _parameter(name, Annotated[_bounded(column.type), Path(description=_described(column))])
    for name in schema.clustering:
        column = schema.column(name)
        yield _parameter(
            name, Annotated[_bounded(column.type) | None, Query(description=_described(column))], None
        )
    if schema.clustering:
        first = "of the first clustering column that is not given"
        for name, which in (("from", "Least"), ("to", "Greatest")):
            about = Query(alias=name, description=f"{which} value {first}.", max_length=255)
            yield _parameter(f"{name}_", Annotated[str | None, about], None)
    yield _parameter(
        "limit", Annotated[int, Query(ge=1, le=MOST_ROWS, description="Rows of a page at most.")], USUAL_ROWS
    )
    about = Query(alias="cursor", description="`next` of the page before.", max_length=MOST_CHARACTERS)
    yield _parameter("cursor_", Annotated[str | None, about], None)


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _bounded(kind: type) -> Any:
    """As parameters of that type are checked: what no store could hold is refused."""
    if kind is int:
        return Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
    if kind is str:
        return Annotated[str, Field(max_length=1_024)]
    return kind


def _chosen(dataset: Dataset, given: dict[str, Any]) -> tuple[Key, Any, Any]:
    """The prefix of the key, and the bounds of the next clustering column.

    Raises:
        Problem: a column is given and one before it isn't, or a bound is none of its column's type.
    """
    schema = dataset.schema
    key: list[Any] = [given[name] for name in schema.partition]
    skipped = ""
    for name in schema.clustering:
        value = given.get(name)
        if value is None:
            skipped = skipped or name
        elif skipped:
            message = f"{name} is given without {skipped}, which stands before it in the key"
            raise Problem(HTTPStatus.BAD_REQUEST, message)
        else:
            key.append(_aware(value))
    for value in key:
        if isinstance(value, str) and any(category(character) in {"Cc", "Cs"} for character in value):
            raise Problem(HTTPStatus.BAD_REQUEST, "a key has no control characters")
    first, last = given.get("from_"), given.get("to_")
    if first is None and last is None:
        return tuple(key), None, None
    if not skipped:
        raise Problem(HTTPStatus.BAD_REQUEST, "from and to are given, but every clustering column is too")
    kind = schema.column(skipped).type
    return tuple(key), _bound(kind, first, "from"), _bound(kind, last, "to")


def _bound(kind: type, text: str | None, name: str) -> Any:
    if text is None:
        return None
    try:
        value: Any = msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"query.{name}: {error}") from error
    return _aware(value)


def _aware(value: Any) -> Any:
    """Instants without a zone can't be compared with those of a table.

    Raises:
        Problem: it is one.
    """
    if isinstance(value, datetime) and value.tzinfo is None:
        raise Problem(HTTPStatus.BAD_REQUEST, f"{value.isoformat()} has no time zone; write Z after it")
    return value


def _ranged(dataset: Dataset, prefix: Key) -> str | None:
    """The column of which a range is read."""
    names = dataset.schema.key_names
    return names[len(prefix)] if len(prefix) < len(names) else None


def _upto(rows: Iterator[dict[str, Any]], name: str | None, last: Any) -> Iterator[dict[str, Any]]:
    if name is None or last is None:
        return rows
    return takewhile(lambda row: row[name] <= last, rows)


def _stream(source: Source, dataset: Dataset, prefix: Key, start: bytes, cursor: _Cursor | None) -> Stream:
    """The rows from `start` on, or after those of the pages before."""
    if cursor is None:
        return source.reader.stream(dataset, prefix, start=start)
    if generation_of(source.store, dataset.name, cursor.generation) is None:
        message = (
            "the pages that this cursor belongs to are of a generation that is gone; begin again without it"
        )
        raise Problem(HTTPStatus.GONE, message)
    return source.reader.stream(
        dataset, prefix, cursor.generation, max(start, _place(cursor.key, "cursor") + _NEXT)
    )


def _place(key: Key, where: str) -> bytes:
    """Where rows with that beginning of a key lie.

    Raises:
        Problem: no key begins so.
    """
    try:
        return encode_key(key)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"query.{where}: {error}") from error


def _cursor(dataset: Dataset, text: str | None) -> _Cursor | None:
    if text is None:
        return None
    schema = dataset.schema
    kinds = tuple(schema.column(name).type for name in schema.key_names)
    place: tuple[int, Key] = decoded(text, tuple[int, tuple[kinds]], "this table")  # type: ignore[valid-type]
    generation, key = place
    return _Cursor(generation, tuple(map(_aware, key)))


def _columns(dataset: Dataset) -> list[Column]:
    """Those that may be seen."""
    return [column for column in dataset.schema.columns if not column.about.private]


def _path(dataset: Dataset) -> str:
    return f"/{dataset.name}/" + "/".join(f"{{{name}}}" for name in dataset.schema.partition)


def _described(column: Column) -> str:
    unit = f" ({column.about.unit})" if column.about.unit else ""
    return f"{column.about.text}{unit}"


def _page(dataset: Dataset) -> type[BaseModel]:
    """The model of a page of rows, for the OpenAPI document."""
    fields: dict[str, Any] = {}
    for column in _columns(dataset):
        kind: Any = list[str] if column.type is tuple else column.type
        if column.can_be_null:
            kind = kind | None
        fields[column.name] = (kind, Field(description=_described(column)))
    row = create_model(dataset.schema.name, **fields)
    return create_model(
        f"{dataset.schema.name}Page",
        items=(list[row], ...),  # type: ignore[valid-type]
        next=(str | None, Field(description="Cursor of the next page; null: this is the last.")),
    )
