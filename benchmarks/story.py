"""Generated edits with heavy tails, the same every time, as events."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha1

import msgspec

START = datetime(2024, 1, 1, tzinfo=UTC)
WIKI = "benchwiki"
REMEMBERED = 10_000
"""A page that is edited again soon is the page of one of so many edits before."""


class Edit(msgspec.Struct, frozen=True):
    """One edit."""

    page_id: int
    rev_id: int
    parent_id: int
    user_id: int
    at: str
    size: int
    sha1: str


def edits(count: int, *, pages: int, hot: float = 0.0) -> Iterator[Edit]:
    """`count` edits over `pages` pages; a share `hot` of them is on page 1; a tenth goes back to the text before the last."""
    drawn = random.Random(11)
    return _edits(drawn, (1 if drawn.random() < hot else _any(drawn, pages) for _ in range(count)))


def edits_in_bursts(count: int, *, pages: int) -> Iterator[Edit]:
    """`count` edits, of which half are on any of `pages` pages, and half on one that was edited shortly before; texts as in `edits`.

    How long before is as it is on real wikis: as often one to ten edits before as ten to a hundred, or a hundred to a thousand.
    """
    drawn = random.Random(11)
    return _edits(drawn, _pages_in_bursts(drawn, count, pages))


def _any(drawn: random.Random, pages: int) -> int:
    return 2 + int(pages * drawn.random() ** 2)


def _pages_in_bursts(drawn: random.Random, count: int, pages: int) -> Iterator[int]:
    recent: list[int] = []
    for place in range(count):
        if recent and drawn.random() < 0.5:
            before = int(len(recent) ** drawn.random())
            page_id = recent[(place - before) % len(recent)]
        else:
            page_id = _any(drawn, pages)
        if len(recent) < REMEMBERED:
            recent.append(page_id)
        else:
            recent[place % REMEMBERED] = page_id
        yield page_id


def _edits(drawn: random.Random, pages: Iterable[int]) -> Iterator[Edit]:
    texts: dict[int, list[str]] = {}
    latest: dict[int, int] = {}
    for rev_id, page_id in enumerate(pages, 1):
        user_id = 1 if drawn.random() < 0.3 else 1 + int(5_000 * drawn.random() ** 2)
        known = texts.setdefault(page_id, [])
        back = len(known) > 1 and drawn.random() < 0.1
        text = known[-2] if back else sha1(f"{rev_id}".encode(), usedforsecurity=False).hexdigest()[:31]
        known[:] = [*known[-1:], text]
        at = (START + timedelta(seconds=20 * rev_id)).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield Edit(page_id, rev_id, latest.get(page_id, 0), user_id, at, 1_000 + rev_id % 977, text)
        latest[page_id] = rev_id


def event(edit: Edit) -> bytes:
    """The edit as a revision-create event."""
    return msgspec.json.encode(
        {
            "$schema": "/mediawiki/revision/create/2.0.0",
            "meta": {
                "stream": "mediawiki.revision-create",
                "dt": edit.at,
                "id": str(edit.rev_id),
                "domain": "bench",
            },
            "dt": edit.at,
            "database": WIKI,
            "page_id": edit.page_id,
            "page_title": f"Page_{edit.page_id}",
            "page_namespace": 0,
            "page_is_redirect": False,
            "rev_id": edit.rev_id,
            "rev_timestamp": edit.at,
            "rev_len": edit.size,
            "rev_sha1": edit.sha1,
            "rev_minor_edit": False,
            "comment": "an edit",
            "performer": {"user_id": edit.user_id, "user_text": f"User {edit.user_id}"},
            **({"rev_parent_id": edit.parent_id} if edit.parent_id else {}),
        }
    )
