"""A dump with texts as events of pages' content: the newest revision of every page, as the stream would have told it."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from batch.compressed import open_input
from cli.schemas import faults
from shared_logic.eventify.dump_elements import DumpError
from shared_logic.eventify.page_content import STREAM, ContentReader
from shared_logic.eventify.problems import Problem
from shared_logic.eventify.tables import base36_sha1

DUMPS = Path(__file__).parents[3] / "shared" / "data" / "dumps"
HEAD = (
    '<mediawiki version="0.11" xml:lang="en"><siteinfo><dbname>testwiki</dbname><namespaces>'
    '<namespace key="0" /><namespace key="1">Talk</namespace></namespaces></siteinfo>'
)


def revision(rev_id: int, day: int, text: str = "<text>words</text>", more: str = "") -> str:
    return (
        f"<revision><id>{rev_id}</id>{more}<timestamp>2024-01-{day:02}T00:00:00Z</timestamp>"
        f"<contributor><username>Alice</username><id>7</id></contributor><comment>why</comment>"
        f"<model>wikitext</model><format>text/x-wiki</format>{text}</revision>"
    )


def page(*revisions: str, title: str = "Tea pot", namespace: int = 0, page_id: int = 1) -> str:
    return f"<page><title>{title}</title><ns>{namespace}</ns><id>{page_id}</id>{''.join(revisions)}</page>"


def told(*pages: str, wiki: str = "") -> tuple[list[dict[str, Any]], list[Problem]]:
    problems: list[Problem] = []
    xml = BytesIO(f"{HEAD}{''.join(pages)}</mediawiki>".encode())
    events = [json.loads(raw) for raw in ContentReader(xml, wiki, STREAM, problems.append)]
    for event in events:
        assert faults(json.dumps(event).encode()) == []
    return events, problems


def test_a_page_is_one_event_with_the_text_of_now() -> None:
    ((event,), problems) = told(page(revision(11, 2, "<text>päge</text>", "<parentid>10</parentid><minor/>")))
    assert problems == []
    assert event == {
        "$schema": "/mediawiki/page/change/1.2.0",
        "meta": {"stream": STREAM, "dt": "2024-01-02T00:00:00Z"},
        "wiki_id": "testwiki",
        "dt": "2024-01-02T00:00:00Z",
        "changelog_kind": "update",
        "page_change_kind": "edit",
        "page": {"page_id": 1, "page_title": "Tea_pot", "namespace_id": 0, "is_redirect": False},
        "revision": {
            "rev_id": 11,
            "rev_dt": "2024-01-02T00:00:00Z",
            "rev_parent_id": 10,
            "rev_size": 5,
            "rev_sha1": base36_sha1("päge".encode()),
            "is_minor_edit": True,
            "comment": "why",
            "editor": {"user_text": "Alice", "user_id": 7},
            "is_content_visible": True,
            "is_comment_visible": True,
            "is_editor_visible": True,
            "content_slots": {
                "main": {
                    "slot_role": "main",
                    "content_model": "wikitext",
                    "content_format": "text/x-wiki",
                    "content_size": 5,
                    "content_sha1": base36_sha1("päge".encode()),
                    "content_body": "päge",
                }
            },
        },
    }


@pytest.mark.parametrize(
    "revisions, newest",
    [
        ((revision(1, 1), revision(2, 2)), 2),
        ((revision(2, 2), revision(1, 1)), 2),
        # imported later, from before
        ((revision(1, 5), revision(2, 2)), 1),
        # within one second
        ((revision(2, 3), revision(1, 3)), 2),
    ],
)
def test_the_newest_revision_is_told_whatever_the_order(revisions: tuple[str, ...], newest: int) -> None:
    ((event,), _) = told(page(*revisions))
    assert event["revision"]["rev_id"] == newest


def test_pages_are_told_apart_with_what_they_are() -> None:
    first = page(revision(1, 1), title="A")
    other = page("<redirect title='A' />", revision(2, 1), title="Talk:A b", namespace=1, page_id=2)
    events, _ = told(first, other, wiki="otherwiki")
    assert [event["page"] for event in events] == [
        {"page_id": 1, "page_title": "A", "namespace_id": 0, "is_redirect": False},
        {"page_id": 2, "page_title": "Talk:A_b", "namespace_id": 1, "is_redirect": True},
    ]
    assert {event["wiki_id"] for event in events} == {"otherwiki"}
    assert [event["page_change_kind"] for event in events] == ["create", "create"]


def test_every_slot_is_told() -> None:
    more = (
        "<content><role>mediainfo</role><model>wikibase-mediainfo</model><format>application/json</format>"
        "<text>{}</text></content>"
    )
    ((event,), _) = told(page(revision(1, 1, f"<text>words</text>{more}")))
    slots = event["revision"]["content_slots"]
    assert {role: (slot["content_model"], slot["content_body"]) for role, slot in slots.items()} == {
        "main": ("wikitext", "words"),
        "mediainfo": ("wikibase-mediainfo", "{}"),
    }


def test_what_is_hidden_is_not_told_and_nothing_older_in_its_place() -> None:
    hidden = '<text bytes="5" deleted="deleted" />'
    ((event,), problems) = told(page(revision(1, 1), revision(2, 2, hidden)))
    assert problems == []
    assert event["revision"]["is_content_visible"] is False
    assert {"content_slots", "rev_sha1"}.isdisjoint(event["revision"])
    assert event["revision"]["rev_id"] == 2


@pytest.mark.parametrize(
    "text", ["<text></text>", '<text bytes="0" sha1="phoiac9h4m842xq45sp7s6u21eteeq1" />']
)
def test_an_empty_text_is_a_text(text: str) -> None:
    ((event,), problems) = told(page(revision(1, 1, text)))
    assert problems == []
    assert event["revision"]["content_slots"]["main"]["content_body"] == ""


def test_what_has_no_text_no_id_or_no_title_is_a_problem_and_the_rest_goes_on() -> None:
    events, problems = told(
        page(revision(1, 1, '<text bytes="7" id="3" />')),
        page(revision(2, 1), page_id=0),
        page(revision(3, 1), title="", page_id=3),
        page(revision(0, 1), page_id=4),
        page(revision(5, 1), page_id=5),
    )
    assert [event["page"]["page_id"] for event in events] == [5]
    assert [(problem.table, problem.code) for problem in problems] == [
        ("revision", "no_text"),
        ("page", "no_id"),
        ("page", "no_title"),
        ("revision", "no_id"),
    ]


def test_damage_ends_it_after_the_pages_before() -> None:
    xml = BytesIO(f"{HEAD}{page(revision(1, 1))}<page><title>B</ti".encode())
    events = iter(ContentReader(xml, "", STREAM, lambda _: None))
    assert json.loads(next(events))["page"]["page_id"] == 1
    with pytest.raises(DumpError):
        next(events)


@pytest.mark.parametrize(
    "name, pages",
    [
        ("aawiki-20260101-pages-meta-current.xml.bz2", 507),
        ("aawiki-20260101-pages-meta-history.xml.7z", 507),
        ("enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.xml.bz2", 206),
    ],
)
def test_real_dumps(name: str, pages: int) -> None:
    if not (DUMPS / name).exists():
        pytest.skip(f"NOT TRIED: {DUMPS / name} is not here")

    def events(look: Callable[[Problem], None]) -> list[dict[str, Any]]:
        with open_input(DUMPS / name) as xml:
            return [json.loads(raw) for raw in ContentReader(xml, "", STREAM, look)]

    problems: list[Problem] = []
    found = events(problems.append)
    # every page is there, each event is as its schema has it, and of one slot the SHA-1 is the revision's
    assert (len(found), problems) == (pages, [])
    for event in found:
        assert faults(json.dumps(event).encode()) == []
        (slot,) = event["revision"]["content_slots"].values()
        assert (
            slot["content_sha1"]
            == event["revision"]["rev_sha1"]
            == base36_sha1(slot["content_body"].encode())
        )
