"""Facts and lives in few words, and what views of the history make of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from serving.analysis import Analysis
from serving.reader import Stream
from shared_logic.datasets.input_issues import UnusedRow
from shared_logic.datasets.page_history import PageIssue, PageLife
from shared_logic.datasets.revision_history import RevisionFacts, StrayFacts
from shared_logic.datasets.sites import SiteNamespaces
from shared_logic.datasets.user_history import UserIssue, UserLife
from shared_logic.definition import Dataset
from shared_logic.language import Table
from shared_logic.tables import Schema

START = datetime(2020, 1, 1, tzinfo=UTC)
MUCH_LATER = datetime(2030, 1, 1, tzinfo=UTC)
ENTITIES = ("page", "revision", "user")
Row = dict[str, Any]


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def text(minute: int) -> str:
    return f"{at(minute):%Y-%m-%d %H:%M:%S}.0"


def made(table: type[Table], **told: object) -> Any:
    """A row of a table; what is not told is null, or else empty, false or 1."""
    empty: dict[type, object] = {str: "", int: 1, bool: False, datetime: START, tuple: ()}
    columns = Schema(table).columns
    values = {one.name: None if one.optional else empty[one.type] for one in columns}
    return table(**(values | {"wiki": "w"} | told))


def revision(rev_id: int, minute: int, **told: object) -> RevisionFacts:
    named: dict[str, object] = {"user_text": "Alice", "user_id": 7, "page_id": 1}
    found: RevisionFacts = made(RevisionFacts, rev_id=rev_id, event_timestamp=at(minute), **(named | told))
    return found


def page(ordinal: int, start: int | None, end: int | None, **told: object) -> PageLife:
    row: dict[str, object] = {
        "page": "1",
        "page_id": 1,
        "ordinal": ordinal,
        "page_title_historical": f"T{ordinal}",
        "start_timestamp": None if start is None else at(start),
        "end_timestamp": None if end is None else at(end),
        "caused_by_event_type": "create",
        "page_first_state": ordinal == 0,
    }
    found: PageLife = made(PageLife, **(row | told))
    return found


def account(ordinal: int, start: int | None, end: int | None, **told: object) -> UserLife:
    row: dict[str, object] = {
        "user_id": 7,
        "ordinal": ordinal,
        "user_text": "Alice",
        "user_text_historical": f"A{ordinal}",
        "start_timestamp": None if start is None else at(start),
        "end_timestamp": None if end is None else at(end),
        "user_registration_timestamp": at(0),
        "caused_by_event_type": "create",
    }
    found: UserLife = made(UserLife, **(row | told))
    return found


def history(*rows: Table, now: datetime = MUCH_LATER) -> list[Row]:
    """The history of these rows, in order of time and id."""
    found = viewed("mediawiki_history", *rows, now=now)
    return sorted(
        found,
        key=lambda row: (
            -ENTITIES.index(row["event_entity"]), row["event_timestamp"] or "", row["revision_id"] or 0
        ),
    )  # fmt: skip


def columns(view: str) -> dict[str, str]:
    """Types of the columns of a view, by name."""
    with Analysis(lambda _: Stream(iter(()), 1, (), complete=True, lag=0), None, MUCH_LATER) as db:
        db.prepare([view])
        return dict(db.columns(f"FROM {view}"))


def viewed(view: str, *rows: Table, now: datetime = MUCH_LATER) -> list[Row]:
    """What a view makes of these rows."""
    with over(*rows, now=now) as db:
        db.prepare([view])
        found: list[Row] = db.execute(f"FROM {view}").to_arrow_table().to_pylist()
        return found


def over(*rows: Table, now: datetime = MUCH_LATER) -> Analysis:
    """Views over these rows."""
    tables = {
        "revision_facts": RevisionFacts,
        "stray_facts": StrayFacts,
        "page_lives": PageLife,
        "user_lives": UserLife,
        "site_namespaces": SiteNamespaces,
        "input_issues": UnusedRow,
        "page_issues": PageIssue,
        "user_issues": UserIssue,
    }

    def read(dataset: Dataset) -> Stream:
        mine: Iterable[Any] = (row for row in rows if type(row) is tables[dataset.name])
        return Stream(iter(map(msgspec.structs.asdict, mine)), 1, (), complete=True, lag=0)

    return Analysis(read, None, now)
