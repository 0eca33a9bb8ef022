"""A table as of earlier offsets of the log is the reference's over the log before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shared_logic.datasets  # noqa: F401  registers them
from cli.stories import messages
from serving import as_of as module
from serving.as_of import Until, as_of
from serving.overlay import Overlay
from serving.reader import NotPublished, Reader
from serving.sqlite_store import SqliteStore
from shared_logic.definition import Dataset
from shared_logic.fingerprint import fingerprint
from shared_logic.generations import DatasetGeneration
from shared_logic.kernel import Rows
from shared_logic.keys import encode_key, encode_values
from shared_logic.laws import load_generation, states_before
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Cut, Log, Store
from shared_logic.reference import reference
from shared_logic.registry import registry
from speed import loop_engine
from speed.memory_log import MemoryLog
from speed.worker import Worker
from tests.serving.test_hidden import COMMENT, HIDE, edit, private

DATASETS = tuple(registry.values())
fingerprints = cache(fingerprint)


def replay(log: Log, store: Store, lanes: Sequence[DatasetGeneration]) -> None:
    loop_engine.run_until_idle(Worker(log, store, lanes), most=3)


def generation_at(store: Store, datasets: Sequence[Dataset], log: Log, cut: Cut, run: str) -> None:
    """The reference's tables at that cut, published, and with its speed state at the end of the log."""
    lanes = load_generation(store, datasets, states_before(log, cut, {}), cut, run)
    for dataset, made in lanes:
        store.add_generation(msgspec.structs.replace(made, fingerprint=fingerprints(dataset)))
        store.publish(dataset.name, made.number)
    replay(log, store, lanes)


def encoded(rows: Rows) -> list[tuple[bytes, bytes]]:
    return sorted((encode_key(key), encode_values(values)) for key, values in rows.items())


@settings(max_examples=60)
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@given(story=st.lists(messages, max_size=25), partitions=st.integers(1, 3), data=st.data())
def test_as_of_any_cut_is_the_reference_before_it(
    kind: str,
    story: list[tuple[str, bytes]],
    partitions: int,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    log = MemoryLog(partitions)
    for key, raw in story:
        log.append(key, raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "fingerprint", fingerprints)
        store: Store = (
            MemoryStore() if kind == "memory" else SqliteStore(tmp_path_factory.mktemp("any") / "store.db")
        )
        # given two generations at drawn cuts, each caught up with the whole log
        ends = log.ends()
        for number in range(2):
            cut = tuple(data.draw(st.integers(0, end)) for end in ends)
            generation_at(store, DATASETS, log, cut, f"run-{number}")
        usable = [made.cut for made in store.generations(DATASETS[0].name)]
        # when every table is read as of any cut
        asked = tuple(data.draw(st.integers(0, end)) for end in ends)
        old_enough = [n for n, cut in enumerate(usable, 1) if all(map(int.__le__, cut, asked))]
        wanted = reference(DATASETS, states_before(log, asked, {}))
        for dataset in DATASETS:
            if not old_enough:
                with pytest.raises(NotPublished, match="none of its generations that the code of now made"):
                    as_of(store, log, dataset, asked, replay)
                continue
            before = list(Reader(store).sorted_rows(dataset, redacted=False))
            seen, made = as_of(store, log, dataset, asked, replay)
            read = Reader(seen, lambda: asked)
            # then it is the reference's over the log before it, from the newest generation that is old enough
            assert made.number == old_enough[-1]
            found = list(read.sorted_rows(dataset, made.number, redacted=False))
            assert found == encoded(wanted[dataset.name])
            answer = read.scan(dataset, (), made.number)
            assert (answer.through, answer.complete, answer.lag) == (asked, True, 0)
            for record in answer.rows:
                key = tuple(record[name] for name in dataset.schema.key_names)
                assert read.get(dataset, key, made.number).rows == [record]
            # and the store is as it was
            assert list(Reader(store).sorted_rows(dataset, redacted=False)) == before


@pytest.fixture
def log() -> MemoryLog:
    made = MemoryLog(1)
    for raw in (edit("2024-01-01T00:00:00Z"), HIDE, edit("2024-01-03T00:00:00Z")):
        made.append("testwiki/1", raw)
    return made


def test_what_is_hidden_now_is_hidden_then(log: MemoryLog, store: Store) -> None:
    # given a summary that was hidden after the offsets that are asked for
    dataset = private["summaries"]
    generation_at(store, [dataset], log, (0,), "run")
    # when it is read as of before
    seen, made = as_of(store, log, dataset, (1,), replay)
    (found,) = Reader(seen).scan(dataset, (), made.number).rows
    # then it is hidden
    assert (found["rev_id"], found["comment"]) == (5, None)
    assert COMMENT not in repr(Reader(seen).get(dataset, ("testwiki", 1, 5), made.number))
    # and what only the replay met is hidden as well
    fresh = MemoryStore()
    lanes = load_generation(fresh, [dataset], {}, (0,), "run")
    fresh.add_generation(msgspec.structs.replace(lanes[0].generation, fingerprint=fingerprint(dataset)))
    seen, made = as_of(fresh, log, dataset, (3,), replay)
    assert COMMENT not in repr(Reader(seen).scan(dataset, (), made.number))
    assert fresh.redactions("testwiki", [5]) == {}


def test_generations_of_other_code_can_not_answer(log: MemoryLog, store: Store) -> None:
    dataset = registry["page_current"]
    load_generation(store, [dataset], {}, (0,), "other code")
    with pytest.raises(NotPublished, match=r"as of 1: none of .* the code of now made .*; there is none"):
        as_of(store, log, dataset, (1,), replay)
    generation_at(store, [dataset], log, (2,), "run")
    with pytest.raises(NotPublished, match=r"as of 1: none of .*; the first one ends at 2 \("):
        as_of(store, log, dataset, (1,), replay)


def test_a_derived_table_needs_its_sources_generation(log: MemoryLog, store: Store) -> None:
    dataset = registry["active_editors"]
    chain = [dataset]
    while chain[0].source is not None:
        chain.insert(0, chain[0].source)
    # given all of its chain by one run
    generation_at(store, chain, log, (0,), "run")
    seen, made = as_of(store, log, dataset, (1,), replay)
    wanted = reference(chain, states_before(log, (1,), {}))[dataset.name]
    assert wanted
    assert list(Reader(seen).sorted_rows(dataset, made.number)) == encoded(wanted)
    # when only its own generation is by the code of now, nothing can be known
    alone = MemoryStore()
    lanes = load_generation(alone, chain, {}, (0,), "run")
    alone.add_generation(msgspec.structs.replace(lanes[-1].generation, fingerprint=fingerprint(dataset)))
    with pytest.raises(NotPublished, match="can't be read as of 1"):
        as_of(alone, log, dataset, (1,), replay)


def test_a_log_that_no_longer_reaches_back(log: MemoryLog, store: Store) -> None:
    class Short(MemoryLog):
        def starts(self) -> Cut:
            return (2,)

    short = Short(1)
    for message in log.read(0, 0, 9):
        short.append(message.key, message.value)
    dataset = registry["page_current"]
    generation_at(store, [dataset], log, (1,), "run")
    with pytest.raises(
        NotPublished, match="as of 2: the log begins at 2, after generation 1, which ends at 1"
    ):
        as_of(store, short, dataset, (2,), replay)
    # the generation's own cut needs nothing of the log
    _, made = as_of(store, short, dataset, (1,), replay)
    assert made.number == 1


def test_a_log_until_a_cut(log: MemoryLog) -> None:
    until = Until(log, (2,))
    assert (until.partitions, until.ends(), until.starts()) == (1, (2,), (0,))
    assert [message.offset for message in until.read(0, 0, 9)] == [0, 1]
    assert list(until.read(0, 2, 9)) == []


def test_an_overlay_takes_no_batch() -> None:
    over = Overlay(MemoryStore())
    for write in (
        lambda: over.load("d", 1, []),
        lambda: over.load_states("base", []),
        lambda: over.publish("d", 1),
    ):
        with pytest.raises(TypeError, match="an overlay takes no batch"):
            write()


def test_a_store_on_disk_is_not_written(log: MemoryLog, tmp_path: Path) -> None:
    dataset = registry["page_current"]
    with SqliteStore(tmp_path / "store.db") as store:
        generation_at(store, [dataset], log, (0,), "run")
    with SqliteStore(tmp_path / "store.db", readonly=True) as store:
        seen, made = as_of(store, log, dataset, (1,), replay)
        rows: list[Mapping[str, object]] = [*Reader(seen).stream(dataset, (), made.number).rows]
    assert [found["page_id"] for found in rows] == [1]
