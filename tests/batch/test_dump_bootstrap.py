"""Dumps in parts: every page once, the same states however they are cut, and damage that stays where it is."""

from __future__ import annotations

import bz2
import gzip
import os
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch import dump_splits
from batch.bootstrap import STATES, Written
from batch.compressed import InputError
from batch.dump_bootstrap import Damage, Dumps, database_name, processes
from batch.dump_splits import opened, parts
from shared_logic.clock import from_iso
from shared_logic.entities import Entity, Kind, State, decode, join
from tests.eventify.test_dump import REVISION, page, wiki

BEGINNING = from_iso("2026-01-01T00:00:00Z")
PAGES = 7
TEXT = wiki(
    *(
        page(
            *(REVISION.replace("<id>5</id>", f"<id>{number}{rev}</id>", 1) for rev in range(number)),
            page_id=f"<id>{number}</id>",
        )
        for number in range(1, PAGES + 1)
    )
).encode()


def streams(data: bytes, *cuts: int) -> bytes:
    """As several streams of bz2, one after the other."""
    places = [0, *sorted(cuts), len(data)]
    return b"".join(bz2.compress(data[begin:end]) for begin, end in pairwise(places))


def multistream(data: bytes) -> bytes:
    """As Wikimedia writes it: a stream for the head, for some pages each, and for the end."""
    cuts = [place for place in range(len(data)) if data.startswith(b"<page>", place)]
    return streams(data, *cuts[::2], len(data) - len("</mediawiki>"))


def taken(path: Path, folder: Path, step: int) -> tuple[dict[Entity, State], Written, tuple[Damage, ...]]:
    """What a dump says of each entity, read in parts of so many bytes."""
    with patch.dict(dump_splits.PART_BYTES, {".xml": step, ".bz2": step}):
        written, _, damaged = Dumps([path], None).write(folder, "testwiki", BEGINNING, lambda _: None)
    states: dict[Entity, State] = {}
    for row in pq.read_table(folder / STATES).to_pylist():
        about, state = Entity(row["wiki"], Kind(row["kind"]), row["id"]), decode(row["state"])
        states[about] = join(states[about], state) if about in states else state
    return states, written, damaged


@pytest.mark.parametrize(
    "name,compressed",
    [("d.xml", bytes), ("d.xml.bz2", multistream), ("d.xml.bz2", bz2.compress), ("d.xml.gz", gzip.compress)],
    ids=["plain", "multistream", "one stream", "gz"],
)
def test_however_it_is_cut_it_says_the_same(
    tmp_path: Path, name: str, compressed: Callable[[bytes], bytes]
) -> None:
    # given a dump, read whole
    path = tmp_path / name
    path.write_bytes(compressed(TEXT))
    whole, written, _ = taken(path, tmp_path / "whole", 1 << 30)
    assert (written.pages, written.revisions) == (PAGES, sum(range(PAGES + 1)))
    # when it is read in parts of any size
    for step in (*range(97, 107), 400, 1_500):
        # then each page is read once, and says what it said
        assert taken(path, tmp_path / str(step), step) == (whole, written, ())


@given(st.lists(st.integers(0, len(TEXT)), max_size=5), st.integers(20, 200))
def test_streams_that_begin_anywhere(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], step: int
) -> None:
    """Parallel compressors cut tags."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "d.xml.bz2").write_bytes(streams(TEXT, *cuts))
    with patch.dict(dump_splits.PART_BYTES, {".bz2": step}):
        found = b"".join(read(part) for part in parts(folder / "d.xml.bz2"))
    assert found == TEXT[TEXT.index(b"<page>") : TEXT.index(b"</mediawiki>")]


def read(part: dump_splits.Part) -> bytes:
    """The pages of a part."""
    with opened(part) as stream:
        data = b""
        while piece := stream.read(1_000):
            data += piece
    head, _, rest = data.partition(b"<page>")
    assert head.startswith(b"<mediawiki"), head
    pages, end, after = (b"<page>" + rest if rest else b"</mediawiki>").rpartition(b"</mediawiki>")
    assert end
    assert not after.strip()
    return pages


def test_several_processes_write_what_one_does(tmp_path: Path) -> None:
    path = tmp_path / "d.xml"
    path.write_bytes(TEXT)
    with patch.dict(dump_splits.PART_BYTES, {".xml": 1_000}), processes() as pool:
        Dumps([path], pool).write(tmp_path / "many", "testwiki", BEGINNING, lambda _: None)
        Dumps([path], None).write(tmp_path / "one", "testwiki", BEGINNING, lambda _: None)
        assert Dumps([path], pool).newest() == from_iso("2021-01-01T00:00:00Z")
    files = [sorted((tmp_path / name / STATES).iterdir()) for name in ("many", "one")]
    assert len(files[0]) > 1
    assert [(path.name, path.read_bytes()) for path in files[0]] == [
        (path.name, path.read_bytes()) for path in files[1]
    ]


def test_a_damaged_part_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    # given a dump of several streams, one of which is damaged
    data = bytearray(multistream(TEXT))
    begins = [place for place in range(len(data)) if data.startswith(b"BZh91AY&SY", place)]
    data[begins[2] + 20] ^= 0xFF
    path = tmp_path / "d.xml.bz2"
    path.write_bytes(data)
    # when it is read in parts
    states, _, damaged = taken(path, tmp_path / "home", begins[2] - begins[1])
    # then that is told once, naming the place, and the pages before and after are there
    (found,) = damaged
    assert found.place.startswith("d.xml.bz2, bytes ")
    assert "is damaged" in found.reason
    pages = {about.id for about in states if about.kind is Kind.PAGE}
    assert {1, PAGES} < pages < set(range(1, PAGES + 1))
    assert Kind.ISSUE in {about.kind for about in states}


def killed(*_: object) -> None:
    """What becomes of a process when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_reader_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.xml"
    path.write_bytes(TEXT)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("batch.dump_bootstrap._read", killed)
    with (
        pytest.raises(InputError, match="was killed, most likely for want of memory"),
        processes() as pool,
    ):
        Dumps([path], pool).write(tmp_path / "home", "testwiki", BEGINNING, lambda _: None)


def begins_of_streams(data: bytes | bytearray) -> list[int]:
    """Where streams of bz2 begin."""
    return [place for place in range(len(data)) if data.startswith(b"BZh91AY&SY", place)]


@pytest.mark.parametrize("place", range(1, PAGES // 2 + 1))
@pytest.mark.parametrize("byte", [0, 20], ids=["its head", "within"])
@pytest.mark.parametrize("streams_in_a_part", [2, 3])
def test_damage_in_a_stream_within_a_part_is_told(
    tmp_path: Path, place: int, byte: int, streams_in_a_part: int
) -> None:
    # given a dump of which parts hold several streams, each of whole pages, and damage in one of them
    data = bytearray(multistream(TEXT))
    begins = begins_of_streams(data)
    data[begins[place] + byte] ^= 0xFF
    path = tmp_path / "d.xml.bz2"
    path.write_bytes(data)
    # when it is read in parts
    states, _, damaged = taken(path, tmp_path / "home", begins[streams_in_a_part] - begins[0])
    # then no page is lost without a word
    assert len({about.id for about in states if about.kind is Kind.PAGE}) < PAGES
    assert damaged
    assert all(one.place.startswith("d.xml.bz2, bytes ") and "is damaged" in one.reason for one in damaged)


def test_a_dump_cut_in_its_last_stream_is_told(tmp_path: Path) -> None:
    # given a dump whose last stream of pages is cut
    whole = multistream(TEXT)
    begins = begins_of_streams(whole)
    path = tmp_path / "d.xml.bz2"
    path.write_bytes(whole[: begins[-2] + 40])
    # when it is read in parts, of which the last one holds whole pages before that stream
    states, _, damaged = taken(path, tmp_path / "home", begins[-3])
    # then that is told, and the pages before are there
    (found,) = damaged
    assert "it ends in the middle" in found.reason
    assert {1, 2} < {about.id for about in states if about.kind is Kind.PAGE} < set(range(1, PAGES + 1))


def test_a_tag_that_is_cut_by_the_parts_end_and_an_empty_piece_is_a_page() -> None:
    pieces = iter([(b"text <pa", False), (b"", True), (b"g", True), (b"e>beyond", True)])
    assert b"".join(data for data, _ in dump_splits._from_first_page(pieces)) == b"<page>beyond"


def test_its_name_is_the_heads(tmp_path: Path) -> None:
    (tmp_path / "d.xml").write_bytes(TEXT)
    assert database_name(tmp_path / "d.xml") == "testwiki"
