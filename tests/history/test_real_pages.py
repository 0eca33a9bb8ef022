"""The lives of two real wikis' pages, rebuilt from tables and log, are what those who drove the wikis wrote down."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from batch.table_files import read_table_folder
from shared_logic.clock import from_iso, from_mediawiki
from shared_logic.history.components import components
from shared_logic.history.log_row import Actor, Issue, LogRow, without_copies
from shared_logic.history.page_events import Namespaces, PageEvent, PageEventType, page_events
from shared_logic.history.page_history import LinkQuality, PageHistoryState, PageSeed
from shared_logic.history.page_rebuild import rebuilt
from shared_logic.titles import database_key
from tests.history.page_seeds import page_seeds

LOCAL = Path(__file__).parents[2].parent / "shared" / "data" / "mediawiki-local"
WIKIS = ["a-sqlite-seed11", "b-mysql-seed12"]


@dataclass
class Read:
    """What a wiki's tables say."""

    namespaces: Namespaces
    seeds: list[PageSeed] = field(default_factory=list)
    events: list[PageEvent] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)


@cache
def read(wiki) -> Read:
    folder = LOCAL / wiki
    if not folder.exists():
        pytest.skip(f"{folder} is missing")
    tables = read_table_folder(folder / "tables")
    found = Read(namespaces(folder))
    for seed in page_seeds(tables, wiki):
        (found.issues if isinstance(seed, Issue) else found.seeds).append(seed)
    for row in without_copies(log_rows(tables, wiki)):
        if isinstance(row, Issue):
            found.issues.append(row)
            continue
        for event in page_events(row, found.namespaces):
            (found.issues if isinstance(event, Issue) else found.events).append(event)
    return found


def namespaces(folder) -> Namespaces:
    (line,) = gzip.decompress((folder / "api" / "siteinfo.ndjson.gz").read_bytes()).splitlines()
    told = json.loads(line)["namespaces"].values()
    return Namespaces.of((one["id"], one.get("canonical", ""), one["name"], one["content"]) for one in told)


def log_rows(tables, wiki):
    actors = {row["actor_id"]: row for row in tables["actor"]}
    comments = {row["comment_id"]: row["comment_text"] for row in tables["comment"]}
    for row in tables["logging"]:
        actor = actors[row["log_actor"]]
        yield LogRow(
            wiki=wiki,
            log_id=int(row["log_id"]),
            log_type=row["log_type"],
            log_action=row["log_action"],
            at=from_mediawiki(row["log_timestamp"]),
            namespace=int(row["log_namespace"]),
            title=row["log_title"],
            page_id=int(row["log_page"] or 0),
            actor=Actor(
                user_id=int(actor["actor_user"] or 0) or None,
                name=actor["actor_name"],
                is_anonymous=actor["actor_user"] is None,
            ),
            comment=comments[row["log_comment_id"]],
            params=row["log_params"],
        )


def rebuild(seeds, events, content):
    """All states, component by component; no event may be left over."""
    called = components(((one.old_key, one.new_key) for one in events), (seed.key for seed in seeds))
    parts = defaultdict(lambda: ([], []))
    for seed in seeds:
        parts[called[seed.key]][0].append(seed)
    for event in events:
        parts[called[event.new_key]][1].append(event)
    found: list[PageHistoryState] = []
    for some_seeds, some_events in parts.values():
        result = rebuilt(some_seeds, some_events, content)
        assert result.issues == ()
        found.extend(result.states)
    return found


@cache
def history(wiki):
    told = read(wiki)
    assert told.issues == []
    return rebuild(told.seeds, told.events, told.namespaces.content)


def written_down(wiki):
    """From when until when (None: now) each page bore which title, by page id."""
    lives = {}
    for line in gzip.decompress((LOCAL / wiki / "truth_pages.ndjson.gz").read_bytes()).splitlines():
        page = json.loads(line)
        title, since, life = None, None, []
        for event in page["events"]:
            at = from_iso(event["time"])
            if event["event"] in {"merge_in", "merge_out"}:
                continue
            if event["event"] == "restore" and title is not None:
                # Older revisions came back into a page that was there.
                continue
            if title is not None:
                life.append((since, at, title))
            since = at
            title = None if event["event"] == "delete" else event.get("to") or event["title"]
        if title is not None:
            life.append((since, None, title))
        assert page["deleted_at_end"] == (title is None)
        lives[page["page_id"]] = life
    return lives


def lives(wiki, since, until):
    """The same of the rebuilt pages, by the named columns."""
    names = {number: name for name, number in read(wiki).namespaces.localized.items()}
    found = defaultdict(list)
    for state in history(wiki):
        begin, end = getattr(state, since), getattr(state, until)
        if state.caused_by_event_type is PageEventType.DELETE:
            continue
        if begin is not None and end is not None and begin >= end:
            continue
        name = names.get(state.page_namespace_historical, "")
        title = f"{name}:{state.page_title_historical}" if name else state.page_title_historical
        life = found[state.page_id]
        if life and life[-1][1:] == (begin, title):
            life[-1] = (life[-1][0], end, title)
        else:
            life.append((begin, end, title))
    return found


def keyed(life):
    return [(since, until, database_key(title)) for since, until, title in life]


@pytest.mark.parametrize("wiki, pages", [("a-sqlite-seed11", 554), ("b-mysql-seed12", 240)])
def test_each_page_bore_each_title_when_it_did(wiki, pages):
    found = lives(wiki, "valid_from", "valid_to")
    expected = written_down(wiki)
    assert len(expected) == pages
    assert {page_id: found[page_id] for page_id in expected} == {
        page_id: keyed(life) for page_id, life in expected.items()
    }


@pytest.mark.parametrize("wiki, pages", [("a-sqlite-seed11", 28), ("b-mysql-seed12", 9)])
def test_upstreams_columns_begin_some_lives_too_early(wiki, pages):
    # given the pages whose life differs in upstream's columns
    found = lives(wiki, "start_timestamp", "end_timestamp")
    expected = written_down(wiki)
    differing = [page_id for page_id, life in expected.items() if found[page_id] != keyed(life)]
    assert len(differing) == pages
    for page_id in differing:
        # then they differ in when they begin, which upstream takes from the first edit, merged or restored as it may be, or from
        # the moment at which the title was free; nothing is known of the beginning of pages that the archive has no more
        mine, theirs = keyed(expected[page_id])[0], found[page_id][0]
        assert theirs[0] is None or theirs[0] < mine[0]
        assert [(mine[0], *theirs[1:]), *found[page_id][1:]] == keyed(expected[page_id])


@pytest.mark.parametrize("wiki", WIKIS)
def test_each_move_deletion_and_restore_is_that_of_its_page(wiki):
    # given what the driver wrote down
    lines = gzip.decompress((LOCAL / wiki / "truth_pages.ndjson.gz").read_bytes()).splitlines()
    expected = [
        (page["page_id"], event["event"], from_iso(event["time"]))
        for page in map(json.loads, lines)
        for event in page["events"]
        if event["event"] in {"move", "delete", "restore"}
    ]
    # then the states that these events began say the same, each surely of this page
    begun = [state for state in history(wiki) if state.caused_by_event_type in {"move", "delete", "restore"}]
    found = [(state.page_id, str(state.caused_by_event_type), state.start_timestamp) for state in begun]
    assert sorted(found) == sorted(expected)
    assert {state.link_quality for state in begun} == {LinkQuality.BY_ID}


@pytest.mark.parametrize("wiki", WIKIS)
def test_every_page_in_the_tables_is_there_once_now(wiki):
    now = [state for state in history(wiki) if state.valid_to is None]
    assert len({state.page_id for state in now}) == len(now)
    present = {
        state.page_id: state.key[1:]
        for state in now
        if state.caused_by_event_type is not PageEventType.DELETE
    }
    assert present == {seed.page_id: seed.key[1:] for seed in read(wiki).seeds if not seed.is_deleted}


def test_the_numbers_that_upstreams_own_job_gave_on_this_wiki():
    # given the seeds that upstream has: no deleted page whose title is in use
    told = read("a-sqlite-seed11")
    in_use = {seed.key for seed in told.seeds if not seed.is_deleted}
    seeds = [seed for seed in told.seeds if not seed.is_deleted or seed.key not in in_use]
    assert (len(told.seeds), len(seeds)) == (562, 549)
    # then its columns are as they were seen when it was run
    found = rebuild(seeds, told.events, told.namespaces.content)
    closed = [
        (state.start_timestamp, state.end_timestamp)
        for state in found
        if state.start_timestamp is not None and state.end_timestamp is not None
    ]
    assert len(found) == 1_282
    assert sum(start == end for start, end in closed) == 426
    assert sum(start > end for start, end in closed) == 2
