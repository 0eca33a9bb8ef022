"""Small hand-made datasets and stores, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Annotated, Any

from shared_logic.definition import Dataset
from shared_logic.keys import encode_key, encode_values
from shared_logic.language import Clustering, Partition, Sum, Table, about
from shared_logic.protocols import Lane, Store
from shared_logic.registry import Registry
from shared_logic.things import Page, Site
from tests.generations import generation

registry = Registry()


class Line(Table, frozen=True, kw_only=True):
    """What is known of a revision; it's hidden part by part."""

    wiki: Annotated[Partition[str], about("the wiki")]
    rev_id: Annotated[Clustering[int], about("the revision")]
    sha1: Annotated[str | None, about("of the text", hidden_with="text")] = None
    comment: Annotated[str, about("the summary", hidden_with="comment")] = ""
    user: Annotated[str, about("who", hidden_with="user", private="a name")] = ""
    size: Annotated[int | None, about("length", unit="bytes")] = None


class Count(Table, frozen=True, kw_only=True):
    """Edits and bytes of a day."""

    wiki: Partition[str]
    day: Clustering[date]
    edits: Sum[int]
    bytes: Sum[int]


class Every(Table, frozen=True, kw_only=True):
    """A column of every type."""

    token: Annotated[Partition[str], about("a name that is\nreserved")]
    at: Partition[datetime]
    day: Clustering[date]
    number: Clustering[int]
    flag: Clustering[bool]
    text: str | None
    instant: datetime | None
    born: date | None
    yes: bool | None
    amount: int | None
    parts: tuple[str, ...]


@registry.dataset
def lines(site: Site) -> Iterator[Line]:
    """A table of revisions, whose rows tests write."""
    yield from ()


@registry.dataset
def counts(page: Page) -> Iterator[Count]:
    """Edits and bytes by day."""
    for revision in page.revisions:
        yield Count(wiki=page.wiki, day=revision.day, edits=1, bytes=revision.size or 0)


@registry.dataset
def everything(site: Site) -> Iterator[Every]:
    """It's a column of every type."""
    yield from ()


def row(key: tuple[Any, ...], values: tuple[Any, ...]) -> tuple[bytes, bytes]:
    return encode_key(key), encode_values(values)


def publish(
    store: Store,
    dataset: Dataset,
    number: int,
    rows: Mapping[tuple[Any, ...], tuple[Any, ...]],
    cut: tuple[int, ...] = (10, 20),
) -> None:
    store.add_generation(generation(dataset.name, number, cut=cut))
    store.load(dataset.name, number, sorted(row(key, values) for key, values in rows.items()))
    store.publish(dataset.name, number)


def batch_row(store: Store, lane: Lane, key: bytes) -> bytes | None:
    """The row that the batch view has of that key."""
    return store.batch_rows_of(lane, [key]).get(key)


def speed_row(store: Store, lane: Lane, key: bytes) -> tuple[bytes | None] | None:
    """(row,), (None,) for a tombstone, or None where speed says nothing."""
    found = store.speed_rows_of(lane, [key])
    return (found[key],) if key in found else None
