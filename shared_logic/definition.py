"""What a dataset is: what its function reads, the table that it makes, and the function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from shared_logic.events.declared import is_declared
from shared_logic.folds import Fold
from shared_logic.tables import Schema
from shared_logic.things import Page, Revision, StrayRevision

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Linked(Generic[T]):
    """All rows of a table that name one another, directly or through others, in order of key."""

    rows: tuple[T, ...]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what an installation may set: subclass it with defaults; the class' name is that of the section."""


@dataclass(frozen=True)
class Dataset:
    """One definition: what the function reads, the table that it makes, and the function."""

    name: str
    reads: tuple[type, ...]
    """Things, or the source's table."""
    schema: Schema[Any]
    function: Callable[..., Iterator[Any]]
    source: Dataset | None = None
    """The dataset whose table it reads; None: it reads things."""
    joined: Dataset | None = None
    """The dataset whose row of the same first key columns it is given beside the total."""
    fold: type[Fold] | None = None
    """What is handed from one revision to the next; None: the function is given the thing as a whole."""
    settings: Settings | None = None
    """What the function is given by name; None: it takes no settings."""
    doc: str = field(default="", compare=False)

    @property
    def shape(self) -> str:
        """enrichment, fold, entity, event, derived or linked."""
        if self.source is not None:
            return "linked" if self.is_linked else "derived"
        if self.fold is not None:
            return "fold"
        if self.reads_declared:
            return "event"
        return "enrichment" if self.reads == (Revision,) else "entity"

    @cached_property
    def is_by_revision(self) -> bool:
        """Whether each revision gives rows or sums of its own, which can be made anew without those of the others.

        Rows that hold a `rev_id` in their key are its own: the kernel refuses another one.
        """
        return Revision in self.reads and (self.is_rollup or "rev_id" in self.schema.key_names)

    @cached_property
    def reads_declared(self) -> bool:
        """Whether it reads events that an author declared."""
        return any(map(is_declared, self.reads))

    @property
    def is_linked(self) -> bool:
        """Whether it reads the linked rows of its source."""
        return self.source is not None and bool(self.source.schema.links)

    @property
    def reading(self) -> str:
        """What it reads, in words."""
        names = [one.name for one in self.inputs] or [thing.__name__ for thing in self.reads]
        return ", ".join(names) + (", revision by revision" if self.fold is not None else "")

    @property
    def inputs(self) -> tuple[Dataset, ...]:
        """The datasets whose tables it reads."""
        return tuple(one for one in (self.source, self.joined) if one is not None)

    @cached_property
    def is_rollup(self) -> bool:
        """Whether the rows of one key are added up."""
        return self.schema.is_rollup

    @property
    def chain(self) -> tuple[Dataset, ...]:
        """All that it is made from, what is read before what reads it, itself last."""
        found = {dataset.name: dataset for one in self.inputs for dataset in one.chain}
        return (*found.values(), self)

    def __call__(self, *things: Any) -> Iterator[Any]:
        """The rows of one thing."""
        return self.step(*things) if self.fold is None else self._folded(self.fold, *things)

    def step(self, *things: Any) -> Iterator[Any]:
        """What one call of the author's function gives."""
        return (
            self.function(*things)
            if self.settings is None
            else self.function(*things, settings=self.settings)
        )

    def _folded(self, fold: type[Fold], thing: Page | StrayRevision) -> Iterator[Any]:
        facts, history = (thing, thing.history) if isinstance(thing, Page) else (thing.facts, (thing,))
        if not history:
            return
        so_far = fold()
        so_far.put_on(facts)
        for revision in history:
            yield from self.step(revision, so_far)
        so_far.check()


def names_accounts(dataset: Dataset) -> bool:
    """Whether a column holds names of accounts, which are shown only while no block hides them."""
    return any(column.names_account for column in dataset.schema.columns)
