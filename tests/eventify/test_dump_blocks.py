"""Blocks matched as text give what the parser gives, for whatever a dump holds."""

from __future__ import annotations

import bz2
import io
from itertools import product
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_logic.clock import from_iso
from shared_logic.eventify import dump_blocks
from shared_logic.eventify.dump import DumpReader
from shared_logic.eventify.dump_blocks import BlockReader
from shared_logic.eventify.dump_elements import DumpError
from shared_logic.states.page_state import EMPTY, Author, PageState, join
from tests.eventify.test_dump import REVISION, page, wiki

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "dumps"
DUMPS = sorted(path for path in DATA.rglob("*") if path.name.endswith((".xml", ".xml.bz2")))
BEGINNING = from_iso("2026-01-01T00:00:00Z")
SECOND = REVISION.replace("<id>5</id>", "<id>6</id>", 1)
ODD = (
    # each in place of what it names in a revision that is as the exporter writes it
    ("<minor/>", "<minor />"),
    ("<minor/>", "<odd>thing</odd>"),
    ("hello &amp; more", "&lt;b&gt; &quot;x&#039; &amp;lt;"),
    ("hello &amp; more", "&#65; of another kind"),
    ("hello &amp; more", "not &closed"),
    ("hello &amp; more", "]]> alone"),
    ("hello &amp; more", "a\rb"),
    ("hello &amp; more", "a\x01b"),
    ("hello &amp; more", "ü 中 \U0001f600"),
    ("hello &amp; more", "\uffff"),
    ("hello &amp; more", "<![CDATA[</revision></page><page>]]>"),
    ("hello &amp; more", "<!-- </page> -->"),
    ("<comment>hello &amp; more</comment>", '<comment deleted="deleted" />'),
    ("<comment>hello &amp; more</comment>", "<comment/>"),
    ("<comment>hello &amp; more</comment>", ""),
    ("<username>Alice</username><id>4</id>", "<ip> 192.0.2.1 </ip>"),
    ("<username>Alice</username><id>4</id>", "<username></username><id>4</id>"),
    ("<username>Alice</username><id>4</id>", "<username>A&amp;B</username><id>x</id>"),
    ("<contributor><username>Alice</username><id>4</id></contributor>", '<contributor deleted="deleted"/>'),
    ("2021-01-01T00:00:00Z", "2021-02-30T00:00:00Z"),
    ("2021-01-01T00:00:00Z", "2021-01-01T24:00:00Z"),
    ("2021-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    ("<id>5</id>", "<id>0</id>"),
    ("<id>5</id>", "<id> 5 </id>"),
    ("<parentid>4</parentid>", ""),
    ("<parentid>4</parentid>", "<parentid>x</parentid>"),
    ("<sha1>abc</sha1>", "<sha1/>"),
    ('bytes="12"', 'bytes=""'),
    ('bytes="12"', 'bytes="12" bytes="12"'),
    ('bytes="12"', ""),
    ('id="5" />', 'id="5" deleted="deleted" />'),
    ('<text bytes="12" sha1="abc" location="tt:5" id="5" />', '<text id="5" bytes="7" />'),
    (
        '<text bytes="12" sha1="abc" location="tt:5" id="5" />',
        '<text bytes="7" xml:space="preserve">a &gt; b</text>',
    ),
    (
        '<text bytes="12" sha1="abc" location="tt:5" id="5" />',
        '<text bytes="12" sha1="abc" deleted="deleted" />',
    ),
    ("</revision>", "</revision><revision>"),
    ("</revision>", ""),
)
PAGES = (
    {},
    {"more": '<redirect title="B &#039;c&#039;" />'},
    {"more": "<restrictions>edit=sysop</restrictions>"},
    {"more": "<other>thing</other>"},
    {"ns": ""},
    {"ns": "<ns>x</ns>"},
    {"page_id": ""},
    {"page_id": "<id>0</id>"},
    {"title": ""},
    {"title": ":"},
    {"title": "Talk:A &lt; b &unknown;"},
)


BLOCKS = (1 << 20, 400, 30)


Read = tuple[dict[int, PageState], list[tuple[str, ...]], bool, object]


def read(reader: type[DumpReader | BlockReader], data: bytes) -> Read:
    """States by page, problems, whether the end was reached, and the head."""
    problems: list[tuple[str, ...]] = []
    made = reader(
        io.BytesIO(data),
        BEGINNING,
        lambda found: problems.append((found.table, found.row, found.code, found.detail)),
    )
    states: dict[int, PageState] = {}
    is_whole, site = True, None
    try:
        site = made.site
        for page_id, state in made:
            states[page_id] = join(states.get(page_id, EMPTY), state)
    except DumpError:
        is_whole = False
    return states, problems, is_whole, site


def assert_same(data: bytes, blocks: tuple[int, ...] = BLOCKS) -> Read:
    expected = read(DumpReader, data)
    for size in blocks:
        with patch.object(dump_blocks, "BLOCK_BYTES", size):
            found = read(BlockReader, data)
        if expected[2]:
            assert found == expected
        else:
            # of a page that damage cuts, the blocks may have said something already
            assert found[1:3] == expected[1:3]
            assert {number: found[0][number] for number in expected[0]} == expected[0]
    return expected


@pytest.mark.parametrize("written,instead", ODD)
def test_an_odd_revision_between_usual_ones(written: str, instead: str) -> None:
    assert written in REVISION
    odd = REVISION.replace(written, instead, 1)
    for version, (first, last) in product(
        ("0.6", "0.11"), (("", ""), (SECOND, ""), ("", SECOND), (SECOND, SECOND))
    ):
        data = wiki(page(first, odd, last), page(SECOND, page_id="<id>8</id>"), version=version)
        assert_same(data.encode())


@pytest.mark.parametrize("kwargs", PAGES, ids=str)
def test_an_odd_page_between_usual_ones(kwargs: dict[str, str]) -> None:
    usual = page(REVISION, page_id="<id>8</id>"), page(SECOND, page_id="<id>9</id>")
    assert_same(wiki(usual[0], page(REVISION, SECOND, **kwargs), page(**kwargs), usual[1]).encode())


@pytest.mark.parametrize(
    "head",
    [
        "",
        '<?xml version="1.0" encoding="utf-8"?>\n',
        "<?xml version='1.0'?>",
        "<!-- a -->",
        "<!DOCTYPE a>",
        "\ufeff",
        "x",
    ],
)
def test_what_may_stand_before_it(head: str) -> None:
    assert_same((head + wiki(page(REVISION), page(SECOND, page_id="<id>8</id>"))).encode())


@pytest.mark.parametrize(
    "before,after",
    [
        ("", ""),
        ("<foo>", "</foo>"),
        ('<mediawiki version="0.11"/>', ""),
        ('<mediawiki version="0.11"></mediawiki>', ""),
        ('<mediawiki version="0.11" ', "></mediawiki>"),
        ('<mediawiki version="0.11"><foo a=">', '" /></mediawiki>'),
    ],
)
def test_a_root_that_is_missing_or_damaged(before: str, after: str) -> None:
    # given pages that are as the exporter writes them, and around them nothing that holds such pages
    data = before + page(REVISION) + page(SECOND, page_id="<id>8</id>") + after
    # then it is damaged for whoever reads it, and no page is believed
    assert_same(data.encode())
    states, _, is_whole, _ = read(BlockReader, data.encode())
    assert (states, is_whole) == ({}, False)


def test_pages_within_a_page_are_for_the_parser() -> None:
    inner = (page(SECOND, page_id=f"<id>{number}</id>") for number in (8, 9, 10))
    assert_same(wiki(page(*inner)).encode())


def test_another_encoding_than_the_usual() -> None:
    data = '<?xml version="1.0" encoding="iso-8859-1"?>' + wiki(page(REVISION.replace("Alice", "Zoë")))
    states = assert_same(data.encode("latin-1"))[0]
    assert states[7].revisions[5].author == Author(BEGINNING, 0, 0, 4, "Zoë")


def test_a_usual_dump_needs_no_parser_but_for_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a reader whose parser may not see revisions
    fed: list[bytes] = []
    feed = BlockReader._feed
    monkeypatch.setattr(
        BlockReader, "_feed", lambda self, data, **end: (fed.append(data), feed(self, data, **end))[1]
    )
    # when it reads pages as the exporter writes them
    read(BlockReader, wiki(page(REVISION, SECOND), page(REVISION, page_id="<id>8</id>")).encode())
    # then no revision came to it
    assert b"<revision>" not in b"".join(fed)


def test_damage_is_told_by_its_line() -> None:
    data = wiki(
        page(REVISION, SECOND), page(REVISION.replace("</revision>", "</broken>"), page_id="<id>8</id>")
    )
    lines = []
    for reader in (DumpReader, BlockReader):
        with pytest.raises(DumpError, match="mismatched tag") as raised:
            list(reader(io.BytesIO(data.encode()), BEGINNING, print))
        lines.append(raised.value.line)
    assert lines[0] == lines[1]


@pytest.mark.skipif(not DATA.exists(), reason="the shared dumps are not on this machine")
@pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.name)
def test_real_dumps(path: Path) -> None:
    data = path.read_bytes()
    assert_same(bz2.decompress(data) if path.suffix == ".bz2" else data, (100_000,))


@given(st.data())
def test_pieces_put_together_anyhow(data: st.DataObject) -> None:
    """Cut anywhere, anything in between."""
    whole = wiki(page(REVISION, SECOND), page(SECOND, page_id="<id>8</id>"))
    place = data.draw(st.integers(0, len(whole)))
    more = data.draw(
        st.sampled_from(
            ["", "<", ">", "&", "&amp;", "</page>", "<page>", "<revision>", "</revision>", "<a/>", "ü", "\r"]
        )
    )
    skipped = data.draw(st.integers(0, 30))
    assert_same((whole[:place] + more + whole[place + skipped :]).encode())
