"""The lives of accounts, rebuilt backwards from the present, one event undone at a time.

The rules and their order are those of Wikimedia's monthly rebuild (`UserHistoryBuilder` of analytics/refinery/source 0.3.22). Older
log rows carry the name of today, because a rename rewrites titles of the log; so two maps are kept on the way: from the name
of today to the name at this point, and back.

Of events of one second the creation is undone last. Upstream undoes it first, and so loses the groups that an account was given in
the second of its creation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec

from shared_logic.history.log_row import Actor, Issue
from shared_logic.history.user_events import UserEvent, UserEventType
from shared_logic.history.user_history import InferredFrom, UserHistoryState, UserSeed, bot_by
from shared_logic.states.user_state import CreatedBy, Creation

replaced = msgspec.structs.replace


class Rebuilt(NamedTuple):
    """What became of one component."""

    states: tuple[UserHistoryState, ...]
    """Every state of every account, in order of user id and time."""
    issues: tuple[Issue, ...]


def rebuilt(seeds: Iterable[UserSeed], events: Iterable[UserEvent]) -> Rebuilt:
    """Every state of every account of one component; each event ends in a state or an Issue.

    Args:
        seeds: the accounts whose name is in the component, in any order.
        events: the events between names of the component, in any order.
    """
    sweep = _Sweep()
    listed: dict[int, int | None] = {}
    known = sorted(seeds, key=attrgetter("user_id"))
    for seed in known:
        listed[seed.user_id] = seed.groups_at
        sweep.start(seed)
    for event in sorted(_with_told_creations(events, known), key=_newest_first):
        sweep.undo(event)
    sweep.finish()
    by_user = groupby(sorted(sweep.done, key=_order), key=attrgetter("wiki_db", "user_id"))
    states = tuple(
        state for (_, user_id), life in by_user for state in _propagated(list(life), listed[user_id])
    )
    return Rebuilt(states, tuple(sweep.issues))


class _Sweep:
    """The state of one rebuild."""

    def __init__(self) -> None:
        self.open: dict[str, UserHistoryState] = {}
        """By name at this point, states whose beginning is still to come."""
        self.done: list[UserHistoryState] = []
        self.issues: list[Issue] = []
        self.name_then: dict[str, str] = {}
        """By name of today, what the account was called at this point, where that is another name."""
        self.name_today: dict[str, str] = {}
        """The same back."""

    def start(self, seed: UserSeed) -> None:
        """Take in an account as it is at present."""
        if seed.name in self.open:
            detail = f"bears the name of user {self.open[seed.name].user_id}; nothing before is told of it"
            self.issues.append(
                Issue(
                    wiki=seed.wiki,
                    table="user",
                    key=str(seed.user_id),
                    field="user_name",
                    code="same-name",
                    detail=detail,
                )
            )
            self.done.append(_unclosed(_present(seed)))
            return
        self.open[seed.name] = _present(seed)

    def undo(self, event: UserEvent) -> None:
        """Go back to before the event."""
        after, before = self._names(event)
        holder = self.open.get(after)
        if event.log_id is None and (holder is None or holder.user_id != event.user_id):
            self._report_told_creation(event)
            return
        self._close_younger(event, after)
        if before != after:
            self._close_conflict(event, before)
        matched = self.open.pop(after, None)
        if matched is None:
            self._report_unmatched(event, after)
            return
        self.done.append(_begun(matched, event))
        if event.event_type is not UserEventType.CREATE:
            self.open[before] = replaced(matched, user_text_historical=before, end_timestamp=event.at)

    def finish(self) -> None:
        """Output what no event touched any more."""
        self.done.extend(map(_unclosed, self.open.values()))

    def _close_younger(self, event: UserEvent, name: str) -> None:
        """An account that is known to have been made after the event can't be what the event tells of."""
        holder = self.open.get(name)
        if holder and holder.user_creation_timestamp and holder.user_creation_timestamp > event.at:
            self.done.append(
                replaced(
                    _unclosed(self.open.pop(name)),
                    source_log_id=event.log_id,
                    source_log_comment=event.comment,
                    source_log_params=event.params,
                )
            )

    def _close_conflict(self, event: UserEvent, name: str) -> None:
        """What bears a name that another account gives up by the event must have been made then."""
        displaced = self.open.pop(name, None)
        if displaced is not None:
            self.done.append(
                replaced(
                    displaced,
                    start_timestamp=event.at,
                    user_creation_timestamp=event.at,
                    caused_by_event_type=UserEventType.CREATE,
                    inferred_from=InferredFrom.CONFLICT,
                )
            )

    def _report_unmatched(self, event: UserEvent, name: str) -> None:
        self.issues.append(
            Issue(
                wiki=event.wiki,
                table="logging",
                key=str(event.log_id),
                field="",
                code="unmatched",
                detail=f"{event.event_type} fits no account called {name}; it is not used",
            )
        )

    def _report_told_creation(self, event: UserEvent) -> None:
        """Log rows say that the account was not called so then, or not made then."""
        self.issues.append(
            Issue(
                wiki=event.wiki,
                table="user",
                key=str(event.user_id),
                field="user_registration",
                code="unmatched",
                detail=f"an event tells when {event.new_name} was made, and log rows tell otherwise; they count",
            )
        )

    def _names(self, event: UserEvent) -> tuple[str, str]:
        """The name after the event and the one before it, as they were then."""
        if event.event_type is not UserEventType.RENAME:
            name = self.name_then.get(event.new_name, event.new_name)
            return name, name
        after, before = event.new_name, event.old_name
        if before != after:
            today = self.name_today.pop(after, after)
            self.name_then[today] = before
            self.name_today[before] = today
        return after, before


def _with_told_creations(events: Iterable[UserEvent], seeds: Iterable[UserSeed]) -> Iterator[UserEvent]:
    """The events, and what is told of creations by no row of the log; ids tell, since a name may be used again."""
    logged = set()
    for event in events:
        if event.event_type is UserEventType.CREATE:
            logged.add(event.user_id)
        yield event
    for seed in seeds:
        if seed.told_creation is not None and seed.user_id not in logged:
            yield _told_creation(seed, seed.told_creation)


def _told_creation(seed: UserSeed, told: Creation) -> UserEvent:
    """The creation of an account under its name of today, as in a row of the log; by itself, unless by somebody else."""
    itself = Actor(
        user_id=seed.user_id,
        central_id=seed.central_id,
        name=seed.name,
        is_anonymous=False,
        is_temporary=seed.is_temporary,
        is_permanent=None if seed.is_temporary is None else not seed.is_temporary,
    )
    return UserEvent(
        wiki=seed.wiki,
        log_id=None,
        at=told.at,
        event_type=UserEventType.CREATE,
        old_name=seed.name,
        new_name=seed.name,
        created_by_self=told.by is CreatedBy.SELF,
        created_by_system=told.by is CreatedBy.SYSTEM,
        created_by_peer=told.by is CreatedBy.PEER,
        caused_by=Actor() if told.by is CreatedBy.PEER else itself,
        comment=None,
        params=None,
        user_id=seed.user_id,
    )


def _present(seed: UserSeed) -> UserHistoryState:
    bot = bot_by(seed.name, seed.groups)
    # Tables list their log as well. Of an account that only events name, a row of its creation may be missing.
    unmade = None if seed.groups_at is None else False
    return UserHistoryState(
        wiki_db=seed.wiki,
        user_id=seed.user_id,
        user_central_id=seed.central_id,
        user_text_historical=seed.name,
        user_text=seed.name,
        user_groups_historical=(),
        user_groups=seed.groups,
        user_blocks_historical=(),
        is_blocked=False,
        is_partially_blocked=False,
        is_bot_by_historical=bot,
        is_bot_by=bot,
        user_registration_timestamp=seed.registration,
        user_creation_timestamp=seed.creation,
        created_by_self=unmade,
        created_by_system=unmade,
        created_by_peer=unmade,
        is_temporary=seed.is_temporary,
        start_timestamp=None,
        starts_with_first_edit=False,
        end_timestamp=None,
        caused_by_event_type=UserEventType.CREATE,
        caused_by_user_id=None,
        caused_by_user_text=None,
        caused_by_anonymous_user=None,
        caused_by_temporary_user=None,
        caused_by_permanent_user=None,
        caused_by_block_expiration=None,
        inferred_from=None,
        source_log_id=None,
        source_log_comment=None,
        source_log_params=None,
    )


def _unclosed(state: UserHistoryState) -> UserHistoryState:
    """The oldest state of which nothing tells how it began."""
    return replaced(
        state,
        start_timestamp=_least(state.user_registration_timestamp, state.user_creation_timestamp),
        starts_with_first_edit=True,
        caused_by_event_type=UserEventType.CREATE,
        inferred_from=InferredFrom.UNCLOSED,
    )


def _begun(state: UserHistoryState, event: UserEvent) -> UserHistoryState:
    """The state as the event began it."""
    creates = event.event_type is UserEventType.CREATE
    actor: Actor = event.caused_by
    named = actor.name is not None
    return replaced(
        state,
        start_timestamp=_least(state.user_registration_timestamp, event.at) if creates else event.at,
        starts_with_first_edit=creates,
        user_creation_timestamp=event.at if creates else None,
        user_groups_historical=event.groups,
        user_blocks_historical=event.blocks,
        is_blocked=event.is_block,
        is_partially_blocked=event.is_partial,
        created_by_self=event.created_by_self,
        created_by_system=event.created_by_system,
        created_by_peer=event.created_by_peer,
        caused_by_event_type=event.event_type,
        caused_by_user_id=actor.user_id if named else None,
        caused_by_user_text=actor.name,
        caused_by_anonymous_user=actor.is_anonymous,
        caused_by_temporary_user=actor.is_temporary,
        caused_by_permanent_user=actor.is_permanent,
        caused_by_block_expiration=event.block_expiry,
        inferred_from=None,
        source_log_id=event.log_id,
        source_log_comment=event.comment,
        source_log_params=event.params,
    )


def _propagated(life: list[UserHistoryState], groups_at: int | None) -> Iterator[UserHistoryState]:
    """The states of one account, with groups and blocks carried forward, and what the first tells of all."""
    first = life[0]
    groups_now = _groups_now(life, groups_at)
    groups: tuple[str, ...] = ()
    block: UserHistoryState | None = None
    for one in life:
        if one.caused_by_event_type is UserEventType.ALTERGROUPS:
            groups = one.user_groups_historical
        if one.caused_by_event_type is UserEventType.ALTERBLOCKS:
            block = one if one.is_blocked else None
        state = replaced(
            one,
            user_groups_historical=groups,
            user_groups=groups_now,
            is_bot_by=bot_by(one.user_text, groups_now),
            user_blocks_historical=block.user_blocks_historical if block else (),
            is_blocked=block is not None,
            is_partially_blocked=block is not None and block.is_partially_blocked,
            is_bot_by_historical=bot_by(one.user_text_historical, groups),
            user_registration_timestamp=first.user_registration_timestamp,
            user_creation_timestamp=first.user_creation_timestamp,
            created_by_self=first.created_by_self,
            created_by_system=first.created_by_system,
            created_by_peer=first.created_by_peer,
        )
        ends = block.caused_by_block_expiration if block else None
        if ends is None or (one.end_timestamp is not None and ends >= one.end_timestamp):
            yield state
            continue
        block = None
        if one.start_timestamp is None or ends > one.start_timestamp:
            yield replaced(state, end_timestamp=ends)
            yield _unblocked(state, ends)
        else:
            yield replaced(state, user_blocks_historical=(), is_blocked=False, is_partially_blocked=False)


def _groups_now(life: list[UserHistoryState], groups_at: int | None) -> tuple[str, ...]:
    """Those that tables list, or those of a later change."""
    changed = [one for one in life if one.caused_by_event_type is UserEventType.ALTERGROUPS]
    if changed and (groups_at is None or (changed[-1].start_timestamp or 0) > groups_at):
        return tuple(sorted(changed[-1].user_groups_historical))
    return life[0].user_groups


def _unblocked(state: UserHistoryState, at: int) -> UserHistoryState:
    """The rest of a state after its block ended by itself."""
    return replaced(
        state,
        start_timestamp=at,
        starts_with_first_edit=False,
        user_blocks_historical=(),
        is_blocked=False,
        is_partially_blocked=False,
        caused_by_event_type=UserEventType.ALTERBLOCKS,
        caused_by_user_id=None,
        caused_by_user_text=None,
        caused_by_anonymous_user=None,
        caused_by_temporary_user=None,
        caused_by_permanent_user=None,
        caused_by_block_expiration=None,
        inferred_from=InferredFrom.UNBLOCK,
        source_log_id=None,
        source_log_comment=None,
        source_log_params=None,
    )


def _newest_first(event: UserEvent) -> tuple[int, bool, int]:
    return -event.at, event.event_type is UserEventType.CREATE, -(event.log_id or 0)


def _order(state: UserHistoryState) -> tuple[str, int, float, float, int]:
    return (
        state.wiki_db,
        state.user_id,
        float("-inf") if state.start_timestamp is None else state.start_timestamp,
        float("inf") if state.end_timestamp is None else state.end_timestamp,
        state.source_log_id or 0,
    )


def _least(*times: int | None) -> int | None:
    return min((time for time in times if time is not None), default=None)
