"""The parameters of log rows, in the forms of MediaWiki's tables and of its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.strategies.wiki.state import NEVER, Age, Protection
from tests.strategies.wiki.text import Title, digits14, iso, php, readable, shown


@dataclass(frozen=True)
class Params:
    """What a log row says beside its columns."""

    entries: Mapping[str, Any]
    """By the keys under which tables have kept them since about 2010."""
    lines: Sequence[str] = ()
    """As tables had them before, one line each."""

    def stored(self, age: Age) -> str:
        """As a table of that age has them."""
        return "\n".join(self.lines) if age == Age.OF_2008 else php(dict(self.entries))

    @property
    def told(self) -> object:
        """As recentchange events tell them: keys without their place, no nulls; nothing is an empty list."""
        shared = {key.rpartition(":")[2]: value for key, value in self.entries.items() if key != _OF_REVISION}
        return _told(shared)


_OF_REVISION = "associated_rev_id"
"""Says which revision the action made; kept for the history of the page, not told."""


def nothing() -> Params:
    """No parameters."""
    return Params({})


def created(rev_id: int) -> Params:
    """create/create."""
    return Params({_OF_REVISION: rev_id})


def moved(target: Title, rev_id: int, *, redirect: bool) -> Params:
    """move/move and move/move_redir."""
    return Params(
        {"4::target": shown(target), "5::noredir": "0" if redirect else "1", _OF_REVISION: rev_id},
        (shown(target),) if redirect else (shown(target), "1"),
    )


def restored(revisions: int) -> Params:
    """delete/restore."""
    return Params({":assoc:count": {"revisions": revisions, "files": 0}})


def hidden(kind: str, ids: Sequence[int], before: int, after: int) -> Params:
    """delete/revision, delete/event and their suppress twins; `kind` is revision or logging."""
    return Params(
        {"4::type": kind, "5::ids": list(ids), "6::ofield": before, "7::nfield": after},
        (kind, ",".join(map(str, ids)), f"ofield={before}", f"nfield={after}"),
    )


def protected(protections: Sequence[Protection], rev_id: int) -> Params:
    """protect/protect and protect/modify."""
    description = "".join(f"\u200e[{one.action}={one.level}] ({_end(one.expiry)})" for one in protections)
    details = [
        {
            "type": one.action,
            "level": one.level,
            "expiry": digits14(one.expiry) if one.expiry != NEVER else "infinity",
            "cascade": False,
        }
        for one in protections
    ]
    return Params(
        {"4::description": description, "5:bool:cascade": False, "details": details, _OF_REVISION: rev_id},
        (description, ""),
    )


def protection_moved(old: Title) -> Params:
    """protect/move_prot."""
    return Params({"4::oldtitle": shown(old)}, (shown(old),))


def merged(target: Title, upto: int) -> Params:
    """merge/merge, until 2025."""
    return Params(
        {"4::dest": shown(target), "5::mergepoint": digits14(upto)}, (shown(target), digits14(upto))
    )


def merged_with_revision(target: Title, upto: int) -> Params:
    """merge/merge of today; the last key is null unless the merge was cut inside one second."""
    return Params({**merged(target, upto).entries, "6::mergerevid": None})


def merged_into(source: Title, upto: int) -> Params:
    """merge/merge-into, today's row on the page that the revisions went to."""
    return Params({"4::src": shown(source), "5::mergepoint": digits14(upto)})


def imported(count: int, rev_id: int) -> Params:
    """import/upload."""
    return Params({"4:number:count": count, _OF_REVISION: rev_id})


def account_created(user_id: int) -> Params:
    """newusers with any action."""
    return Params({"4::userid": user_id}, (str(user_id),))


def renamed(old: str, new: str, edits: int) -> Params:
    """renameuser/renameuser."""
    return Params({"4::olduser": old, "5::newuser": new, "6::edits": edits}, (new,))


def rights(old: Mapping[str, int | None], new: Mapping[str, int | None]) -> Params:
    """rights/rights; groups with the second at which they end.

    Where groups are only taken away the others keep their places, so that PHP's list has holes.
    """
    before = {place: (group, old[group]) for place, group in enumerate(sorted(old))}
    kept = {place: one for place, one in before.items() if one[0] in new}
    joined = [(group, expiry) for group, expiry in new.items() if (group, expiry) not in kept.values()]
    after = dict(enumerate([*kept.values(), *joined])) if joined else kept
    return Params(
        {
            "4::oldgroups": _listed({place: group for place, (group, _) in before.items()}),
            "5::newgroups": _listed({place: group for place, (group, _) in after.items()}),
            "oldmetadata": _listed({place: _expiry(expiry) for place, (_, expiry) in before.items()}),
            "newmetadata": _listed({place: _expiry(expiry) for place, (_, expiry) in after.items()}),
        },
        (", ".join(old), ", ".join(new)),
    )


def blocked(expiry: int, flags: Sequence[str], pages: Sequence[Title] | None) -> Params:
    """block/block, block/reblock and suppress/block; `pages` are those of a partial block, None: of the whole site."""
    duration = iso(expiry) if expiry != NEVER else "infinity"
    entries: dict[str, Any] = {
        "5::duration": duration,
        "6::flags": ",".join(flags),
        "sitewide": pages is None,
    }
    if pages:
        entries["7::restrictions"] = {"pages": [shown(page) for page in pages]}
    # Old blocks told a length or "infinite" in the blocking user's words.
    return Params(entries, (iso(expiry) if expiry != NEVER else "infinite", ",".join(flags)))


def _end(expiry: int) -> str:
    return f"expires {readable(expiry)}" if expiry != NEVER else "indefinite"


def _expiry(second: int | None) -> dict[str, str | None]:
    return {"expiry": None if second is None else digits14(second)}


def _listed(places: Mapping[int, Any]) -> object:
    """A list, where no place is left out."""
    return list(places.values()) if list(places) == list(range(len(places))) else dict(places)


def _told(value: Any) -> object:
    if isinstance(value, Mapping):
        return {key: _told(item) for key, item in value.items() if item is not None} or []
    if isinstance(value, list | tuple):
        return [_told(item) for item in value]
    return value
