"""Tables of one moment show what every read shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import pytest
from msgspec import structs

import shared_logic.datasets  # noqa: F401  registers them
from serving.moment import Moment, published_together
from serving.reader import NotPublished, Reader
from serving.redaction import HiddenNames, Redaction
from shared_logic.entities import user
from shared_logic.language import Partition, Table, about
from shared_logic.laws import load_generation
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Lane
from shared_logic.reference import united
from shared_logic.registry import Registry, registry
from shared_logic.states.user_state import Hiding, Seen, UserState
from shared_logic.tables import DefinitionError
from shared_logic.things import Site

AT = 1_600_000_000_000
NAMES = ("user_names", "user_current", "hidden_names")
marked = Registry()


class Maybe(Table, frozen=True, kw_only=True):
    """An account that may not tell."""

    wiki: Annotated[Partition[str], about("wiki")]
    is_hidden: Annotated[bool | None, about("whether it is hidden", hides_row=True)]


@marked.dataset
def maybe(site: Site) -> Iterator[Maybe]:
    """Whether accounts are hidden."""
    yield Maybe(wiki=site.wiki, is_hidden=None)


@pytest.fixture
def store() -> MemoryStore:
    """Two accounts, of which one is hidden."""
    shown = UserState(names=(("Shown", Seen(AT, 0, 0)),), registration=AT)
    hidden = UserState(names=(("Secret", Seen(AT, 0, 0)),), registration=AT, hiding=Hiding(AT, 0, 0, True))
    known = united([(user("w", 7), shown), (user("w", 8), hidden)])
    made = MemoryStore()
    for dataset, generation in load_generation(made, registry.closure(NAMES), known, (0,), "run"):
        made.publish(dataset.name, generation.number)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_moment_shows_what_every_read_shows(store: MemoryStore, name: str) -> None:
    moment = Moment(store, published_together(store, NAMES))
    assert moment.rows(name, "w") == Reader(store).scan(registry[name], ("w",)).rows


@pytest.mark.parametrize("given_up", ["user_current", "hidden_names"])
def test_what_is_given_up_meanwhile_is_not_taken_for_no_row(store: MemoryStore, given_up: str) -> None:
    # given tables of a moment, of which there is another generation by now
    moment = Moment(store, published_together(store, NAMES))
    for dataset, made in load_generation(store, registry.closure(NAMES), {}, (0,), "again"):
        store.publish(dataset.name, made.number)
    with moment:
        moment.rows("user_current", "w")
    # when the older one of one, or of that of hidden names, is given up while it is read
    store.expire(given_up, {2})
    # then whoever found no row is told why, and once
    with pytest.raises(NotPublished, match=f"{given_up}, generation 1 was given up"), moment:
        raise LookupError(moment.row("user_current", "w", "7"))
    with pytest.raises(LookupError), Moment(store, published_together(store, NAMES)):
        raise LookupError


def test_no_name_is_shown_because_a_generation_was_given_up(store: MemoryStore) -> None:
    # given a store that gets another generation of the hidden names, and gives up the older one, while they are looked up
    class Hasty(MemoryStore):
        def batch_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
            if lane == Lane("hidden_names", 1):
                rows = dict(self.batch_rows(lane, b""))
                self.add_generation(structs.replace(self.generations("hidden_names")[0], number=2))
                self.load("hidden_names", 2, iter(rows.items()))
                self.publish("hidden_names", 2)
                self.expire("hidden_names", {2})
            return super().batch_rows_of(lane, keys)

    hasty = Hasty()
    vars(hasty).update(vars(store))
    # then the names are those of the newer one
    assert HiddenNames(hasty).among({("w", "Secret"), ("w", "Shown")}) == {("w", "Secret")}


def test_hidden_accounts_are_in_no_read(store: MemoryStore) -> None:
    moment = Moment(store, published_together(store, NAMES))
    assert [row["name"] for row in moment.rows("user_current", "w")] == ["Shown"]
    assert [row["name"] for row in moment.rows("user_names", "w")] == ["Shown"]
    assert moment.row("user_current", "w", "#8") is None


def test_a_mark_that_can_not_hide_is_refused(store: MemoryStore) -> None:
    with pytest.raises(DefinitionError, match="is_hidden: can't hide rows"):
        Redaction(store, HiddenNames(store), marked["maybe"])
