"""Similar users, finished when they are read: names, ranks, ratios and evidence, of one generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

from serving.reader import NotPublished, Reader
from shared_logic.datasets.similar_users import DAYS, HOURS
from shared_logic.language import registry
from shared_logic.protocols import Store
from shared_logic.similarity import Overlap, Profile, edit_overlap, overlap, profile, ranked
from shared_logic.things import User, UserKind

TABLES = (
    "coedits",
    "coedit_pages",
    "user_activity",
    "user_days",
    "user_edits",
    "user_current",
    "user_by_name",
    "user_lives",
    "page_current",
)
_HIDES = {"hiddenname", "hideuser", "hidename"}
"""Flags of a block that hides the account's name everywhere, as old and new log rows and tables call it."""
TIMELINE_EDITS = 1_000
PAGES_OF_PAIR = 100


class NotComparable(Exception):  # noqa: N818  what is so, not that something failed
    """Nothing is told of that name; `kind` says why, as the reference's error-type."""

    def __init__(self, kind: str, detail: str) -> None:
        """Keep both."""
        super().__init__(detail)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Editor:
    """An editor with what is counted of them."""

    key: str
    name: str
    activity: Mapping[str, Any]

    @property
    def pages(self) -> int:
        """Pages that they edited."""
        return int(self.activity["pages"])


class SimilarUsers:
    """Reads of one moment: all tables in the generations that are published when it is made."""

    def __init__(self, store: Store, reader: Reader) -> None:
        """Note the generations.

        Raises:
            NotPublished: one of the tables is not.
        """
        self._reader = reader
        while True:
            found = {name: store.published(name) for name in TABLES}
            # Whatever flips, flips all of a run: two looks alike have not seen a flip in between.
            if found == {name: store.published(name) for name in TABLES}:
                break
        self._generations: dict[str, int] = {}
        for name, made in found.items():
            if made is None:
                message = f"{name} is not published yet; `wikibraid batch run {name}` makes a generation"
                raise NotPublished(message)
            self._generations[name] = made.number

    def editor(self, wiki: str, text: str) -> Editor:
        """The account that bears the name now, or the address.

        Raises:
            NotComparable: there is none (or a hidden one, which is the same), it is a bot, or no edit of it counts.
        """
        name = named(text)
        known = self._get("user_by_name", wiki, name)
        key = known["editor"] if known else User(0, name).key
        life = self._life(wiki, key)
        if _is_hidden(life):
            known = None
        is_address = known is None and not key.startswith("#") and User(0, name).kind is UserKind.ANONYMOUS
        activity = self._get("user_activity", wiki, key) if known or is_address else None
        if known is None and activity is None:
            raise NotComparable("user-no-account", "there is no such account on this wiki")
        if User(1, name).kind is UserKind.BOT or _is_bot(life):
            raise NotComparable("user-bot", "the account is a bot, and bots are not compared")
        if activity is None:
            raise NotComparable("user-no-edits", "no edit of the account is among those that are compared")
        return Editor(key, name, activity)

    def neighbours(self, wiki: str, editor: Editor, most: int) -> list[dict[str, Any]]:
        """Who edited most of the same pages near the editor, in the reference's shape."""
        shared = {row["neighbour"]: row["pages"] for row in self._rows("coedits", wiki, editor.key)}
        order = sorted(shared.values(), reverse=True)
        # Whoever is certainly behind the cut need not be looked up.
        least = order[min(most, len(order)) - 1] if order else 0
        found: dict[str, Editor] = {}
        while True:
            for key, pages in shared.items():
                if pages >= least and key not in found:
                    other = self._neighbour(wiki, key)
                    if other is not None:
                        found[key] = other
            if len(found) >= most or least <= 1 or len(found) == len(shared):
                break
            # Some of them were bots or hidden: others move up.
            least = max((pages for pages in order if pages < least), default=0)
            if least == 0:
                break
        rows = [(key, shared[key], other.pages) for key, other in found.items()]
        return [self._similar(editor, found[key], pages) for key, pages, _ in ranked(rows, most)]

    def follow_up(self, wiki: str, editor: Editor, neighbour: Editor) -> list[dict[str, Any]]:
        """On which pages the two met, in which order, how soon after one another; those of most follow-ups first."""
        theirs = {row["page_id"]: row for row in self._rows("coedit_pages", wiki, neighbour.key, editor.key)}
        mine = {row["page_id"]: row for row in self._rows("coedit_pages", wiki, editor.key, neighbour.key)}
        found = []
        for page_id in mine.keys() | theirs.keys():
            one, other = mine.get(page_id), theirs.get(page_id)
            found.append(
                {
                    "page_id": page_id,
                    "came_first": editor.name
                    if (one["came_first"] if one else not (other or {})["came_first"])
                    else neighbour.name,
                    "follows": one["follows"] if one else 0,
                    "soonest_seconds": one["soonest"] if one else None,
                    "followed": other["follows"] if other else 0,
                    "soonest_followed_seconds": other["soonest"] if other else None,
                }
            )
        found.sort(key=lambda page: (-page["follows"] - page["followed"], page["page_id"]))
        return [{"title": self._title(wiki, page["page_id"]), **page} for page in found[:PAGES_OF_PAIR]]

    def first_and_last(self, wiki: str, editor: Editor) -> tuple[datetime, datetime]:
        """Times of the first and of the last edit that count."""
        days = [row["day"] for row in self._rows("user_days", wiki, editor.key)]
        first = next(iter(self._rows("user_edits", wiki, editor.key, min(days))))
        *_, last = self._rows("user_edits", wiki, editor.key, max(days))
        return first["at"], last["at"]

    def case(self, wiki: str, editors: Sequence[Editor]) -> dict[str, Any]:
        """All that is to be seen of several accounts at once: each, every pair, and what they did in order of time."""
        pairs = [
            {
                **self._similar(one, other, self._shared(wiki, one.key, other.key)),
                "between": [one.name, other.name],
                "pages": self.follow_up(wiki, one, other),
            }
            for one, other in combinations(editors, 2)
        ]
        return {
            "wiki": wiki,
            "accounts": [self.described(wiki, editor) for editor in editors],
            "pairs": pairs,
            "timeline": self._timeline(wiki, editors),
        }

    def described(self, wiki: str, editor: Editor) -> dict[str, Any]:
        """An editor's counts, in the reference's names where it has them."""
        first, last = self.first_and_last(wiki, editor)
        return {
            "user_text": editor.name,
            "num_edits_in_data": editor.activity["edits"],
            "num_pages_in_data": editor.pages,
            "first_edit_in_data": first,
            "last_edit_in_data": last,
            "days": [editor.activity[name] for name in DAYS],
            "hours": [editor.activity[name] for name in HOURS],
        }

    def _timeline(self, wiki: str, editors: Sequence[Editor]) -> list[dict[str, Any]]:
        """The newest edits of each of them, in order of time."""
        edits: list[dict[str, Any]] = []
        for editor in editors:
            days = [(row["day"], row["edits"]) for row in self._rows("user_days", wiki, editor.key)]
            wanted = TIMELINE_EDITS
            for day, count in reversed(days):
                if wanted <= 0:
                    break
                wanted -= count
                edits += (
                    {
                        "at": row["at"],
                        "user_text": editor.name,
                        "rev_id": row["rev_id"],
                        "page_id": row["page_id"],
                    }
                    for row in self._rows("user_edits", wiki, editor.key, day)
                )
        edits.sort(key=lambda edit: (edit["at"], edit["rev_id"]))
        titles = {page_id: self._title(wiki, page_id) for page_id in {edit["page_id"] for edit in edits}}
        return [{**edit, "title": titles[edit["page_id"]]} for edit in edits]

    def _similar(self, editor: Editor, other: Editor, pages: int) -> dict[str, Any]:
        one, two = _profile(editor), _profile(other)
        return {
            "user_text": other.name,
            "num_edits_in_data": other.activity["edits"],
            "edit-overlap": edit_overlap(pages, editor.pages),
            "edit-overlap-inv": edit_overlap(pages, other.pages),
            "pages_shared": pages,
            "day-overlap": _told(overlap(one.days, two.days)),
            "hour-overlap": _told(overlap(one.hours, two.hours)),
        }

    def _neighbour(self, wiki: str, key: str) -> Editor | None:
        """The other editor; None: it is a bot, hidden, or has no edit that counts any more."""
        known = self._get("user_current", wiki, key) if key.startswith("#") else {"name": key}
        if known is None or User(1, known["name"]).kind is UserKind.BOT:
            return None
        life = self._life(wiki, key)
        if _is_hidden(life) or _is_bot(life):
            return None
        activity = self._get("user_activity", wiki, key)
        return None if activity is None else Editor(key, known["name"], activity)

    def _shared(self, wiki: str, key: str, neighbour: str) -> int:
        found = self._get("coedits", wiki, key, neighbour)
        return int(found["pages"]) if found else 0

    def _life(self, wiki: str, key: str) -> dict[str, Any] | None:
        """The account's newest state."""
        states = self._rows("user_lives", wiki, int(key[1:])) if key.startswith("#") else []
        return states[-1] if states else None

    def _title(self, wiki: str, page_id: int) -> str | None:
        page = self._get("page_current", wiki, page_id)
        return page["title"] if page else None

    def _get(self, name: str, *key: Any) -> dict[str, Any] | None:
        found = self._reader.get(registry[name], key, self._generations[name]).rows
        return found[0] if found else None

    def _rows(self, name: str, *prefix: Any) -> Sequence[dict[str, Any]]:
        return self._reader.scan(registry[name], prefix, self._generations[name]).rows


def _is_bot(life: Mapping[str, Any] | None) -> bool:
    return bool(life and life["is_bot_by"])


def _is_hidden(life: Mapping[str, Any] | None) -> bool:
    return life is not None and not _HIDES.isdisjoint(life["user_blocks_historical"])


def named(text: str) -> str:
    """A user name as MediaWiki stores it: blanks instead of underscores, the first letter large."""
    name = " ".join(text.replace("_", " ").split())
    return name[:1].upper() + name[1:]


def _profile(editor: Editor) -> Profile:
    return profile([editor.activity[name] for name in DAYS], [editor.activity[name] for name in HOURS])


def _told(found: Overlap) -> dict[str, Any]:
    return {"cos-sim": found.cosine, "level": found.level}
