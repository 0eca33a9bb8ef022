"""Edits and editors by day, and editors by how much they do in a month.

- The day is that which the revision bears, UTC; the namespace is the one that the page has now, or had at its deletion.
- The kind of an account is what its name of now says (and tables, of temporary ones), wherever and whenever it edited: a rename moves
  all its edits.
- An imported revision, which is older than one with a lower id on its page, counts apart. So does a null revision (a move's or a
  protection's, with its parent's very text), which adds no bytes.
- A deletion takes the page's revisions away, a restore gives back exactly those that came back, a move to another namespace moves them.
- A hidden name moves an edit to the kind "hidden", which counts edits but no editors; shown again it moves back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from shared_logic.datasets.user_current import UserCurrent
from shared_logic.language import Clustering, Partition, Sum, Table, about, dataset
from shared_logic.things import Revision, User, UserKind


class EditorDay(Table, frozen=True, kw_only=True):
    """What one editor did in one namespace on one day."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[
        Partition[str],
        about(
            "#id or name; empty for a hidden one", private="tells what one person did", hidden_with="editor"
        ),
    ]
    day: Annotated[Clustering[date], about("UTC day of the revision")]
    namespace: Annotated[
        Clustering[int], about("namespace that the page has now or had at its deletion; -99: not known")
    ]
    edits: Annotated[
        Sum[int], about("revisions that readers can reach, imported and null ones apart", at_least=0)
    ]
    imported_edits: Annotated[Sum[int], about("revisions that came by an import", at_least=0)]
    null_edits: Annotated[Sum[int], about("revisions with their parent's very text", at_least=0)]
    bytes_added: Annotated[Sum[int], about("growth over the parent, where it grew", unit="bytes", at_least=0)]
    bytes_removed: Annotated[
        Sum[int], about("loss against the parent, where it shrank", unit="bytes", at_least=0)
    ]


@dataset
def editor_days(revision: Revision) -> Iterator[EditorDay]:
    """Edits of each editor by wiki, day and namespace; the rollup behind `daily_edits`."""
    imported, parent = revision.is_imported, revision.parent
    null = not imported and parent is not None and revision.sha1 is not None and parent.sha1 == revision.sha1
    grown = grown_by(revision)
    yield EditorDay(
        wiki=revision.wiki,
        editor=revision.user.key if revision.user else "",
        day=revision.day,
        namespace=NAMESPACE_UNKNOWN if revision.namespace is None else revision.namespace,
        edits=not (imported or null),
        imported_edits=imported,
        null_edits=null,
        bytes_added=max(0, grown),
        bytes_removed=max(0, -grown),
    )


class DailyEdits(Table, frozen=True, kw_only=True):
    """Edits of one day."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    day: Annotated[Clustering[date], about("UTC day of the revision")]
    namespace: Annotated[
        Clustering[int], about("namespace that the page has now or had at its deletion; -99: not known")
    ]
    user_kind: Annotated[Clustering[str], about("who edited", one_of=tuple(UserKind))]
    edits: Annotated[
        Sum[int], about("revisions that readers can reach, imported and null ones apart", at_least=0)
    ]
    imported_edits: Annotated[Sum[int], about("revisions that came by an import", at_least=0)]
    null_edits: Annotated[Sum[int], about("revisions with their parent's very text", at_least=0)]
    editors: Annotated[Sum[int], about("distinct editors of those edits; hidden ones not", at_least=0)]
    bytes_added: Annotated[Sum[int], about("growth over the parent, where it grew", unit="bytes", at_least=0)]
    bytes_removed: Annotated[
        Sum[int], about("loss against the parent, where it shrank", unit="bytes", at_least=0)
    ]


@dataset
def daily_edits(total: EditorDay, editor: UserCurrent | None) -> Iterator[DailyEdits]:
    """Edits, distinct editors and bytes per wiki, day, namespace and kind of user."""
    yield DailyEdits(
        wiki=total.wiki,
        day=total.day,
        namespace=total.namespace,
        user_kind=kind_of_editor(total.editor, editor),
        edits=total.edits,
        imported_edits=total.imported_edits,
        null_edits=total.null_edits,
        editors=bool(total.editor) and total.edits > 0,
        bytes_added=total.bytes_added,
        bytes_removed=total.bytes_removed,
    )


class EditorMonth(Table, frozen=True, kw_only=True):
    """What one editor did in one month."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    month: Annotated[Partition[date], about("first day of the month, UTC")]
    editor: Annotated[
        Clustering[str], about("#id or name", private="tells what one person did", hidden_with="editor")
    ]
    edits: Annotated[
        Sum[int], about("revisions that readers can reach, imported and null ones apart", at_least=0)
    ]


@dataset
def editor_months(total: EditorDay) -> Iterator[EditorMonth]:
    """Edits of each editor by month, over all namespaces."""
    if total.editor:
        yield EditorMonth(
            wiki=total.wiki, month=total.day.replace(day=1), editor=total.editor, edits=total.edits
        )


class ActiveEditors(Table, frozen=True, kw_only=True):
    """How many editors were how active in one month."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    month: Annotated[Clustering[date], about("first day of the month, UTC")]
    activity: Annotated[
        Clustering[str], about("edits in the month", one_of=("1 to 4", "5 to 24", "25 to 99", "100 or more"))
    ]
    editors: Annotated[Sum[int], about("distinct editors with that many edits", at_least=0)]


@dataset
def active_editors(total: EditorMonth) -> Iterator[ActiveEditors]:
    """Editors by activity class per month."""
    if total.edits > 0:
        yield ActiveEditors(wiki=total.wiki, month=total.month, activity=_activity(total.edits), editors=1)


NAMESPACE_UNKNOWN = -99
"""Not a namespace of MediaWiki; a page of which no source told the title."""


def kind_of_editor(editor: str, account: UserCurrent | None) -> str:
    """What an editor is: what its account's name of now says; without an account hidden, an address, or an id alone."""
    if account is not None:
        return account.user_kind
    if not editor:
        return UserKind.HIDDEN
    return UserKind.ACCOUNT if editor.startswith("#") else User(0, editor).kind


def grown_by(revision: Revision) -> int:
    """Bytes over the parent; 0 where a length is unknown or the parent is not in the page's history."""
    if revision.size is None:
        return 0
    if revision.parent_id == 0:
        return revision.size
    if revision.parent is None or revision.parent.size is None:
        return 0
    return revision.size - revision.parent.size


def _activity(edits: int) -> str:
    for limit, name in ((5, "1 to 4"), (25, "5 to 24"), (100, "25 to 99")):
        if edits < limit:
            return name
    return "100 or more"
