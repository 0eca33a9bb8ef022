import bz2
import gzip
import io
from collections import Counter
from pathlib import Path

import py7zr
import pytest

from shared_logic.clock import from_iso
from shared_logic.eventify import dump, dump_elements
from shared_logic.eventify.dump import DumpReader
from shared_logic.eventify.dump_elements import DumpError, SiteInfo
from shared_logic.eventify.log_items import LogItem, read_logging
from shared_logic.eventify.tables import base36_sha1, states
from shared_logic.states.page_state import (
    EMPTY,
    Author,
    Existence,
    PageState,
    Presence,
    Redirect,
    RevisionState,
    Title,
    Visibility,
    join,
)
from tests.eventify.test_tables import table_rows

DATA = Path(__file__).parents[2].parent / "shared" / "data"
BEGINNING = from_iso("2026-01-01T00:00:00Z")
AT = (BEGINNING, 0, 0)

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-{0}/" version="{0}" xml:lang="en">
<siteinfo><sitename>Test</sitename><dbname>testwiki</dbname>
<namespaces><namespace key="0" /><namespace key="1">Talk</namespace><namespace key="4">Test talk</namespace></namespaces>
</siteinfo>
"""
REVISION = """<revision><id>5</id><parentid>4</parentid><timestamp>2021-01-01T00:00:00Z</timestamp>
<contributor><username>Alice</username><id>4</id></contributor><minor/><comment>hello &amp; more</comment>
<model>wikitext</model><format>text/x-wiki</format>
<text bytes="12" sha1="abc" location="tt:5" id="5" /><sha1>abc</sha1></revision>
"""


def page(*parts, title="Talk:A b", ns="<ns>1</ns>", page_id="<id>7</id>", more=""):
    return f"<page><title>{title}</title>{ns}{page_id}{more}{''.join(parts)}</page>\n"


def wiki(*pages, version="0.11", end="</mediawiki>"):
    return HEAD.format(version) + "".join(pages) + end


def read(text):
    problems = []
    found = list(DumpReader(io.BytesIO(text.encode()), BEGINNING, problems.append))
    return found, [(problem.table, problem.row, problem.code) for problem in problems]


def one(text):
    found, problems = read(text)
    assert problems == []
    (only,) = found
    return only[1]


def revision(fields, version="0.11"):
    text = f"<revision><id>5</id><timestamp>2021-01-01T00:00:00Z</timestamp>{fields}</revision>"
    return one(wiki(page(text), version=version)).revisions[5]


def test_a_stub_page_is_facts_and_registers_as_of_the_beginning():
    assert read(wiki(page(REVISION, more='<redirect title="B" />'))) == (
        [
            (
                7,
                PageState(
                    title=Title(*AT, 1, "A_b"),
                    redirect=Redirect(*AT, True),
                    existence=Existence(*AT, True),
                    revisions={
                        5: RevisionState(
                            timestamp=from_iso("2021-01-01T00:00:00Z"),
                            parent_id=4,
                            size=12,
                            sha1="abc",
                            minor=True,
                            comment="hello & more",
                            author=Author(*AT, 4, "Alice"),
                            presence=Presence(*AT, 7, True),
                            visibility=Visibility(*AT, 0),
                        )
                    },
                ),
            )
        ],
        [],
    )


def test_the_head_can_be_read_first():
    site = SiteInfo(
        dbname="testwiki", sitename="Test", version=(0, 11), namespaces={"": 0, "Talk": 1, "Test talk": 4}
    )
    data = wiki(page(REVISION)).encode()
    reader = DumpReader(io.BytesIO(data), BEGINNING, print)
    assert reader.site == site
    assert [page_id for page_id, _ in reader] == [7]


def test_a_namespace_that_is_not_told_comes_from_the_prefix():
    assert one(wiki(page(ns="", title="Test talk:A"), version="0.3")).title == Title(*AT, 4, "A")
    assert one(wiki(page(ns="", title="Mission: A"), version="0.3")).title == Title(*AT, 0, "Mission:_A")


def test_without_namespaces_a_title_is_unknown_not_guessed():
    found, problems = read("<mediawiki>" + page(REVISION, ns="") + "</mediawiki>")
    assert found[0][1].title is None
    assert set(found[0][1].revisions) == {5}
    assert problems == [("page", "7", "no_title")]


@pytest.mark.parametrize(
    "version,parent,redirect",
    [("0.3", None, None), ("0.4", None, False), ("0.6", None, False), ("0.7", 0, False), ("0.10", 0, False)],
)
def test_what_a_schema_can_not_tell_is_unknown(version, parent, redirect):
    text = "<revision><id>5</id><timestamp>2021-01-01T00:00:00Z</timestamp><text>x</text></revision>"
    state = one(wiki(page(text), version=version))
    assert state.revisions[5].parent_id == parent
    assert state.redirect == (None if redirect is None else Redirect(*AT, redirect))


@pytest.mark.parametrize(
    "contributor,author",
    [
        ("<contributor><username>Alice</username><id>4</id></contributor>", Author(*AT, 4, "Alice")),
        ("<contributor><username>en>Alice</username><id>0</id></contributor>", Author(*AT, 0, "en>Alice")),
        ("<contributor><ip>192.0.2.1</ip></contributor>", Author(*AT, 0, "192.0.2.1")),
        ("<contributor><username>Alice</username></contributor>", Author(*AT, 0, "Alice")),
        ("<contributor><ip /></contributor>", None),
        ("", None),
    ],
)
def test_authors(contributor, author):
    assert revision(contributor).author == author


def test_what_is_hidden_is_unknown_and_said_to_be_hidden():
    found = revision(
        '<contributor deleted="deleted" /><comment deleted="deleted" />'
        '<text bytes="233" sha1="abc" deleted="deleted" />'
    )
    assert (found.author, found.comment, found.visibility) == (None, None, Visibility(*AT, 7))
    assert (found.size, found.sha1) == (233, "abc")
    assert revision('<text bytes="-1" deleted="deleted" />').size is None
    assert revision('<text deleted="deleted" />').sha1 is None


def test_a_text_stands_for_its_size_and_sha1_where_they_are_not_told():
    found = revision('<text xml:space="preserve"> Ärger\n</text>', version="0.3")
    assert (found.size, found.sha1) == (8, base36_sha1(" Ärger\n".encode()))
    empty = revision('<text xml:space="preserve" />', version="0.3")
    assert (empty.size, empty.sha1) == (0, base36_sha1(b""))


def test_a_stub_without_bytes_tells_no_size():
    found = revision('<text id="5" />', version="0.3")
    assert (found.size, found.sha1) == (None, None)


def test_a_text_that_is_not_the_stored_one_gives_no_sha1():
    found = revision('<text bytes="99">x</text>')
    assert (found.size, found.sha1) == (99, None)
    assert revision('<text bytes="1">x</text><sha1>abc</sha1>').sha1 == "abc"


def test_several_slots_are_one_revision():
    slots = (
        '<text bytes="3" sha1="aaa" location="tt:1" id="1" />'
        "<content><role>mediainfo</role><origin>5</origin><model>m</model><format>f</format>"
        '<text bytes="4" sha1="bbb" location="tt:2" id="2" /></content>'
    )
    found = revision(slots)
    assert (found.size, found.sha1) == (7, base36_sha1(b"aaabbb"))
    assert revision(slots + "<sha1>ccc</sha1>").sha1 == "ccc"


@pytest.mark.parametrize(
    "bad,row,code",
    [
        ("<id>x</id><timestamp>2021-01-01T00:00:00Z</timestamp>", "x", "no_id"),
        ("<timestamp>2021-01-01T00:00:00Z</timestamp>", "line 5", "no_id"),
        ("<id>6</id><timestamp>yesterday</timestamp>", "6", "bad_timestamp"),
        ("<id>6</id><timestamp>2021-13-01T00:00:00Z</timestamp>", "6", "bad_timestamp"),
        ("<id>6</id><timestamp>1970-01-01T00:00:00Z</timestamp>", "6", "bad_timestamp"),
        ("<id>6</id><timestamp>9999-12-31T23:59:59Z</timestamp>", "6", "bad_timestamp"),
        ("<id>6</id>", "6", "bad_timestamp"),
        (f"<id>{2**63}</id><timestamp>2021-01-01T00:00:00Z</timestamp>", f"{2**63}", "no_id"),
        (f"<id>{'9' * 5_000}</id>", "9" * 5_000, "no_id"),
        (
            f"<id>6</id><parentid>{2**64}</parentid><timestamp>2021-01-01T00:00:00Z</timestamp>",
            "6",
            "out_of_range",
        ),
        (
            '<id>6</id><timestamp>2021-01-01T00:00:00Z</timestamp><text bytes="9999999999" />',
            "6",
            "out_of_range",
        ),
        (
            f"<id>6</id><contributor><username>A</username><id>{2**63}</id></contributor><timestamp>2021-01-01T00:00:00Z</timestamp>",
            "6",
            "out_of_range",
        ),
        ("<id>6</id><parentid>x</parentid><timestamp>2021-01-01T00:00:00Z</timestamp>", "6", "not_a_number"),
    ],
)
def test_a_bad_revision_is_a_problem_and_the_rest_goes_on(bad, row, code):
    found, problems = read(wiki(page(f"<revision>{bad}</revision>", REVISION)))
    assert set(found[0][1].revisions) == {5}
    assert problems == [("revision", row, code)]


def test_a_page_without_id_is_a_problem_and_the_rest_goes_on():
    found, problems = read(wiki(page(REVISION, page_id="", title="A"), page(REVISION)))
    assert [page_id for page_id, _ in found] == [7]
    assert problems == [("page", "A", "no_id")]


def test_a_page_with_very_many_revisions_comes_in_pieces(monkeypatch):
    monkeypatch.setattr(dump, "REVISIONS_PER_STATE", 2)
    revisions = [REVISION.replace("<id>5</id>", f"<id>{number}</id>") for number in range(10, 15)]
    found, _ = read(wiki(page(*revisions)))
    assert [len(state.revisions) for _, state in found] == [2, 2, 1]
    monkeypatch.undo()
    whole = one(wiki(page(*revisions)))
    assert join(join(found[0][1], found[1][1]), found[2][1]) == whole


def test_it_makes_no_difference_how_the_file_is_cut_into_parts(monkeypatch):
    text = wiki(page(REVISION), page(REVISION, page_id="<id>8</id>"))
    whole = read(text)
    monkeypatch.setattr(dump_elements, "CHUNK_BYTES", 7)
    assert read(text) == whole


@pytest.mark.parametrize("end", ["", "<page><title>x", "</page>", "&nbsp;</mediawiki>", "\x01</mediawiki>"])
def test_whole_pages_come_before_the_damage_is_told(end):
    found = []
    with pytest.raises(DumpError, match=r"line \d+, column \d+") as told:
        found.extend(DumpReader(io.BytesIO(wiki(page(REVISION), end=end).encode()), BEGINNING, print))
    assert told.value.line == 10


def test_whole_pages_before_damage_are_yielded():
    reader = iter(DumpReader(io.BytesIO(wiki(page(REVISION), end="<page>&nbsp;").encode()), BEGINNING, print))
    assert next(reader)[0] == 7
    with pytest.raises(DumpError, match="undefined entity"):
        next(reader)


@pytest.mark.parametrize(
    "text,why",
    [
        ("", "no element found"),
        ("no xml", "syntax error"),
        ("<html/>", "the outermost element is html"),
        ("<!DOCTYPE mediawiki><mediawiki/>", "document type"),
        ('<!DOCTYPE m [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><mediawiki>&c;</mediawiki>', "document type"),
        ('<!DOCTYPE m SYSTEM "file:///etc/hostname"><mediawiki/>', "document type"),
    ],
)
def test_what_is_no_dump_is_refused(text, why):
    with pytest.raises(DumpError, match=why):
        read(text)


def test_log_entries():
    text = wiki(
        "<logitem><id>3</id><timestamp>2021-01-01T00:00:00Z</timestamp>"
        "<contributor><username>Alice</username><id>4</id></contributor><comment>why</comment>"
        "<type>move</type><action>move</action><logtitle>Talk:A b</logtitle>"
        '<params xml:space="preserve">a:0:{}</params></logitem>'
        '<logitem><id>4</id><timestamp>2021-01-01T00:00:01Z</timestamp><contributor deleted="deleted" />'
        '<comment deleted="deleted" /><type>block</type><text deleted="deleted" /></logitem>'
    )
    at = from_iso("2021-01-01T00:00:00Z")
    assert list(read_logging(io.BytesIO(text.encode()))) == [
        LogItem(
            log_id=3,
            timestamp=at,
            type="move",
            action="move",
            title="Talk:A b",
            params="a:0:{}",
            user_id=4,
            user_text="Alice",
            comment="why",
        ),
        LogItem(
            log_id=4,
            timestamp=at + 1_000,
            type="block",
            action=None,
            title=None,
            params=None,
            user_id=0,
            user_text=None,
            comment=None,
        ),
    ]


def test_a_bad_log_entry_is_never_lost_in_silence():
    data = wiki("<logitem><id>3</id><type>move</type></logitem>").encode()
    problems = []
    assert list(read_logging(io.BytesIO(data), problems.append)) == []
    assert [(problem.table, problem.row, problem.code) for problem in problems] == [
        ("logging", "3", "bad_timestamp")
    ]
    with pytest.raises(DumpError, match="log entry"):
        list(read_logging(io.BytesIO(data)))


# --- real dumps -----------------------------------------------------------------------------------------------


def opened(path):
    if not DATA.exists():
        pytest.skip(f"{DATA} is missing")
    match path.suffix:
        case ".bz2":
            return bz2.open(path)
        case ".gz":
            return gzip.open(path)
        case ".7z":
            with py7zr.SevenZipFile(path) as archive:
                factory = py7zr.io.BytesIOFactory(1 << 28)
                archive.extractall(factory=factory)
                (product,) = factory.products.values()
                return io.BytesIO(product.read())
    return path.open("rb")


def counted(path):
    """Pages, revisions and problems of a file, and what was said of damage."""
    problems, damage, pages, revisions = Counter(), None, 0, 0
    with opened(path) as stream:
        try:
            for _, state in DumpReader(stream, BEGINNING, lambda told: problems.update([told.code])):
                pages += 1
                revisions += len(state.revisions)
        except DumpError as error:
            damage = str(error)
    return pages, revisions, dict(problems), damage


@pytest.mark.parametrize(
    "name,pages,revisions,problems",
    [
        ("aawiki-20260101-pages-meta-history.xml.7z", 507, 1307, {}),
        ("aawiki-20260101-pages-meta-current.xml.bz2", 507, 507, {}),
        ("ndswiki-2017-stub-meta-history-part1.xml.bz2", 22, 3504, {}),
        ("smallwiki-latest-pages-articles.xml.bz2", 2004, 2004, {}),
        ("perl-compat.revisions_test.xml", 5, 7, {}),
        ("pywikibot-article-pear.xml", 1, 4, {}),
        ("refinery-simplewiki-sample.xml", 2, 33, {}),
        ("refinery-mediawiki-dump-test.xml", 2, 3, {"no_id": 3}),
        ("wikiwho-finger-lakes-dummy.xml", 1, 27, {"no_id": 1}),
    ],
)
def test_real_dumps_give_all_they_hold(name, pages, revisions, problems):
    assert counted(DATA / "dumps" / name) == (pages, revisions, problems, None)


def test_every_minidump_parses():
    if not DATA.exists():
        pytest.skip(f"{DATA} is missing")
    found = [counted(path) for path in sorted((DATA / "dumps" / "minidumps").glob("*.xml.bz2"))]
    assert len(found) == 65
    assert sum(pages for pages, *_ in found) == sum(revisions for _, revisions, *_ in found) == 143
    assert all(not problems and damage is None for _, _, problems, damage in found)


def test_malformed_dumps_give_their_whole_pages():
    folder = DATA / "dumps" / "malformed"
    assert counted(folder / "enwiki-2006-45-pages.xml.bz2") == (
        45,
        45,
        {},
        "no element found (line 2127, column 11)",
    )
    pages, _, _, damage = counted(folder / "enwiki-infobox-1.xml.bz2")
    assert (pages, "mediawiki" in damage) == (0, True)


@pytest.mark.parametrize("wiki_name", ["a-sqlite-seed11", "b-mysql-seed12"])
@pytest.mark.parametrize("kind", ["stub-meta-history.xml.gz", "pages-meta-history.xml.bz2"])
def test_dumps_say_what_the_tables_say(wiki_name, kind):
    folder = DATA / "mediawiki-local" / wiki_name
    if not folder.exists():
        pytest.skip(f"{folder} is missing")
    names = ("revision", "page", "actor", "comment", "revision_comment_temp")
    tables = {name: table_rows(folder / "tables" / f"{name}.tsv.gz") for name in names}
    told = joined(
        (entity.id, state)
        for entity, state in states(tables, wiki_name, BEGINNING, print)
        if isinstance(state, PageState)
    )
    (path,) = (folder / "dumps").glob(f"*{kind}")
    with opened(path) as stream:
        dumped = joined(DumpReader(stream, BEGINNING, print))
    assert {page_id: (page.title, page.redirect) for page_id, page in dumped.items()} == {
        page_id: (page.title, page.redirect) for page_id, page in told.items()
    }
    compared = 0
    for page_id, page in told.items():
        others = dumped[page_id].revisions
        assert set(others) == set(page.revisions)
        for rev_id, state in page.revisions.items():
            compared += 1
            assert facts(others[rev_id], state) == facts(state, state)
    assert compared == {"a-sqlite-seed11": 2254, "b-mysql-seed12": 1062}[wiki_name]


def joined(said):
    pages = {}
    for page_id, state in said:
        pages[page_id] = join(pages.get(page_id, EMPTY), state)
    return pages


def facts(state, told):
    """What both sources tell: a dump leaves out names and comments that are hidden, and doesn't tell suppression."""
    hidden = told.visibility.bits
    return (
        state.timestamp,
        state.size,
        state.sha1,
        state.parent_id,
        state.minor,
        state.presence,
        state.visibility.bits & 7,
        None if hidden & 4 else state.author,
        None if hidden & 2 else state.comment,
    )


def test_real_log_dump():
    folder = DATA / "mediawiki-local" / "a-sqlite-seed11"
    (path,) = list((folder / "dumps").glob("*pages-logging.xml.gz")) or [folder]
    with opened(path) as stream:
        items = list(read_logging(stream))
    known = {row["log_id"]: row for row in table_rows(folder / "tables" / "logging.tsv.gz")}
    assert len(items) == 970
    assert all(item.type == known[str(item.log_id)]["log_type"] for item in items)
