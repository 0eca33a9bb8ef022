import gzip
import re
from pathlib import Path

import pytest

from shared_logic import entities, things
from shared_logic.clock import from_iso, from_mediawiki
from shared_logic.eventify.tables import (
    RevisionRow,
    TablesError,
    archived_page,
    base36_sha1,
    folded_sha1,
    page_state_of_row,
    revision_state,
    states,
)
from shared_logic.states.page_state import (
    EMPTY,
    Author,
    Existence,
    PageState,
    Presence,
    Redirect,
    RevisionState,
    Suppression,
    Tags,
    Title,
    Visibility,
    join,
)

BEGINNING = from_iso("2022-01-01T00:00:00.750Z")
AT = (from_iso("2022-01-01T00:00:00Z"), 0, 0)
LOCAL = Path(__file__).parents[2].parent / "shared" / "data" / "mediawiki-local"

PAGE = {"page_id": "1", "page_namespace": "10", "page_title": "Navbox", "page_is_redirect": "0"}
REVISION = {
    "rev_id": "5",
    "rev_page": "1",
    "rev_comment_id": "7",
    "rev_actor": "3",
    "rev_timestamp": "20210101000000",
    "rev_minor_edit": "1",
    "rev_deleted": "0",
    "rev_len": "12",
    "rev_parent_id": "0",
    "rev_sha1": "abc",
}
ARCHIVE = {
    "ar_id": "1",
    "ar_namespace": "0",
    "ar_title": "Gone",
    "ar_comment_id": "7",
    "ar_actor": "3",
    "ar_timestamp": "20200101000000",
    "ar_minor_edit": "0",
    "ar_rev_id": "2",
    "ar_deleted": "0",
    "ar_len": "9",
    "ar_page_id": "9",
    "ar_parent_id": "0",
    "ar_sha1": "def",
}
ACTOR = {"actor_id": "3", "actor_user": "4", "actor_name": "Alice"}
COMMENT = {"comment_id": "7", "comment_text": "hello"}


def read(**tables):
    """Joined states by page, and the problems."""
    problems = []
    tables = {"page": [PAGE], "revision": [REVISION], "actor": [ACTOR], "comment": [COMMENT]} | tables
    pages = {}
    for entity, state in states(tables, "testwiki", BEGINNING, problems.append):
        if isinstance(state, PageState):
            pages[entity.id] = join(pages.get(entity.id, EMPTY), state)
    return pages, problems


def revision_of(**tables):
    pages, problems = read(**tables)
    assert problems == []
    return pages[1].revisions[5]


def test_a_row_is_facts_and_registers_as_of_the_beginning():
    row = RevisionRow(
        rev_id=5,
        page_id=1,
        timestamp="20210101000000",
        parent_id=0,
        size=12,
        sha1="abc",
        minor=True,
        deleted=2,
        user_id=4,
        user_text="Alice",
        comment="hello",
        archived=True,
        tags=("b",),
    )
    assert revision_state(row, BEGINNING) == PageState(
        revisions={
            5: RevisionState(
                timestamp=from_mediawiki("20210101000000"),
                parent_id=0,
                size=12,
                sha1="abc",
                minor=True,
                comment="hello",
                author=Author(*AT, 4, "Alice"),
                presence=Presence(*AT, 1, False),
                visibility=Visibility(*AT, 2),
                suppressed=Suppression(*AT, False),
                tags=Tags(*AT, ("b",)),
            )
        }
    )


def test_what_a_row_does_not_tell_stays_unknown():
    row = RevisionRow(rev_id=5, page_id=None, timestamp="20210101000000")
    state = revision_state(row, BEGINNING).revisions[5]
    assert (state.parent_id, state.size, state.author, state.presence, state.tags) == (None,) * 5
    assert state.visibility == Visibility(*AT, 0)


@pytest.mark.parametrize(
    "users,by_temporary",
    [
        ([{"user_id": "4", "user_is_temp": "1"}, {"user_id": "5", "user_is_temp": "0"}], True),
        ([{"user_id": "5", "user_is_temp": "1"}, {"user_id": "4", "user_is_temp": "0"}], False),
        ([{"user_id": "4"}], None),
        ([], None),
    ],
)
def test_the_table_of_users_tells_who_is_temporary(users, by_temporary):
    # given a revision of user 4, where the table has the column, or is older, or is not there
    users = [{"user_name": "*Unregistered 1", "user_registration": None} | user for user in users]
    # then its revisions are so
    assert revision_of(user=users).by_temporary is by_temporary
    # and an address has no account that might be
    address = ACTOR | {"actor_user": None, "actor_name": "192.0.2.1"}
    assert revision_of(user=users, actor=[address]).by_temporary is None


def test_pages_live_and_archived():
    assert page_state_of_row(10, "Navbox", True, BEGINNING) == PageState(
        title=Title(*AT, 10, "Navbox"),
        redirect=Redirect(*AT, True),
        existence=Existence(*AT, True),
        surveyed=AT,
    )
    assert archived_page(0, "Gone", BEGINNING) == PageState(
        title=Title(*AT, 0, "Gone"), existence=Existence(*AT, False), surveyed=AT
    )


def test_tables_are_joined():
    pages, problems = read(
        change_tag=[
            {"ct_id": "1", "ct_rev_id": "5", "ct_tag_id": "2"},
            {"ct_id": "2", "ct_rev_id": "5", "ct_tag_id": "1"},
            {"ct_id": "3", "ct_rev_id": None, "ct_tag_id": "1"},
            {"ct_id": "4", "ct_rev_id": "5", "ct_tag_id": "99"},
        ],
        change_tag_def=[{"ctd_id": "1", "ctd_name": "mw-undo"}, {"ctd_id": "2", "ctd_name": "bot"}],
    )
    assert problems == []
    assert pages == {
        1: PageState(
            title=Title(*AT, 10, "Navbox"),
            redirect=Redirect(*AT, False),
            existence=Existence(*AT, True),
            surveyed=AT,
            revisions={
                5: RevisionState(
                    timestamp=from_mediawiki("20210101000000"),
                    parent_id=0,
                    size=12,
                    sha1="abc",
                    minor=True,
                    comment="hello",
                    author=Author(*AT, 4, "Alice"),
                    presence=Presence(*AT, 1, True),
                    visibility=Visibility(*AT, 0),
                    tags=Tags(*AT, ("bot", "mw-undo")),
                )
            },
        )
    }


def test_tags_are_unknown_without_their_tables_and_empty_with_them():
    assert revision_of().tags is None
    assert revision_of(change_tag=[]).tags is None
    assert revision_of(change_tag=[], change_tag_def=[]).tags == Tags(*AT, ())


def test_ids_of_the_temporary_tables_are_used_where_the_row_has_none():
    row = REVISION | {"rev_comment_id": "0", "rev_actor": "0"}
    assert revision_of(revision=[row]).comment is None
    found = revision_of(
        revision=[row],
        revision_comment_temp=[{"revcomment_rev": "5", "revcomment_comment_id": "7"}],
        revision_actor_temp=[{"revactor_rev": "5", "revactor_actor": "3"}],
    )
    assert (found.comment, found.author) == ("hello", Author(*AT, 4, "Alice"))


def test_an_address_has_no_user_id_and_a_missing_actor_no_author():
    address = {"actor_id": "3", "actor_user": None, "actor_name": "192.0.2.1"}
    assert revision_of(actor=[address]).author == Author(*AT, 0, "192.0.2.1")
    assert revision_of(actor=[]).author is None


def test_sha1_comes_from_the_slots_where_the_row_has_none():
    slots = {
        "slots": [
            {"slot_revision_id": "5", "slot_role_id": "1", "slot_content_id": "10"},
            {"slot_revision_id": "5", "slot_role_id": "2", "slot_content_id": "20"},
        ],
        "slot_roles": [{"role_id": "1", "role_name": "mediainfo"}, {"role_id": "2", "role_name": "main"}],
        "content": [
            {"content_id": "10", "content_sha1": "aaa"},
            {"content_id": "20", "content_sha1": "bbb"},
        ],
    }
    without = {name: value for name, value in REVISION.items() if name != "rev_sha1"}
    folded = base36_sha1(b"bbbaaa")
    assert revision_of(revision=[without], **slots).sha1 == folded
    assert revision_of(revision=[REVISION | {"rev_sha1": ""}], **slots).sha1 == folded
    assert revision_of(**slots).sha1 == "abc"
    one = slots | {"slots": slots["slots"][:1]}
    assert revision_of(revision=[without], **one).sha1 == "aaa"


def test_slots_without_sha1_are_left_out_as_in_the_reference_system():
    slots = {
        "slots": [
            {"slot_revision_id": "5", "slot_role_id": "1", "slot_content_id": "10"},
            {"slot_revision_id": "5", "slot_role_id": "2", "slot_content_id": "20"},
        ],
        "content": [{"content_id": "10", "content_sha1": "aaa"}, {"content_id": "20", "content_sha1": None}],
    }
    assert revision_of(revision=[REVISION | {"rev_sha1": None}], **slots).sha1 == "aaa"
    assert revision_of(revision=[REVISION | {"rev_sha1": None}]).sha1 is None


def test_sha1s_are_padded():
    assert base36_sha1(b"") == "phoiac9h4m842xq45sp7s6u21eteeq1"
    assert all(len(base36_sha1(str(number).encode())) == 31 for number in range(200))
    assert folded_sha1([]) is None


def test_archived_revisions_are_on_no_page_and_their_page_is_no_more():
    pages, problems = read(archive=[ARCHIVE])
    assert problems == []
    gone = pages[9]
    assert (gone.title, gone.existence, gone.cleared) == (Title(*AT, 0, "Gone"), Existence(*AT, False), None)
    assert gone.revisions[2].presence == Presence(*AT, 9, False)
    assert gone.revisions[2].author == Author(*AT, 4, "Alice")


def test_archived_revisions_of_a_live_page_do_not_end_it():
    pages, _ = read(archive=[ARCHIVE | {"ar_page_id": "1"}])
    assert pages[1].title == Title(*AT, 10, "Navbox")
    assert pages[1].existence == Existence(*AT, True)
    assert pages[1].revisions[2].presence == Presence(*AT, 1, False)


def test_an_archive_row_of_a_live_revision_is_dropped():
    pages, problems = read(archive=[ARCHIVE | {"ar_rev_id": "5", "ar_page_id": "1"}])
    assert [(problem.table, problem.row, problem.code) for problem in problems] == [("archive", "1", "copy")]
    assert pages[1].revisions[5].presence == Presence(*AT, 1, True)


@pytest.mark.parametrize("order", [1, -1])
def test_of_archive_rows_of_one_revision_the_latest_stays(order):
    older, newer = ARCHIVE, ARCHIVE | {"ar_id": "2", "ar_timestamp": "20200202000000", "ar_len": "8"}
    pages, _ = read(archive=[older, newer][::order])
    assert pages[9].revisions[2].size == 8


def test_the_title_archived_last_is_the_pages():
    first = ARCHIVE | {"ar_id": "8", "ar_title": "New", "ar_rev_id": "3"}
    pages, _ = read(archive=[first, ARCHIVE | {"ar_timestamp": "20210601000000"}])
    assert pages[9].title == Title(*AT, 0, "New")


@pytest.mark.parametrize("page_id", [None, "0", "-1"])
def test_an_archive_row_without_page_id_is_a_stray_revision(page_id):
    tables = {"page": [PAGE], "revision": [REVISION], "archive": [ARCHIVE | {"ar_page_id": page_id}]}
    found = dict(states(tables, "testwiki", BEGINNING, print))
    stray = things.stray_revision("testwiki", found[entities.stray("testwiki", 2)])
    assert (stray.title, stray.revision.rev_id, stray.revision.is_deleted) == ("Gone", 2, True)
    pages, problems = read(archive=[ARCHIVE | {"ar_page_id": page_id, "ar_title": ""}])
    assert set(pages) == {1}
    assert [(problem.table, problem.row, problem.code) for problem in problems] == [
        ("archive", "1", "no_page")
    ]


@pytest.mark.parametrize(
    "change,code",
    [
        ({"rev_id": "1" + "0" * 25}, "out_of_range"),
        ({"rev_id": str(2**63 + 5)}, "out_of_range"),
        ({"rev_id": "9" * 5_000}, "not_a_number"),
        ({"rev_id": "1_000"}, "not_a_number"),
        ({"rev_page": str(2**63)}, "out_of_range"),
        ({"rev_parent_id": str(2**64)}, "out_of_range"),
        ({"rev_len": "-5"}, "out_of_range"),
        ({"rev_len": str(2**32)}, "out_of_range"),
        ({"rev_timestamp": "2021"}, "bad_timestamp"),
        ({"rev_timestamp": None}, "bad_timestamp"),
        ({"rev_timestamp": "20211301000000"}, "bad_timestamp"),
        ({"rev_timestamp": "99991231235959"}, "bad_timestamp"),
        ({"rev_timestamp": "19891231235959"}, "bad_timestamp"),
        ({"rev_id": "x"}, "not_a_number"),
        ({"rev_id": None}, "not_a_number"),
        ({"rev_page": "0"}, "not_positive"),
        ({"rev_page": "-3"}, "not_positive"),
        ({"rev_len": "much"}, "not_a_number"),
    ],
)
def test_a_bad_row_is_a_problem_and_the_rest_goes_on(change, code):
    pages, problems = read(revision=[REVISION | {"rev_id": "4"} | change, REVISION])
    assert set(pages[1].revisions) == {5}
    (column,) = change
    assert [(problem.table, problem.field, problem.code) for problem in problems] == [
        ("revision", column, code)
    ]


@pytest.mark.parametrize(
    "table,row,field",
    [
        ("page", PAGE | {"page_namespace": "9999999999"}, "page_namespace"),
        ("logging", {"log_id": "1" + "0" * 22, "log_timestamp": "20210101000000"}, "log_id"),
        (
            "logging",
            {"log_id": "1", "log_timestamp": "20210101000000", "log_namespace": str(2**31)},
            "log_namespace",
        ),
        ("user", {"user_id": str(2**63), "user_name": "A"}, "user_id"),
        ("actor", {"actor_id": "1", "actor_user": str(2**64)}, "actor_user"),
        ("localuser", {"lu_local_id": "1", "lu_global_id": str(2**64)}, "lu_global_id"),
    ],
)
def test_numbers_that_nothing_can_hold_are_problems(table, row, field):
    _, problems = read(**({"page": [PAGE], "revision": [REVISION]} | {table: [row]}))
    assert [(found.table, found.field, found.code) for found in problems] == [(table, field, "out_of_range")]


def test_an_account_of_an_id_that_nothing_can_hold_is_not_made():
    made = {
        "log_id": "1", "log_type": "newusers", "log_title": "A", "log_timestamp": "20210101000000",
        "log_params": f'a:1:{{s:9:"4::userid";i:{2**63};}}',
    }  # fmt: skip
    found = states({"page": [], "revision": [], "logging": [made]}, "testwiki", BEGINNING, print)
    assert [entity.kind for entity, _ in found] == ["log"]


def test_bad_rows_of_other_tables_are_problems():
    pages, problems = read(
        page=[PAGE, PAGE | {"page_id": "x"}, PAGE | {"page_id": "2", "page_title": None}],
        actor=[ACTOR, {"actor_id": None}],
    )
    assert set(pages) == {1}
    assert [(problem.table, problem.code) for problem in problems] == [
        ("page", "not_a_number"),
        ("page", "no_title"),
        ("actor", "not_a_number"),
    ]


def test_needed_tables_and_columns():
    with pytest.raises(TablesError, match="testwiki: the table revision is missing; given: page"):
        states({"page": []}, "testwiki", 0, print)
    bad = {"page": [PAGE], "revision": [{"rev_id": "1"}]}
    with pytest.raises(TablesError, match="revision has no column rev_page, rev_timestamp"):
        list(states(bad, "testwiki", 0, print))


# --- real tables ----------------------------------------------------------------------------------------------


def table_rows(path):
    plain = {"t": "\t", "n": "\n", "\\": "\\"}
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        names = next(lines).rstrip("\n").split("\t")
        for line in lines:
            values = [
                None if value == r"\N" else re.sub(r"\\(.)", lambda found: plain[found[1]], value)
                for value in line.rstrip("\n").split("\t")
            ]
            yield dict(zip(names, values, strict=True))


@pytest.mark.parametrize(
    "wiki,live,archived", [("a-sqlite-seed11", 2254, 239), ("b-mysql-seed12", 1062, 112)]
)
def test_every_row_of_a_real_wiki_is_there(wiki, live, archived):
    folder = LOCAL / wiki / "tables"
    if not folder.exists():
        pytest.skip(f"{folder} is missing")
    tables = {path.name.removesuffix(".tsv.gz"): list(table_rows(path)) for path in folder.glob("*.tsv.gz")}
    problems = []
    pages = {}
    for entity, state in states(tables, wiki, from_iso("2027-01-01"), problems.append):
        if isinstance(state, PageState):
            pages[entity.id] = join(pages.get(entity.id, EMPTY), state)
    presences = [state.presence for page in pages.values() for state in page.revisions.values()]
    assert problems == []
    assert sum(one.is_live for one in presences) == len(tables["revision"]) == live
    assert sum(not one.is_live for one in presences) == len(tables["archive"]) == archived
    assert sum(page.existence.exists for page in pages.values()) == len(tables["page"])
    assert all(page.title for page in pages.values())
