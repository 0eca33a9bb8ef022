"""MediaWiki History of one page, one account or some days, from the partitions that tell of it and no others.

What a read costs, in partitions: of a page its facts and life, of every author his life, his months and the months in which he
edited the page; of an account its months and the pages that it edited; of a span its days and whoever did something in them.
Never is a table read from end to end.

A revision that a restore took to another page may be told of both (see `revision_places`): as in the views it is where it is not
deleted, else on the newest page. Only running numbers of other parts than an account count it twice where it is of an earlier month.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from serving.analysis import Analysis
from serving.duckdb_session import within_memory
from serving.moment import Moment
from serving.reader import Stream
from shared_logic.datasets.history_keys import by_name, by_user, on_day
from shared_logic.definition import Dataset
from shared_logic.hidden_names import name_digest
from shared_logic.kernel import linked
from shared_logic.registry import registry
from shared_logic.tables import Key
from shared_logic.views.states import REVISIONS, REVISIONS_UNITED

Row = dict[str, Any]
KEYS = (
    "user_revisions",
    "user_revision_months",
    "day_revisions",
    "revision_places",
    "page_life_keys",
    "user_life_keys",
)
"""Tables that say where parts are; views are made without them."""
TOLD = ("revision_facts", "stray_facts", "page_lives", "user_lives", "site_namespaces")
"""Tables that views of a part are made of."""
TABLES = (*TOLD, *KEYS, "user_names")
"""All that a part is read from, as of one moment."""


@dataclass(frozen=True, slots=True)
class OfPage:
    """All that happened to one page."""

    wiki: str
    page: str
    """Its id; or its artificial id, where none is known."""

    def condition_on(self, view: str) -> str:  # noqa: ARG002  one for all views
        """SQL for those rows of a view that are of the part."""
        column = "page_id" if self.page.isdecimal() else "page_artificial_id"
        return f"{column}::VARCHAR = {_quoted(self.page)}"


@dataclass(frozen=True, slots=True)
class OfUser:
    """All that one account did, and what was done to it."""

    wiki: str
    user_id: int

    def condition_on(self, view: str) -> str:
        """SQL for those rows of a view that are of the part."""
        mine = f"user_id = {self.user_id}"
        return mine if view == "user_history" else f"({mine} OR event_{mine})"


@dataclass(frozen=True, slots=True)
class OfDays:
    """All that happened on some days, the last included; UTC."""

    wiki: str
    first: date
    last: date

    def condition_on(self, view: str) -> str:  # noqa: ARG002  one for all views
        """SQL for those rows of a view that are of the part."""
        after = self.last + timedelta(days=1)
        return f"event_timestamp >= '{self.first}' AND event_timestamp < '{after}'"

    @property
    def days(self) -> Iterator[date]:
        """Each of them."""
        for number in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=number)


Part = OfPage | OfUser | OfDays
"""Of one wiki."""
_PERIOD = re.compile(r"(?P<month>\d{4}-\d\d)(?P<day>-\d\d)?", re.ASCII)
_YEARS = range(1990, 2100)
"""Events of other years are dead letters."""


class TooLarge(Exception):  # noqa: N818  what is so
    """A part of the history has more revisions than are wanted at once."""


def days_of(wiki: str, period: str) -> OfDays:
    """The days of a month or of one day, as 2026-01 or 2026-01-05.

    Raises:
        ValueError: it is neither, or not of the years 1990 to 2099.
    """
    told = _PERIOD.fullmatch(period)
    try:
        first = date.fromisoformat(f"{told['month']}{told['day'] or '-01'}") if told else None
    except ValueError:
        first = None
    if told is None or first is None:
        message = f"{period!r} is neither a month nor a day; write it as 2026-01 or 2026-01-05"
        raise ValueError(message)
    if first.year not in _YEARS:
        message = f"{period!r} is not of the years {_YEARS[0]} to {_YEARS[-1]}"
        raise ValueError(message)
    if told["day"]:
        return OfDays(wiki, first, first)
    return OfDays(wiki, first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


def gathered(moment: Moment, part: Part, most: int | None = None) -> Gathered:
    """All rows of tables that a part of the history is made of, in a moment that knows all of `TABLES`.

    Raises:
        TooLarge: it has more than `most` revisions; no more than their keys were read.
        NotPublished: the moment's generations were given up meanwhile.
    """
    with moment:
        return _gathered(moment, part, most)


def _gathered(moment: Moment, part: Part, most: int | None) -> Gathered:
    found = Gathered(moment, part.wiki, most)
    began_users: list[Row] = []
    match part:
        case OfPage():
            found.take_pages([part.page])
            if part.page.isdecimal():
                found.take_revisions_of(int(part.page))
            began_pages = list(found.page_lives)
        case OfUser():
            found.take_users([part.user_id])
            found.take_months(part.user_id)
            names = {row[name] for row in found.user_lives for name in ("user_text_historical", "user_text")}
            keys = [by_user(part.user_id), *map(by_name, sorted(names))]
            began_pages, began_users = found.take_states(keys)
        case OfDays():
            found.take_revisions(
                found.moment.rows_beginning("day_revisions", [(part.wiki, day) for day in part.days])
            )
            began_pages, began_users = found.take_states(list(map(on_day, part.days)))
    found.take_pages(str(row["page_id"]) for row in found.facts)
    authors = {row["user_id"] for row in (*found.facts, *found.strays) if row["user_id"]}
    found.take_users(authors)
    # An account's first edit may begin its first state.
    begun = [row for row in found.user_lives if row["starts_with_first_edit"] and row["user_id"] in authors]
    own = [row for row in found.user_lives if isinstance(part, OfUser) and row["user_id"] == part.user_id]
    found.take_causers([*began_pages, *began_users, *begun, *own])
    return found


@dataclass
class Gathered:
    """Rows of some partitions, by table."""

    moment: Moment
    wiki: str
    most: int | None = None
    """Of how many revisions facts may be read at once; None: of all."""
    facts: list[Row] = field(default_factory=list)
    strays: list[Row] = field(default_factory=list)
    page_lives: list[Row] = field(default_factory=list)
    user_lives: list[Row] = field(default_factory=list)
    sites: list[Row] = field(init=False)
    streams: dict[str, Stream] = field(init=False)
    """By table: how fresh it is, as of before any row was read."""
    _pages: set[str] = field(default_factory=set)
    _users: set[int] = field(default_factory=set)
    _months: dict[int, list[tuple[date, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Note how fresh everything is, and what the wiki's namespaces are."""
        self.streams = {name: self.moment.freshness(name, self.wiki) for name in TABLES}
        self.sites = self.beginning("site_namespaces", [(self.wiki,)])

    def beginning(self, name: str, prefixes: Iterable[Key]) -> list[Row]:
        """The rows of a table whose keys begin so."""
        return list(self.moment.rows_beginning(name, prefixes))

    def take_revisions_of(self, page_id: int) -> None:
        """The facts of a page's revisions, but for those that are elsewhere."""
        facts = self._bounded(self.moment.rows_beginning("revision_facts", [(self.wiki, page_id)]))
        places = self.places_of([row["rev_id"] for row in facts])
        # A revision that speed tells of since the facts were read, or not yet, is where it was found.
        self.facts += [row for row in facts if places.get(row["rev_id"], row)["page_id"] == page_id]

    def take_months(self, user_id: int) -> None:
        """The facts of all revisions of an account."""
        months = self.months_of(user_id)
        self.not_above(sum(revisions for _, revisions in months))
        prefixes = [(self.wiki, user_id, month) for month, _ in months]
        kept = self.take_revisions(self.moment.rows_beginning("user_revisions", prefixes))
        # Counted anew: of a revision that is told of two pages the table has two.
        self._months[user_id] = sorted(Counter(row["month"] for row in kept).items())

    def take_revisions(self, places: Iterable[Row]) -> list[Row]:
        """The facts of revisions, given all places where each is told to be, with whether it is deleted there.

        Returns the places where they are.
        """
        kept = _one_place_each(self._bounded(places))
        facts = [(self.wiki, row["page_id"], row["rev_id"]) for row in kept if row["page_id"]]
        strays = [(self.wiki, row["rev_id"]) for row in kept if not row["page_id"]]
        self.facts += self.moment.rows_of("revision_facts", facts).values()
        self.strays += self.moment.rows_of("stray_facts", strays).values()
        return kept

    def not_above(self, revisions: int) -> None:
        """Refuse to read so many.

        Raises:
            TooLarge: they are more than may be.
        """
        if self.most is not None and revisions > self.most:
            message = f"that part of the history has more than {self.most:,} revisions"
            raise TooLarge(message)

    def _bounded(self, rows: Iterable[Row]) -> list[Row]:
        """The rows, of each revision one; not one more is read than may be."""
        some = list(rows if self.most is None else islice(rows, self.most + 1))
        self.not_above(len(some))
        return some

    def places_of(self, rev_ids: Iterable[int]) -> dict[int, Row]:
        """Where each of these revisions is, as `revision_places` tells it."""
        told: defaultdict[int, list[Row]] = defaultdict(list)
        for row in self.moment.rows_beginning("revision_places", [(self.wiki, rev_id) for rev_id in rev_ids]):
            told[row["rev_id"]].append(row)
        doubles = [row for rows in told.values() if len(rows) > 1 for row in rows]
        facts = self.moment.rows_of(
            "revision_facts",
            [(self.wiki, row["page_id"], row["rev_id"]) for row in doubles if row["page_id"]],
        )
        for row in doubles:
            known = facts.get((self.wiki, row["page_id"], row["rev_id"]))
            row["is_deleted"] = known is None or known["revision_is_deleted"]
        return {
            rev_id: rows[0] if len(rows) == 1 else _one_place_each(rows)[0] for rev_id, rows in told.items()
        }

    def take_pages(self, pages: Iterable[str]) -> None:
        """The lives of pages that are not taken yet."""
        new = sorted(set(pages) - self._pages)
        self._pages.update(new)
        self.page_lives += self.beginning("page_lives", [(self.wiki, page) for page in new])

    def take_users(self, users: Iterable[int]) -> None:
        """The lives of accounts that are not taken yet."""
        new = sorted(set(users) - self._users)
        self._users.update(new)
        self.user_lives += self.beginning("user_lives", [(self.wiki, user_id) for user_id in new])

    def take_states(self, found_by: list[str]) -> tuple[list[Row], list[Row]]:
        """The lives that states with such keys are of; returns those states of pages, and those of accounts."""
        prefixes = [(self.wiki, key) for key in found_by]
        pages = {(row["page"], row["ordinal"]) for row in self.beginning("page_life_keys", prefixes)}
        users = {(row["user_id"], row["ordinal"]) for row in self.beginning("user_life_keys", prefixes)}
        self.take_pages(page for page, _ in pages)
        self.take_users(user_id for user_id, _ in users)
        return (
            [row for row in self.page_lives if (row["page"], row["ordinal"]) in pages],
            [row for row in self.user_lives if (row["user_id"], row["ordinal"]) in users],
        )

    def take_causers(self, states: Iterable[Row]) -> None:
        """The lives of whoever began those states; of a name those of all accounts that may have borne it."""
        states = list(states)
        self.take_users(row["caused_by_user_id"] for row in states if row["caused_by_user_id"])
        names = {row["caused_by_user_text"] for row in states if row["caused_by_user_id"] is None}
        told = registry["user_names"].schema
        for name in sorted(names - {None}):
            rows = linked(told, (self.wiki, name_digest(name)), self._named)
            self.take_users(key[3] for key in rows if key[2] == "account")

    def months_of(self, user_id: int) -> list[tuple[date, int]]:
        """The months in which an account edited, with how often, in order."""
        known = self._months.get(user_id)
        if known is None:
            rows = self.beginning("user_revision_months", [(self.wiki, user_id)])
            known = self._months[user_id] = [(row["month"], row["revisions"]) for row in rows]
        return known

    def first_edits(self) -> Iterator[Row]:
        """When each account whose life was taken edited first."""
        for user_id in sorted(self._users):
            months = self.months_of(user_id)
            if months:
                first_month = [(self.wiki, user_id, months[0][0])]
                first = next(self.moment.rows_beginning("user_revisions", first_month), None)
                if first is not None:
                    yield {"wiki": self.wiki, "user_id": user_id, "first_edit": first["event_timestamp"]}

    def running_numbers(self) -> Iterator[Row]:
        """Of the facts' revisions: the number among their author's, and the seconds since the one before."""
        wanted: defaultdict[tuple[int, date], set[tuple[int, int]]] = defaultdict(set)
        for row in (*self.facts, *self.strays):
            if row["user_id"]:
                month = row["event_timestamp"].date().replace(day=1)
                wanted[row["user_id"], month].add((row["rev_id"], row.get("page_id", 0)))
        for (user_id, month), places in sorted(wanted.items()):
            months = self.months_of(user_id)
            earlier = [(one, count) for one, count in months if one < month]
            before = self._last_of(user_id, earlier[-1][0]) if earlier else None
            number = sum(count for _, count in earlier)
            for row in _one_place_each(self.beginning("user_revisions", [(self.wiki, user_id, month)])):
                number += 1
                at = row["event_timestamp"]
                if (row["rev_id"], row["page_id"]) in places:
                    yield {
                        "wiki": self.wiki,
                        "rev_id": row["rev_id"],
                        "page_id": row["page_id"],
                        "user_revision_count": number,
                        "user_seconds": None if before is None else int((at - before).total_seconds()),
                    }
                before = at

    def parent_lengths(self) -> Iterator[Row]:
        """Lengths of the facts' parents."""
        known = {row["rev_id"]: row["revision_text_bytes"] for row in (*self.facts, *self.strays)}
        parents = {row["revision_parent_id"] for row in (*self.facts, *self.strays)} - {None, 0}
        away = self.places_of(sorted(parents - known.keys()))
        known |= {rev_id: row["text_bytes"] for rev_id, row in away.items()}
        for rev_id in parents & known.keys():
            yield {"wiki": self.wiki, "rev_id": rev_id, "parent_text_bytes": known[rev_id]}

    def stream(self, dataset: Dataset) -> Stream:
        """What was gathered of a table, for an analysis."""
        rows: Mapping[str, list[Row]] = {
            "revision_facts": self.facts,
            "stray_facts": self.strays,
            "page_lives": self.page_lives,
            "user_lives": self.user_lives,
            "site_namespaces": self.sites,
        }
        return replace(self.streams[dataset.name], rows=iter(rows[dataset.name]))

    @contextmanager
    def in_database(self, view: str, folder: Path | None, now: datetime) -> Iterator[Analysis]:
        """A database with that view over what was gathered, of which nothing else can be read; `folder` and `now` as for `Analysis`.

        Raises:
            MemoryLimitError: what is asked of it needs more memory than there may be.
            NotPublished: the moment's generations were given up meanwhile.
        """
        with within_memory(), Analysis(self.stream, folder, now) as db:
            # What stands beside the parts is read only here.
            with self.moment:
                self._give(db)
            db.prepare([view])
            db.lock()
            yield db

    def _give(self, db: Analysis) -> None:
        """Let the views of the database be made of what was gathered."""
        db.put("running_numbers", pa.Table.from_pylist(list(self.running_numbers()), _NUMBERS))
        db.put("parent_lengths", pa.Table.from_pylist(list(self.parent_lengths()), _LENGTHS))
        db.put("first_edits", pa.Table.from_pylist(list(self.first_edits()), _FIRST_EDITS))
        db.replace(_REVISIONS)

    def _last_of(self, user_id: int, month: date) -> datetime | None:
        rows = self.beginning("user_revisions", [(self.wiki, user_id, month)])
        return rows[-1]["event_timestamp"] if rows else None

    def _named(self, at: Key) -> dict[Key, tuple[Any, ...]]:
        """Rows of `user_names` of one name, by key."""
        schema = registry["user_names"].schema
        return {
            tuple(row[name] for name in schema.key_names): tuple(row[name] for name in schema.value_names)
            for row in self.beginning("user_names", [at])
        }


_NUMBERS = pa.schema(
    [
        ("wiki", pa.string()),
        ("rev_id", pa.int64()),
        ("page_id", pa.int64()),
        ("user_revision_count", pa.int64()),
        ("user_seconds", pa.int64()),
    ]
)
_LENGTHS = pa.schema([("wiki", pa.string()), ("rev_id", pa.int64()), ("parent_text_bytes", pa.int64())])
_FIRST_EDITS = pa.schema(
    [("wiki", pa.string()), ("user_id", pa.int64()), ("first_edit", pa.timestamp("ms", tz="UTC"))]
)
_REVISIONS = replace(
    REVISIONS,
    sql=f"""
SELECT revisions.*, user_revision_count, user_seconds, parent_text_bytes
FROM ({REVISIONS_UNITED}) AS revisions
LEFT JOIN running_numbers AS mine ON mine.wiki = revisions.wiki AND mine.rev_id = revisions.rev_id
    AND mine.page_id = coalesce(revisions.page_id, 0)
LEFT JOIN parent_lengths AS parents
    ON parents.wiki = revisions.wiki AND parents.rev_id = nullif(revisions.revision_parent_id, 0)
""",  # noqa: S608  a constant
)
"""As the view of that name, with what other revisions tell looked up instead of counted."""


def _one_place_each(places: Iterable[Row]) -> list[Row]:
    """Of every revision the place where the view `revisions_of_any_page` has it, in the order in which each came first."""
    kept: dict[int, Row] = {}
    for row in places:
        known = kept.setdefault(row["rev_id"], row)
        if (row["is_deleted"], -row["page_id"]) < (known["is_deleted"], -known["page_id"]):
            kept[row["rev_id"]] = row
    return list(kept.values())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
