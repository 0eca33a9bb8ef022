"""What every page is now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from shared_logic.language import Clustering, Partition, Table, about, dataset
from shared_logic.things import Page


class PageCurrent(Table, frozen=True, kw_only=True):
    """One row per page that exists or existed."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    page_id: Annotated[Clustering[int], about("id of the page on its wiki", at_least=1)]
    title: Annotated[
        str | None, about("title without namespace, blanks as underscores; at its deletion, if deleted")
    ]
    namespace: Annotated[int | None, about("number of the namespace")]
    is_redirect: Annotated[
        bool | None,
        about("whether the page is a redirect; null for a deleted one, of which tables do not keep it"),
    ]
    is_deleted: Annotated[bool, about("whether the page is deleted")]
    revisions: Annotated[int, about("revisions that readers can reach", at_least=0)]
    latest_rev_id: Annotated[
        int | None, about("newest reachable revision by (time, id); none for a deleted page")
    ]
    latest_at: Annotated[datetime | None, about("time of that revision", unit="UTC")]
    latest_size: Annotated[int | None, about("its length", unit="bytes", at_least=0)]
    latest_hidden: Annotated[tuple[str, ...], about("its hidden parts: comment, suppressed, text, user")]

    expectations = ("is_deleted OR title IS NOT NULL", "(latest_rev_id IS NULL) = (revisions = 0)")


@dataset
def page_current(page: Page) -> Iterator[PageCurrent]:
    """Title, namespace, latest revision, redirect, deletion and hidden parts of every page."""
    reachable = page.revisions
    latest = reachable[-1] if reachable else None
    if page.title is None and not page.history:
        return
    yield PageCurrent(
        wiki=page.wiki,
        page_id=page.page_id,
        title=page.title,
        namespace=page.namespace,
        is_redirect=None if page.is_deleted else page.is_redirect,
        is_deleted=page.is_deleted,
        revisions=len(reachable),
        latest_rev_id=latest.rev_id if latest else None,
        latest_at=latest.timestamp if latest else None,
        latest_size=latest.size if latest else None,
        latest_hidden=latest.hidden_parts if latest else (),
    )
