"""Ingest: every event is accounted for, wherever it stops, whatever it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cli.schemas import faults, known_fields
from cli.streams import streams
from shared_logic.entities import page
from shared_logic.events.read import LARGEST_EVENT, read
from shared_logic.events.streams import KINDS, OF_STREAMS
from shared_logic.reference import told
from shared_logic.states.page_state import PageState
from speed import ingest as ingesting
from speed.ingest import Scope, ingest, replay
from speed.sqlite_log import SqliteLog
from tests import sample
from tests.speed.followed import is_balanced


def event(**changes: object) -> bytes:
    """A good revision-create, with changes."""
    good: dict[str, object] = {
        "$schema": "/mediawiki/revision/create/1.1.0",
        "meta": {
            "stream": "mediawiki.revision-create",
            "dt": "2024-01-01T00:00:00Z",
            "domain": "test.example",
        },
        "database": "testwiki",
        "page_id": 1,
        "page_title": "Page",
        "page_namespace": 0,
        "page_is_redirect": False,
        "rev_id": 1,
        "rev_timestamp": "2024-01-01T00:00:00Z",
    }
    return json.dumps(good | changes).encode()


def log_row(params: bytes) -> bytes:
    """A row of the log with these parameters."""
    return (
        b'{"$schema":"/mediawiki/recentchange/1.0.0","meta":{"stream":"mediawiki.recentchange","dt":"2024-01-01T00:00:00Z"},'
        b'"wiki":"testwiki","type":"log","log_id":7,"log_type":"move","log_action":"move","title":"Page","namespace":0,'
        b'"timestamp":1704067200,"user":"Somebody","comment":"","log_params":' + params + b"}"
    )


BAD = {
    b"{not json": "not-json",
    b"[]": "wrong-schema",
    b"\xff\xfe": "not-json",
    event(page_id=-4): "wrong-schema",
    event(rev_id=0): "wrong-schema",
    event(rev_id=2**53): "wrong-schema",
    event(rev_len=-1): "wrong-schema",
    event(page_namespace=2**31): "wrong-schema",
    event(rev_len=10**25): "wrong-schema",
    log_row(b"{}").replace(b'"log_id":7', b'"log_id":9223372036854775813'): "wrong-schema",
    log_row(b"{}").replace(b'"namespace":0', b'"namespace":-2147483649'): "wrong-schema",
    event(database="a/b"): "wrong-schema",
    event(rev_id="7"): "wrong-schema",
    event(rev_timestamp="yesterday"): "wrong-schema",
    event(rev_timestamp="9999-12-31T23:59:59Z"): "odd-clock",
    event(rev_timestamp="0001-01-01T00:00:00+14:00"): "odd-clock",
    event(meta={"stream": "s", "dt": "9999-12-31T23:59:59Z"}): "odd-clock",
    event(meta={"stream": "s", "dt": "9999-12-31T23:59:59-12:00"}): "odd-clock",
    event(meta={"stream": "s", "dt": "2099-12-31T23:59:59Z"}): "future-message",
    event(page_title=None): "wrong-schema",
    event(**{"$schema": "nonsense"}): "wrong-schema",
    event(**{"$schema": "/mediawiki/revision/create/9.0.0"}): "new-major-version",
    event().replace(b'"Page"', b'"\\ud800"'): "not-json",
    event(comment="x" * LARGEST_EVENT): "too-large",
    b"[" * 100_000: "wrong-schema",
    log_row(b'{"a":' * 101 + b"1" + b"}" * 101): "wrong-schema",
    log_row(b"[" * 400 + b"1" + b"]" * 400): "wrong-schema",
    b'{"$schema": "/mediawiki/page/change/1.0.0", "meta": {"stream": "s", "dt": "2024-01-01T00:00:00Z"}, "wiki_id": "w",'
    b'"dt": "9999-12-31T23:59:59Z", "page_change_kind": "edit", "page": {"page_id": 1, "page_title": "A", "namespace_id": 0},'
    b'"revision": {"rev_id": 1, "rev_dt": "2024-01-01T00:00:00Z"}}': "future-clock",
}


@pytest.fixture
def log(tmp_path: Path) -> SqliteLog:
    return SqliteLog(tmp_path / "log.db")


@pytest.mark.parametrize("raw,code", BAD.items(), ids=lambda value: str(value)[:40])
def test_bad_input_is_a_dead_letter_and_the_rest_goes_on(log: SqliteLog, raw: bytes, code: str) -> None:
    # given a bad event between two good ones
    lines = [event(), raw, event(rev_id=2)]
    # when they are ingested
    counts = ingest(log, "file", lines)
    # then the bad one is kept with its reason and line, the others are in the log
    assert (counts.kept, counts.dead, is_balanced(counts)) == (2, 1, True)
    (letter,) = log.dead_letters.kept()
    assert (letter.code, letter.position, letter.value) == (code, 2, raw)
    assert sum(log.ends()) == 2


def test_odd_input_that_is_read(log: SqliteLog) -> None:
    # given a namespace that no wiki has, a key that is there twice, and an import of some date
    unknown = event(rev_id=1, page_namespace=4711, page_title="What:Is_this")
    twice = b'{"rev_id": 99, ' + event(rev_id=2)[1:]
    dated = event(rev_id=3, rev_timestamp="2031-01-02T00:00:00Z")
    # when they are ingested
    counts = ingest(log, "file", [unknown, twice, dated])
    # then all are kept: of the two keys the last counts, in both layers
    assert (counts.kept, is_balanced(counts)) == (3, True)
    states = told([unknown, twice, dated]).states
    state = states[page("testwiki", 1)]
    assert isinstance(state, PageState)
    assert set(state.revisions) == {1, 2, 3}


@pytest.mark.parametrize("levels", [1, 99])
def test_parameters_as_deep_as_they_are_followed_are_read(log: SqliteLog, levels: int) -> None:
    # given a row of the log whose parameters are arrays within arrays
    row = log_row(b'{"target":' * levels + b'"Other"' + b"}" * levels)
    # when it is ingested
    assert ingest(log, "file", [row]).kept == 1
    # then what it says can be told
    found = read(row)
    assert all(found.state(entity) for entity in found.entities)


def test_new_fields_are_told_however_deep_they_are(log: SqliteLog) -> None:
    # given an event of a newer minor version with a field of objects within objects
    deep = event(**{"$schema": "/mediawiki/revision/create/1.99.0"}).removesuffix(b"}")
    deep += b',"new":' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"}"
    # when it is ingested, then it is kept, and the field is told
    counts = ingest(log, "file", [deep], Scope(known=known_fields()))
    assert counts.kept == 1
    assert "mediawiki/revision/create new" in counts.new_fields


def test_every_event_is_accounted_for(log: SqliteLog) -> None:
    # given canaries, another wiki's events, unknown schemas, copies and empty lines
    canary = event(meta={"stream": "s", "dt": "2024-01-01T00:00:00Z", "domain": "canary"})
    unknown = event(**{"$schema": "/some/other/1.0.0"})
    lines = [event(), event(), canary, unknown, event(database="elsewhere"), b"", b"{"]
    # when they are ingested for one wiki
    counts = ingest(log, "file", lines, Scope(frozenset({"testwiki"})))
    # then read = kept + copies + dead + out of scope + canaries
    assert (counts.read, counts.kept, counts.copies, counts.dead, counts.out_of_scope, counts.canaries) == (
        6,
        1,
        1,
        1,
        2,
        1,
    )
    assert is_balanced(counts)


def test_ingest_goes_on_where_it_stopped(log: SqliteLog) -> None:
    # given a source of which two lines were ingested
    lines = [event(rev_id=n) for n in range(1, 6)]
    ingest(log, "file", lines[:2])
    # when the whole source is ingested
    counts = ingest(log, "file", lines)
    # then only the rest is read
    assert (counts.read, counts.kept, counts.before) == (3, 3, 2)


def test_what_was_out_of_scope_is_read_for_another_wiki(log: SqliteLog) -> None:
    # given a source that was ingested for a wiki of another name, with a line that is dead
    lines = [event(rev_id=1), event(rev_id=2), b"{"]
    assert ingest(log, "file", lines, Scope(frozenset({"tsetwiki"}))).out_of_scope == 2
    # when it is ingested for its own
    counts = ingest(log, "file", lines, Scope(frozenset({"testwiki"})))
    # then all of it is read, and what is dead is kept once
    assert (counts.kept, counts.before, len(list(log.dead_letters.kept()))) == (2, 0, 1)
    # and that is remembered
    again = ingest(log, "file", lines, Scope(frozenset({"testwiki"})))
    assert (again.read, again.before) == (0, 3)


def test_what_was_left_out_is_read_once_its_stream_is_wanted(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a file with events of two streams, of which one is wanted, and a schema that nothing reads
    monkeypatch.setattr(ingesting, "LINES_PER_COMMIT", 1)
    created, feedback = "mediawiki/revision/create", "test/feedback"
    one, other = (
        event(meta={"stream": name, "dt": "2024-01-01T00:00:00Z"}, rev_id=number)
        for number, name in enumerate(("first", "second"), 1)
    )
    lines = [one, other, event(**{"$schema": f"/{feedback}/1.0.0"})]
    wants_one, wants_both = (
        Scope(streams={"first": created}),
        Scope(streams={"first": created, "second": created}),
    )
    assert ingest(log, "file", lines, wants_one).out_of_scope == 2
    assert ingest(log, "file", lines, wants_one).read == 0
    # when the other one is wanted too, then it is read again from its beginning, and copies are told
    counts = ingest(log, "file", lines, wants_both)
    assert (counts.read, counts.kept, counts.copies, counts.out_of_scope, counts.before) == (3, 1, 1, 1, 0)
    # and when the schema is read, again; and then no more
    monkeypatch.setitem(KINDS, feedback, KINDS[created])
    counts = ingest(log, "file", lines, wants_both)
    assert (counts.read, counts.copies) == (3, 2)
    assert ingest(log, "file", lines, wants_both).read == 0


def test_what_was_left_out_is_read_once_all_streams_are_wanted(log: SqliteLog) -> None:
    lines = [event(meta={"stream": "second", "dt": "2024-01-01T00:00:00Z"})]
    assert ingest(log, "file", lines, Scope(streams={"first": "mediawiki/revision/create"})).out_of_scope == 1
    assert ingest(log, "file", lines).kept == 1
    assert ingest(log, "file", lines).read == 0


@pytest.mark.parametrize("wanted", [{}, {"first": "test/feedback"}])
def test_a_schema_that_is_read_in_one_stream_only_has_a_file_read_once_more(
    log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, str]
) -> None:
    # given a file with events of two streams, of a schema that nothing reads
    lines = [
        event(**{"$schema": "/test/feedback/1.0.0"}, meta={"stream": name, "dt": "2024-01-01T00:00:00Z"})
        for name in ("first", "second")
    ]
    assert ingest(log, "file", lines, Scope()).out_of_scope == 2
    # when a package reads it in the one stream, and streams.yaml can name that
    kind = replace(KINDS["mediawiki/revision/create"], title="test/feedback")
    monkeypatch.setitem(OF_STREAMS, ("test/feedback", "first"), kind)
    (tmp_path / "streams.yaml").write_text("first:\n  schema_title: test/feedback\n")
    assert list(streams(tmp_path / "streams.yaml")) == ["first"]
    # then the file is read again, once
    counts = ingest(log, "file", lines, Scope(streams=wanted))
    assert (counts.read, counts.kept, counts.out_of_scope) == (2, 1, 1)
    assert ingest(log, "file", lines, Scope(streams=wanted)).read == 0


def test_what_is_read_again_and_stopped_goes_on(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a file that was read for one of its streams
    monkeypatch.setattr(ingesting, "LINES_PER_COMMIT", 1)
    created = "mediawiki/revision/create"
    lines = [
        event(meta={"stream": f"stream {number % 2}", "dt": "2024-01-01T00:00:00Z"}, rev_id=number)
        for number in range(1, 5)
    ]
    ingest(log, "file", lines, Scope(streams={"stream 0": created}))
    both = Scope(streams={"stream 0": created, "stream 1": created})

    def stops(lines: Sequence[bytes]) -> Iterator[bytes]:
        yield from lines[:2]
        raise OSError

    # when it is read again for both, and that is stopped
    with pytest.raises(OSError):  # noqa: PT011  whatever it says
        ingest(log, "file", stops(lines), both)
    # then the same goes on from there
    counts = ingest(log, "file", lines, both)
    assert (counts.before, counts.kept, counts.copies) == (2, 1, 1)


def test_real_events_twice_with_a_restart_between_change_nothing(tmp_path: Path) -> None:
    # given a log of a real wiki's events
    with SqliteLog(tmp_path / "log.db") as log:
        first = ingest(log, "first", sample.events())
        ends = log.ends()
    # when all come again, to another process
    with SqliteLog(tmp_path / "log.db") as log:
        again = ingest(log, "again", sample.events())
        # then the log is as it was
        assert log.ends() == ends
    assert is_balanced(first)
    assert is_balanced(again)
    assert (again.kept, again.copies) == (0, first.kept)


def test_a_restore_to_another_page_tells_both_pages(log: SqliteLog) -> None:
    # given the real wiki's restores onto pages that were made anew
    ingest(log, "real", sample.events())
    # then copies of revisions lie under the old page's key as well
    moved = 0
    for partition in range(log.partitions):
        for message in log.read(partition, 0, 100_000):
            body = json.loads(message.value)
            keys = f"{body.get('database')}/{body.get('page_id')}", message.key
            moved += "rev_timestamp" in body and "user" not in message.key and keys[0] != keys[1]
    assert moved > 0


def test_of_what_marks_a_revision_is_kept_what_is_read_of_it(log: SqliteLog) -> None:
    # given tags of a revision, in an event that says much else
    schema = {"$schema": "/mediawiki/revision/tags-change/1.1.0"}
    tagged = event(**schema, rev_id=7, tags=["b", "a"], comment="x" * 1_000, prior_state={"tags": ["c"]})
    # when it is ingested
    ingest(log, "file", [tagged])
    # then what is remembered for a restore says the same of the page, in less
    (mark,) = log.marks.marks("testwiki", 7)
    assert read(mark).event == read(tagged).event
    assert read(mark).state(page("testwiki", 1)) == read(tagged).state(page("testwiki", 1))
    assert b"prior_state" not in mark
    assert b"xxx" not in mark
    # and it is there when the log has given up its messages
    for partition, end in enumerate(log.ends()):
        log.forget(partition, end)
    assert log.marks.marks("testwiki", 7) == [mark]


def test_long_events_are_committed_a_few_at_a_time(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    # given room for two events in a commit
    events = [event(rev_id=number) for number in range(1, 6)]
    monkeypatch.setattr(ingesting, "BYTES_PER_COMMIT", len(events[0]) + 1)
    kept: list[int] = []
    ingest(log, "file", events, committed=lambda counts: kept.append(counts.kept))
    assert kept == [2, 4, 5]


def test_dead_letters_are_replayed_after_an_update(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    # given an event of a major version that is not understood yet
    ingest(log, "file", [event(**{"$schema": "/mediawiki/revision/create/3.0.0"})])
    assert replay(log) == (0, 1)
    # when a newer version understands it
    from shared_logic.events import read as reading
    from shared_logic.events import streams

    kind = streams.KINDS["mediawiki/revision/create"]
    newer = replace(kind, majors=frozenset({1, 2, 3}))
    monkeypatch.setitem(reading.KINDS, kind.title, newer)
    # then a replay takes it to the log, once
    assert replay(log) == (1, 0)
    assert replay(log) == (0, 0)
    assert sum(log.ends()) == 1


def test_a_dead_letter_that_comes_again_is_a_copy(log: SqliteLog) -> None:
    # given an event that can't be read
    assert ingest(log, "live", [b"{"]).dead == 1
    # when it comes again, further on in its source and from another one
    again, elsewhere = ingest(log, "live", [b"{", b"{", b"[]"]), ingest(log, "other", [b"{"])
    # then it is kept once, and what is new is kept too
    assert (again.dead, again.copies, is_balanced(again)) == (1, 1, True)
    assert (elsewhere.dead, elsewhere.copies) == (0, 1)
    assert [letter.value for letter in log.dead_letters.kept()] == [b"{", b"[]"]


def test_dead_letters_that_wait_are_counted_by_reason(log: SqliteLog) -> None:
    newer = {"$schema": "/mediawiki/revision/create/3.0.0"}
    ingest(log, "file", [b"{", event(rev_id=1, **newer), event(rev_id=2, **newer), b"{{"])
    assert log.dead_letters.waiting() == {"new-major-version": 2, "not-json": 2}
    places = log.dead_letters.newest(3)
    assert [(place.id, place.source, place.position, place.code, place.replayed) for place in places] == [
        (2, "file", 2, "new-major-version", False),
        (3, "file", 3, "new-major-version", False),
        (4, "file", 4, "not-json", False),
    ]
    # who was replayed waits no longer, nor whoever a purge emptied
    log.dead_letters.mark_replayed(2)
    assert log.dead_letters.waiting() == {"new-major-version": 1, "not-json": 2}
    assert log.dead_letters.newest(3)[0].replayed
    log.purge(log.ends(), lambda value: value)
    assert log.dead_letters.waiting() == {}


def test_what_a_stream_does_not_carry_is_dead(log: SqliteLog) -> None:
    # given streams that carry one schema each
    create, move = "mediawiki/revision/create", "mediawiki/page/move"
    scope = Scope(streams={"mediawiki.revision-create": create})
    other = Scope(streams={"mediawiki.revision-create": move})
    events = [
        event(rev_id=1),
        event(rev_id=2, **{"$schema": "/mediawiki/revision/created/1.0.0"}),
        event(rev_id=3, meta={"stream": "other", "dt": "2024-01-01T00:00:00Z"}),
        event(
            rev_id=4,
            meta={"stream": "other", "dt": "2024-01-01T00:00:00Z"},
            **{"$schema": "/mediawiki/revision/created/1.0.0"},
        ),
    ]
    # then an event of another schema is dead, one that nothing reads as well; other streams are out of scope
    counts = ingest(log, "one", events, scope)
    assert (counts.kept, counts.dead, counts.out_of_scope) == (1, 1, 2)
    assert set(counts.reasons) == {"wrong-stream", "stream other", "schema mediawiki/revision/created"}
    counts = ingest(log, "two", [event(rev_id=5)], other)
    assert (counts.kept, counts.dead) == (0, 1)
    assert [letter.detail for letter in log.dead_letters.kept()] == [
        f"the stream mediawiki.revision-create carries {create}, and this is mediawiki/revision/created",
        f"the stream mediawiki.revision-create carries {move}, and this is mediawiki/revision/create",
    ]
    # and a replay takes it to the log only where the streams are configured otherwise
    assert replay(log, scope=other) == (0, 2)
    assert replay(log, scope=scope) == (1, 1)
    assert sum(log.ends()) == 2


def test_fields_of_a_newer_minor_version_are_kept_and_listed(log: SqliteLog) -> None:
    # given an event of a minor version that is not known, with a field that no schema has
    newer = event(**{"$schema": "/mediawiki/revision/create/2.7.0"}, novelty={"depth": 1})
    # when it is ingested
    counts = ingest(log, "file", [newer], Scope(known=known_fields()))
    # then the field is named, and the event is in the log as it came
    assert counts.kept == 1
    assert set(counts.new_fields) == {
        "mediawiki/revision/create novelty",
        "mediawiki/revision/create novelty.depth",
    }
    assert [m.value for p in range(log.partitions) for m in log.read(p, 0, 9)] == [newer]


def test_names_in_a_map_are_no_new_fields(log: SqliteLog) -> None:
    # given events of newer minor versions, with a known field of a slot of any name, a new one, and parameters of a log row
    slots = {"main": {"rev_slot_size": 7}, "mediainfo": {"rev_slot_size": 8, "rev_slot_color": "red"}}
    edit = event(**{"$schema": "/mediawiki/revision/create/2.7.0"}, rev_slots=slots)
    row = log_row(b'{"4::target":{"any":1}}').replace(b"recentchange/1.0.0", b"recentchange/1.7.0")
    # when they are ingested, then the new one is told
    counts = ingest(log, "file", [edit, row], Scope(known=known_fields()))
    assert counts.kept == 2
    assert set(counts.new_fields) == {"mediawiki/revision/create rev_slots.mediainfo.rev_slot_color"}


def test_a_schema_says_what_is_wrong_without_repeating_the_event() -> None:
    told = faults(event(page_id="secret", comment="secret"))
    assert "$.page_id: type fails" in told
    assert "secret" not in "".join(told)


def test_the_samples_events_are_valid() -> None:
    newest = [raw for raw in sample.events() if b"page-move" in raw or b"visibility-change/" in raw]
    assert newest
    assert [faults(raw) for raw in newest if faults(raw)] == []
