"""A revision as an XML dump has it: its elements, its texts, and the row that they are."""

from __future__ import annotations

import re

import msgspec

from shared_logic.eventify.rows import SIZES, BadRowError, check_timestamp, parse_number, parse_number_or_none
from shared_logic.eventify.tables import RevisionRow, base36_sha1, folded_sha1
from shared_logic.states.page_state import COMMENT_HIDDEN, TEXT_HIDDEN, USER_HIDDEN

_TIMESTAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z")
_NO_TEXT = frozenset({"deleted", "id", "location", "sha1"})
"""Attributes of a text with which an empty one says nothing of the text."""


class DumpRevision:
    """What was read of the revision at hand."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.contributor: dict[str, str] = {}
        self.deleted = 0
        self.slot: dict[str, str] = {}
        self.role = ""
        self.slots: list[Slot] = []
        self.kind: dict[str, str] = {}
        """Model and format of the slot at hand, which stand before its text."""

    def take(self, parent: str, name: str, text: str) -> None:
        """Take the text of an element within the revision."""
        if parent == "contributor":
            self.contributor[name] = text.strip()
        elif name == "text":
            self._add_slot(self.role if parent == "content" else "main", text)
        elif name == "role":
            self.role = text.strip()
        elif name in {"model", "format"}:
            self.kind[name] = text.strip()
        elif parent == "revision":
            self.fields[name] = text

    def row(self, page_id: int, *, parent_is_told: bool) -> RevisionRow:
        """The revision as a row of its page.

        Raises:
            BadRowError: it has no id or no time, or a number that is none.
        """
        fields = self.fields
        rev_id = id_of(fields)
        timestamp = timestamp_of(fields.get("timestamp", ""))
        check_timestamp("timestamp", timestamp)
        parent = fields.get("parentid", "").strip()
        user_id, user_text = (0, None) if self.deleted & USER_HIDDEN else author_of(self.contributor)
        sizes = [slot.size for slot in self.slots if slot.size is not None]
        return RevisionRow(
            rev_id=rev_id,
            page_id=page_id,
            timestamp=timestamp,
            parent_id=parse_number("parentid", parent) if parent else 0 if parent_is_told else None,
            size=sum(sizes) if sizes and len(sizes) == len(self.slots) else None,
            sha1=fields.get("sha1", "").strip() or self._sha1(),
            minor="minor" in fields,
            deleted=self.deleted,
            user_id=user_id,
            user_text=user_text,
            # An empty comment is left out of a dump.
            comment=None if self.deleted & COMMENT_HIDDEN else fields.get("comment", ""),
        )

    def _add_slot(self, role: str, text: str) -> None:
        slot = self.slot
        if "deleted" in slot:
            self.deleted |= TEXT_HIDDEN
        # A stub names where the text is kept, in place of the text.
        is_empty = slot.get("bytes") == "0" and "deleted" not in slot
        is_there = bool(text) or is_empty or not _NO_TEXT.intersection(slot)
        data = text.encode() if is_there else None
        self.slots.append(
            Slot(
                role=role,
                told=slot.get("bytes", ""),
                sha1=slot.get("sha1") or None,
                data=data,
                model=self.kind.get("model", ""),
                format=self.kind.get("format", ""),
            )
        )

    def _sha1(self) -> str | None:
        known = [(slot.role, digest) for slot in self.slots if (digest := slot.digest())]
        return folded_sha1(known) if len(known) == len(self.slots) else None


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A text of a revision; None is what the dump doesn't tell."""

    role: str
    model: str
    format: str
    """As the dump writes both; empty: it doesn't."""
    told: str
    """Its size in bytes, as it is written."""
    sha1: str | None
    data: bytes | None

    @property
    def size(self) -> int | None:
        """In bytes."""
        # Of a hidden text some dumps say -1.
        if self.told.isdigit():
            return parse_number("bytes", self.told, SIZES)
        return None if self.data is None else len(self.data)

    def digest(self) -> str | None:
        """Its SHA-1, in base 36."""
        # A text that was changed on its way into the dump has another SHA-1 than the stored one.
        if self.sha1 is None and self.data is not None and self.size == len(self.data):
            return base36_sha1(self.data)
        return self.sha1


def author_of(contributor: dict[str, str]) -> tuple[int, str | None]:
    """Id (0: none) and name of a contributor.

    Raises:
        BadRowError: the id is no number.
    """
    name = contributor.get("username") or contributor.get("ip") or None
    return parse_number("contributor", contributor.get("id") or "0"), name


def id_of(fields: dict[str, str]) -> int:
    """The id of a revision or an entry.

    Raises:
        BadRowError: it has none, or one that is no number.
    """
    text = fields.get("id", "").strip()
    number = parse_number_or_none(text)
    if number is None or number <= 0:
        raise BadRowError("id", "no_id", f"the id is {text!r}" if text else "it has no id")
    return number


def timestamp_of(text: str) -> str:
    """A dump's time as MediaWiki's tables have it: fourteen digits.

    Raises:
        BadRowError: it is none.
    """
    found = _TIMESTAMP.fullmatch(text.strip())
    if found is None:
        raise BadRowError("timestamp", "bad_timestamp", f"{text.strip()!r} is no timestamp of a dump")
    return "".join(found.groups())
