"""What a public dump of the history has, and that it is always the same."""

from __future__ import annotations

import bz2
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from serving.public_dump import write_public_dump
from tests.serving.history_rows import START, account, at, over, page, revision, text


def test_a_public_dump_of_the_same_history_is_the_same_bytes(tmp_path: Path) -> None:
    # given a history of which much is of one second, as two reads give it
    rows = [
        *(revision(n, 1) for n in range(1, 30)),
        *(page(n, 1, None, page=f"{n}", page_id=n) for n in range(1, 30)),
        *(page(n, 1, None, page="99", page_id=99, page_title_historical=f"B{n}") for n in range(2, 5)),
        *(account(0, 1, None, user_id=n) for n in range(1, 30)),
    ]
    written = []
    for number, told in enumerate((rows, rows[::-1])):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        with over(*told) as db:
            db.prepare(["mediawiki_history"])
            (path,) = write_public_dump(db, folder)
        written.append(path.read_bytes())
    # then both dumps are the same
    assert written[0] == written[1]


def test_a_public_dump_leaves_out_what_has_no_time_or_none_that_can_be(tmp_path: Path) -> None:
    # given revisions of before the wikis, of then, of the present and of after it, and a state without a time
    before, first = datetime(2000, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC)
    times = {1: before, 2: first, 3: at(0), 4: at(1)}
    revisions = [
        msgspec.structs.replace(revision(rev_id, 0), event_timestamp=then) for rev_id, then in times.items()
    ]
    with over(*revisions, page(0, None, None), now=START) as db:
        db.prepare(["mediawiki_history"])
        ((path, count),) = write_public_dump(db, tmp_path).items()
    # then only those are there whose time is none of these, in order of time, without a header
    lines = bz2.decompress(path.read_bytes()).decode().splitlines()
    assert count == len(lines) == 2
    told = [line.split("\t") for line in lines]
    assert {len(fields) for fields in told} == {78}
    assert [fields[4] for fields in told] == ["2001-01-01 00:00:00.0", text(0)]
