"""Pairs are what their definition says: on real histories, on generated ones, and on pages that fold the window over."""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from serving.reader import Reader
from shared_logic import things
from shared_logic.clock import SECOND_MS, from_iso
from shared_logic.datasets.similar_users import SimilarUsersSettings, coedits, counts
from shared_logic.eventify.tables import states
from shared_logic.events.read import DeadLetter, OutOfScope, read
from shared_logic.generations import DatasetGeneration
from shared_logic.laws import handover
from shared_logic.memory_store import MemoryStore
from shared_logic.pairs import Meetings, Pairs, Turn, encounters
from shared_logic.protocols import Log, Store
from shared_logic.reference import Tables, reference, told, united
from shared_logic.registry import Registry, registry
from shared_logic.routing import Router
from shared_logic.similarity import edit_overlap, overlap, profile, ranked
from shared_logic.states.page_state import PageState
from shared_logic.tables import Clustering, DefinitionError, Partition, Sum, Table, about
from shared_logic.things import Page, Revision, User, UserKind
from speed import loop_engine
from speed.memory_log import MemoryLog
from speed.worker import Worker
from tests import sample
from tests.strategies.wiki import Wiki

LOCAL = Path(__file__).parents[2].parent / "shared" / "data" / "mediawiki-local"
WIKIS = {"a-sqlite-seed11": "gtawiki", "b-mysql-seed12": "gtbwiki"}
NAMES = ("coedits", "coedit_pages", "user_activity", "user_hours", "user_days", "user_edits")
editors = st.lists(st.sampled_from("abcde"), max_size=40)


def brute_force(names: Sequence[str], window: int) -> set[tuple[str, str]]:
    """The definition, place by place."""
    return {
        (names[i], names[j])
        for i in range(len(names))
        for j in range(len(names))
        if i - window <= j < i + window and names[i] != names[j]
    }


@given(names=editors, window=st.integers(1, 7))
def test_pairs_are_those_of_the_definition(names: list[str], window: int) -> None:
    # given a page that was edited by these, one after the other
    so_far = Pairs()
    met = [pair for name in names for pair in so_far.met(name, window)]
    # then each pair of the definition has met, once
    assert set(met) == brute_force(names, window)
    assert len(met) == len(set(met))


@given(names=editors, window=st.integers(1, 7))
def test_meetings_tell_the_order_and_the_time(names: list[str], window: int) -> None:
    so_far = Meetings()
    turns = [Turn(name, 1_000 * place) for place, name in enumerate(names)]
    # what is told last of a pair stands
    found = {(met.editor, met.neighbour): met for turn in turns for met in so_far.met(turn, window)}
    # every pair has its meeting
    assert found.keys() == brute_force(names, window)
    for (editor, neighbour), met in found.items():
        gaps = [
            min(i - j for j in range(max(0, i - window), i) if names[j] == neighbour)
            for i in range(len(names))
            if names[i] == editor and neighbour in names[max(0, i - window) : i]
        ]
        assert (met.follows, met.soonest) == (len(gaps), min(gaps) * 1_000 if gaps else None)
        assert met.came_first == (names.index(editor) < names.index(neighbour))


@given(names=editors, window=st.integers(1, 7))
def test_encounters_are_the_places_behind_pairs(names: list[str], window: int) -> None:
    found = Counter(
        pair for place, name in enumerate(names) for pair in encounters(names[:place], name, window)
    )
    assert set(found) == brute_force(names, window)
    for (editor, neighbour), count in found.items():
        assert count == sum(
            names[i] == editor and names[j] == neighbour
            for i in range(len(names))
            for j in range(max(0, i - window), min(len(names), i + window))
        )


def test_a_page_of_many_editors_stays_linear() -> None:
    # given a page with 50,000 editors, each once
    so_far = Pairs()
    # then it contributes as many pairs as the window allows, and each turn is compared with the window only
    assert sum(1 for number in range(50_000) for _ in so_far.met(str(number), 5)) == 50_000 * 9 - 25
    assert len(so_far._recent) == 5


class SharedPages(Table, frozen=True, kw_only=True):
    """Pairs whose author thinks of no privacy."""

    wiki: Annotated[Partition[str], about("wiki")]
    editor: Annotated[Partition[str], about("key", private="tells what one person did")]
    neighbour: Annotated[Clustering[str], about("key")]
    pages: Annotated[Sum[int], about("pages")]


class PrivatelySharedPages(Table, frozen=True, kw_only=True):
    """The same, as it must be."""

    wiki: Annotated[Partition[str], about("wiki")]
    editor: Annotated[Partition[str], about("key", private="tells what one person did")]
    neighbour: Annotated[Clustering[str], about("key", private="tells what one person did")]
    pages: Annotated[Sum[int], about("pages", private="tells what one person did")]


def shared_pages(revision: Revision, so_far: Pairs) -> Iterator[SharedPages]:
    """Pairs."""
    raise NotImplementedError


def shared_meetings(revision: Revision, so_far: Meetings) -> Iterator[SharedPages]:
    """Meetings."""
    raise NotImplementedError


def privately_shared_pages(revision: Revision, so_far: Pairs) -> Iterator[PrivatelySharedPages]:
    """Pairs that nobody is shown."""
    raise NotImplementedError


@pytest.mark.parametrize("function", [shared_pages, shared_meetings])
def test_pairs_that_would_be_public_are_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(DefinitionError) as refused:
        Registry().dataset(function)
    assert str(refused.value).startswith(
        f"dataset {function.__name__}: SharedPages.neighbour, SharedPages.pages tell who met whom"
    )
    assert 'about("…", private="tells what one person did")' in str(refused.value)


def test_pairs_that_are_private_are_taken() -> None:
    known = Registry()
    known.dataset(privately_shared_pages)
    assert list(known) == ["privately_shared_pages"]


@pytest.fixture(scope="module")
def pages() -> list[Page]:
    """Every page of a real wiki."""
    said = list(states(read_table_folder(sample.FINAL), sample.WIKI, from_iso("2023-01-01T00:00:00Z"), print))
    return [
        things.page(entity.wiki, entity.id, state)
        for entity, state in united(said).items()
        if isinstance(state, PageState) and entity.kind == "page"
    ]


@pytest.fixture(scope="module")
def tables() -> Tables:
    said = list(states(read_table_folder(sample.FINAL), sample.WIKI, from_iso("2023-01-01T00:00:00Z"), print))
    return reference([registry[name] for name in NAMES], united(said))


def test_a_real_wikis_tables_are_those_of_the_definition(pages: list[Page], tables: Tables) -> None:
    # given who edited every page that counts, in order
    shared: Counter[tuple[str, str]] = Counter()
    edited: defaultdict[str, set[int]] = defaultdict(set)
    edits: Counter[str] = Counter()
    hours: Counter[tuple[str, int, int]] = Counter()
    for page in pages:
        if page.namespace not in {0, 1, 118}:
            continue
        names = []
        for revision in page.revisions:
            if revision.user and revision.user.kind is not UserKind.ANONYMOUS:
                key = revision.user.key
                names.append(key)
                edited[key].add(page.page_id)
                edits[key] += 1
                hours[key, revision.timestamp.isoweekday(), revision.timestamp.hour] += 1
        shared.update(brute_force(names, 5))
    # then the tables say the same of every user and pair
    wiki = sample.WIKI
    assert tables["coedits"] == {(wiki, *pair): (count,) for pair, count in shared.items()}
    assert {key: values[:2] for key, values in tables["user_activity"].items()} == {
        (wiki, editor): (edits[editor], len(ids)) for editor, ids in edited.items()
    }
    for (_, editor), values in tables["user_activity"].items():
        mine = {key[1:]: count for key, count in hours.items() if key[0] == editor}
        assert values[2:9] == tuple(sum(c for (d, _), c in mine.items() if d == day) for day in range(1, 8))
        assert values[9:] == tuple(sum(c for (_, h), c in mine.items() if h == hour) for hour in range(24))
    assert tables["user_hours"] == {(wiki, *key): (count,) for key, count in hours.items()}
    assert len(shared) > 100
    # and what lies behind adds up
    assert Counter(key[:3] for key in tables["coedit_pages"]) == {
        key: values[0] for key, values in tables["coedits"].items()
    }
    assert Counter(key[:2] for key in tables["user_edits"]) == {
        key: values[0] for key, values in tables["user_activity"].items()
    }
    by_day: Counter[tuple[object, ...]] = Counter()
    for key, values in tables["user_days"].items():
        by_day[key[:2]] += values[0]
    assert by_day == {key: values[0] for key, values in tables["user_activity"].items()}


@pytest.mark.parametrize("name", ["a-sqlite-seed11", "b-mysql-seed12"])
def test_merged_is_the_batch_over_all_on_a_real_history(name: str) -> None:
    # given a real wiki's tables of a moment, and all events that it posted
    folder = LOCAL / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing: Similar Users were not tried on the history of {name}")
    log, router = MemoryLog(2), Router()
    for raw in gzip.decompress((folder / "events" / "eventbus.ndjson.gz").read_bytes()).splitlines():
        with suppress(DeadLetter, OutOfScope):
            for entity, message in router.routed(read(raw), raw):
                log.append(entity.key, message)
    tables = read_table_folder(folder / "snapshot1" / "tables")
    beginning = from_iso("2022-01-01T00:00:00Z")
    bootstrap = united(states(tables, WIKIS[name], beginning, print))

    def catch_up(log: Log, store: Store, lanes: Sequence[DatasetGeneration]) -> None:
        loop_engine.run_until_idle(Worker(log, store, lanes))

    # when batches end at the beginning, in the middle and at the end, and speed goes on from there
    ends = log.ends()
    cuts = [tuple(0 for _ in ends), tuple(end * place // 3 for place, end in enumerate(ends, 1)), ends]
    datasets = registry.closure([*NAMES, "user_current", "user_by_name", "hidden_names"])
    store = MemoryStore()
    # then each merged table is that of a batch over all
    assert handover(log, store, datasets, bootstrap, cuts, catch_up) == []
    assert sum(1 for _ in Reader(store).scan(registry["coedits"], (), 1).rows) > 100


def test_settings_widen_what_is_compared(pages: list[Page]) -> None:
    try:
        registry.configure({"SimilarUsersSettings": {"window": 1, "namespaces": [], "anonymous": True}})
        configured = registry["coedits"]
        assert configured.settings == SimilarUsersSettings(window=1, namespaces=(), anonymous=True)
        narrow = sum(1 for page in pages for _ in configured(page))
        usual = sum(1 for page in pages for _ in coedits(page))
        assert 0 < narrow != usual
    finally:
        registry.configure({})
    assert registry["coedits"].settings == SimilarUsersSettings()


@pytest.mark.parametrize(
    "changed,policy,counted",
    [
        ({}, {}, True),
        ({"namespace": 1}, {}, True),
        ({"namespace": 118}, {}, True),
        ({"namespace": 2}, {}, False),
        ({"namespace": None}, {}, False),
        ({"namespace": 2}, {"namespaces": ()}, True),
        ({"namespace": 2}, {"namespaces": (2, 3)}, True),
        ({"is_deleted": True}, {}, False),
        ({"user": None}, {"anonymous": True}, False),
        ({"user": User(7, "Cleanup Bot")}, {}, True),
        ({"user": User(0, "192.0.2.1")}, {}, False),
        ({"user": User(0, "192.0.2.1")}, {"anonymous": True}, True),
        ({"user": User(7, "~2026-1")}, {}, True),
        ({"user": User(7, "~2026-1")}, {"temporary": False}, False),
        ({"user": User(7, "*1", is_temporary=True)}, {"temporary": False}, False),
        ({"user": User(7, "~2026-1", is_temporary=False)}, {"temporary": False}, True),
    ],
)
def test_whose_revisions_count(
    pages: list[Page], changed: dict[str, object], policy: dict[str, Any], counted: bool
) -> None:
    # given an account's edit of an article, but for this
    plain = replace(pages[0].history[0], namespace=0, is_deleted=False, user=User(7, "Alice"))
    # then it counts, or it doesn't, as the policy says; who is a bot is looked up when pairs are read
    assert counts(replace(plain, **changed), SimilarUsersSettings(**policy)) is counted


@pytest.mark.parametrize("tell", ["tables", "events"])
def test_temporary_accounts_are_those_that_the_wiki_tells(tell: str) -> None:
    # given a wiki whose temporary accounts have names of a pattern of its own, and who edited in turn
    wiki = Wiki.of_today("testwiki")
    alice, bob = wiki.users[1], wiki.users[2]
    assert wiki.autocreate_account(wiki.now + 60, "*Unregistered 1")
    temporary = wiki.named("*Unregistered 1")
    assert temporary is not None
    assert wiki.create(wiki.now + 60, alice, (0, "Kettle"), "alpha")
    page = wiki.page_at((0, "Kettle"))
    assert page is not None
    assert wiki.edit(wiki.now + 60, temporary, page.page_id, "beta")
    assert wiki.edit(wiki.now + 60, bob, page.page_id, "gamma")
    tables = united(states(wiki.tables(), "testwiki", wiki.now * SECOND_MS, print))
    known = tables if tell == "tables" else told(wiki.events).states

    def met() -> set[tuple[object, object]]:
        return {(key[1], key[2]) for key in reference([registry["coedits"]], known)["coedits"]}

    ids = {f"#{user.user_id}" for user in (alice, bob, temporary)}
    assert met() == set(permutations(ids, 2))
    # when the policy leaves them out, then it is Alice and Bob who met
    try:
        registry.configure({"SimilarUsersSettings": {"temporary": False}})
        assert met() == set(permutations(ids - {f"#{temporary.user_id}"}, 2))
    finally:
        registry.configure({})
    # and tables tell it of the account as well
    if tell == "tables":
        accounts = reference(registry.closure(["user_current"]), known)["user_current"]
        assert accounts["testwiki", f"#{temporary.user_id}"][2] == UserKind.TEMPORARY


@pytest.mark.parametrize(
    "sections,says",
    [
        ({"Nothing": {}}, "no dataset has settings Nothing; there are SimilarUsersSettings"),
        ({"SimilarUsersSettings": {"window": 0}}, "settings SimilarUsersSettings: Expected `int` >= 1"),
        ({"SimilarUsersSettings": {"windows": 5}}, "unknown field `windows`"),
    ],
)
def test_settings_that_are_none_are_told(sections: dict[str, dict[str, object]], says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        registry.configure(sections)


# --- measures


def test_hours_are_taken_with_their_neighbours_and_days_once() -> None:
    # given one edit in the first hour of a Monday
    found = profile((1, 0, 0, 0, 0, 0, 0), (1,) + 23 * (0,))
    # then the hours before and after count, over midnight, and no other day
    assert [hour for hour, count in enumerate(found.hours) if count] == [0, 1, 23]
    assert found.days == (1, 0, 0, 0, 0, 0, 0)


def test_levels_of_overlap() -> None:
    assert overlap((1, 2, 3), (2, 4, 6)).level == "Same"
    assert overlap((1, 0), (0, 1)) == overlap((0, 0), (1, 1))
    assert overlap((1, 0), (0, 1)).level == "No overlap"


@pytest.mark.parametrize(
    "other,cosine,level",
    [
        ((5, 3), 0.857, "High"),
        ((4, 3), 0.8, "Medium"),
        ((3, 5), 0.514, "Medium"),
        ((4, 7), 0.496, "Low"),
        ((1, 99), 0.01, "Low"),
    ],
)
def test_a_level_begins_above_its_least_cosine(other: tuple[int, int], cosine: float, level: str) -> None:
    found = overlap((1, 0), other)
    assert (found.cosine, found.level) == (pytest.approx(cosine, abs=0.001), level)


@given(st.lists(st.integers(0, 9), min_size=7, max_size=7), st.integers(1, 1_000))
def test_a_vector_is_the_same_as_its_multiple(vector: list[int], factor: int) -> None:
    scaled = [factor * value for value in vector]
    assert overlap(vector, scaled).level == ("Same" if any(vector) else "No overlap")


def test_ranks_are_by_pages_shared_and_then_by_how_large_a_part_they_are() -> None:
    # given neighbours of whom some share as many pages
    found = [("f", 1, 2), ("b", 3, 20), ("c", 3, 10), ("d", 3, 30), ("a", 5, 9), ("e", 1, 2)]
    # then of these whoever edited fewer pages comes first, then the name decides
    assert [name for name, *_ in ranked(found)] == ["a", "c", "b", "d", "e", "f"]
    assert edit_overlap(3, 10) == 0.3
    assert edit_overlap(3, 0) == 0.0
    # and the part is at most the whole, though a shared page may be known before it is known to be the editor's
    assert edit_overlap(3, 2) == 1.0
