"""What is hidden can be taken out of states and events for good: rows stay as they are, whatever was hidden, in whatever order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from hypothesis import assume, given

from shared_logic.entities import Entity, Kind, State, entity, page
from shared_logic.events.read import DeadLetter, read
from shared_logic.events.records import Meta, RevisionsRelocated
from shared_logic.events.streams import RELOCATED
from shared_logic.hidden_names import name_digest
from shared_logic.laws import states_before
from shared_logic.purge import Hidden, Subject, SubjectVisibility, purged_event, purged_state, told_by
from shared_logic.reference import reference, united
from shared_logic.states.page_state import Author, PageState, RevisionState, Visibility
from speed.memory_log import MemoryLog
from tests.laws.test_handover import DATASETS, logs


def hidden(states: Mapping[Entity, State]) -> Hidden:
    newest: dict[Subject, SubjectVisibility] = {}
    for about, state in states.items():
        for told in told_by(about, state):
            known = newest.get(told.subject)
            if known is None or known < told:
                newest[told.subject] = told
    return Hidden({subject: told.bits for subject, told in newest.items() if told.bits})


def is_told_elsewhere(states: Mapping[Entity, State], gone: Hidden) -> bool:
    """Whether a page holds a revision of which something is hidden, and another page was told so."""
    return any(
        subject in gone.parts
        and (revision.visibility is None or revision.visibility.bits != gone.parts[subject])
        for about, state in states.items()
        if isinstance(state, PageState)
        for rev_id, revision in state.revisions.items()
        for subject in [(about.wiki, "revision", rev_id)]
    )


@given(log=logs())
def test_states_without_what_is_hidden_give_the_same_rows(log: MemoryLog) -> None:
    states = states_before(log, log.ends(), {})
    gone = hidden(states)
    # (Of a revision that stands on another page than the one of which it is told that it is hidden, rows don't know it yet.)
    assume(not is_told_elsewhere(states, gone))
    purged = {about: purged_state(about, state, gone) for about, state in states.items()}
    assert reference(DATASETS, purged) == reference(DATASETS, states)
    assert {about: purged_state(about, state, gone) for about, state in purged.items()} == purged


@given(log=logs())
def test_events_without_what_is_hidden_say_what_such_states_say(log: MemoryLog) -> None:
    states = states_before(log, log.ends(), {})
    gone = hidden(states)

    def said() -> list[tuple[Entity, State]]:
        found = []
        for partition, end in enumerate(log.ends()):
            for message in log.read(partition, 0, end):
                after = purged_event(message.value, gone)
                assert purged_event(after, gone) is after
                assert after is message.value or gone.parts
                try:
                    found.append((entity(message.key), read(after).state(entity(message.key))))
                except DeadLetter:
                    continue
        return found

    for about, state in united(said()).items():
        if about.kind is Kind.PAGE:
            assert state == purged_state(about, states[about], gone)


def test_what_is_hidden_is_gone_from_whichever_page_holds_the_revision() -> None:
    # given a revision of page 1, of which page 2 was told that it is hidden, as after a history merge that nobody has followed yet
    revision = RevisionState(timestamp=1, sha1="a", comment="secret", author=Author(1, 1, 0, 7, "Alice"))
    states: dict[Entity, State] = {
        page("w", 1): PageState(revisions={5: revision}),
        page("w", 2): PageState(
            revisions={5: RevisionState(visibility=Visibility(clock=2, tie=0, rank=0, bits=7))}
        ),
    }
    # then page 1 doesn't hold it any more
    assert is_told_elsewhere(states, hidden(states))
    after = purged_state(page("w", 1), states[page("w", 1)], hidden(states))
    assert after == PageState(revisions={5: RevisionState(timestamp=1)})


def test_what_is_no_event_stays_as_it_is() -> None:
    for raw in (b"{broken", b"[]", b'"text"', b'{"rev_id": "7"}', b"\xff"):
        assert purged_event(raw, Hidden({("w", "revision", 7): 15}, {("", name_digest("7"))})) is raw


def test_relocated_revisions_are_purged_one_by_one() -> None:
    # given an event of ours about two revisions
    shown = RevisionState(timestamp=1, sha1="a", comment="kept", author=Author(1, 1, 0, 7, "Alice"))
    gone = RevisionState(
        timestamp=2, sha1="b", comment="secret", author=Author(1, 1, 0, 8, "Bob"), by_temporary=True
    )
    event = RevisionsRelocated(
        schema=f"/{RELOCATED}/1.0.0",
        meta=Meta(stream="wikibraid.revisions-relocated", dt=datetime(2026, 1, 1, tzinfo=UTC)),
        wiki_id="testwiki",
        from_page_id=1,
        to_page_id=2,
        revisions={10: shown, 11: gone},
    )
    # when the text, the comment and the author of one of them are hidden
    after = read(purged_event(msgspec.json.encode(event), Hidden({("testwiki", "revision", 11): 7}))).event
    # then these are out of it, and nothing else is
    assert isinstance(after, RevisionsRelocated)
    assert after.revisions == {10: shown, 11: RevisionState(timestamp=2)}
