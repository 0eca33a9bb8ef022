"""The lives of pages: what each was called, from when to when, and who made it so.

A log row tells titles more surely than ids, so pages and log rows become rows by title; those that name one another are rebuilt
together, backwards from the present (see `shared_logic.history.page_rebuild`). Titles stand without their namespace there, for
a move tells its target as text: which part of that is a namespace is seen when the site's names are at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Annotated

import msgspec

from shared_logic.clock import SECOND_MS, instant, instant_or_none, milliseconds
from shared_logic.datasets.sites import SiteNamespaces
from shared_logic.history import php
from shared_logic.history.components import components
from shared_logic.history.log_row import Actor, Issue, LogRow, params_as_json, without_copies
from shared_logic.history.page_events import Namespaces, PageEvent, normalized_title, page_events
from shared_logic.history.page_history import PageHistoryState, PageSeed
from shared_logic.history.page_rebuild import Rebuilt, rebuilt
from shared_logic.language import Clustering, Link, Linked, Partition, Table, about, dataset
from shared_logic.states.page_state import Happening
from shared_logic.things import LogEntry, Page
from shared_logic.titles import CANONICAL_NAMESPACES

LOG_TYPES = frozenset({"move", "delete", "create", "merge"})


class PageTitle(Table, frozen=True, kw_only=True):
    """A title, with a page that bears it, a log row that tells of it, or an event that does."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    title: Annotated[Partition[str], about("title without namespace; or # and a page id")]
    said_by: Annotated[Clustering[str], about("what says so", one_of=("page", "log", "event"))]
    id: Annotated[Clustering[int], about("log id of a log row, else page id", at_least=1)]
    at: Annotated[Clustering[datetime], about("first edit of a page, time of a log row or event", unit="UTC")]
    log_action: Annotated[
        Clustering[str], about("of a log row log_action, of an event its kind, of a page nothing")
    ]
    other_titles: Annotated[Link[tuple[str, ...]], about("the other titles that the row tells")]
    namespace: Annotated[int | None, about("number of the namespace; of a move the old one")] = None
    full_title: Annotated[str | None, about("title; of a move the old one")] = None
    new_namespace: Annotated[int | None, about("of a move that an event tells")] = None
    new_title: Annotated[str | None, about("of a move that an event tells")] = None
    redirect_page_id: Annotated[
        int | None, about("of a move that an event tells, the redirect that it left")
    ] = None
    user_id: Annotated[
        int | None,
        about("who made the first edit or did it; 0: nobody with an account", hidden_with="user_name"),
    ] = None
    user_name: Annotated[str | None, about("the name", hidden_with="account")] = None
    is_redirect: Annotated[bool | None, about("of a page")] = None
    is_deleted: Annotated[bool | None, about("of a page")] = None
    log_type: Annotated[str | None, about("of a log row")] = None
    page_id: Annotated[int | None, about("of a log row log_page")] = None
    comment: Annotated[str | None, about("of a log row", private="may have been hidden since")] = None
    params: Annotated[str | None, about("of a log row log_params as stored")] = None


@dataset
def page_titles(subject: Page | LogEntry) -> Iterator[PageTitle]:
    """Titles and ids with the pages that bear them, and the log rows and events that tell of them."""
    if isinstance(subject, LogEntry):
        if subject.log_type in LOG_TYPES:
            titles = _titles(subject) | ({_by_id(subject.page_id)} if subject.page_id else set())
            yield from _under(titles, _of_log_row(subject))
        return
    if subject.title is not None and subject.namespace is not None and subject.history:
        yield from _under({subject.title, _by_id(subject.page_id)}, _of_page(subject))
    for happening in subject.happenings:
        titles = {happening.old_title, happening.title, _by_id(subject.page_id)}
        yield from _under(titles, _of_happening(subject, happening))


def _under(titles: set[str], row: PageTitle) -> Iterator[PageTitle]:
    """The row, which bears no title yet, under each of the titles."""
    for title in titles:
        yield msgspec.structs.replace(row, title=title, other_titles=tuple(sorted(titles - {title})))


def _of_page(page: Page) -> PageTitle:
    first = page.history[0]
    return PageTitle(
        wiki=page.wiki,
        title="",
        said_by="page",
        id=page.page_id,
        at=first.timestamp,
        log_action="",
        other_titles=(),
        namespace=page.namespace,
        full_title=page.title,
        user_id=first.user.user_id if first.user else None,
        user_name=first.user.name if first.user else None,
        is_redirect=None if page.is_deleted else page.is_redirect,
        is_deleted=page.is_deleted,
    )


def _of_log_row(entry: LogEntry) -> PageTitle:
    return PageTitle(
        wiki=entry.wiki,
        title="",
        said_by="log",
        id=entry.log_id,
        at=instant(entry.at),
        log_action=entry.log_action,
        other_titles=(),
        namespace=entry.namespace,
        full_title=entry.title,
        user_id=entry.user_id,
        user_name=entry.user_name,
        log_type=entry.log_type,
        page_id=entry.page_id,
        comment=entry.comment,
        params=entry.params,
    )


def _of_happening(page: Page, happening: Happening) -> PageTitle:
    return PageTitle(
        wiki=page.wiki,
        title="",
        said_by="event",
        id=page.page_id,
        at=instant(happening.at),
        log_action=happening.kind,
        other_titles=(),
        namespace=happening.old_namespace,
        full_title=happening.old_title,
        new_namespace=happening.namespace,
        new_title=happening.title,
        redirect_page_id=happening.redirect_page_id,
        user_id=happening.user_id,
        user_name=happening.user_name,
    )


class PageLife(Table, frozen=True, kw_only=True):
    """A page from one instant to another, in upstream's columns (see `PageHistoryState`) and four of our own."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    page: Annotated[Partition[str], about("page id, or the artificial id where none is known")]
    ordinal: Annotated[Clustering[int], about("number of the state in the page's life, from 0", at_least=0)]
    page_id: Annotated[int | None, about("id on the wiki")]
    page_artificial_id: Annotated[
        str | None, about("hash of the log row that deleted it; where no page id is known")
    ]
    page_creation_timestamp: Annotated[datetime | None, about("upstream's time of creation", unit="UTC")]
    page_first_edit_timestamp: Annotated[datetime | None, about("time of its first revision", unit="UTC")]
    page_title_historical: Annotated[str, about("title in this state")]
    page_title: Annotated[str, about("title at present, or at the deletion")]
    page_namespace_historical: Annotated[int, about("namespace in this state")]
    page_namespace_is_content_historical: Annotated[bool, about("whether that counts as content")]
    page_namespace: Annotated[int, about("namespace at present, or at the deletion")]
    page_namespace_is_content: Annotated[bool, about("whether that counts as content")]
    page_is_redirect: Annotated[bool | None, about("at present; null for deleted pages")]
    page_is_deleted: Annotated[bool, about("whether the page is in the archive")]
    start_timestamp: Annotated[datetime | None, about("upstream's beginning of the state", unit="UTC")]
    end_timestamp: Annotated[
        datetime | None, about("upstream's end of the state; null: it lasts", unit="UTC")
    ]
    caused_by_event_type: Annotated[str, about("what began it")]
    caused_by_user_id: Annotated[int | None, about("who did that", hidden_with="caused_by_user_text")]
    caused_by_user_text: Annotated[str | None, about("who did that", hidden_with="account")]
    caused_by_anonymous_user: Annotated[bool | None, about("whether that was an address")]
    caused_by_temporary_user: Annotated[bool | None, about("whether that was a temporary account")]
    caused_by_permanent_user: Annotated[bool | None, about("whether that was a named account")]
    inferred_from: Annotated[str | None, about("why it is known, where no event of its own began it")]
    source_log_id: Annotated[int | None, about("the log row that began it")]
    source_log_comment: Annotated[str | None, about("its comment", private="may have been hidden since")]
    source_log_params: Annotated[str | None, about("its parameters, a JSON object of texts")]
    page_first_state: Annotated[bool, about("whether it is the first of the page")]
    valid_from: Annotated[datetime | None, about("when it truly began; null: unknown", unit="UTC")]
    valid_to: Annotated[datetime | None, about("when it truly ended; null: it lasts", unit="UTC")]
    page_valid_from: Annotated[datetime | None, about("when the page truly was made", unit="UTC")]
    link_quality: Annotated[str, about("how sure it is that the state is this page's")]

    growth = (
        "page_first_state",
        "page_artificial_id IS NOT NULL",
        "page_is_deleted",
        "page_is_redirect",
        "page_namespace_is_content",
        "caused_by_event_type = 'create'",
        "caused_by_event_type = 'create-page'",
        "caused_by_event_type = 'delete'",
        "caused_by_event_type = 'move'",
        "caused_by_event_type = 'restore'",
    )


@dataset
def page_lives(said: Linked[PageTitle], site: SiteNamespaces | None) -> Iterator[PageLife]:
    """Every state of every page."""
    yield from page_states(said, site)


def page_states(said: Linked[PageTitle], site: SiteNamespaces | None) -> Iterator[PageLife]:
    """The states of the pages that linked titles tell of, numbered."""
    ordinals: dict[str, int] = {}
    for state in _rebuilt(said, site).states:
        page = str(state.page_id or state.page_artificial_id)
        ordinal = ordinals.get(page, 0)
        ordinals[page] = ordinal + 1
        yield _life(state, page, ordinal)


class PageIssue(Table, frozen=True, kw_only=True):
    """Something in the log that told nothing of pages, or that had to be guessed at."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    table: Annotated[Clustering[str], about("the table that the row is of")]
    key: Annotated[Clustering[str], about("its id")]
    field: Annotated[Clustering[str], about("the column at fault; empty: the whole row")]
    code: Annotated[Clustering[str], about("what is wrong, in a word")]
    detail: Annotated[str, about("what is wrong, and what was made of it", private="quotes the row")]


@dataset
def page_issues(said: Linked[PageTitle], site: SiteNamespaces | None) -> Iterator[PageIssue]:
    """Log rows of pages that could not be used, or only by a guess."""
    for issue in _rebuilt(said, site).issues:
        yield PageIssue(
            wiki=issue.wiki,
            table="page" if issue.key.startswith("-") else issue.table,
            key=issue.key.removeprefix("-"),
            field=issue.field,
            code=issue.code,
            detail=issue.detail,
        )


@lru_cache(maxsize=2)  # every dataset of lives asks it of the same rows, as they were and as they are
def _rebuilt(said: Linked[PageTitle], site: SiteNamespaces | None) -> Rebuilt:
    """States and issues of linked titles, each component of (namespace, title) rebuilt alone."""
    seeds = {row.id: _seed(row) for row in said.rows if row.said_by == "page"}
    logged = {row.id: _log_row(row) for row in said.rows if row.said_by == "log"}
    told = {(row.id, row.at, row.log_action): row for row in said.rows if row.said_by == "event"}
    rows = completed(logged.values(), told.values())
    names = namespaces_of(site)
    events: list[PageEvent] = []
    issues: list[Issue] = []
    for row in without_copies(rows):
        if isinstance(row, Issue):
            issues.append(row)
            continue
        for found in page_events(row, names):
            if isinstance(found, Issue):
                issues.append(found)
            else:
                events.append(found)
    states: list[PageHistoryState] = []
    for made in _by_component(seeds.values(), events, names):
        states.extend(made.states)
        issues.extend(made.issues)
    return Rebuilt(tuple(states), tuple(issues))


def completed(rows: Iterable[LogRow], told: Iterable[PageTitle]) -> Iterator[LogRow]:
    """The log rows, with the page ids and user ids that only events tell; and rows of creations of which only events tell.

    A row that an event stream told lacks both ids; the event of the page that has the same kind, second and title tells them.
    MediaWiki logs the creation of a page, but no stream carries that row: in place of its log id stands the page id, negative.
    What a move leaves under the old title is no creation.
    """
    known: dict[tuple[str, int, int | None, str | None], PageTitle] = {}
    redirects: set[int] = set()
    for event in told:
        second = milliseconds(event.at) // SECOND_MS
        known[event.log_action, second, event.namespace, event.full_title] = event
        if event.redirect_page_id is not None:
            redirects.add(event.redirect_page_id)
    created: set[int] = set()
    for row in rows:
        if row.log_type == "create" and row.page_id is not None:
            created.add(row.page_id)
        kind = _KINDS.get((row.log_type, row.log_action)) or ("move" if row.log_type == "move" else "")
        found = known.get((kind, row.at // SECOND_MS, row.namespace, _stored(row.title)))
        yield row if found is None or row.page_id is not None else _with_ids(row, found)
    for event in known.values():
        if event.log_action == "create" and event.id not in created and event.id not in redirects:
            row = LogRow(
                wiki=event.wiki,
                log_id=-event.id,
                log_type="create",
                log_action="create",
                at=milliseconds(event.at),
                namespace=event.namespace,
                title=event.full_title,
            )
            yield _with_ids(row, event)


_KINDS = {
    ("delete", "delete"): "delete",
    ("delete", "delete_redir"): "delete",
    ("delete", "restore"): "undelete",
}


def _stored(title: str | None) -> str | None:
    return None if title is None else title.replace(" ", "_")


def _with_ids(row: LogRow, told: PageTitle) -> LogRow:
    actor = row.actor
    if told.user_name is not None:
        actor = Actor(user_id=told.user_id or None, name=told.user_name, is_anonymous=not told.user_id)
    return msgspec.structs.replace(row, page_id=told.id, actor=actor)


def _by_component(seeds: Iterable[PageSeed], events: list[PageEvent], names: Namespaces) -> Iterator[Rebuilt]:
    seeds = list(seeds)
    edges = ((event.old_key, event.new_key) for event in events)
    component = components(edges, (seed.key for seed in seeds))
    groups: dict[tuple[str, int, str], tuple[list[PageSeed], list[PageEvent]]] = {}
    for seed in seeds:
        groups.setdefault(component[seed.key], ([], []))[0].append(seed)
    for event in events:
        groups.setdefault(component[event.old_key], ([], []))[1].append(event)
    for some_seeds, some_events in groups.values():
        yield rebuilt(some_seeds, some_events, names.content)


def _by_id(page_id: int) -> str:
    """What stands for a page id among titles, none of which begins so: all that tells of one id is rebuilt together."""
    return f"#{page_id}"


def _titles(entry: LogEntry) -> set[str]:
    """Every text under which the row's titles may be found: the target of a move with and without what may be its namespace."""
    titles = (
        {normalized_title(entry.title) if entry.log_type == "move" else entry.title} if entry.title else {""}
    )
    if entry.log_type == "move":
        params = php.parsed(entry.params)
        target = params.get(php.UNPARSED, params.get("4::target"))
        if isinstance(target, str):
            whole = normalized_title(target)
            titles |= {whole, whole.partition(":")[2]} if ":" in whole else {whole}
    return titles


def _seed(row: PageTitle) -> PageSeed:
    named = row.user_name is not None
    return PageSeed(
        wiki=row.wiki,
        page_id=row.id,
        namespace=row.namespace or 0,
        title=row.full_title or "",
        first_edit=milliseconds(row.at),
        creator=Actor(
            user_id=row.user_id or None, name=row.user_name, is_anonymous=row.user_id == 0 if named else None
        ),
        is_redirect=row.is_redirect,
        is_deleted=bool(row.is_deleted),
    )


def _log_row(row: PageTitle) -> LogRow:
    known = row.user_name is not None
    return LogRow(
        wiki=row.wiki,
        log_id=row.id,
        log_type=row.log_type or "",
        log_action=row.log_action or "",
        at=milliseconds(row.at),
        namespace=row.namespace,
        title=row.full_title,
        page_id=row.page_id,
        actor=Actor(user_id=row.user_id or None, name=row.user_name, is_anonymous=row.user_id == 0)
        if known
        else None,
        comment=row.comment,
        params=row.params,
    )


def namespaces_of(site: SiteNamespaces | None) -> Namespaces:
    """The namespaces of a site; of one that nothing tells of, those that every wiki has."""
    if site is None:
        return Namespaces(canonical=CANONICAL_NAMESPACES)
    numbers = [int(number) for number in site.numbers]
    return Namespaces(
        localized=dict(zip(site.localized_names, numbers, strict=True)),
        canonical=CANONICAL_NAMESPACES | dict(zip(site.canonical_names, numbers, strict=True)),
        content=frozenset(map(int, site.content)),
    )


def _life(state: PageHistoryState, page: str, ordinal: int) -> PageLife:
    return PageLife(
        wiki=state.wiki_db,
        page=page,
        ordinal=ordinal,
        page_id=state.page_id,
        page_artificial_id=state.page_artificial_id,
        page_creation_timestamp=instant_or_none(state.page_creation_timestamp),
        page_first_edit_timestamp=instant_or_none(state.page_first_edit_timestamp),
        page_title_historical=state.page_title_historical,
        page_title=state.page_title,
        page_namespace_historical=state.page_namespace_historical,
        page_namespace_is_content_historical=state.page_namespace_is_content_historical,
        page_namespace=state.page_namespace,
        page_namespace_is_content=state.page_namespace_is_content,
        page_is_redirect=state.page_is_redirect,
        page_is_deleted=state.page_is_deleted,
        start_timestamp=instant_or_none(state.start_timestamp),
        end_timestamp=instant_or_none(state.end_timestamp),
        caused_by_event_type=state.caused_by_event_type,
        caused_by_user_id=state.caused_by_user_id,
        caused_by_user_text=state.caused_by_user_text,
        caused_by_anonymous_user=state.caused_by_anonymous_user,
        caused_by_temporary_user=state.caused_by_temporary_user,
        caused_by_permanent_user=state.caused_by_permanent_user,
        inferred_from=state.inferred_from,
        source_log_id=state.source_log_id if (state.source_log_id or 0) > 0 else None,
        source_log_comment=state.source_log_comment,
        source_log_params=params_as_json(state.source_log_params),
        page_first_state=state.page_first_state,
        valid_from=instant_or_none(state.valid_from),
        valid_to=instant_or_none(state.valid_to),
        page_valid_from=instant_or_none(state.page_valid_from),
        link_quality=state.link_quality,
    )
