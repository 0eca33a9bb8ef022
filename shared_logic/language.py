"""The author's language: a table, and one kind of function that yields its rows.

    def f(revision: Revision) -> Iterator[SomeTable]   an enrichment
    def f(page: Page)         -> Iterator[SomeTable]   an entity
    def f(total: SumTable)    -> Iterator[SomeTable]   derived from a rollup's finished totals

The signature says which of the three it is; a table with a column typed `Sum` is a rollup (the rows of one key are added up),
any other keeps one row per key. Nothing else is to be declared.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import itemgetter
from typing import Annotated, Any, ClassVar, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from shared_logic.things import Page, Revision

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
    """The part (text, comment, user) of the row's revision with which the value is hidden; needs a column rev_id."""


about = About


class Table(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of every table: subclass it and annotate the columns.

    `expectations` are conditions over the columns of one row, in SQL, each of which every row must meet.
    """

    expectations: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    type: type
    """int, str, bool, date or datetime, or tuple (of str)."""
    role: str
    """partition, clustering, sum, or value."""
    optional: bool
    about: About


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
        self.value_names = tuple(name for name in self.names if name not in self.key_names)
        self.expectations: tuple[str, ...] = getattr(table, "expectations", ())
        if not self.partition:
            message = f"table {self.name}: no column is Partition[...]; say which columns a reader must name"
            raise DefinitionError(message)
        if self.sums and set(self.value_names) != set(self.sums):
            both = ", ".join(sorted(set(self.value_names) - set(self.sums)))
            message = f"table {self.name}: {both} is neither key nor Sum; a rollup has keys and sums only"
            raise DefinitionError(message)
        self._key_of = _picker([self.names.index(name) for name in self.key_names])
        self._values_of = _picker([self.names.index(name) for name in self.value_names])
        self._accepted: set[tuple[type, ...]] = set()

    @property
    def is_rollup(self) -> bool:
        """Whether rows of one key are added up."""
        return bool(self.sums)

    def column(self, name: str) -> Column:
        """The column of that name."""
        return self.columns[self.names.index(name)]

    def split(self, row: T) -> tuple[Key, Values]:
        """Key and values of a row, each in the order of the columns (partition keys first).

        Raises:
            TypeError: a value that its column can't hold.
        """
        flat = msgspec.structs.astuple(row)  # type: ignore[arg-type]
        kinds = tuple(map(type, flat))
        if kinds not in self._accepted:
            self._accept(flat, kinds)
        return self._key_of(flat), self._values_of(flat)

    def _accept(self, flat: tuple[Any, ...], kinds: tuple[type, ...]) -> None:
        """Check values of types that were not met before."""
        for value, column in zip(flat, self.columns, strict=True):
            if type(value) is not column.type and not _fits(value, column):
                message = f"{self.name}.{column.name} can't hold {value!r}; it is {column.type.__name__}"
                raise TypeError(message)
        self._accepted.add(kinds)

    def row(self, key: Sequence[Any], values: Sequence[Any]) -> T:
        """The row of a key and its values."""
        return self.table(
            **dict(zip(self.key_names, key, strict=True)), **dict(zip(self.value_names, values, strict=True))
        )

    def record(self, key: Sequence[Any], values: Sequence[Any]) -> dict[str, Any]:
        """The row as names and values, in the order of the table's columns."""
        found = dict(zip(self.key_names, key, strict=True)) | dict(zip(self.value_names, values, strict=True))
        return {name: found[name] for name in self.names}

    def _named(self, role: str) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.role == role)


@dataclass(frozen=True)
class Dataset:
    """One definition: what the function reads, the table that it makes, and the function."""

    name: str
    reads: type
    schema: Schema[Any]
    function: Callable[[Any], Iterator[Any]]
    source: Dataset | None = None
    """The rollup that a derived dataset reads."""
    doc: str = field(default="", compare=False)

    @property
    def shape(self) -> str:
        """enrichment, entity or derived."""
        if self.source is not None:
            return "derived"
        return "enrichment" if self.reads is Revision else "entity"

    @property
    def is_rollup(self) -> bool:
        """Whether the rows of one key are added up."""
        return self.schema.is_rollup

    @property
    def root(self) -> Dataset:
        """The dataset at the start of the chain, which reads an entity."""
        return self if self.source is None else self.source.root

    def __call__(self, thing: Any) -> Iterator[Any]:
        """The rows of one thing."""
        return self.function(thing)


class Registry(dict[str, Dataset]):
    """Datasets by name; a source stands before what is derived from it."""

    def dataset(self, function: Callable[[Any], Iterator[Any]]) -> Dataset:
        """Register a function as the dataset of its name; its signature is its definition.

        Raises:
            DefinitionError: the name is taken or the signature says nothing that can be run.
        """
        name = function.__name__
        if name in self and self[name].function.__module__ != function.__module__:
            message = (
                f"dataset {name}: defined in {self[name].function.__module__} already; choose another name"
            )
            raise DefinitionError(message)
        reads, table = _signature(function)
        made = Dataset(
            name=name,
            reads=reads,
            schema=Schema(table),
            function=function,
            source=None if reads in {Page, Revision} else self.making(reads, name),
            doc=inspect.cleandoc(function.__doc__ or ""),
        )
        self[name] = made
        return made

    def making(self, table: type, reader: str = "") -> Dataset:
        """The rollup whose table that is.

        Raises:
            DefinitionError: no registered rollup makes it.
        """
        for dataset in self.values():
            if dataset.schema.table is table and dataset.is_rollup:
                return dataset
        message = (
            f"dataset {reader}: it reads {table.__name__}, which is neither Page, Revision nor the table of a rollup "
            "that was defined before it; give it the table of a rollup, defined above"
        )
        raise DefinitionError(message)

    def derived_from(self, dataset: Dataset) -> tuple[Dataset, ...]:
        """The datasets that read this one's totals, in order of definition."""
        return tuple(other for other in self.values() if other.source is dataset)

    def closure(self, names: Sequence[str]) -> tuple[Dataset, ...]:
        """The named datasets with all that they are derived from, sources first.

        Raises:
            DefinitionError: a name is unknown.
        """
        wanted: set[str] = set()
        for name in names:
            if name not in self:
                message = f"dataset {name}: unknown; there are {', '.join(self) or 'none'}"
                raise DefinitionError(message)
            dataset: Dataset | None = self[name]
            while dataset is not None:
                wanted.add(dataset.name)
                dataset = dataset.source
        return tuple(dataset for dataset in self.values() if dataset.name in wanted)


registry = Registry()
"""Every dataset that this process knows."""

dataset = registry.dataset
"""Decorator: register a function in `registry`."""


def _picker(places: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Picks the values at some places, always as a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda flat: tuple([flat[place] for place in places])


def _fits(value: object, column: Column) -> bool:
    """Whether the column can hold a value whose type is not exactly the column's."""
    if value is None:
        return column.optional
    return (column.type is str and isinstance(value, str)) or (
        column.role == "sum" and isinstance(value, bool)
    )


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
    if role in {"partition", "clustering"} and (optional or bare is tuple):
        message = f"table {table.__name__}, column {name}: a key column always has one value; drop the None or the tuple"
        raise DefinitionError(message)
    return Column(name, bare, role, optional, described)


def _signature(function: Callable[..., Any]) -> tuple[type, type]:
    hints = typing.get_type_hints(function)
    made = hints.pop("return", None)
    read = list(hints.values())
    arguments = get_args(made)
    if len(read) != 1 or len(inspect.signature(function).parameters) != 1 or len(arguments) != 1:
        message = (
            f"dataset {function.__name__}: its signature must say what it reads and makes, as in "
            "def f(page: Page) -> Iterator[MyTable]"
        )
        raise DefinitionError(message)
    if not (isinstance(arguments[0], type) and issubclass(arguments[0], Table)):
        message = f"dataset {function.__name__}: {arguments[0]} is no Table; make a class of columns that extends Table"
        raise DefinitionError(message)
    return read[0], arguments[0]
