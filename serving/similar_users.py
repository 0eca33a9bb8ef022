"""Similar users, finished when they are read: names, ranks, ratios and evidence, of one generation."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from itertools import combinations
from typing import Any

from serving.moment import Moment
from shared_logic.datasets.similar_users import DAYS, HOURS
from shared_logic.hidden_names import name_digest, names_in_key
from shared_logic.similarity import (
    RANKED_TOGETHER,
    Overlap,
    Profile,
    edit_overlap,
    overlap,
    profile,
    ranked,
)
from shared_logic.things import User, UserKind
from shared_logic.titles import unregistered_name, user_name

TABLES = (
    "coedits",
    "coedit_pages",
    "user_activity",
    "user_days",
    "user_edits",
    "user_current",
    "user_by_name",
    "page_current",
)
TIMELINE_EDITS = 1_000
PAGES_OF_PAIR = 100
_NEVER_MET = {"follows": 0, "soonest": None}
_PREFIX = re.compile(r"\s*user\s*:", re.IGNORECASE)


class NotComparable(Exception):  # noqa: N818  what is so, not that something failed
    """Nothing is told of that name; `kind` says why, as the reference's error-type."""

    def __init__(self, kind: str, detail: str, whom: str) -> None:
        """Keep all; `whom` says who was asked for, without the name."""
        super().__init__(detail)
        self.kind, self.whom = kind, whom


@dataclass(frozen=True)
class Editor:
    """An editor with what is counted of them."""

    key: str
    name: str
    kind: str
    """Account, temporary or anonymous (see `UserKind`); bots are not compared."""
    activity: Mapping[str, Any]

    @property
    def pages(self) -> int:
        """Pages that they edited."""
        return int(self.activity["pages"])

    @cached_property
    def profile(self) -> Profile:
        """When they edit."""
        return profile([self.activity[name] for name in DAYS], [self.activity[name] for name in HOURS])


class SimilarUsers:
    """Reads of one moment, which knows all of `TABLES`."""

    def __init__(self, moment: Moment) -> None:
        """Read from there."""
        self._moment = moment

    def editor(self, wiki: str, text: str) -> Editor:
        """The account that bears the name now, the address, or the imported name; `User:` before it is no part of it.

        Raises:
            NotComparable: there is none (or a hidden one, which is the same), it is a bot, or no edit of it counts.
        """
        bare = _PREFIX.sub("", text)
        name = user_name(bare)
        account = self._moment.row("user_by_name", wiki, name)
        if account is None:
            return self._unregistered(wiki, bare)
        key = account["editor"]
        now = self._moment.row("user_current", wiki, key)
        kind = now["user_kind"] if now else User(1, name).kind
        is_bot = bool(now["is_bot_by"]) if now else kind == UserKind.BOT
        if is_bot:
            raise NotComparable("user-bot", "the account is a bot, and bots are not compared", key)
        activity = self._moment.row("user_activity", wiki, key)
        if activity is None:
            raise NotComparable(
                "user-no-edits", "no edit of the account is among those that are compared", key
            )
        return Editor(key, name, kind, activity)

    def _unregistered(self, wiki: str, text: str) -> Editor:
        """Whoever edits under a name that is no account's; the keys of accounts are no such names, as they would show hidden ones."""
        name = unregistered_name(text)
        activity = None if name is None else self._moment.row("user_activity", wiki, name)
        if name is None or activity is None:
            kind = "user-no-account"
            raise NotComparable(kind, "there is no such account on this wiki", written_as_asked(kind, text))
        return Editor(name, name, UserKind.ANONYMOUS, activity)

    def neighbours(self, wiki: str, editor: Editor, most: int) -> list[tuple[Editor, int]]:
        """The `most` who edited most of the same pages near the editor, with how many, in order (see `RANKED_TOGETHER`)."""
        together = self._ranked_together(wiki, editor)
        found: list[tuple[Editor, int]] = []
        # Some of them are bots or hidden: as many again move up.
        while (missing := most - len(found)) > 0 and (some := _first(together, missing)):
            known = self._comparable(wiki, {key for _, keys in some for key in keys})
            for shared, keys in some:
                rows = [(key, shared, known[key].pages) for key in keys if key in known]
                found += [(known[key], shared) for key, *_ in ranked(rows)]
        return found[:most]

    def _ranked_together(self, wiki: str, editor: Editor) -> Iterator[tuple[int, list[str]]]:
        """Numbers of pages with the keys of neighbours who share so many, the greatest first, so many keys at a time as are ranked together."""
        sharing: defaultdict[int, list[str]] = defaultdict(list)
        for row in self._moment.rows("coedits", wiki, editor.key):
            sharing[row["pages"]].append(row["neighbour"])
        for shared in sorted(sharing, reverse=True):
            keys = sharing[shared]
            for start in range(0, len(keys), RANKED_TOGETHER):
                yield shared, keys[start : start + RANKED_TOGETHER]

    def follow_up(self, wiki: str, editor: Editor, neighbour: Editor) -> list[dict[str, Any]]:
        """On which pages the two met, in which order, how soon after one another; those of most follow-ups first, `PAGES_OF_PAIR` at most."""
        return self._titled(wiki, self._met(wiki, editor, neighbour)[:PAGES_OF_PAIR])

    def _met(self, wiki: str, editor: Editor, neighbour: Editor) -> list[dict[str, Any]]:
        """All pages on which either met the other."""
        mine, theirs = (
            {row["page_id"]: row for row in self._moment.rows("coedit_pages", wiki, one.key, other.key)}
            for one, other in ((editor, neighbour), (neighbour, editor))
        )
        found = []
        for page_id in mine.keys() | theirs.keys():
            # Of who never met the other there, nothing is told.
            follows, followed = mine.get(page_id, _NEVER_MET), theirs.get(page_id, _NEVER_MET)
            editor_came_first = follows["came_first"] if page_id in mine else not followed["came_first"]
            found.append(
                {
                    "page_id": page_id,
                    "came_first": (editor if editor_came_first else neighbour).name,
                    "follows": follows["follows"],
                    "soonest_seconds": follows["soonest"],
                    "followed": followed["follows"],
                    "soonest_followed_seconds": followed["soonest"],
                }
            )
        found.sort(key=lambda page: (-page["follows"] - page["followed"], page["page_id"]))
        return found

    def _titled(self, wiki: str, pages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        titles = self._titles(wiki, [page["page_id"] for page in pages])
        return [{"title": titles.get(page["page_id"]), **page} for page in pages]

    def first_and_last(self, wiki: str, editor: Editor) -> tuple[datetime | None, datetime | None]:
        """Times of the first and of the last edit that count; None while another table is not as far as the counts are."""
        days = [row["day"] for row in self._moment.rows("user_days", wiki, editor.key)]
        if not days:
            return None, None
        first, last = (
            [row["at"] for row in self._moment.rows("user_edits", wiki, editor.key, day)]
            for day in (min(days), max(days))
        )
        return min(first, default=None), max(last, default=None)

    def case(self, wiki: str, editors: Sequence[Editor], until: date | None = None) -> dict[str, Any]:
        """All that is to be seen of several accounts at once: each, every pair, and what they did in order of time.

        A pair shares the pages on which either met the other, so that it is the same in which order they are named. The timeline
        has the newest edits of each account until a day, `TIMELINE_EDITS` or a few more; an account's `timeline_from` is the day
        from which it has all of them, None if it has them from the first on.
        """
        accounts, timeline = [], []
        for editor in editors:
            first, edits = self._edits(wiki, editor, until)
            accounts.append({**self.described(wiki, editor), "timeline_from": first})
            timeline += edits
        timeline.sort(key=lambda edit: (edit["at"], edit["rev_id"]))
        titles = self._titles(wiki, {edit["page_id"] for edit in timeline})
        return {
            "wiki": wiki,
            "accounts": accounts,
            "pairs": [self._pair(wiki, one, other) for one, other in combinations(editors, 2)],
            "timeline": [{**edit, "title": titles.get(edit["page_id"])} for edit in timeline],
        }

    def _pair(self, wiki: str, one: Editor, other: Editor) -> dict[str, Any]:
        met = self._met(wiki, one, other)
        return {
            **similar(one, other, len(met)),
            "between": [one.name, other.name],
            "pages": self._titled(wiki, met[:PAGES_OF_PAIR]),
        }

    def described(self, wiki: str, editor: Editor) -> dict[str, Any]:
        """An editor's counts, in the reference's names where it has them."""
        first, last = self.first_and_last(wiki, editor)
        return {
            "user_text": editor.name,
            "user_kind": editor.kind,
            "num_edits_in_data": editor.activity["edits"],
            "num_pages_in_data": editor.pages,
            "first_edit_in_data": first,
            "last_edit_in_data": last,
            "days": [editor.activity[name] for name in DAYS],
            "hours": [editor.activity[name] for name in HOURS],
        }

    def _edits(
        self, wiki: str, editor: Editor, until: date | None
    ) -> tuple[date | None, list[dict[str, Any]]]:
        """The newest edits of an editor until that day, by whole days; the day of the oldest, None if none is older."""
        days = [
            (row["day"], row["edits"])
            for row in self._moment.rows("user_days", wiki, editor.key)
            if until is None or row["day"] <= until
        ]
        edits: list[dict[str, Any]] = []
        wanted = TIMELINE_EDITS
        while days and wanted > 0:
            day, count = days.pop()
            wanted -= count
            edits += (
                {
                    "at": row["at"],
                    "user_text": editor.name,
                    "rev_id": row["rev_id"],
                    "page_id": row["page_id"],
                }
                for row in self._moment.rows("user_edits", wiki, editor.key, day)
            )
        return (day if days else None), edits

    def _comparable(self, wiki: str, keys: set[str]) -> dict[str, Editor]:
        """Those editors that are neither bots nor hidden, and of whom edits still count."""
        accounts = {key for key in keys if key.startswith("#")}
        known = self._moment.rows_of("user_current", [(wiki, key) for key in accounts])
        named = {
            row["editor"]: (row["name"], row["user_kind"]) for row in known.values() if not row["is_bot_by"]
        }
        named |= {key: (key, UserKind.ANONYMOUS) for key in keys - accounts}
        counts = self._moment.rows_of("user_activity", [(wiki, key) for key in named])
        return {row["editor"]: Editor(row["editor"], *named[row["editor"]], row) for row in counts.values()}

    def _titles(self, wiki: str, page_ids: Collection[int]) -> dict[int, str]:
        found = self._moment.rows_of("page_current", [(wiki, page_id) for page_id in page_ids])
        return {row["page_id"]: row["title"] for row in found.values()}


def _first(together: Iterator[tuple[int, list[str]]], least: int) -> list[tuple[int, list[str]]]:
    """The next of them, until they have `least` keys, so that these are looked up at once."""
    some: list[tuple[int, list[str]]] = []
    while least > 0 and (one := next(together, None)) is not None:
        some.append(one)
        least -= len(one[1])
    return some


def written_as(key: str) -> str:
    """How an editor is written down: by key, but for a name, which may be hidden one day and is known by its digest."""
    return f"name:{name_digest(key)}" if names_in_key(key) else key


def written_as_asked(kind: str, text: str) -> str:
    """How a name that was asked for is written down of which nothing is told: why (an error-type), and the digest of the name as it would be stored."""
    bare = _PREFIX.sub("", text)
    return f"{kind}:{name_digest(unregistered_name(bare) or user_name(bare))}"


def similar(editor: Editor, other: Editor, pages: int) -> dict[str, Any]:
    """How alike two editors are, who share so many pages, in the reference's names."""
    one, two = editor.profile, other.profile
    return {
        "user_text": other.name,
        "user_kind": other.kind,
        "num_edits_in_data": other.activity["edits"],
        "edit-overlap": edit_overlap(pages, editor.pages),
        "edit-overlap-inv": edit_overlap(pages, other.pages),
        "pages_shared": pages,
        "day-overlap": _told(overlap(one.days, two.days)),
        "hour-overlap": _told(overlap(one.hours, two.hours)),
    }


def _told(found: Overlap) -> dict[str, Any]:
    return {"cos-sim": found.cosine, "level": found.level}
