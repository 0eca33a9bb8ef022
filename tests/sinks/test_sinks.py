"""One suite, every sink: what it promises, and that a delivery makes it equal to the merged table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from serving.cassandra_session import Cql
from serving.changes import Mark
from serving.delivery import Delivery, standing
from serving.reader import Reader
from shared_logic.definition import Dataset
from shared_logic.json_schema import key_schema, row_schema
from shared_logic.keys import encode_key, encode_values
from shared_logic.language import Clustering, Partition, Table, about
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Accumulator, Lane
from shared_logic.sinks import Change, OutputTable, SinkError, public_table, whole_table
from shared_logic.tables import Schema
from speed.kafka_log import Topic
from speed.kafka_sink import KafkaSink
from stack.kafka_broker import KafkaBroker
from tests.generations import generation
from tests.serving.tables import counts, everything, lines
from tests.sinks.readers import Content, Place, newest

NOON = datetime(2021, 1, 1, 12, 0, 0, 5_000, tzinfo=UTC)


def change(table: OutputTable, row: dict[str, Any] | None, **key: Any) -> Change:
    whole = {**key, **(row or {})}
    return Change(tuple(whole[name] for name in table.key_names), None if row is None else whole)


def line(rev_id: int, size: int | None = None, wiki: str = "w") -> Change:
    row = {"sha1": None, "comment": "ä", "user": "Zoë", "size": size}
    return change(whole_table(lines), row, wiki=wiki, rev_id=rev_id)


def ordered(content: Content) -> Content:
    return sorted(content, key=lambda row: repr(sorted(row.items())))


def test_every_type_comes_back_as_it_was(place: Place) -> None:
    table = whole_table(everything)
    full = {
        "text": 'a "quoted" \x00 text',
        "instant": NOON,
        "born": date(1999, 12, 31),
        "yes": False,
        "amount": -(2**53),
        "parts": ("x", "", "ü"),
    }
    empty = {**dict.fromkeys(full), "parts": ()}
    changes = [
        change(table, row, token="t", at=NOON, day=date(2021, 1, 1), number=number, flag=number > 0)
        for number, row in ((-3, full), (5, empty))
    ]
    sink = place.opened(table)
    sink.prepare()
    sink.write(changes)
    assert ordered(place.content(table)) == ordered([one.row for one in changes if one.row])
    assert sorted(sink.keys()) == sorted(one.key for one in changes)


def test_rows_come_change_and_go(place: Place) -> None:
    table = whole_table(lines)
    sink = place.opened(table)
    sink.prepare()
    assert list(sink.keys()) == []
    sink.write([line(1, 10), line(2, 20), line(3, 30), line(1, 99, wiki="v")])
    # when one changes, one goes, one that never was goes, and all of that again by another process
    for one in (sink, place.opened(table)):
        one.prepare()
        one.write([line(2, 21), line(3)._replace(row=None), line(4)._replace(row=None)])
        assert ordered(place.content(table)) == ordered(
            [row for row in (line(1, 10).row, line(2, 21).row, line(1, 99, wiki="v").row) if row]
        )
    sink.write([])
    # then a row that went can come again, by either
    for size in (31, 32):
        other = place.opened(table)
        other.prepare()
        other.write([line(3, size)])
        assert line(3, size).row in place.content(table)


def test_a_new_column_is_added(place: Place) -> None:
    # given a table without its last column
    table = whole_table(lines)
    older = replace(table, columns=table.columns[:-1])
    sink = place.opened(older)
    sink.prepare()
    sink.write([line(1), line(2)])
    # when it has the column by now
    newer = place.opened(table)
    newer.prepare()
    newer.write([line(2, 20)])
    # then rows have it as they are written again
    rows = {row["rev_id"]: row.get("size") for row in place.content(table)}
    assert rows == {1: None, 2: 20}


@pytest.mark.parametrize("what", ["key", "type"])
def test_another_table_is_refused(place: Place, what: str) -> None:
    if place.kind == "kafka":
        pytest.skip("a topic has no columns: see the test of what is not compacted")
    table = whole_table(lines)
    place.opened(table).prepare()
    number = table.names.index("size" if what == "type" else "sha1")
    changed = replace(table.columns[number], type=str if what == "type" else int)
    columns = (*table.columns[:number], changed, *table.columns[number + 1 :])
    other = replace(table, columns=columns)
    if what == "key":
        other = replace(
            table,
            clustering=("rev_id", "extra"),
            columns=(*table.columns, replace(table.columns[1], name="extra")),
        )
    with pytest.raises(SinkError, match=r"can't (be changed|change)|key has new columns"):
        place.opened(other).prepare()


@pytest.mark.kafka
def test_a_topic_that_forgets_is_refused(broker: KafkaBroker) -> None:
    from speed.kafka_log import create_topic

    topic = Topic(f"{broker.settings.host}:{broker.settings.port}", "forgetting")
    create_topic(topic)
    with pytest.raises(SinkError, match=r"cleanup\.policy=compact"):
        KafkaSink(topic, whole_table(lines)).prepare()


@pytest.mark.kafka
def test_records_are_as_their_schemas_say(broker: KafkaBroker) -> None:
    from jsonschema import Draft202012Validator

    table = public_table(lines)
    brokers = f"{broker.settings.host}:{broker.settings.port}"
    topic = Topic(brokers, "by-schema")
    sink = KafkaSink(topic, table)
    sink.prepare()
    sink.write([line(1, 10), line(2, None), line(3)._replace(row=None)])
    records = newest(topic)
    assert {msgspec.json.decode(key)["rev_id"] for key in records} == {1, 2, 3}
    for key, value in records.items():
        Draft202012Validator(key_schema(table)).validate(msgspec.json.decode(key))
        if value is not None:
            Draft202012Validator(row_schema(table)).validate(msgspec.json.decode(value))
            assert "user" not in msgspec.json.decode(value)
    # and what isn't as they say is not sent
    wrong = line(9)
    assert wrong.row is not None
    with pytest.raises(SinkError, match="no row of its schema"):
        sink.write([wrong._replace(row={**wrong.row, "size": "ten"})])
    assert newest(topic) == records


@pytest.mark.cassandra
def test_of_two_writers_the_older_one_loses(served: Cql) -> None:
    from serving.cassandra_sink import CassandraSink

    table = whole_table(lines)
    older, newer = CassandraSink(served, table), CassandraSink(served, table)
    older.prepare()
    newer.prepare()
    newer.write([line(1, 2)])
    older.write([line(1, 1)])
    assert served.rows("SELECT size FROM served.lines WHERE wiki='w' AND rev_id=1") == [(2,)]
    newer.finish("1:2,3")
    with pytest.raises(SinkError, match="another process"):
        older.finish("1:1,1")
    assert served.rows("SELECT mark FROM served.delivered WHERE table_name='lines'") == [("1:2,3",)]


# --- deliveries


class DeliveredDataset:
    """A dataset in a store, a place that it is delivered to, and where that is noted."""

    def __init__(self, dataset: Dataset, place: Place, folder: Path) -> None:
        self.dataset, self.place, self.note = dataset, place, folder / "note.json"
        self.store = MemoryStore()
        self.table = whole_table(dataset)
        self._delivery = self.reopened()

    def reopened(self, to: str = "somewhere") -> Delivery:
        self._delivery = Delivery(self.dataset, self.table, self.place.opened(self.table), to, self.note)
        return self._delivery

    def load(self, number: int, rows: dict[tuple[Any, ...], tuple[Any, ...]]) -> None:
        columns = self.dataset.schema.signature
        self.store.add_generation(generation(self.dataset.name, number, columns=columns))
        encoded = sorted((encode_key(key), encode_values(values)) for key, values in rows.items())
        self.store.load(self.dataset.name, number, encoded)
        self.store.publish(self.dataset.name, number)

    def delivered(self) -> tuple[int, int]:
        """What a delivery does, after which the place has what readers read."""
        done = self._delivery.deliver(self.store)
        wanted = Reader(self.store).scan(self.dataset).rows
        assert ordered(self.place.content(self.table)) == ordered(wanted)
        return done.put, done.deleted


def test_a_delivery_follows_batches_flips_and_rollbacks(place: Place, tmp_path: Path) -> None:
    kept = DeliveredDataset(lines, place, tmp_path)
    row = (None, "c", "u", 1)
    kept.load(1, {("w", number): row for number in range(5)})
    assert kept.delivered() == (5, 0)
    assert kept.delivered() == (0, 0)
    # when speed changes a row, adds one and takes one away
    lane = Lane("lines", 1)
    changed: dict[bytes, bytes | None] = {
        encode_key(("w", 1)): encode_values((None, "new", "u", 2)),
        encode_key(("w", 9)): encode_values(row),
        encode_key(("w", 0)): None,
    }
    kept.store.write_rows(lane, changed)
    kept.store.write_changed(lane, 1, 25, changed.keys())
    kept.store.write_progress(lane, 1, 25)
    assert kept.delivered() == (2, 1)
    # and a new generation is flipped to, and back, by a process that has just begun
    kept.load(2, {("w", number): row for number in range(1, 4)})
    kept.reopened()
    assert kept.delivered() == (1, 3)
    kept.store.publish("lines", 1)
    assert kept.delivered()[1] == 1
    # then what is noted says where that is
    noted = standing(kept.note)
    assert noted is not None
    assert Mark.of(noted.mark) == Mark(1, (10, 25), "run-1")


def test_sums_are_delivered(place: Place, tmp_path: Path) -> None:
    kept = DeliveredDataset(counts, place, tmp_path)
    day = date(2021, 1, 1)
    kept.load(1, {("w", day): (1, 10)})
    kept.delivered()
    lane, other = Lane("counts", 1), encode_key(("w", date(2021, 1, 2)))
    kept.store.write_accumulators(
        lane, 0, {encode_key(("w", day)): Accumulator((-1, -10), 12), other: Accumulator((3, 4), 12)}
    )
    kept.store.write_changed(lane, 0, 12, {encode_key(("w", day)), other})
    kept.store.write_progress(lane, 0, 12)
    assert kept.delivered() == (1, 1)


@pytest.mark.parametrize("why", ["expired", "elsewhere", "lost", "of another installation"])
def test_where_the_mark_says_nothing_all_is_delivered_and_what_was_there_goes(
    place: Place, tmp_path: Path, why: str
) -> None:
    kept = DeliveredDataset(lines, place, tmp_path)
    row = (None, "c", "u", 1)
    kept.load(1, {("w", number): row for number in range(5)})
    kept.delivered()
    kept.load(2, {("w", number): row for number in range(3, 8)})
    if why == "expired":
        kept.store.expire("lines", {2})
    elif why == "elsewhere":
        kept.reopened("elsewhere")
    elif why == "of another installation":
        kept.note.write_bytes(kept.note.read_bytes().replace(b"@run-1", b"@run-7"))
    else:
        kept.note.unlink()
    assert kept.delivered() == (5, 3)


def test_what_died_before_it_was_noted_is_delivered_again(place: Place, tmp_path: Path) -> None:
    # given a delivery that was noted, and one that was not
    kept = DeliveredDataset(lines, place, tmp_path)
    kept.load(1, {("w", 1): (None, "c", "u", 1)})
    kept.delivered()
    before = kept.note.read_bytes()
    lane, key = Lane("lines", 1), encode_key(("w", 1))
    for offset, size in ((11, 2), (12, 3)):
        kept.store.write_rows(lane, {key: encode_values((None, "c", "u", size))})
        kept.store.write_changed(lane, 0, offset, {key})
        kept.store.write_progress(lane, 0, offset)
        kept.delivered()
        kept.note.write_bytes(before)
        kept.reopened()
    # then the next one brings the newest row
    assert kept.delivered() == (1, 0)


def test_private_columns_stay_here(place: Place) -> None:
    table = public_table(lines)
    assert "user" not in table.names
    sink = place.opened(table)
    sink.prepare()
    sink.write([line(1, 10)])
    assert place.content(table) == [{"wiki": "w", "rev_id": 1, "sha1": None, "comment": "ä", "size": 10}]


class Secret(Table, frozen=True, kw_only=True):
    """Rows that are found by what nobody may know."""

    wiki: Partition[str]
    name: Annotated[Clustering[str], about("who", private="a name")]
    size: int


def test_a_private_key_is_told() -> None:
    with pytest.raises(SinkError, match=r"the key of lines is private \(name\); with `private: true`"):
        public_table(replace(lines, schema=Schema(Secret)))
