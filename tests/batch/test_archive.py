"""Every message is in the archive once, with its position, whoever died; and what is lost is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from batch import archive as module
from batch.archive import archive, archived, messages
from batch.archive_error import ArchiveError
from shared_logic.protocols import Cut, Message

Rows = list[tuple[int, int, str, bytes]]


class Numbers:
    """A log of three partitions, whose messages say where they stand."""

    partitions = 3

    def __init__(self, ends: Cut, starts: Cut = (0, 0, 0), most: int = 1_000) -> None:
        self._ends, self._starts, self._most = ends, starts, most

    def read(self, partition: int, offset: int, most: int) -> Sequence[Message]:
        begin, end = max(offset, self._starts[partition]), min(self._ends[partition], offset + most)
        return [self.message(partition, number) for number in range(begin, end)][: self._most]

    def ends(self) -> Cut:
        return self._ends

    def starts(self) -> Cut:
        return self._starts

    @staticmethod
    def message(partition: int, number: int) -> Message:
        return Message(number, f"w/{partition}", b"%d/%d" % (partition, number))


def content(folder: Path) -> Rows:
    table = DeltaTable(str(folder)).to_pyarrow_table().to_pylist()
    return sorted((row["partition"], row["position"], row["key"], row["value"]) for row in table)


def expected(ends: Cut) -> Rows:
    return [
        (partition, number, f"w/{partition}", b"%d/%d" % (partition, number))
        for partition, end in enumerate(ends)
        for number in range(end)
    ]


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.tuples(*[st.integers(0, 40)] * 3), min_size=1, max_size=3))
def test_every_message_is_there_once(tmp_path_factory: pytest.TempPathFactory, cuts: list[Cut]) -> None:
    folder = tmp_path_factory.mktemp("any") / "archive"
    reached: Cut = (0, 0, 0)
    for cut in cuts:
        before = sum(reached)
        reached = tuple(map(max, reached, cut))
        done = archive(Numbers((40, 40, 40), most=7), folder, cut)
        assert done.ends == reached == archived(folder, 3)
        assert done.added == sum(reached) - before
    assert content(folder) == expected(reached)


def test_it_is_compacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MESSAGES_PER_COMMIT", 5)
    monkeypatch.setattr(module, "COMMITS_BETWEEN_COMPACTIONS", 10)
    archive(Numbers((100, 50, 0)), tmp_path / "archive", (100, 50, 0))
    assert content(tmp_path / "archive") == expected((100, 50, 0))
    assert len(DeltaTable(str(tmp_path / "archive")).file_uris()) < 15


@pytest.mark.parametrize("dies", ["before", "after"])
def test_who_dies_at_a_commit_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    # given a process that dies before or after its second commit
    monkeypatch.setattr(module, "MESSAGES_PER_COMMIT", 10)
    real, calls = module.write_deltalake, 0

    def dying(*arguments: object, **named: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2 and dies == "before":
            raise KeyboardInterrupt
        real(*arguments, **named)  # type: ignore[arg-type]
        if calls == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_deltalake", dying)
    log = Numbers((25, 9, 30))
    with pytest.raises(KeyboardInterrupt):
        archive(log, tmp_path / "archive", log.ends())
    # then the next one goes on, and nothing is there twice
    archive(log, tmp_path / "archive", log.ends())
    assert content(tmp_path / "archive") == expected(log.ends())


def test_what_the_log_gave_up_is_told(tmp_path: Path) -> None:
    archive(Numbers((10, 10, 10)), tmp_path / "archive", (10, 10, 10))
    late = Numbers((30, 30, 30), starts=(0, 12, 0))
    with pytest.raises(ArchiveError, match=r"partition 1 .* holds 12 at offset 10, .* given it up"):
        archive(late, tmp_path / "archive", late.ends())


class Compacted(Numbers):
    """A log of which one message in the middle is gone."""

    def read(self, partition: int, offset: int, most: int) -> Sequence[Message]:
        found = super().read(partition, offset, most)
        return [message for message in found if (partition, message.offset) != (2, 7)]


def test_a_gap_that_compaction_left_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"partition 2 .* holds 8 at offset 7, .* the topic is compacted"):
        archive(Compacted((10, 10, 10)), tmp_path / "archive", (10, 10, 10))


def test_what_the_log_does_not_give_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"partition 0 .* holds nothing at offset 0"):
        archive(Numbers((10, 10, 10), most=0), tmp_path / "archive", (10, 10, 10))


def test_archived_messages_are_read_from_any_position_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Numbers((25, 9, 0))
    archive(log, tmp_path / "archive", log.ends())
    monkeypatch.setattr(module, "MESSAGES_PER_COMMIT", 10)
    for partition, start in ((0, 0), (0, 7), (0, 24), (0, 25), (1, 0), (2, 0)):
        read = [one for some in messages(tmp_path / "archive", partition, start) for one in some]
        assert read == log.read(partition, start, 100)


def test_a_log_that_is_older_than_the_archive_is_refused(tmp_path: Path) -> None:
    # given an archive, of which an earlier part may be asked for
    archive(Numbers((10, 10, 10)), tmp_path / "archive", (10, 10, 10))
    assert archive(Numbers((10, 10, 10)), tmp_path / "archive", (5, 5, 5)).ends == (10, 10, 10)
    # when the log has lost its end, then that is told, however far the archive is wanted
    for end in (8, 9):
        older = Numbers((30, end, 30))
        told = rf"partition 1 .* ends at offset {end}, but 10 .* --archive-only"
        for upto in (older.ends(), (5, 5, 5)):
            with pytest.raises(ArchiveError, match=told):
                archive(older, tmp_path / "archive", upto)
    assert content(tmp_path / "archive") == expected((10, 10, 10))
