from __future__ import annotations

import json
from pathlib import Path

import pytest

from batch.compressed import InputError
from batch.table_folders import wikis_in
from shared_logic.entities import page, user
from shared_logic.eventify.problems import Problem
from shared_logic.eventify.tables import states
from shared_logic.states.page_state import PageState
from shared_logic.states.user_state import UserState

MAP = (
    "aa.example.org,aa,Aa,aawiki,https://aa.example.org/,1.45,first-letter,0,,,first-letter,1\n"
    'aa.example.org,aa,Aa,aawiki,https://aa.example.org/,1.45,first-letter,1,Talk,"Über, uns",first-letter,0\n'
)


def page_row(wiki: str, title: str) -> str:
    return json.dumps(
        {"wiki_db": wiki, "page_id": 1, "page_namespace": 0, "page_title": title, "page_is_redirect": 0}
    )


def revision_row(wiki: str) -> str:
    return json.dumps({"wiki_db": wiki, "rev_id": 5, "rev_page": 1, "rev_timestamp": "20210101000000"})


def titles(folder: Path, wiki: str = "") -> dict[str, str]:
    found = {}
    for one in wikis_in(folder, wiki):
        for entity, state in states(one.tables, one.wiki, 0, print):
            if isinstance(state, PageState) and state.title is not None:
                assert entity == page(one.wiki, 1)
                found[one.wiki] = state.title.title
    return found


def test_several_wikis_by_a_column(tmp_path: Path) -> None:
    # given tables whose rows say which wiki they are of, one of them in parts
    (tmp_path / "page.jsonl").write_text(page_row("aawiki", "A") + "\n" + page_row("bbwiki", "B") + "\n")
    (tmp_path / "revision").mkdir()
    for number, wiki in enumerate(("aawiki", "bbwiki")):
        (tmp_path / "revision" / f"part-{number}.jsonl").write_text(revision_row(wiki) + "\n")
    # then each wiki has its own rows, and one can be asked for
    assert titles(tmp_path) == {"aawiki": "A", "bbwiki": "B"}
    assert titles(tmp_path, "bbwiki") == {"bbwiki": "B"}


def test_several_wikis_by_a_folder(tmp_path: Path) -> None:
    for wiki, title in (("aawiki", "A"), ("bbwiki", "B")):
        (tmp_path / wiki).mkdir()
        (tmp_path / wiki / "page.jsonl").write_text(page_row(wiki, title) + "\n")
        (tmp_path / wiki / "revision.jsonl").write_text(revision_row(wiki) + "\n")
    assert titles(tmp_path) == {"aawiki": "A", "bbwiki": "B"}


@pytest.mark.parametrize(
    "table, row",
    [
        ("archive", {"ar_id": 1, "ar_rev_id": 7, "ar_page_id": 2, "ar_namespace": 0, "ar_title": "B",
                     "ar_timestamp": "20210101000000"}),
        ("logging", {"log_id": 1, "log_type": "delete", "log_timestamp": "20210101000000"}),
        ("user", {"user_id": 1, "user_name": "Alice"}),
    ],
)  # fmt: skip
def test_a_wiki_without_a_page_is_there(tmp_path: Path, table: str, row: dict[str, object]) -> None:
    # given a second wiki, of which only another table tells
    (tmp_path / "page.jsonl").write_text(page_row("aawiki", "A"))
    (tmp_path / "revision.jsonl").write_text(revision_row("aawiki"))
    (tmp_path / f"{table}.jsonl").write_text(json.dumps({"wiki_db": "bbwiki", **row}))
    # then it is there, with what the table tells of it
    one, other = wikis_in(tmp_path)
    assert (one.wiki, other.wiki) == ("aawiki", "bbwiki")
    assert list(states(one.tables, one.wiki, 0, print))
    assert list(states(other.tables, other.wiki, 0, print))


def test_a_row_that_tells_no_wiki_among_several_is_a_problem_of_each(tmp_path: Path) -> None:
    # given tables of two wikis, and rows of which nothing tells whose they are
    pages = (page_row("aawiki", "A"), page_row("bbwiki", "B"), page_row("", "C").replace('""', "null", 1))
    revisions = (revision_row("aawiki"), revision_row("bbwiki"), revision_row("").replace('""', "null", 1))
    (tmp_path / "page.jsonl").write_text("\n".join(pages))
    (tmp_path / "revision.jsonl").write_text("\n".join(revisions))
    # then no wiki takes them, and each tells of them
    assert titles(tmp_path) == {"aawiki": "A", "bbwiki": "B"}
    for one in wikis_in(tmp_path):
        problems: list[Problem] = []
        assert list(states(one.tables, one.wiki, 0, problems.append))
        told = [(found.table, found.row, found.field, found.code) for found in problems]
        assert told == [("page", "1", "wiki_db", "no_wiki"), ("revision", "5", "wiki_db", "no_wiki")]


def test_a_line_that_is_no_row_is_a_problem_of_each_of_several_wikis(tmp_path: Path) -> None:
    # given tables of two wikis, each of which begins with a line that is no row
    (tmp_path / "page.tsv").write_text(
        "wiki_db\tpage_id\tpage_namespace\tpage_title\naawiki\t1\naawiki\t1\t0\tA\nbbwiki\t1\t0\tB\n"
    )
    revisions = ("nonsense", revision_row("aawiki"), revision_row("bbwiki"))
    (tmp_path / "revision.jsonl").write_text("\n".join(revisions))
    # then each has its own rows, and tells of those lines
    assert titles(tmp_path) == {"aawiki": "A", "bbwiki": "B"}
    for one in wikis_in(tmp_path):
        problems: list[Problem] = []
        assert list(states(one.tables, one.wiki, 0, problems.append))
        told = [(found.table, found.row, found.field, found.code) for found in problems]
        assert told == [
            ("page", "page.tsv, line 2", "", "number_of_fields"),
            ("revision", "revision.jsonl, line 1", "", "not_json"),
        ]


def test_the_folder_of_a_wiki_may_hold_its_map(tmp_path: Path) -> None:
    # given two wikis, one with a map beside its tables, the other below a map of several
    for wiki in ("aawiki", "bbwiki"):
        (tmp_path / wiki).mkdir()
        (tmp_path / wiki / "page.jsonl").write_text(page_row(wiki, "A") + "\n")
    (tmp_path / "aawiki" / "project_namespace_map.csv").write_text(MAP)
    (tmp_path / "project_namespace_map.csv").write_text(MAP.replace("aa", "bb"))
    # then each is told its host
    assert [one.hostname for one in wikis_in(tmp_path)] == ["aa.example.org", "bb.example.org"]


def test_central_accounts_of_all_wikis_may_lie_beside_their_folders(tmp_path: Path) -> None:
    # given a folder per wiki, and one table of all accounts
    for wiki in ("aawiki", "bbwiki"):
        (tmp_path / wiki).mkdir()
        (tmp_path / wiki / "page.jsonl").write_text(page_row(wiki, "A"))
        (tmp_path / wiki / "revision.jsonl").write_text(revision_row(wiki))
        (tmp_path / wiki / "user.jsonl").write_text(json.dumps({"user_id": 1, "user_name": "Alice"}))
    local = [
        {"lu_wiki": wiki, "lu_local_id": 1, "lu_global_id": n} for wiki, n in (("aawiki", 8), ("bbwiki", 9))
    ]
    (tmp_path / "centralauth_localuser.jsonl").write_text("\n".join(map(json.dumps, local)))
    # then each wiki's account bears its central id
    found = {
        entity: state.central_id
        for one in wikis_in(tmp_path)
        for entity, state in states(one.tables, one.wiki, 0, print)
        if isinstance(state, UserState)
    }
    assert found == {user("aawiki", 1): 8, user("bbwiki", 1): 9}


def test_the_namespace_map_tells_the_wiki_and_its_namespaces(tmp_path: Path) -> None:
    (tmp_path / "page.tsv").write_text("page_id\tpage_namespace\tpage_title\n1\t0\tA\n")
    (tmp_path / "revision.tsv").write_text("rev_id\trev_page\trev_timestamp\n5\t1\t20210101000000\n")
    (tmp_path / "project_namespace_map.csv").write_text(MAP)
    (found,) = wikis_in(tmp_path)
    assert (found.wiki, found.hostname) == ("aawiki", "aa.example.org")
    assert found.namespaces == ((0, "", "", True), (1, "Talk", "Über,_uns", False))


@pytest.mark.parametrize(
    "text, word",
    [
        ("a,b\n", "line 1: 2 columns where 12 are wanted"),
        (MAP.replace(",1,Talk", ",x,Talk"), "line 2"),
        (MAP.replace(",1,Talk", ",9999999999,Talk"), "line 2"),
    ],
)
def test_a_damaged_map_is_told_by_its_line(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "page.tsv").write_text("page_id\n")
    (tmp_path / "project_namespace_map.csv").write_text(text)
    with pytest.raises(InputError, match=word):
        wikis_in(tmp_path)


def test_a_map_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "page.tsv").write_text("page_id\n")
    (tmp_path / "project_namespace_map.csv").write_bytes(MAP.encode("latin-1"))
    with pytest.raises(InputError, match=r"project_namespace_map\.csv is no CSV in UTF-8"):
        wikis_in(tmp_path)


def test_a_mark_before_a_map_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "page.tsv").write_text("page_id\tpage_namespace\tpage_title\n1\t0\tA\n")
    (tmp_path / "revision.tsv").write_text("rev_id\trev_page\trev_timestamp\n5\t1\t20210101000000\n")
    (tmp_path / "project_namespace_map.csv").write_text(MAP, encoding="utf-8-sig")
    (found,) = wikis_in(tmp_path)
    assert found.hostname == "aa.example.org"


def test_tables_of_nobody_knows_which_wiki_are_refused(tmp_path: Path) -> None:
    (tmp_path / "page.tsv").write_text("page_id\n")
    with pytest.raises(InputError, match="give --wiki"):
        wikis_in(tmp_path)
