import pytest

from shared_logic.clock import from_iso
from shared_logic.eventify.tables import TablesError
from shared_logic.history.log_row import Actor, Issue
from shared_logic.history.page_history import PageSeed
from tests.history.page_seeds import page_seeds

PAGE = {"page_id": "1", "page_namespace": "10", "page_title": "Navbox", "page_is_redirect": "1"}
REVISION = {"rev_id": "5", "rev_page": "1", "rev_actor": "3", "rev_timestamp": "20210101000000"}
ARCHIVED = {
    "ar_id": "1",
    "ar_namespace": "0",
    "ar_title": "Gone",
    "ar_actor": "3",
    "ar_timestamp": "20200101000000",
    "ar_rev_id": "2",
    "ar_page_id": "9",
}
ACTOR = {"actor_id": "3", "actor_user": "4", "actor_name": "Alice"}
ALICE = Actor(user_id=4, name="Alice", is_anonymous=False)


def read(**tables):
    """Seeds by page id, and what was odd: table, key and code."""
    tables = {"page": [PAGE], "revision": [REVISION], "actor": [ACTOR]} | tables
    found = list(page_seeds(tables, "testwiki"))
    seeds = {one.page_id: one for one in found if isinstance(one, PageSeed)}
    return seeds, [(one.table, one.key, one.code) for one in found if isinstance(one, Issue)]


def seeds(**tables):
    found, odd = read(**tables)
    assert odd == []
    return found


def test_a_present_page():
    assert seeds() == {
        1: PageSeed(
            wiki="testwiki",
            page_id=1,
            namespace=10,
            title="Navbox",
            first_edit=from_iso("2021-01-01T00:00:00Z"),
            creator=ALICE,
            is_redirect=True,
            is_deleted=False,
        )
    }


def test_a_deleted_page():
    assert seeds(archive=[ARCHIVED])[9] == PageSeed(
        wiki="testwiki",
        page_id=9,
        namespace=0,
        title="Gone",
        first_edit=from_iso("2020-01-01T00:00:00Z"),
        creator=ALICE,
        is_redirect=None,
        is_deleted=True,
    )


def test_a_deleted_page_has_the_title_of_its_latest_revision_and_the_creator_of_its_first():
    later = {"ar_timestamp": "20200301000000", "ar_rev_id": "3", "ar_actor": "7", "ar_title": "Last"}
    middle = {"ar_timestamp": "20200201000000", "ar_rev_id": "8", "ar_actor": "7", "ar_title": "Middle"}
    archive = [ARCHIVED | later, ARCHIVED, ARCHIVED | middle]
    seed = seeds(archive=archive)[9]
    assert (seed.title, seed.first_edit, seed.creator) == ("Last", from_iso("2020-01-01T00:00:00Z"), ALICE)


def test_a_deleted_page_whose_title_is_in_use_is_a_page_all_the_same():
    # given that page 1 bears the title now: upstream leaves page 9 out (T320860)
    found = seeds(archive=[ARCHIVED | {"ar_title": "Navbox", "ar_namespace": "10"}])
    assert {page_id: seed.title for page_id, seed in found.items()} == {1: "Navbox", 9: "Navbox"}


def test_two_deleted_pages_of_one_title_are_two():
    other = {"ar_page_id": "8", "ar_rev_id": "3"}
    assert set(seeds(archive=[ARCHIVED, ARCHIVED | other])) == {1, 8, 9}


def test_the_first_revision_may_be_archived():
    seed = seeds(archive=[ARCHIVED | {"ar_page_id": "1"}])[1]
    assert (seed.first_edit, seed.is_deleted) == (from_iso("2020-01-01T00:00:00Z"), False)


def test_of_one_second_the_smaller_id_is_the_first():
    other = REVISION | {"rev_id": "4", "rev_actor": "6"}
    bob = {"actor_id": "6", "actor_user": None, "actor_name": "192.0.2.1"}
    found = seeds(revision=[REVISION, other], actor=[ACTOR, bob])
    assert found[1].creator == Actor(user_id=None, name="192.0.2.1", is_anonymous=True)


def test_a_creator_who_is_hidden_or_unknown_is_nobody():
    assert seeds(revision=[REVISION | {"rev_deleted": "4"}])[1].creator is None
    assert seeds(actor=[])[1].creator is None
    assert seeds(revision=[REVISION | {"rev_deleted": "2"}])[1].creator == ALICE


def test_actors_in_a_table_of_their_own():
    found = seeds(
        revision=[REVISION | {"rev_actor": "0"}],
        revision_actor_temp=[{"revactor_rev": "5", "revactor_actor": "3"}],
    )
    assert found[1].creator == ALICE


def test_an_archived_row_of_a_live_revision_does_not_count():
    found, odd = read(archive=[ARCHIVED | {"ar_rev_id": "5"}])
    assert set(found) == {1}
    assert odd == [("archive", "5", "live")]


def test_of_two_archived_rows_of_one_revision_the_later_counts():
    found, odd = read(archive=[ARCHIVED, ARCHIVED | {"ar_timestamp": "20200301000000"}])
    assert found[9].first_edit == from_iso("2020-03-01T00:00:00Z")
    assert odd == [("archive", "2", "copy")]


def test_very_old_archived_rows_have_no_revision_id():
    old = ARCHIVED | {"ar_rev_id": None}
    found = seeds(archive=[old, old | {"ar_timestamp": "20190101000000"}])
    assert found[9].first_edit == from_iso("2019-01-01T00:00:00Z")


def test_a_page_without_revision_is_kept():
    found, odd = read(revision=[])
    assert (found[1].title, found[1].first_edit, found[1].creator) == ("Navbox", None, None)
    assert odd == [("page", "1", "no-revision")]


@pytest.mark.parametrize(
    "tables, issue",
    [
        ({"page": [PAGE | {"page_title": None}]}, ("page", "1", "no-title")),
        ({"page": [PAGE | {"page_id": "0"}]}, ("page", "0", "not-positive")),
        ({"page": [PAGE | {"page_namespace": "x"}]}, ("page", "1", "not-a-number")),
        ({"revision": [REVISION, REVISION | {"rev_timestamp": ""}]}, ("revision", "5", "bad-timestamp")),
        (
            {"revision": [REVISION, REVISION | {"rev_timestamp": "19891231235959"}]},
            ("revision", "5", "bad-timestamp"),
        ),
        ({"revision": [REVISION, REVISION | {"rev_page": None}]}, ("revision", "5", "not-a-number")),
        ({"revision": [REVISION, REVISION | {"rev_page": "0"}]}, ("revision", "5", "not-positive")),
        ({"archive": [ARCHIVED | {"ar_page_id": "0"}]}, ("archive", "1", "not-positive")),
        ({"archive": [ARCHIVED | {"ar_page_id": None}]}, ("archive", "1", "not-a-number")),
        ({"archive": [ARCHIVED | {"ar_title": ""}]}, ("archive", "1", "no-title")),
    ],
)
def test_a_row_that_can_not_be_used_is_an_issue(tables, issue):
    found, odd = read(**tables)
    assert odd == [issue]
    assert 9 not in found


def test_a_table_that_is_missing_is_named():
    with pytest.raises(TablesError, match="testwiki: the table revision is missing; given: page"):
        list(page_seeds({"page": [PAGE]}, "testwiki"))
