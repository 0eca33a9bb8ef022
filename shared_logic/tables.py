"""A table: its columns, what they mean, and how its rows are taken apart into keys and values."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from operator import itemgetter
from typing import Annotated, Any, ClassVar, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from shared_logic.clock import instant, milliseconds

T = TypeVar("T")
Key = tuple[Any, ...]
Values = tuple[Any, ...]


class DefinitionError(Exception):
    """A dataset or table is not well defined; the message names it, the place in it, and what to do."""


class _Role(msgspec.Struct, frozen=True):
    name: str


Partition = Annotated[T, _Role("partition")]
"""A column of the partition key: reads name all of them."""
Clustering = Annotated[T, _Role("clustering")]
"""A column of the clustering key: rows of a partition are ordered by it, and ranges are read by it."""
Sum = Annotated[T, _Role("sum")]
"""A whole number that is added up over all rows of one key."""
Link = Annotated[T, _Role("link")]
"""Other partitions that the row names (values of the last partition column): rows that name one another belong together."""


@dataclass(frozen=True, slots=True)
class About:
    """A column's line in the data dictionary, with its expectations."""

    text: str
    unit: str = ""
    at_least: int | None = None
    at_most: int | None = None
    one_of: tuple[str, ...] = ()
    private: str = ""
    """Why the column is never served outside; empty: it is served."""
    hidden_with: str = ""
    """The part (text, comment, user) of the row's revision with which the value is hidden, which needs a column rev_id; or
    "account": the value is a name, or a list of names, and is hidden with the account that bears or bore it; or "editor": the value is the
    key of an editor, part of the row's key, and a row whose editor's key tells the name of a hidden account is in no answer; or a column of the
    row that is hidden with an account, as its id is with its name."""
    hides_row: bool = False
    """Whether a row in which the value is true is in no answer: it is of an account that is hidden now."""


about = About


class Table(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of every table: subclass it and annotate the columns.

    `expectations` are conditions over the columns of one row, in SQL, each of which every row must meet. `growth` are such
    conditions too: how many rows of a wiki meet them must not change too much from one generation to the next.
    """

    expectations: ClassVar[tuple[str, ...]] = ()
    growth: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    type: type
    """int, str, bool, date or datetime, or tuple (of str)."""
    role: str
    """partition, clustering, sum, link, or value."""
    optional: bool
    about: About

    @property
    def names_account(self) -> bool:
        """Whether it holds names, which are hidden with the accounts that bear them."""
        return self.about.hidden_with in {"account", "editor", "user"} and self.type in {str, tuple}

    @property
    def can_be_null(self) -> bool:
        """Whether answers may have null there: nobody tells it, or it is hidden; a key that is hidden is in none."""
        return self.optional or self.about.hidden_with not in {"", "editor"}


class Schema(Generic[T]):
    """The columns of a table class and how its rows are taken apart."""

    def __init__(self, table: type[T]) -> None:
        """Read the annotations of `table`.

        Raises:
            DefinitionError: no partition key, sums beside values, or a type that no store can hold.
        """
        self.table = table
        self.name = table.__name__
        self.doc = inspect.cleandoc(table.__doc__ or "")
        self.columns = tuple(_columns(table))
        self.names = tuple(column.name for column in self.columns)
        self.partition = self._named("partition")
        self.clustering = self._named("clustering")
        self.key_names = self.partition + self.clustering
        self.sums = self._named("sum")
        self.links = self._named("link")
        self.value_names = tuple(name for name in self.names if name not in self.key_names)
        self.expectations: tuple[str, ...] = getattr(table, "expectations", ())
        self.growth: tuple[str, ...] = getattr(table, "growth", ())
        if not self.partition:
            message = f"table {self.name}: no column is Partition[...]; say which columns a reader must name"
            raise DefinitionError(message)
        if self.sums and set(self.value_names) != set(self.sums):
            both = ", ".join(sorted(set(self.value_names) - set(self.sums)))
            message = f"table {self.name}: {both} is neither key nor Sum; a rollup has keys and sums only"
            raise DefinitionError(message)
        if self.links and [self.column(name).type for name in self.partition] != [str, str]:
            message = (
                f"table {self.name}: a table with a Link has two partition columns of text, the second of which the link "
                "names, as in wiki, name"
            )
            raise DefinitionError(message)
        self.key_types = tuple(self.column(name).type for name in self.key_names)
        """Of the key's columns."""
        self.made_plain = tuple(
            (place, column.type)
            for place, column in enumerate(map(self.column, self.value_names))
            if column.type in {date, datetime, tuple}
        )
        """Places among the values of those that are stored in another form, and what they are."""
        self._key_of = _picker([self.names.index(name) for name in self.key_names])
        stored = (*self.key_names, *self.value_names)
        self._in_order = _picker([stored.index(name) for name in self.names])
        self._values_of = _picker([self.names.index(name) for name in self.value_names])
        self._accepted: dict[tuple[type, ...], bool] = {}

    @cached_property
    def is_rollup(self) -> bool:
        """Whether rows of one key are added up."""
        return bool(self.sums)

    @cached_property
    def signature(self) -> tuple[str, ...]:
        """Its columns in words: rows that were stored under another signature can't be read with this one."""
        return tuple(
            f"{column.name} {column.type.__name__} {column.role}{' or null' if column.optional else ''}"
            for column in self.columns
        )

    def column(self, name: str) -> Column:
        """The column of that name."""
        return self.columns[self.names.index(name)]

    def split(self, row: T) -> tuple[Key, Values]:
        """Key and values of a row, each in the order of the columns (partition keys first); sums as whole numbers.

        Raises:
            TypeError: it is no row of this table, or has a value that its column can't hold.
        """
        if not isinstance(row, self.table):
            message = f"it yields {type(row).__name__}, where its signature says {self.name}"
            raise TypeError(message)
        flat = msgspec.structs.astuple(row)  # type: ignore[arg-type]
        kinds = tuple(map(type, flat))
        has_truths = self._accepted.get(kinds)
        if has_truths is None:
            has_truths = self._accept(flat, kinds)
        values = self._values_of(flat)
        return self._key_of(flat), tuple(map(int, values)) if has_truths else values

    def _accept(self, flat: tuple[Any, ...], kinds: tuple[type, ...]) -> bool:
        """Check values of types that were not met before; whether truth values are among what is added up."""
        for value, column in zip(flat, self.columns, strict=True):
            if type(value) is not column.type and not _fits(value, column):
                message = f"{self.name}.{column.name} can't hold {value!r}; it is {column.type.__name__}"
                raise TypeError(message)
        has_truths = self._accepted[kinds] = self.is_rollup and bool in self._values_of(kinds)
        return has_truths

    def storable(self, part: tuple[Any, ...]) -> tuple[Any, ...]:
        """A key or values as every store gives them back: instants in UTC and whole milliseconds.

        Raises:
            TypeError: an instant without time zone, or a whole number of more than 63 bits.
        """
        return tuple([self._storable(value) for value in part])

    def _storable(self, value: Any) -> Any:
        if isinstance(value, datetime):
            if value.tzinfo is None:
                message = f"{self.name} can't hold {value!r}, which has no time zone"
                raise TypeError(message)
            return instant(milliseconds(value))
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            message = (
                f"{self.name} can't hold a whole number of {value.bit_length()} bits; at most {_MOST_BITS}"
            )
            raise TypeError(message)
        return value

    def row(self, key: Sequence[Any], values: Sequence[Any]) -> T:
        """The row of a key and its values."""
        return self.table(
            **dict(zip(self.key_names, key, strict=True)), **dict(zip(self.value_names, values, strict=True))
        )

    def record(self, key: Sequence[Any], values: Sequence[Any]) -> dict[str, Any]:
        """The row as names and values, in the order of the table's columns."""
        return dict(zip(self.names, self._in_order((*key, *values)), strict=True))

    def _named(self, role: str) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.role == role)


def _picker(places: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Picks the values at some places, always as a tuple."""
    start = places[0] if places else 0
    if places == list(range(start, start + len(places))):
        return itemgetter(slice(start, start + len(places)))
    return itemgetter(*places)


def _fits(value: object, column: Column) -> bool:
    """Whether the column can hold a value whose type is not exactly the column's."""
    if value is None:
        return column.optional
    return (column.type is str and isinstance(value, str)) or (
        column.role == "sum" and isinstance(value, bool)
    )


_MOST_BITS = 63
_PLAIN = (int, str, bool, date, datetime)


def _columns(table: type) -> Iterator[Column]:
    for name, hint in get_type_hints(table, include_extras=True).items():
        if get_origin(hint) is not ClassVar:
            yield _column(table, name, hint)


def _column(table: type, name: str, hint: Any) -> Column:
    role, described, bare = "value", About(""), hint
    while get_origin(bare) is Annotated:
        for note in bare.__metadata__:
            role = note.name if isinstance(note, _Role) else role
            described = note if isinstance(note, About) else described
        bare = bare.__origin__
    optional = get_origin(bare) in {Union, types.UnionType} and type(None) in get_args(bare)
    if optional:
        (bare,) = (arm for arm in get_args(bare) if arm is not type(None))
    if get_origin(bare) is tuple and get_args(bare) == (str, Ellipsis):
        bare = tuple
    elif isinstance(bare, type) and issubclass(bare, str):
        bare = str
    if bare not in (*_PLAIN, tuple) or (role == "sum" and (bare is not int or optional)):
        message = (
            f"table {table.__name__}, column {name}: {bare} can't be stored as {role}; "
            "use int, str, bool, date, datetime or tuple[str, ...], and int for a Sum"
        )
        raise DefinitionError(message)
    if role == "link" and bare is not tuple:
        message = f"table {table.__name__}, column {name}: a Link is a tuple[str, ...] of what the row names"
        raise DefinitionError(message)
    if role in {"partition", "clustering"} and (optional or bare is tuple):
        message = f"table {table.__name__}, column {name}: a key column always has one value; drop the None or the tuple"
        raise DefinitionError(message)
    return Column(name, bare, role, optional, described)
