"""What is left of states and events when what is hidden is taken out of them for good: parts of revisions and log rows, and names.

Authors never see what is hidden (`shared_logic.things`), so that a state without it gives the same rows. Identities stay: ids, times,
sizes, who hid what and when. In the place of hidden accounts' names stand others: see `shared_logic.purged_names`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from shared_logic.clock import Stamp
from shared_logic.entities import Entity, State
from shared_logic.events.records import RevisionsRelocated
from shared_logic.events.streams import RELOCATED
from shared_logic.purged_names import (
    Pseudonyms,
    WikiAndDigest,
    event_without_names,
    log_row_without_names,
    page_without_names,
    revision_without_name,
    user_without_names,
)
from shared_logic.states import log_state, page_state
from shared_logic.states.log_state import LogState
from shared_logic.states.page_state import PageState, RevisionState
from shared_logic.states.user_state import UserState

Subject = tuple[str, str, int]
"""Wiki, "revision" or "log", id."""
REVISION, LOG_ROW = "revision", "log"


class SubjectVisibility(NamedTuple):
    """What one state tells of what is hidden of a revision or log row; of several the greatest is so."""

    subject: Subject
    at: Stamp
    bits: int
    """Of rev_deleted or log_deleted; 0: nothing is."""


class Hidden(NamedTuple):
    """What is taken out."""

    parts: Mapping[Subject, int]
    """Bits of what is hidden of each subject."""
    names: Collection[WikiAndDigest] = frozenset()
    """Those of hidden accounts, as digests."""


def left_of(hidden: Hidden, gone: Hidden) -> Hidden:
    """What is hidden and was not taken out; a subject of which more is hidden by now is there with all of it.

    >>> left_of(
    ...     Hidden({("w", "log", 1): 3, ("w", "log", 2): 1}, {("w", "a")}),
    ...     Hidden({("w", "log", 1): 1, ("w", "log", 2): 1}),
    ... )
    Hidden(parts={('w', 'log', 1): 3}, names=frozenset({('w', 'a')}))
    """
    parts = {subject: bits for subject, bits in hidden.parts.items() if bits & ~gone.parts.get(subject, 0)}
    return Hidden(parts, frozenset(hidden.names) - frozenset(gone.names))


def told_by(entity: Entity, state: State) -> Iterator[SubjectVisibility]:
    """What the state tells of what is hidden."""
    if isinstance(state, PageState):
        for rev_id, revision in state.revisions.items():
            if revision.visibility is not None:
                visibility = revision.visibility
                yield SubjectVisibility((entity.wiki, REVISION, rev_id), visibility.stamp, visibility.bits)
    elif isinstance(state, LogState) and state.visibility is not None:
        yield SubjectVisibility(
            (entity.wiki, LOG_ROW, entity.id), Stamp(state.visibility.at, 0, 0), state.visibility.bits
        )


def purged_state(entity: Entity, state: State, hidden: Hidden) -> State:
    """The state without what is hidden; the very state, if nothing of it is."""
    names = Pseudonyms(entity.wiki, hidden.names)
    match state:
        case PageState():
            page = _page(entity.wiki, state, hidden.parts)
            return page_without_names(page, names) if names else page
        case LogState():
            row = _log_row(state, hidden.parts.get((entity.wiki, LOG_ROW, entity.id), 0))
            return log_row_without_names(row, names) if names else row
        case UserState() if names:
            return user_without_names(state, names)
        case _:
            return state


def _page(wiki: str, state: PageState, hidden: Mapping[Subject, int]) -> PageState:
    found = {
        rev_id: hidden[subject]
        for rev_id in state.revisions
        if (subject := (wiki, REVISION, rev_id)) in hidden
    }
    if not found:
        return state
    revisions = dict(state.revisions)
    for rev_id, bits in found.items():
        revisions[rev_id] = _revision(revisions[rev_id], bits)
    return msgspec.structs.replace(state, revisions=revisions)


def purged_event(raw: bytes, hidden: Hidden) -> bytes:
    """The event without what is hidden; the very bytes, if nothing of it is, or if they are no event."""
    try:
        event = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return raw
    if not isinstance(event, dict):
        return raw
    wiki = str(event.get("wiki_id") or event.get("database") or event.get("wiki") or "")
    names = Pseudonyms(wiki, hidden.names)
    if str(event.get("$schema", "")).startswith(f"/{RELOCATED}/"):
        return _purged_relocation(raw, wiki, hidden.parts, names)
    changed = _purge_parts(event, wiki, hidden.parts)
    if names:
        changed |= event_without_names(event, names)
    return msgspec.json.encode(event) if changed else raw


def _purge_parts(event: dict[str, Any], wiki: str, hidden: Mapping[Subject, int]) -> bool:
    """Take what is hidden out of the event, which is of one of several forms; whether there was anything."""

    def bits(kind: str, number: object) -> int:
        return hidden.get((wiki, kind, _number(number)), 0)

    changed = _purge(event, bits(REVISION, event.get("rev_id")), _OLD_FIELDS)
    changed |= _purge(event, bits(LOG_ROW, event.get("log_id")), _LOG_FIELDS)
    revision = event.get("revision")
    if isinstance(revision, dict):
        of_revision = bits(REVISION, revision.get("rev_id"))
        changed |= _purge(event, of_revision, _EVENT_FIELDS) | _purge(revision, of_revision, _REVISION_FIELDS)
    prior = event.get("prior_state")
    before = prior.get("revision") if isinstance(prior, dict) else None
    if isinstance(before, dict):
        changed |= _purge(before, bits(REVISION, before.get("rev_id")), _REVISION_FIELDS)
    return changed


def _purged_relocation(raw: bytes, wiki: str, hidden: Mapping[Subject, int], names: Pseudonyms) -> bytes:
    event = _relocations.decode(raw)
    revisions = {
        rev_id: revision_without_name(_revision(state, hidden.get((wiki, REVISION, rev_id), 0)), names)
        for rev_id, state in event.revisions.items()
    }
    if revisions == event.revisions:
        return raw
    return msgspec.json.encode(msgspec.structs.replace(event, revisions=revisions))


_relocations = msgspec.json.Decoder(RevisionsRelocated)


def _revision(state: RevisionState, bits: int) -> RevisionState:
    return msgspec.structs.replace(
        state,
        sha1=None if bits & page_state.TEXT_HIDDEN else state.sha1,
        comment=None if bits & page_state.COMMENT_HIDDEN else state.comment,
        author=None if bits & page_state.USER_HIDDEN else state.author,
        by_temporary=None if bits & page_state.USER_HIDDEN else state.by_temporary,
    )


def _log_row(state: LogState, bits: int) -> LogState:
    if not bits:
        return state
    action, user = bits & log_state.ACTION_HIDDEN, bits & log_state.USER_HIDDEN
    return msgspec.structs.replace(
        state,
        title=None if action else state.title,
        params=None if action else state.params,
        comment=None if bits & log_state.COMMENT_HIDDEN else state.comment,
        user_id=None if user else state.user_id,
        user_name=None if user else state.user_name,
    )


_Fields = Mapping[int, tuple[str, ...]]
_OLD_FIELDS: _Fields = {
    page_state.TEXT_HIDDEN: ("rev_sha1", "rev_slots"),
    page_state.COMMENT_HIDDEN: ("comment", "parsedcomment"),
    page_state.USER_HIDDEN: ("performer",),
}
"""Of events that are about one revision, which they name at the top. Some name there who hid it: that goes as well, it is of no use."""
_EVENT_FIELDS: _Fields = {
    page_state.COMMENT_HIDDEN: ("comment",),
    page_state.USER_HIDDEN: ("performer",),
}
_REVISION_FIELDS: _Fields = {
    page_state.TEXT_HIDDEN: ("rev_sha1", "content_slots"),
    page_state.COMMENT_HIDDEN: ("comment",),
    page_state.USER_HIDDEN: ("editor",),
}
_LOG_FIELDS: _Fields = {
    log_state.ACTION_HIDDEN: ("title", "title_url", "log_params", "log_action_comment"),
    log_state.COMMENT_HIDDEN: ("comment", "parsedcomment", "log_action_comment"),
    log_state.USER_HIDDEN: ("user", "log_action_comment"),
}


def _purge(record: dict[str, Any], bits: int, fields: _Fields) -> bool:
    """Take out what the bits hide; whether there was anything."""
    gone = [name for bit, names in fields.items() if bits & bit for name in names if name in record]
    for name in gone:
        record.pop(name, None)
    return bool(gone)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
