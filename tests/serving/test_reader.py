"""Merged reads against the reference's tables and hand-made ones, on every store."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shared_logic.datasets  # noqa: F401  registers them
from cli.stories import messages
from serving.parity import Difference, compare
from serving.reader import Answer, NotPublished, Reader
from serving.sqlite_store import SqliteStore
from shared_logic.definition import Dataset
from shared_logic.keys import encode_key, encode_values
from shared_logic.language import Clustering, Partition, Sum, Table, about
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Accumulator, Lane, Store
from shared_logic.reference import reference, told
from shared_logic.registry import registry as real
from shared_logic.tables import DefinitionError, Schema
from shared_logic.things import Revision
from tests.serving.tables import counts, lines, publish, row

X, Y = date(2021, 1, 1), date(2021, 1, 2)
LINES = {
    ("v", 1): ("sha", "first", "Alice", 1),
    ("w", 1): ("sha", "other wiki", "Alice", 1),
    ("w", 2): ("sha2", "second", "Bob", None),
    ("w", 3): (None, "third", "Carol", 3),
}


def texts(answer: Answer) -> dict[tuple[str, int], str | None]:
    return {(found["wiki"], found["rev_id"]): found["comment"] for found in answer.rows}


def line(comment: str) -> bytes:
    return encode_values(("s", comment, "Zoe", 9))


@pytest.fixture
def with_lines(store: Store) -> Store:
    """Lines of a batch, of which speed has replaced, removed and added one each."""
    publish(store, lines, 1, LINES)
    lane = Lane("lines", 1)
    store.write_rows(
        lane,
        {
            encode_key(("w", 1)): line("replaced"),
            encode_key(("w", 2)): None,
            encode_key(("w", 4)): line("added"),
            encode_key(("w", 5)): None,
        },
    )
    store.write_progress(lane, 1, 25)
    return store


@pytest.fixture
def with_counts(store: Store) -> Store:
    """Sums of a batch, and what two partitions added."""
    publish(store, counts, 1, {("w", X): (5, 50), ("w", Y): (1, 10)})
    lane = Lane("counts", 1)
    store.write_accumulators(
        lane,
        0,
        {encode_key(("w", X)): Accumulator((1, 5), 11), encode_key(("w", Y)): Accumulator((-2, -20), 11)},
    )
    store.write_accumulators(
        lane,
        1,
        {
            encode_key(("w", Y)): Accumulator((1, 10), 21),
            encode_key(("x", X)): Accumulator((3, 0), 21),
            encode_key(("z", X)): Accumulator((0, 0), 21),
        },
    )
    return store


def test_speed_rows_cover_batch_rows_and_tombstones_hide_them(with_lines: Store) -> None:
    read = Reader(with_lines)
    assert texts(read.scan(lines)) == {
        ("v", 1): "first",
        ("w", 1): "replaced",
        ("w", 3): "third",
        ("w", 4): "added",
    }
    assert list(texts(read.scan(lines, ("w",)))) == [("w", 1), ("w", 3), ("w", 4)]
    assert read.get(lines, ("w", 3)).rows == [
        {"wiki": "w", "rev_id": 3, "sha1": None, "comment": "third", "user": "Carol", "size": 3}
    ]


def test_no_row_is_an_answer(with_lines: Store) -> None:
    read = Reader(with_lines, lambda: (10, 25))
    for key in (("w", 2), ("w", 5), ("w", 99), ("none", 1)):
        assert read.get(lines, key) == Answer([], 1, (10, 25), complete=True, lag=0)
    assert read.scan(lines, ("none",)).rows == []


def test_sums_are_added_over_batch_and_partitions(with_counts: Store) -> None:
    read = Reader(with_counts)
    assert read.scan(counts).rows == [
        {"wiki": "w", "day": X, "edits": 6, "bytes": 55},
        {"wiki": "x", "day": X, "edits": 3, "bytes": 0},
    ]
    assert read.get(counts, ("w", X)).rows == [{"wiki": "w", "day": X, "edits": 6, "bytes": 55}]
    assert read.get(counts, ("w", Y)).rows == []
    assert read.get(counts, ("z", X)).rows == []
    assert read.get(counts, ("none", X)).rows == []


def test_answers_say_of_their_wiki_what_was_not_looked_up(with_counts: Store, with_lines: Store) -> None:
    # given a wiki of which two history merges wait to be looked up, and tables that have all messages
    through = Reader(with_counts).through(counts, 1)
    read = Reader(with_counts, lambda: through, waiting=lambda: {"w": 2})
    found = [
        read.get(counts, ("w", X)),
        read.scan(counts, ("w",)),
        read.stream(counts),
        read.get(counts, ("x", X)),
        read.scan(counts, ("x",)),
    ]
    # then what depends on its pages is not complete; what is of another wiki is, and what tells of no page
    assert [(one.complete, one.lag, one.waiting) for one in found] == [(False, 0, 2)] * 3 + [(True, 0, 0)] * 2
    read = Reader(with_lines, lambda: (10, 25), waiting=lambda: {"w": 2})
    assert read.get(lines, ("w", 1)).complete


def test_what_was_looked_up_meanwhile_is_behind(with_counts: Store) -> None:
    # given a merge that is looked up just when a reader has asked whether any waits
    through = Reader(with_counts).through(counts, 1)
    waiting, ends = {"w": 1}, [through]

    def looked_up() -> dict[str, int]:
        told = dict(waiting)
        waiting.clear()
        ends[:] = [(through[0] + 1, *through[1:])]
        return told

    # then it waits still, or the log has what was found
    read = Reader(with_counts, lambda: ends[-1], waiting=looked_up)
    found = [read.get(counts, ("w", X)) for _ in range(2)]
    assert [(one.complete, one.waiting, one.lag) for one in found] == [(False, 1, 1), (False, 0, 1)]


@pytest.mark.parametrize(
    "ends, complete, lag",
    [((10, 25), True, 0), ((12, 30), False, 7), ((11, 20), False, 1), ((9, 9), True, 0)],
)
def test_answers_say_what_they_include(
    with_lines: Store, ends: tuple[int, int], complete: bool, lag: int
) -> None:
    for answer in (
        Reader(with_lines, lambda: ends).scan(lines),
        Reader(with_lines, lambda: ends).get(lines, ("w", 1)),
    ):
        assert answer.generation == 1
        assert answer.through == (10, 25)
        assert (answer.complete, answer.lag) == (complete, lag)


@pytest.mark.parametrize("whole", [True, False])
def test_an_answer_never_claims_what_was_written_while_it_read(whole: bool) -> None:
    # given a store that speed brings further as soon as a row was read
    class Moving(MemoryStore):
        def batch_rows(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
            self.write_progress(lane, 0, 99)
            return super().batch_rows(lane, prefix, start)

        def speed_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes | None]:
            self.write_progress(lane, 0, 99)
            return super().speed_rows_of(lane, keys)

    store = Moving()
    publish(store, lines, 1, LINES)
    store.write_progress(Lane("lines", 1), 0, 10)
    # then the answer says what was there before it read
    read = Reader(store, lambda: (99, 20))
    answer = read.get(lines, ("w", 1)) if whole else read.scan(lines)
    assert (answer.through, answer.complete, answer.lag) == ((10, 20), False, 89)


def test_without_a_log_completeness_is_unknown(with_lines: Store) -> None:
    answer = Reader(with_lines).scan(lines)
    assert (answer.through, answer.complete, answer.lag) == ((10, 25), None, None)


def test_as_of_reads_another_generation_with_its_own_speed_state(with_lines: Store) -> None:
    # given a second generation that was published and one that was only loaded
    publish(with_lines, lines, 2, {("w", 1): ("s", "new", "A", 1)}, (30, 30))
    publish(with_lines, lines, 3, {}, (40, 40))
    with_lines.publish("lines", 2)
    with_lines.write_rows(Lane("lines", 2), {encode_key(("w", 7)): line("speed of two")})
    # then each is read as of its own
    read = Reader(with_lines, lambda: (30, 30))
    assert texts(read.scan(lines)) == {("w", 1): "new", ("w", 7): "speed of two"}
    assert texts(read.scan(lines, generation=1))["w", 1] == "replaced"
    assert read.get(lines, ("w", 7), generation=1).rows == []
    assert read.scan(lines, generation=3).rows == []
    assert [read.scan(lines, generation=n).through for n in (1, 2, 3)] == [(10, 25), (30, 30), (40, 40)]
    assert [read.scan(lines, generation=n).complete for n in (1, 2)] == [False, True]
    # and a rollback is a publication of the one before
    with_lines.publish("lines", 1)
    assert texts(read.scan(lines))["w", 1] == "replaced"


READS: list[Callable[[Reader, int | None], object]] = [
    lambda read, at: read.get(lines, ("w", 1), at),
    lambda read, at: read.scan(lines, (), at),
    lambda read, at: read.explain(lines, ("w", 1), at),
    lambda read, at: read.sorted_rows(lines, at),
    lambda read, at: read.digest(lines, at),
]


@pytest.mark.parametrize("ask", READS)
def test_what_is_not_published_can_not_be_known(
    store: Store, ask: Callable[[Reader, int | None], Any]
) -> None:
    with pytest.raises(NotPublished, match="lines is not published yet; `wikibraid batch run lines`"):
        ask(Reader(store), None)
    publish(store, lines, 1, LINES)
    with pytest.raises(NotPublished, match="lines has no generation 2; `wikibraid generations list lines`"):
        ask(Reader(store), 2)


@pytest.mark.parametrize(
    "dataset, key, said",
    [
        (lines, ("w",), "has 1 values; its columns are wiki, rev_id, name all of them"),
        (lines, ("w", 1, 2), "has 3 values; its columns are wiki, rev_id"),
        (lines, ("w", "1"), "column rev_id: '1' can't be its key; give a value of type int"),
        (lines, ("w", True), "column rev_id: True can't be its key"),
        (counts, ("w", "2021-01-01"), "column day: '2021-01-01' can't be its key; give a value of type date"),
    ],
)
def test_a_key_that_no_row_can_have_is_refused(
    store: Store, dataset: Dataset, key: tuple[Any, ...], said: str
) -> None:
    publish(store, dataset, 1, {})
    with pytest.raises(ValueError, match=said):
        Reader(store).get(dataset, key)


# --- explain


def rows_of_the_table(read: Reader) -> Iterator[Any]:
    return read.stream(counts, generation=1).rows


def rows_beside_files(read: Reader) -> Iterator[Any]:
    layers = read.stream(counts, generation=1).layers
    assert layers is not None
    return layers.speed


def rows_of_a_partition(read: Reader) -> Iterator[Any]:
    return read.stream(counts, ("w",), 1).rows


def rows_of_partitions(read: Reader) -> Iterator[Any]:
    return read.stream_of(counts, [("w",), ("x",)], 1).rows


def rows_in_order(read: Reader) -> Iterator[Any]:
    return read.sorted_rows(counts, 1)


@pytest.mark.parametrize(
    "begin", [rows_of_the_table, rows_beside_files, rows_of_a_partition, rows_of_partitions, rows_in_order]
)
def test_what_is_given_up_while_it_is_read_is_not_taken_for_all_rows(
    with_counts: Store, begin: Callable[[Reader], Iterator[Any]]
) -> None:
    # given two generations, and somebody who has begun to read the older one
    publish(with_counts, counts, 2, {("w", X): (6, 60)})

    def rows() -> Iterator[Any]:
        return begin(Reader(with_counts, files=lambda _: []))

    assert list(rows())
    begun = rows()
    next(begun)
    # when it is given up
    expiring = with_counts
    if isinstance(with_counts, SqliteStore):
        (*_, path) = with_counts._db.execute("PRAGMA database_list").fetchone()
        expiring = SqliteStore(Path(path))
    expiring.expire("counts", {2})
    # then the end says so, since rows may be missing
    with pytest.raises(NotPublished, match="counts, generation 1 was given up while it was read"):
        list(begun)


def test_a_row_of_a_generation_that_is_given_up_meanwhile_is_not_told_as_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given two generations of a row, of which the older one is given up while somebody reads it by its key
    store = MemoryStore()
    for number in (1, 2):
        publish(store, counts, number, {("w", X): (5, number)})
    rows_of = store.batch_rows_of

    def slow(lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        store.expire("counts", {2})
        return rows_of(lane, keys)

    monkeypatch.setattr(store, "batch_rows_of", slow)
    with pytest.raises(NotPublished, match="generation 1 was given up"):
        list(Reader(store).rows_of(counts, [encode_key(("w", X))], 1))


def test_explain_a_row(with_lines: Store) -> None:
    read = Reader(with_lines)
    replaced, removed, kept = (read.explain(lines, ("w", number)) for number in (1, 2, 3))
    assert (replaced.batch, replaced.speed) == (LINES["w", 1], ("s", "replaced", "Zoe", 9))
    assert replaced.merged is not None
    assert replaced.merged["comment"] == "replaced"
    assert (removed.batch, removed.speed, removed.removed, removed.merged) == (
        LINES["w", 2],
        None,
        True,
        None,
    )
    assert (kept.batch, kept.speed, kept.removed) == (LINES["w", 3], None, False)
    # of a row that came and went again since the batch, the batch had none to take away
    passing = read.explain(lines, ("w", 5))
    assert (passing.batch, passing.removed, passing.merged) == (None, False, None)


def test_explain_sums(with_counts: Store) -> None:
    found = Reader(with_counts).explain(counts, ("w", Y))
    assert (found.batch, found.speed) == ((1, 10), (-1, -10))
    assert found.partitions == {0: ((-2, -20), 11), 1: ((1, 10), 21)}
    assert found.merged is None
    assert Reader(with_counts).explain(counts, ("none", Y)).batch is None


# --- exports


def test_exports_are_what_scans_show(with_counts: Store) -> None:
    found = list(Reader(with_counts).sorted_rows(counts))
    assert found == [row(("w", X), (6, 55)), row(("x", X), (3, 0))]


def test_equal_tables_have_equal_digests_however_they_came_about(store: Store) -> None:
    read = Reader(store)
    publish(store, lines, 1, LINES)
    whole = read.digest(lines)
    publish(store, lines, 2, {})
    assert read.digest(lines) != whole
    store.write_rows(Lane("lines", 2), dict(row(key, values) for key, values in LINES.items()))
    assert read.digest(lines) == whole
    assert read.digest(lines, 1) == whole


# --- redaction


@pytest.fixture
def hiding(sqlite: SqliteStore) -> SqliteStore:
    """Lines of two generations; what is hidden was hidden after they were made."""
    publish(sqlite, lines, 1, LINES)
    publish(sqlite, lines, 2, LINES)
    sqlite.write_rows(Lane("lines", 2), {encode_key(("w", 1)): line("secret in speed")})
    sqlite.redact("w", 1, 2, 5)
    sqlite.redact("w", 2, 4, 5)
    sqlite.redact("w", 2, 1 | 8, 6)
    return sqlite


def test_what_is_hidden_is_none_on_every_path(hiding: SqliteStore) -> None:
    read = Reader(hiding)
    wanted = [
        {"wiki": "v", "rev_id": 1, "sha1": "sha", "comment": "first", "user": "Alice", "size": 1},
        {"wiki": "w", "rev_id": 1, "sha1": "s", "comment": None, "user": "Zoe", "size": 9},
        {"wiki": "w", "rev_id": 2, "sha1": None, "comment": "second", "user": None, "size": None},
        {"wiki": "w", "rev_id": 3, "sha1": None, "comment": "third", "user": "Carol", "size": 3},
    ]
    assert read.scan(lines).rows == wanted
    assert [read.get(lines, key).rows for key in LINES] == [[found] for found in wanted]
    assert texts(read.scan(lines, generation=1))["w", 1] is None
    for explained in (read.explain(lines, ("w", 1)), read.explain(lines, ("w", 1), 1)):
        assert "secret" not in str(explained)
        assert "other wiki" not in str(explained)
    exported = b"".join(values for _, values in read.sorted_rows(lines))
    assert b"secret" not in exported
    assert b"Bob" not in exported
    assert b"third" in exported


def test_hiding_changes_the_digest_and_an_audit_can_look_behind_it(hiding: SqliteStore) -> None:
    read = Reader(hiding)
    assert b"secret" in b"".join(values for _, values in read.sorted_rows(lines, redacted=False))
    before = read.digest(lines)
    hiding.redact("v", 1, 4, 9)
    assert read.digest(lines) != before


def _dataset(table: type) -> Dataset:
    return Dataset("bad", Revision, Schema(table), lambda _: iter(()))


@pytest.mark.parametrize("kind", ["key", "sum", "no rev_id", "unknown part"])
def test_a_column_that_cannot_be_hidden_is_refused(store: Store, kind: str) -> None:
    hidden = about("who", hidden_with="name" if kind == "unknown part" else "user")
    columns: dict[str, Any] = {"wiki": Partition[str], "rev_id": Clustering[int]}
    if kind == "no rev_id":
        del columns["rev_id"]
    roles: dict[str, Any] = {"key": Clustering[str], "sum": Sum[int]}
    role = roles.get(kind, str)
    columns["user"] = Annotated[role, hidden]
    table = types.new_class(
        "Bad", (Table,), exec_body=lambda body: body.update(__annotations__=columns, __module__=__name__)
    )
    dataset = _dataset(table)
    publish(store, dataset, 1, {})
    with pytest.raises(DefinitionError, match=r"table Bad, column user: can't be hidden with"):
        Reader(store).scan(dataset)


# --- the reference's tables


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@given(story=st.lists(messages, max_size=25))
def test_reads_give_the_references_tables(
    kind: str, story: list[tuple[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    # given the reference's tables over a story
    datasets = tuple(real.values())
    tables = reference(datasets, told(raw for _, raw in story).states)
    store: Store = (
        MemoryStore() if kind == "memory" else SqliteStore(tmp_path_factory.mktemp("any") / "store.db")
    )
    read = Reader(store)
    for dataset in datasets:
        table = tables[dataset.name]
        # when they are published
        publish(store, dataset, 1, table)
        # then every way to read gives their rows
        keys = sorted(table)
        wanted = [dataset.schema.record(key, table[key]) for key in keys]
        assert read.scan(dataset).rows == wanted
        for key, found in zip(keys, wanted, strict=True):
            assert read.get(dataset, key).rows == [found]
            assert found in read.scan(dataset, key[:1]).rows
        # and parity finds nothing
        expected = (row(key, table[key]) for key in keys)
        assert list(compare(dataset.schema, read.sorted_rows(dataset), expected)) == []


# --- parity


def test_parity_names_every_value_that_is_other() -> None:
    left = [
        row(("w", 1), ("s", "a", "A", 1)),
        row(("w", 2), ("s", "b", "B", None)),
        row(("w", 3), ("s", "", "", 3)),
    ]
    right = [
        row(("w", 2), (None, "c", "B", 0)),
        row(("w", 3), ("s", "", "", 3)),
        row(("w", 4), ("s", "d", "", 4)),
    ]
    assert list(compare(lines.schema, left, right)) == [
        Difference(("w", 1), "row", ("s", "a", "A", 1), None),
        Difference(("w", 2), "sha1", "s", None),
        Difference(("w", 2), "comment", "b", "c"),
        Difference(("w", 2), "size", None, 0),
        Difference(("w", 4), "row", None, ("s", "d", "", 4)),
    ]


numbers = st.dictionaries(st.integers(-3, 3), st.integers(0, 2))


@given(left=numbers, right=numbers)
def test_parity_is_the_difference_of_dictionaries(left: dict[int, int], right: dict[int, int]) -> None:
    def rows(table: dict[int, int]) -> list[tuple[bytes, bytes]]:
        return [row(("w", number), (None, "", "", size)) for number, size in sorted(table.items())]

    found = list(compare(lines.schema, rows(left), rows(right)))
    assert [one.key for one in found] == [
        ("w", number)
        for number in sorted(left.keys() | right.keys())
        if left.get(number) != right.get(number)
    ]
    for one in found:
        both = one.key[1] in left and one.key[1] in right
        assert one.column == ("size" if both else "row")
