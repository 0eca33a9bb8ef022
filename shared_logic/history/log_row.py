"""A row of MediaWiki's log, as the rebuild of pages and users reads it, whether a table, a dump or an event told it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec


class Actor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who did something. Each flag is None where no source tells it."""

    user_id: int | None = None
    """None: an address, or nobody known."""
    central_id: int | None = None
    name: str | None = None
    """None: hidden, or unknown."""
    is_anonymous: bool | None = None
    is_temporary: bool | None = None
    is_permanent: bool | None = None


class LogRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of `logging`, joined with its actor and comment."""

    wiki: str
    log_id: int
    log_type: str
    log_action: str
    at: int
    """Own time, milliseconds since 1970 UTC."""
    namespace: int | None = None
    title: str | None = None
    """As stored: no prefix, blanks mostly underscores. None: hidden or never written."""
    page_id: int | None = None
    """None or 0: not told."""
    actor: Actor | None = None
    """None: hidden or unknown."""
    comment: str | None = None
    params: str | None = None
    """As stored: serialised by PHP, or plain text in old rows."""


class Issue(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something in the input that the rebuild could not use or had to guess at; the rest went on."""

    wiki: str
    table: str
    """`logging`, `page`, `user`, `revision`, …"""
    key: str
    """The row's id, as text."""
    field: str
    """The column that was at fault; empty: the row as a whole."""
    code: str
    """A short constant word, such as `unmatched` or `no-target`."""
    detail: str


def params_as_json(params: Mapping[str, str] | None) -> str | None:
    """The parameters of a log row as tables of states have them: a JSON object of texts, names in order; nothing for nothing."""
    return None if params is None else msgspec.json.encode(params, order="deterministic").decode()


def without_copies(rows: Iterable[LogRow]) -> Iterator[LogRow | Issue]:
    """The rows in order of log id; of rows that differ in nothing but log id and page id, the one with the least log id.

    MediaWiki's tables hold some rows twice. Each copy that is left out is an Issue.
    """
    first: dict[LogRow, int] = {}
    for row in sorted(rows, key=lambda row: row.log_id):
        told = msgspec.structs.replace(row, log_id=0, page_id=None)
        kept = first.setdefault(told, row.log_id)
        if kept == row.log_id:
            yield row
        else:
            yield Issue(
                wiki=row.wiki,
                table="logging",
                key=str(row.log_id),
                field="",
                code="copy",
                detail=f"differs in nothing from log row {kept} but in log_id and perhaps log_page; left out",
            )
