import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_logic.clock import from_iso
from shared_logic.history.log_row import Actor, Issue, LogRow, without_copies
from shared_logic.history.page_events import (
    NO_NAMESPACE,
    Namespaces,
    PageEvent,
    PageEventType,
    normalized_title,
    page_events,
)

NAMESPACES = Namespaces(
    localized={"Benutzer": 2, "Diskussion": 1, "Vorlage": 10},
    canonical={"User": 2, "Talk": 1, "Template": 10, "Vorlage": 999},
    content=frozenset({0}),
)
ROW = LogRow(
    wiki="testwiki",
    log_id=7,
    log_type="move",
    log_action="move",
    at=from_iso("2021-01-01T00:00:00Z"),
    namespace=0,
    title="Old_title",
    page_id=5,
    actor=Actor(user_id=1, central_id=11, name="Alice", is_anonymous=False),
    comment="better",
    params="New title",
)


def row(**changes):
    return msgspec.structs.replace(ROW, **changes)


def read(log_row):
    """The only event of a row that is not odd."""
    (event,) = page_events(log_row, NAMESPACES)
    assert isinstance(event, PageEvent)
    return event


def oddity(log_row):
    """Whether there is an event all the same, and the code of what is odd."""
    found = list(page_events(log_row, NAMESPACES))
    (issue,) = (one for one in found if isinstance(one, Issue))
    assert (issue.wiki, issue.table, issue.key) == ("testwiki", "logging", "7")
    return len(found) == 2, issue.field, issue.code


# --- which rows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "log_type, log_action, event_type",
    [
        ("move", "move", "move"),
        ("move", "move_redir", "move"),
        ("move", "anything", "move"),
        ("delete", "delete", "delete"),
        ("delete", "delete_redir", "delete"),
        ("delete", "restore", "restore"),
        ("create", "create", "create-page"),
        ("merge", "merge", "merge"),
    ],
)
def test_rows_that_tell_of_pages(log_type, log_action, event_type):
    assert read(row(log_type=log_type, log_action=log_action)).event_type == event_type


@pytest.mark.parametrize(
    "log_type, log_action",
    [
        ("delete", "revision"),
        ("delete", "flow-restore-post"),
        ("create", "other"),
        ("merge", "other"),
        ("protect", "move_prot"),
        ("suppress", "delete"),
        ("upload", "upload"),
    ],
)
def test_rows_that_tell_of_something_else(log_type, log_action):
    assert list(page_events(row(log_type=log_type, log_action=log_action), NAMESPACES)) == []


# --- what they say ------------------------------------------------------------------------------------------------


def test_what_a_move_says():
    target = 'a:2:{s:9:"4::target";s:13:"Benutzer:Ä b";s:10:"5::noredir";s:1:"0";}'
    event = read(row(params=target, namespace=1))
    assert (event.wiki, event.log_id, event.at, event.page_id) == ("testwiki", 7, ROW.at, 5)
    assert event.old_key == ("testwiki", 1, "Old_title")
    assert event.new_key == ("testwiki", 2, "Ä_b")
    assert event.comment == "better"
    assert event.params == {"4::target": "Benutzer:Ä b", "5::noredir": "0"}


def test_others_keep_title_and_namespace():
    event = read(row(log_type="delete", log_action="delete", namespace=3, title=" as is ", params=None))
    assert event.old_key == event.new_key == ("testwiki", 3, " as is ")
    assert event.params == {}


def test_parameters_that_are_no_array_are_the_target_and_stand_unparsed():
    event = read(row(params="Benutzer:New title"))
    assert event.new_key == ("testwiki", 2, "New_title")
    assert event.params == {"unparsed": "Benutzer:New title"}


@pytest.mark.parametrize(
    "title, normalized",
    [
        ("A title", "A_title"),
        ("  A  title ", "A__title"),
        ("A title\n1", "A_title"),
        ("A_title\n2", "A_title\n2"),
        ("\x00A\t\r\n", "A"),
        ("\N{NO-BREAK SPACE}A", "\N{NO-BREAK SPACE}A"),
        ("", ""),
    ],
)
def test_titles_are_normalized(title, normalized):
    assert normalized_title(title) == normalized
    if normalized:
        event = read(row(title=title, params=title))
        assert event.old_title == event.new_title == normalized


def test_a_namespace_that_is_not_told():
    event = read(row(namespace=None))
    assert event.old_namespace == NO_NAMESPACE == -2_147_483_648


# --- prefixes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target, namespace, title",
    [
        ("Title", 0, "Title"),
        ("Benutzer:A", 2, "A"),
        ("User:A", 2, "A"),
        ("user:A", 2, "A"),
        ("Vorlage:A", 10, "A"),
        ("User:A:b", 2, "A:b"),
        (":A", 0, "A"),
        ("Mission: Impossible", 0, "Mission:_Impossible"),
    ],
)
def test_prefixes_are_localized_then_canonical_names(target, namespace, title):
    event = read(row(params=target))
    assert (event.new_namespace, event.new_title) == (namespace, title)


def test_a_colon_belongs_to_the_title_where_no_namespace_is_called_so():
    # given a page that began so before
    event = read(row(title="Mission:Impossible", params="Mission:Impossible (film)"))
    # then the move is kept, which upstream loses
    assert event.new_key == ("testwiki", 0, "Mission:Impossible_(film)")


def test_the_prefix_of_a_lost_namespace_is_doubtful():
    assert oddity(row(params="Portal:Philosophy")) == (True, "log_params", "unknown-prefix")
    assert oddity(row(title="Portal:A", namespace=100, params="Portal:B")) == (
        True,
        "log_params",
        "unknown-prefix",
    )


def test_namespaces_of_a_site():
    namespaces = Namespaces.of(
        [
            (0, "", "", True),
            (1, "Talk", "Diskussion", False),
            (3, "User talk", "Benutzer Diskussion", False),
            (104, "Index", "Index", True),
        ]
    )
    assert namespaces.content == {0, 104}
    assert (namespaces.number("Benutzer_Diskussion"), namespaces.number("User_talk")) == (3, 3)
    assert namespaces.number("") is None
    assert namespaces.number("Portal") is None


# --- page ids -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event_type, at, page_id, usable",
    [
        ("move", "2014-09-25T23:59:59Z", 5, None),
        ("move", "2014-09-26T00:00:00Z", 5, 5),
        ("delete", "2016-05-05T23:59:59Z", 5, None),
        ("delete", "2016-05-06T00:00:00Z", 5, 5),
        ("restore", "2016-05-05T23:59:59Z", 5, None),
        ("restore", "2016-05-06T00:00:00Z", 5, 5),
        ("merge", "2010-01-01T00:00:00Z", 5, 5),
        ("create-page", "2010-01-01T00:00:00Z", 5, 5),
        ("move", "2021-01-01T00:00:00Z", 0, None),
        ("move", "2021-01-01T00:00:00Z", -1, None),
        ("move", "2021-01-01T00:00:00Z", None, None),
    ],
)
def test_page_ids_that_can_be_trusted(event_type, at, page_id, usable):
    event = msgspec.structs.replace(
        read(row()), event_type=PageEventType(event_type), at=from_iso(at), page_id=page_id
    )
    assert event.usable_page_id == usable


# --- who ----------------------------------------------------------------------------------------------------------


def cause(**actor):
    return read(row(actor=Actor(**actor))).caused_by


def test_who_did_it():
    assert cause(user_id=1, central_id=11, name="Alice") == Actor(user_id=1, central_id=11, name="Alice")


def test_ids_count_only_where_the_name_is_known():
    assert cause(user_id=1, central_id=11, name=None) == Actor()
    assert read(row(actor=None)).caused_by == Actor()


@pytest.mark.parametrize(
    "anonymous, temporary, flags",
    [
        (False, True, (False, True, False)),
        (None, True, (False, True, False)),
        (False, False, (False, False, True)),
        (None, False, (False, False, True)),
        (True, False, (True, False, False)),
        (True, None, (True, False, False)),
        (False, None, (False, None, None)),
        (None, None, (None, None, None)),
    ],
)
def test_flags_follow_from_what_is_known(anonymous, temporary, flags):
    actor = cause(name="A", is_anonymous=anonymous, is_temporary=temporary)
    assert (actor.is_anonymous, actor.is_temporary, actor.is_permanent) == flags


def test_nobody_is_both_anonymous_and_temporary():
    odd = row(actor=Actor(user_id=1, name="A", is_anonymous=True, is_temporary=True))
    assert oddity(odd) == (True, "log_actor", "anonymous-and-temporary")
    (event,) = (one for one in page_events(odd, NAMESPACES) if isinstance(one, PageEvent))
    assert event.caused_by == Actor(user_id=1, name="A")


# --- what can't be used -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, field, code",
    [
        ({"title": None}, "log_title", "no-title"),
        ({"title": None, "log_type": "delete", "log_action": "delete"}, "log_title", "no-title"),
        ({"params": None}, "log_params", "no-target"),
        ({"params": ""}, "log_params", "no-target"),
        ({"params": " \n"}, "log_params", "no-target"),
        ({"params": "User:"}, "log_params", "no-target"),
        ({"params": "a:0:{}"}, "log_params", "no-target"),
        ({"params": 'a:1:{s:9:"4::target";i:7;}'}, "log_params", "no-target"),
        ({"at": from_iso("1989-12-31T23:59:59Z")}, "log_timestamp", "bad-timestamp"),
    ],
)
def test_rows_that_can_not_be_used_are_told(changes, field, code):
    assert oddity(row(**changes)) == (False, field, code)


@given(
    st.builds(
        LogRow,
        wiki=st.just("testwiki"),
        log_id=st.integers(),
        log_type=st.sampled_from(["move", "delete", "create", "merge"]),
        log_action=st.sampled_from(["move", "delete", "restore", "create", "merge"]),
        at=st.integers(),
        title=st.none() | st.text("A: _\n1", max_size=5),
        params=st.none() | st.text("A:Talk _\n1", max_size=8),
    )
)
def test_a_row_about_pages_is_an_event_or_an_issue(log_row):
    found = list(page_events(log_row, NAMESPACES))
    about_pages = (log_row.log_type == "move") or (log_row.log_type, log_row.log_action) in {
        ("delete", "delete"),
        ("delete", "restore"),
        ("create", "create"),
        ("merge", "merge"),
    }
    assert bool(found) == about_pages
    assert sum(isinstance(one, PageEvent) for one in found) <= 1


# --- rows that are there twice ------------------------------------------------------------------------------------


def test_of_copies_the_least_log_id_counts():
    # given three rows that differ in log id and page id only, and one that says something else
    copies = [row(log_id=12, page_id=0), row(log_id=10, page_id=4), row(log_id=11)]
    other = row(log_id=9, comment="other")
    # when
    found = list(without_copies([*copies, other]))
    # then
    assert [one for one in found if isinstance(one, LogRow)] == [other, row(log_id=10, page_id=4)]
    assert [(one.key, one.code) for one in found if isinstance(one, Issue)] == [
        ("11", "copy"),
        ("12", "copy"),
    ]
