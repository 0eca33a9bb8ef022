"""What is hidden on a wiki is hidden in every answer: the last step of each read.

Of a revision that is its text, its comment or its author, noted in the store. Of an account that a block hides it is every name: a
value that names one is null in answers, and a row that can't be without it is no row. An imported name (`en>Alice`) is as the name behind
the mark. A row may tell itself that it is hidden.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Protocol, runtime_checkable

from shared_logic.datasets.user_current import hidden_names
from shared_logic.definition import Dataset
from shared_logic.generations import generation_of
from shared_logic.hidden_names import name_digest, names_in, names_in_key
from shared_logic.keys import decode_key, decode_values, encode_key, encode_values
from shared_logic.merge import merged_of
from shared_logic.protocols import Generation, Store
from shared_logic.states.page_state import COMMENT_HIDDEN, TEXT_HIDDEN, USER_HIDDEN
from shared_logic.tables import Column, DefinitionError, Key, Schema, Values

BITS = {"text": TEXT_HIDDEN, "comment": COMMENT_HIDDEN, "user": USER_HIDDEN}
ACCOUNT, EDITOR = "account", "editor"
_ROWS_AT_ONCE = 5_000

Row = tuple[Key, Values]
WikiAndName = tuple[str, str]


@runtime_checkable
class Redactions(Protocol):
    """A store that knows which parts of which revisions are hidden."""

    def redactions(self, wiki: str, rev_ids: Sequence[int]) -> Mapping[int, int]:
        """The bits (1 text, 2 comment, 4 user) of those revisions of which parts are hidden."""


class HiddenNames:
    """The names of hidden accounts, in the published generation or in that of a moment."""

    def __init__(self, store: Store, made: Generation | None = None) -> None:
        """Look names up in `store`; `made` is the generation of `hidden_names`, else the published one is asked for."""
        self._store, self._made = store, made

    @property
    def is_of_moment(self) -> bool:
        """Whether they are those of a moment: rows of the same moment that tell themselves whether they are hidden agree with them."""
        return self._made is not None

    def among(self, told: Collection[WikiAndName]) -> set[WikiAndName]:
        """Those of these names that are hidden."""
        if not told:
            return set()
        made = self._made or self._store.published(hidden_names.name)
        if made is None:
            return set()
        keys = {encode_key((wiki, name_digest(name))): (wiki, name) for wiki, name in told}
        found = merged_of(self._store, hidden_names, made.lane, list(keys))
        hidden = {keys[key] for key, row in found if row is not None}
        # Rows of a generation that was given up meanwhile may be missing, and no name may be shown for that.
        if not self.is_of_moment and generation_of(self._store, made.dataset, made.number) is None:
            return self.among(told)
        return hidden


class Redaction:
    """Hides the values of one dataset's rows."""

    def __init__(self, store: object, names: HiddenNames, dataset: Dataset) -> None:
        """See which columns are hidden with what.

        Args:
            store: what is hidden of revisions; a store that knows of no redactions hides nothing.
            names: those of hidden accounts.
            dataset: whose rows are to be shown.

        Raises:
            DefinitionError: a column says that it is hidden, and can't be.
        """
        schema = dataset.schema
        _check(schema)
        self._store = store if isinstance(store, Redactions) else None
        self._schema = schema
        self._bits = [BITS.get(schema.column(name).about.hidden_with, 0) for name in schema.value_names]
        stored = schema.key_names + schema.value_names
        self._telling = [stored.index(column.name) for column in schema.columns if column.about.hides_row]
        """Places in key and values of what tells that the row is hidden."""
        self._wiki = stored.index("wiki") if "wiki" in stored else 0
        self._rev_id = stored.index("rev_id") if any(self._bits) else 0
        needs_no_look = bool(self._telling) and names.is_of_moment
        self._named = [
            (stored.index(column.name), column)
            for column in schema.columns
            if column.names_account and not needs_no_look
        ]
        self._beside = {column.name: _hidden_with(schema, column) for _, column in self._named}
        """By column of names the places among the values of what is hidden with one."""
        self._names = names
        self._hides = bool(self._named or self._telling) or self.hides_parts

    @property
    def hiding_columns(self) -> Sequence[str]:
        """Columns that tell of their row that it is hidden."""
        return [column.name for column in self._schema.columns if column.about.hides_row]

    @property
    def hides_parts(self) -> bool:
        """Whether rows name a revision, of which parts may be hidden."""
        return self._store is not None and any(self._bits)

    @property
    def name_columns(self) -> Sequence[str]:
        """Columns with names of accounts, which may be hidden."""
        return [column.name for _, column in self._named]

    def hidden_revisions(self, told: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
        """Those of these revisions (wiki, id) of which a part is hidden."""
        by_wiki: dict[str, list[int]] = {}
        for wiki, rev_id in told:
            by_wiki.setdefault(wiki, []).append(rev_id)
        for wiki, ids in by_wiki.items():
            if self._store is not None:
                yield from ((wiki, rev_id) for rev_id in self._store.redactions(wiki, ids))

    def hidden_values(self, column: str, told: Iterable[WikiAndName]) -> Iterator[WikiAndName]:
        """Those of a column's values (of a list, of its members), each with its wiki, that tell a hidden name."""
        named = self._schema.column(column)
        names = {(wiki, value): [(wiki, name) for name in _names(named, value)] for wiki, value in told}
        hidden = self._names.among({name for some in names.values() for name in some})
        return (value for value, some in names.items() if not hidden.isdisjoint(some))

    def of_row(self, key: Key, values: Values) -> Values | None:
        """The values of one row without what is hidden; None: the row is."""
        return self._shown([(key, values)])[0] if self._hides else values

    def of_rows(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows that are shown, in their order, without what is hidden."""
        return self._rows(iter(rows)) if self._hides else iter(rows)

    def of_bytes(self, rows: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        """The same of rows as bytes (see `shared_logic.keys`)."""
        return self._encoded(rows) if self._hides else rows

    def _rows(self, rows: Iterator[Row]) -> Iterator[Row]:
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            for (key, _), values in zip(some, self._shown(some), strict=True):
                if values is not None:
                    yield key, values

    def _encoded(self, rows: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        schema = self._schema
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            decoded = [(decode_key(schema, key), decode_values(schema, row)) for key, row in some]
            for (key, _), values in zip(some, self._shown(decoded), strict=True):
                if values is not None:
                    yield key, encode_values(values)

    def _shown(self, rows: list[Row]) -> list[Values | None]:
        """What is shown of these rows, in their order; None: nothing."""
        shown: list[Values | None] = [values for _, values in rows]
        whole = [key + values for key, values in rows]
        if self._store is not None and self.hides_parts:
            for place, hidden in self._hidden_parts(self._store, whole):
                shown[place] = self._without_parts(rows[place][1], hidden)
        for telling in self._telling:
            shown = [None if row[telling] else values for row, values in zip(whole, shown, strict=True)]
        told = {
            (row[self._wiki], name)
            for place, column in self._named
            for row, values in zip(whole, shown, strict=True)
            if values is not None
            for name in _names(column, row[place])
        }
        hidden_now = self._names.among(told)
        if hidden_now:
            return [
                None if values is None else self._without_names(row, values, hidden_now)
                for row, values in zip(whole, shown, strict=True)
            ]
        return shown

    def _hidden_parts(self, store: Redactions, rows: list[tuple[Any, ...]]) -> Iterator[tuple[int, int]]:
        """Places of rows of which something is hidden, and the bits of that."""
        for wiki, group in groupby(enumerate(rows), key=lambda one: one[1][self._wiki]):
            ids = {place: row[self._rev_id] for place, row in group}
            known = store.redactions(wiki, sorted({number for number in ids.values() if number is not None}))
            if known:
                yield from ((place, known[number]) for place, number in ids.items() if number in known)

    def _without_names(self, row: tuple[Any, ...], values: Values, hidden: set[WikiAndName]) -> Values | None:
        """The values without names that are hidden; None: the row can't be without one."""
        width = len(row) - len(values)
        for place, column in self._named:
            if not hidden.isdisjoint((row[self._wiki], name) for name in _names(column, row[place])):
                if column.role != "value" or not (column.optional or column.about.hidden_with == "user"):
                    return None
                gone = {place - width, *self._beside[column.name]}
                values = tuple([None if at in gone else value for at, value in enumerate(values)])
        return values

    def _without_parts(self, values: Values, hidden: int) -> Values:
        return tuple([None if bit & hidden else value for bit, value in zip(self._bits, values, strict=True)])


def _check(schema: Schema[Any]) -> None:
    """Refuse columns that say that they are hidden, or hide their row, and can't.

    Raises:
        DefinitionError: there is one.
    """
    for column in schema.columns:
        part = column.about.hidden_with
        of_revision = part in BITS and column.role == "value" and {"wiki", "rev_id"} <= set(schema.names)
        of_account = part == ACCOUNT and column.type in {str, tuple} and "wiki" in schema.names
        of_editor = (
            part == EDITOR and column.type is str and column.role != "value" and "wiki" in schema.names
        )
        of_column = (
            part in schema.names
            and column.role == "value"
            and column.optional
            and schema.column(part).about.hidden_with == ACCOUNT
        )
        if part and not (of_revision or of_account or of_editor or of_column):
            message = (
                f"table {schema.name}, column {column.name}: can't be hidden with {part!r}; name one of "
                f"{', '.join(BITS)}, on a column that is neither key nor Sum, in a table with wiki and rev_id; or "
                f"{ACCOUNT}, on a column of names, or {EDITOR}, on one of the key with editors' keys, in a table with wiki; or "
                f"a column that is hidden with {ACCOUNT}, on one that can be null"
            )
            raise DefinitionError(message)
        is_flag = column.type is bool and column.role == "value" and not column.optional
        if column.about.hides_row and not is_flag:
            message = f"table {schema.name}, column {column.name}: can't hide rows; let it be a bool that is neither key nor optional"
            raise DefinitionError(message)


def _hidden_with(schema: Schema[Any], column: Column) -> Sequence[int]:
    """Places among the values of what is hidden with a column of names: of a revision's author all that is, else what says so."""
    part = column.name if column.about.hidden_with == ACCOUNT else column.about.hidden_with
    values = map(schema.column, schema.value_names)
    return [place for place, other in enumerate(values) if other.about.hidden_with == part]


def _names(column: Column, value: Any) -> Sequence[str]:
    """The names that a value of a column of names tells, or several if it is a list."""
    if value is None:
        return ()
    if column.about.hidden_with == EDITOR:
        return names_in_key(value)
    return [name for one in value for name in names_in(one)] if isinstance(value, tuple) else names_in(value)
