"""What is hidden on a wiki is hidden in every answer: the last step of each read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Protocol, runtime_checkable

from shared_logic.keys import decode_key, decode_values, encode_values
from shared_logic.language import Dataset, DefinitionError, Key, Values
from shared_logic.page_state import COMMENT_HIDDEN, TEXT_HIDDEN, USER_HIDDEN

BITS = {"text": TEXT_HIDDEN, "comment": COMMENT_HIDDEN, "user": USER_HIDDEN}
_ROWS_AT_ONCE = 5_000

Row = tuple[Key, Values]


@runtime_checkable
class Redactions(Protocol):
    """A store that knows which parts of which revisions are hidden."""

    def redactions(self, wiki: str, rev_ids: Sequence[int]) -> Mapping[int, int]:
        """The bits (1 text, 2 comment, 4 user) of those revisions of which parts are hidden."""


class Redaction:
    """Hides the values of one dataset's rows."""

    def __init__(self, store: object, dataset: Dataset) -> None:
        """See which columns are hidden with what; a store that knows of no redactions hides nothing.

        Raises:
            DefinitionError: a column says that it is hidden, and can't be.
        """
        schema = dataset.schema
        self._store = store if isinstance(store, Redactions) else None
        self._schema = schema
        self._bits = [BITS.get(schema.column(name).about.hidden_with, 0) for name in schema.value_names]
        for column in schema.columns:
            part = column.about.hidden_with
            if part and (
                part not in BITS or column.role != "value" or not {"wiki", "rev_id"} <= set(schema.names)
            ):
                message = (
                    f"table {schema.name}, column {column.name}: can't be hidden with {part!r}; name one of "
                    f"{', '.join(BITS)}, on a column that is neither key nor Sum, in a table with wiki and rev_id"
                )
                raise DefinitionError(message)
        self._hides = self._store is not None and any(self._bits)

    def of_row(self, key: Key, values: Values) -> Values:
        """The values of one row without what is hidden."""
        return next(self._without_hidden(iter([(key, values)])))[1] if self._hides else values

    def of_rows(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, in their order, without what is hidden."""
        return self._without_hidden(iter(rows)) if self._hides else iter(rows)

    def of_bytes(self, rows: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        """The same of rows as bytes (see `shared_logic.keys`)."""
        if not self._hides:
            return rows
        return self._encoded(rows)

    def _without_hidden(self, rows: Iterator[Row]) -> Iterator[Row]:
        while self._store is not None and (some := list(islice(rows, _ROWS_AT_ONCE))):
            for wiki, group in groupby(some, key=lambda row: str(self._value("wiki", row))):
                of_wiki = list(group)
                ids = [self._value("rev_id", row) for row in of_wiki]
                known = self._store.redactions(
                    wiki, sorted({number for number in ids if isinstance(number, int)})
                )
                for number, (key, values) in zip(ids, of_wiki, strict=True):
                    hidden = known.get(number, 0) if isinstance(number, int) else 0
                    yield key, self._without(values, hidden) if hidden else values

    def _encoded(self, rows: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            decoded = ((decode_key(self._schema, key), decode_values(self._schema, row)) for key, row in some)
            for (key, _), (_, values) in zip(some, self.of_rows(decoded), strict=True):
                yield key, encode_values(values)

    def _value(self, name: str, row: Row) -> object:
        names = self._schema.key_names
        return row[0][names.index(name)] if name in names else row[1][self._schema.value_names.index(name)]

    def _without(self, values: Values, hidden: int) -> Values:
        return tuple([None if bit & hidden else value for bit, value in zip(self._bits, values, strict=True)])
