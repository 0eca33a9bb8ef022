"""Events that an author declares: of each identity the newest counts, in rows and in sums, whatever the order, the cut and the copies."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.stories import messages_for
from shared_logic.entities import Kind, declared_event, encode, entity
from shared_logic.events import declared
from shared_logic.events.declared import DeclaredEvent, event
from shared_logic.events.read import DeadLetter, OutOfScope, read, said_by
from shared_logic.events.streams import KINDS, OF_STREAMS
from shared_logic.generations import DatasetGeneration
from shared_logic.language import Clustering, Partition, Sum, Table, about
from shared_logic.laws import handover
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Log, Store
from shared_logic.reference import reference, told
from shared_logic.registry import Registry
from shared_logic.states.event_state import EventState
from shared_logic.tables import DefinitionError
from speed import loop_engine
from speed.memory_log import MemoryLog
from speed.worker import Worker

FEEDBACK, SEEN = "mediawiki/image_suggestions_feedback", "mediawiki/banner_seen"


class Rejected(Table, frozen=True, kw_only=True):
    wiki: Annotated[Partition[str], about("its wiki")]
    page_id: Annotated[Partition[int], about("its page")]
    filename: Annotated[Clustering[str], about("its image")]
    at: Annotated[datetime, about("since when")]


class Day(Table, frozen=True, kw_only=True):
    wiki: Annotated[Partition[str], about("its wiki")]
    day: Annotated[Clustering[date], about("of the event")]
    events: Annotated[Sum[int], about("how many")]
    rejections: Annotated[Sum[int], about("how many of them reject")]


class Busy(Table, frozen=True, kw_only=True):
    wiki: Annotated[Partition[str], about("its wiki")]
    days: Annotated[Sum[int], about("with more than one event")]


@pytest.fixture
def own() -> Iterator[SimpleNamespace]:
    """Two declared events with datasets that read them, while a test runs."""
    kinds, of_streams, known, registry = dict(KINDS), dict(OF_STREAMS), dict(declared._declared), Registry()

    @event(FEEDBACK, identity=("page_id", "filename"))
    class Feedback(DeclaredEvent, frozen=True, kw_only=True):
        wiki: str = msgspec.field(name="wiki_id")
        page_id: int
        filename: str
        dt: datetime
        is_rejected: bool = False

        @property
        def clock(self) -> datetime:
            return self.dt

    @event(SEEN, majors=(1, 2))
    class Seen(DeclaredEvent, frozen=True, kw_only=True):
        wiki: str

    @registry.dataset
    def rejected(feedback: Feedback) -> Iterator[Rejected]:
        if feedback.is_rejected:
            yield Rejected(
                wiki=feedback.wiki, page_id=feedback.page_id, filename=feedback.filename, at=feedback.dt
            )

    @registry.dataset
    def days(said: Feedback | Seen) -> Iterator[Day]:
        is_rejection = isinstance(said, Feedback) and said.is_rejected
        yield Day(wiki=said.wiki, day=said.clock.date(), events=1, rejections=is_rejection)

    @registry.dataset
    def busy(total: Day) -> Iterator[Busy]:
        if total.events > 1:
            yield Busy(wiki=total.wiki, days=1)

    yield SimpleNamespace(Feedback=Feedback, Seen=Seen, registry=registry)
    for changed, before in ((KINDS, kinds), (OF_STREAMS, of_streams), (declared._declared, known)):
        changed.clear()
        changed.update(before)


def feedback(at: str, sent: str | None = None, **changes: object) -> bytes:
    good: dict[str, object] = {
        "$schema": f"/{FEEDBACK}/1.0.0",
        "meta": {"stream": "feedback", "dt": sent or at, "id": "1"},
        "wiki_id": "testwiki",
        "page_id": 7,
        "filename": "A.jpg",
        "dt": at,
        "is_rejected": True,
    }
    return json.dumps(good | changes).encode()


def seen(message: str, version: str = "1.0.0") -> bytes:
    meta = {"stream": "seen", "dt": "2024-01-01T00:00:00Z", "id": message}
    return json.dumps({"$schema": f"/{SEEN}/{version}", "meta": meta, "wiki": "testwiki"}).encode()


def tables(own: SimpleNamespace, events: Sequence[bytes]) -> dict[str, dict]:
    return reference(tuple(own.registry.values()), told(events).states)


def test_the_newest_of_an_identity_counts_whenever_it_comes(own: SimpleNamespace) -> None:
    # given a rejection that is taken back, and is told again, late
    rejection, taken_back = (
        feedback("2024-01-01T10:00:00Z"),
        feedback("2024-01-01T11:00:00Z", is_rejected=False),
    )
    copy = feedback("2024-01-01T10:00:00Z", sent="2024-01-03T00:00:00Z")
    # then nothing is rejected, whatever came first, and it was one event
    for order in ([rejection, taken_back, copy], [copy, taken_back], [taken_back, rejection]):
        found = tables(own, order)
        assert found["rejected"] == {}
        assert found["days"] == {("testwiki", date(2024, 1, 1)): (1, 0)}
    # and until it is taken back, it stands
    assert list(tables(own, [copy, rejection])["rejected"]) == [("testwiki", 7, "A.jpg")]


def test_without_an_identity_each_message_counts_once(own: SimpleNamespace) -> None:
    found = tables(own, [seen("a"), seen("b", "2.3.1"), seen("a")])
    assert found["days"] == {("testwiki", date(2024, 1, 1)): (2, 0)}
    assert found["busy"] == {("testwiki",): (1,)}


def test_one_stream_may_be_read_otherwise_than_others_with_its_schema(own: SimpleNamespace) -> None:
    # given page changes with their content, in a stream of their own
    @event("mediawiki/page/change", stream="mediawiki.page_content_change.v1", identity=("page_id",))
    class Content(DeclaredEvent, frozen=True, kw_only=True):
        wiki: str = msgspec.field(name="wiki_id")
        page_change_kind: str
        page: dict[str, Any]
        revision: dict[str, Any]

        @property
        def page_id(self) -> int:
            return self.page["page_id"]

    class Links(Table, frozen=True, kw_only=True):
        wiki: Annotated[Partition[str], about("its wiki")]
        page_id: Annotated[Clustering[int], about("its page")]
        links: Annotated[tuple[str, ...], about("whereto its text of now leads")]

    @own.registry.dataset
    def links(content: Content) -> Iterator[Links]:
        slots = content.revision.get("content_slots", {})
        if content.page_change_kind != "delete" and "main" in slots:
            found = re.findall(r"\[\[(.*?)\]\]", slots["main"]["content_body"])
            yield Links(wiki=content.wiki, page_id=content.page_id, links=tuple(found))

    def changed(kind: str, hour: int, text: str, stream: str = "mediawiki.page_content_change.v1") -> bytes:
        at = f"2024-01-01T{hour:02}:00:00Z"
        told: dict[str, object] = {
            "$schema": "/mediawiki/page/change/1.2.0",
            "meta": {"stream": stream, "dt": at},
            "wiki_id": "testwiki",
            "dt": at,
            "page_change_kind": kind,
            "page": {"page_id": 7, "page_title": "Tea", "namespace_id": 0},
            "revision": {
                "rev_id": hour,
                "rev_dt": at,
                "content_slots": {"main": {"content_body": text}},
            },
        }
        return json.dumps(told).encode()

    made = changed("create", 1, "[[Cup]]")
    edited = changed("edit", 2, "[[Cup]] and [[Kettle]]")
    plain = changed("edit", 3, "", "mediawiki.page_change.v1")
    # then of a page the newest content counts, and the other stream is the page's as ever
    assert tables(own, [edited, made, plain])["links"] == {("testwiki", 7): (("Cup", "Kettle"),)}
    assert {about.kind for about in told([plain]).states} == {Kind.PAGE}
    # and what is deleted leads nowhere
    assert tables(own, [edited, made, changed("delete", 4, "")])["links"] == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_handover_gives_the_reference(own: SimpleNamespace, data: st.DataObject) -> None:
    # given a story of such events, and a cut in it
    log = MemoryLog(data.draw(st.integers(1, 3)))
    for key, raw in data.draw(st.lists(messages_for([own.Feedback, own.Seen]), max_size=15)):
        log.append(key, raw)
    cut = tuple(data.draw(st.integers(0, end)) for end in log.ends())
    most = data.draw(st.integers(1, 5))

    def catch_up(log: Log, store: Store, lanes: Sequence[DatasetGeneration]) -> None:
        loop_engine.run_until_idle(Worker(log, store, lanes), most=most)

    # then speed goes on where the batch ended
    assert handover(log, MemoryStore(), tuple(own.registry.values()), {}, [cut], catch_up) == []


def test_stories_have_events_that_are_read_and_some_about_the_same(own: SimpleNamespace) -> None:
    keys: list[str] = []

    @settings(max_examples=50, database=None)
    @given(st.lists(messages_for([own.Feedback]), min_size=5, max_size=15))
    def look(story: list[tuple[str, bytes]]) -> None:
        keys.extend({key for key, raw in story if list(said_by([(key, raw)]))})
        repeated.append(len(story) - len({key for key, _ in story}))

    repeated: list[int] = []
    look()
    assert len(keys) > 50
    assert sum(repeated) > 50


def test_two_identities_with_one_hash_stay_apart(own: SimpleNamespace) -> None:
    # given the states of two events, under one entity
    one, other = (
        read(feedback("2024-01-01T10:00:00Z")),
        read(feedback("2024-01-01T10:00:00Z", filename="B.jpg")),
    )
    (about,), (beside,) = one.entities, other.entities
    states = told([one.raw, other.raw]).states
    both = declared.Declared(
        msgspec.structs.replace(states[about], told=states[about].told | states[beside].told)
    )
    # then both are read
    assert [said.filename for said in both.read_as([own.Feedback])] == ["A.jpg", "B.jpg"]
    assert entity(about.key) == about
    assert about.kind is Kind.EVENT


def test_what_was_taken_in_under_another_identity_says_nothing(own: SimpleNamespace) -> None:
    # given a message that is keyed by what its author called its identity before
    raw = feedback("2024-01-01T10:00:00Z")
    about = declared_event("testwiki", f'{FEEDBACK} * ["A.jpg"]')
    # then it is none of what has that key, so that no two entities give one row
    assert list(said_by([(about.key, raw)])) == [(about, EventState())]


def test_equal_states_are_equal_bytes(own: SimpleNamespace) -> None:
    states = told([feedback("2024-01-01T10:00:00Z"), feedback("2024-01-01T11:00:00Z")]).states
    backwards = told([feedback("2024-01-01T11:00:00Z"), feedback("2024-01-01T10:00:00Z")]).states
    assert {key: encode(state) for key, state in states.items()} == {
        key: encode(state) for key, state in backwards.items()
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"wiki_id": ""},
        {"wiki_id": "a/b"},
        {"filename": ""},
        {"filename": 7},
        {"dt": "2024-01-01T10:00:00"},
    ],
    ids=str,
)
def test_what_says_too_little_is_a_dead_letter(own: SimpleNamespace, changes: dict[str, object]) -> None:
    with pytest.raises(DeadLetter) as why:
        read(feedback("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z", **changes))
    assert why.value.code == "wrong-schema"
    assert FEEDBACK in why.value.detail


@pytest.mark.parametrize("identity", ["raises", "odd"])
def test_whatever_a_property_gives_concerns_its_event_only(own: SimpleNamespace, identity: str) -> None:
    # given properties that raise, or give what is no identity
    @event("mediawiki/odd", identity=(identity,))
    class Odd(DeclaredEvent, frozen=True, kw_only=True):
        wiki: str

        @property
        def raises(self) -> str:
            return self.meta.nothing

        @property
        def odd(self) -> object:
            return object()

    raw = seen("a").replace(SEEN.encode(), b"mediawiki/odd")
    with pytest.raises(DeadLetter) as why:
        read(raw)
    assert why.value.code == "wrong-schema"


def test_its_own_clock_is_believed_for_a_day(own: SimpleNamespace) -> None:
    with pytest.raises(DeadLetter, match="future-clock"):
        read(feedback("2024-01-03T10:00:00Z", "2024-01-01T10:00:00Z"))


def test_a_version_that_the_record_does_not_understand_is_a_dead_letter(own: SimpleNamespace) -> None:
    with pytest.raises(DeadLetter, match="new-major-version"):
        read(seen("a", "3.0.0"))


def test_what_no_installed_package_declares_says_nothing(own: SimpleNamespace) -> None:
    # given a log with such an event, and its package gone
    raw = feedback("2024-01-01T10:00:00Z")
    (about,) = read(raw).entities
    del KINDS[FEEDBACK]
    # then it is out of scope, and the log can still be read
    with pytest.raises(OutOfScope, match=FEEDBACK):
        read(raw)
    assert list(said_by([(about.key, raw)])) == []
    log = MemoryLog(1)
    log.append(about.key, raw)
    days = (own.registry["days"],)
    assert handover(log, MemoryStore(), days, {}, [(0,)], _caught_up) == []


def _caught_up(log: Log, store: Store, lanes: Sequence[DatasetGeneration]) -> None:
    loop_engine.run_until_idle(Worker(log, store, lanes))


def test_values_are_what_stores_give_back(own: SimpleNamespace) -> None:
    # given a time of another zone, finer than a millisecond, and a number that no store holds
    raised: list[str] = []
    events = [
        feedback("2024-01-01T12:00:00.123456+02:00"),
        feedback("2024-01-01T12:00:00Z", page_id=2**70),
    ]
    states = told(events).states
    found = reference([own.registry["rejected"]], states, lambda dataset, place, error: raised.append(error))[
        "rejected"
    ]
    # then it is cut to milliseconds, and the other is told
    assert found == {
        ("testwiki", 7, "A.jpg"): (datetime(2024, 1, 1, 10, 0, 0, 123_000, tzinfo=UTC),),
    }
    assert raised == ["TypeError: Rejected can't hold a whole number of 71 bits; at most 63"]


def test_a_key_that_does_not_tell_the_events_apart_is_refused(own: SimpleNamespace) -> None:
    class Image(Table, frozen=True, kw_only=True):
        wiki: Annotated[Partition[str], about("its wiki")]
        filename: Annotated[Clustering[str], about("its image")]

    def images(said: own.Feedback) -> Iterator[Image]:
        yield Image(wiki=said.wiki, filename=said.filename)

    with pytest.raises(
        DefinitionError, match=r"doesn't tell which Feedback a row is of.* put page_id into it"
    ):
        own.registry.dataset(images)


def test_a_dataset_can_not_be_called_like_what_a_home_keeps_beside(own: SimpleNamespace) -> None:
    class Image(Table, frozen=True, kw_only=True):
        wiki: Annotated[Partition[str], about("its wiki")]
        page_id: Annotated[Clustering[int], about("its page")]

    def quarantine(said: own.Feedback) -> Iterator[Image]:
        yield Image(wiki=said.wiki, page_id=said.page_id)

    with pytest.raises(DefinitionError, match=r"dataset quarantine: .*choose another name"):
        own.registry.dataset(quarantine)


def test_mistakes_in_a_declaration_are_told(own: SimpleNamespace) -> None:
    class Wikiless(DeclaredEvent, frozen=True, kw_only=True):
        page_id: int

    class Plain(DeclaredEvent, frozen=True, kw_only=True):
        wiki: str

    for record, schema, identity, mistake in [
        (Wikiless, "a/b", ("page_id",), "it has no wiki"),
        (Plain, "a/b", ("page_id",), "it has no page_id"),
        (Plain, "a/b", (), "its identity is empty"),
        (Plain, "a/b", "wiki", r'write it as identity=\("wiki",\)'),
        (msgspec.Struct, "a/b", ("id",), "it must extend DeclaredEvent"),
        (Plain, "/a/b", ("id",), "no title of a schema"),
        (Plain, "a b", ("id",), "no title of a schema"),
        (Plain, "mediawiki/page/change", ("id",), "is read as PageChange"),
        (Plain, FEEDBACK, ("id",), "is read as Feedback"),
    ]:
        with pytest.raises(DefinitionError, match=mistake):
            event(schema, identity=identity)(record)  # type: ignore[arg-type, type-var]


class Slot(msgspec.Struct, frozen=True):
    body: str = ""


class Held(msgspec.Struct, frozen=True):
    slots: dict[str, Slot] = {}
    many: list[Slot] = []
    either: Literal["one", "two"] | int | None = None


def test_stories_have_records_within_records_whatever_their_fields_are(own: SimpleNamespace) -> None:
    # given a record whose fields are records, with defaults that are made anew, and fields of any type
    @event("test/nested", identity=("page_id",))
    class Nested(DeclaredEvent, frozen=True, kw_only=True):
        wiki: str
        page_id: int
        held: Held
        anything: Any = None
        pair: tuple[str, int] | None = None

    read_ones: list[Nested] = []

    @settings(max_examples=100, database=None, derandomize=True)
    @given(messages_for([Nested], ["main"], [json.dumps(GIVEN).encode(), b"{not json"]))
    def look(message: tuple[str, bytes]) -> None:
        read_ones.append(read(message[1]).event)

    # when stories are drawn
    look()
    # then every event can be read, fields with a default are missing at times, texts that functions look for and given events are among them
    assert any("main" in one.held.slots for one in read_ones)
    assert any(one.anything is None for one in read_ones)
    assert any(one.held.many and one.held.many[0].body == "as it came" for one in read_ones)


GIVEN = {
    "$schema": "/test/nested/1.0.0",
    "meta": {"stream": "nested", "dt": "2024-01-01T10:00:00Z"},
    "wiki": "testwiki",
    "page_id": 7,
    "held": {"many": [{"body": "as it came"}]},
}
