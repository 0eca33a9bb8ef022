"""The author's language: a table, and one kind of function that yields its rows.

    def f(revision: Revision)        -> Iterator[SomeTable]   an enrichment
    def f(page: Page)                -> Iterator[SomeTable]   an entity; so are Account, LogEntry, Site, and unions of them
    def f(revision: Revision, so_far: MyFold) ...             a fold over a page's history in own order (see `shared_logic.folds`)
    def f(total: SumTable)           -> Iterator[SomeTable]   derived from a rollup's finished totals
    def f(total: SumTable, of: Row | None)  ...               derived, with the row of another table that bears the first key columns
    def f(rows: Linked[LinkTable])   -> Iterator[SomeTable]   linked: from all rows that name one another; a second
                                                              parameter is the row of a table that is keyed by the wiki

Any of them may take settings as well, which an installation's configuration can change:

    def f(page: Page, *, settings: MySettings = MySettings()) -> Iterator[SomeTable]

The signature says which of them it is; a table with a column typed `Sum` is a rollup (the rows of one key are added up),
any other keeps one row per key. Nothing else is to be declared.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from operator import itemgetter
from typing import Annotated, Any, ClassVar, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from shared_logic.folds import Fold, shared_by_all
from shared_logic.things import Account, InputIssue, LogEntry, Page, Revision, Site, StrayRevision

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
class Linked(Generic[T]):
    """All rows of a table that name one another, directly or through others, in order of key."""

    rows: tuple[T, ...]


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
    "account": the value is a name, or a list of names, and is hidden with the account that bears or bore it."""
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


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what an installation may set: subclass it with defaults; the class' name is that of the section."""


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
        return self.about.hidden_with in {"account", "user"} and self.type in {str, tuple}


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
            TypeError: a value that its column can't hold.
        """
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


@dataclass(frozen=True)
class Dataset:
    """One definition: what the function reads, the table that it makes, and the function."""

    name: str
    reads: tuple[type, ...]
    """Things, or the source's table."""
    schema: Schema[Any]
    function: Callable[..., Iterator[Any]]
    source: Dataset | None = None
    """The dataset whose table it reads; None: it reads things."""
    joined: Dataset | None = None
    """The dataset whose row of the same first key columns it is given beside the total."""
    fold: type[Fold] | None = None
    """What is handed from one revision to the next; None: the function is given the thing as a whole."""
    settings: Settings | None = None
    """What the function is given by name; None: it takes no settings."""
    doc: str = field(default="", compare=False)

    @property
    def shape(self) -> str:
        """enrichment, fold, entity, derived or linked."""
        if self.source is not None:
            return "linked" if self.is_linked else "derived"
        if self.fold is not None:
            return "fold"
        return "enrichment" if self.reads == (Revision,) else "entity"

    @cached_property
    def is_by_revision(self) -> bool:
        """Whether each revision gives rows or sums of its own, which can be made anew without those of the others.

        Rows that hold a `rev_id` in their key are its own: the kernel refuses another one.
        """
        return Revision in self.reads and (self.is_rollup or "rev_id" in self.schema.key_names)

    @property
    def is_linked(self) -> bool:
        """Whether it reads the linked rows of its source."""
        return self.source is not None and bool(self.source.schema.links)

    @property
    def reading(self) -> str:
        """What it reads, in words."""
        names = [one.name for one in self.inputs] or [thing.__name__ for thing in self.reads]
        return ", ".join(names) + (", revision by revision" if self.fold is not None else "")

    @property
    def inputs(self) -> tuple[Dataset, ...]:
        """The datasets whose tables it reads."""
        return tuple(one for one in (self.source, self.joined) if one is not None)

    @cached_property
    def is_rollup(self) -> bool:
        """Whether the rows of one key are added up."""
        return self.schema.is_rollup

    @property
    def chain(self) -> tuple[Dataset, ...]:
        """All that it is made from, what is read before what reads it, itself last."""
        found = {dataset.name: dataset for one in self.inputs for dataset in one.chain}
        return (*found.values(), self)

    def __call__(self, *things: Any) -> Iterator[Any]:
        """The rows of one thing."""
        return self.step(*things) if self.fold is None else self._folded(self.fold, *things)

    def step(self, *things: Any) -> Iterator[Any]:
        """What one call of the author's function gives."""
        return (
            self.function(*things)
            if self.settings is None
            else self.function(*things, settings=self.settings)
        )

    def _folded(self, fold: type[Fold], thing: Page | StrayRevision) -> Iterator[Any]:
        facts, history = (thing, thing.history) if isinstance(thing, Page) else (thing.facts, (thing,))
        if not history:
            return
        so_far = fold()
        so_far.put_on(facts)
        for revision in history:
            yield from self.step(revision, so_far)
        so_far.check()


def names_accounts(dataset: Dataset) -> bool:
    """Whether a column holds names of accounts, which are shown only while no block hides them."""
    return any(column.names_account for column in dataset.schema.columns)


class Registry(dict[str, Dataset]):
    """Datasets by name; a source stands before what is derived from it."""

    def dataset(self, function: Callable[..., Iterator[Any]]) -> Dataset:
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
        read, beside, table, settings = _signature(function)
        source = joined = None
        things, fold = _arms(read), None
        if isinstance(beside, type) and issubclass(beside, Fold):
            things, fold, beside = _folded_things(name, things, beside), beside, None
        if get_origin(read) is Linked:
            (linked,) = get_args(read)
            things, source = (
                (linked,),
                self._making(linked, name, "the table of a dataset with a Link", _has_links),
            )
        elif not set(things) <= THINGS:
            source = self._making(
                read, name, "Page, Revision, Account, LogEntry, Site or the table of a rollup", _is_rollup
            )
        if beside is not None:
            joined = self._joined(name, source, beside)
        made = Dataset(
            name=name,
            reads=things,
            schema=Schema(table),
            function=function,
            source=source,
            joined=joined,
            fold=fold,
            settings=settings,
            doc=inspect.cleandoc(function.__doc__ or ""),
        )
        self[name] = made
        return made

    def configure(self, sections: Mapping[str, Mapping[str, Any]]) -> None:
        """Set what the sections say, by the names of settings; what they don't mention is as authors wrote it.

        Raises:
            DefinitionError: no dataset takes such settings, or they can't have such a value.
        """
        kinds = {type(made.settings).__name__: type(made.settings) for made in self.values() if made.settings}
        for name in sections:
            if name not in kinds:
                message = f"no dataset has settings {name}; there are {', '.join(sorted(kinds)) or 'none'}"
                raise DefinitionError(message)
        for made in list(self.values()):
            if made.settings is not None:
                kind = type(made.settings)
                try:
                    settings = msgspec.convert(dict(sections.get(kind.__name__, {})), kind)
                except msgspec.ValidationError as error:
                    message = f"settings {kind.__name__}: {error}"
                    raise DefinitionError(message) from error
                made = replace(made, settings=settings)  # noqa: PLW2901
            # What reads a table must name the dataset as it is now.
            source = self[made.source.name] if made.source else None
            joined = self[made.joined.name] if made.joined else None
            self[made.name] = replace(made, source=source, joined=joined)

    def _making(self, table: type, reader: str, wanted: str, fits: Callable[[Dataset], bool]) -> Dataset:
        for dataset in self.values():
            if dataset.schema.table is table and fits(dataset):
                return dataset
        message = (
            f"dataset {reader}: it reads {getattr(table, '__name__', table)}, which is not {wanted} that was defined "
            "before it; define that above"
        )
        raise DefinitionError(message)

    def _joined(self, reader: str, source: Dataset | None, beside: Any) -> Dataset:
        arms = [arm for arm in get_args(beside) if arm is not type(None)]
        if source is None or len(arms) != 1:
            message = (
                f"dataset {reader}: beside a rollup's total or linked rows a function takes one row that may be missing, as "
                "in def f(total: SumTable, of: OtherTable | None)"
            )
            raise DefinitionError(message)
        joined = self._making(
            arms[0], reader, "the table of a dataset of rows", lambda known: not known.is_rollup
        )
        width = len(joined.schema.key_names)
        shared = source.schema.partition[:1] if source.schema.links else source.schema.key_names
        if shared[:width] != joined.schema.key_names:
            message = (
                f"dataset {reader}: the key of {joined.schema.name} ({', '.join(joined.schema.key_names)}) must be how the "
                f"key of {source.schema.name} ({', '.join(shared)}) begins"
            )
            raise DefinitionError(message)
        return joined

    def derived_from(self, dataset: Dataset) -> tuple[Dataset, ...]:
        """The datasets that read this one's table, in order of definition."""
        return tuple(other for other in self.values() if dataset in other.inputs)

    def family(self, dataset: Dataset) -> tuple[Dataset, ...]:
        """The dataset with all that it reads, all that reads it, and so on, in order of definition."""
        found: set[str] = set()
        waiting = [dataset]
        while waiting:
            one = waiting.pop()
            if one.name not in found:
                found.add(one.name)
                waiting.extend((*one.inputs, *self.derived_from(one)))
        return tuple(one for one in self.values() if one.name in found)

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
            wanted.update(dataset.name for dataset in self[name].chain)
        return tuple(dataset for dataset in self.values() if dataset.name in wanted)


THINGS = {Page, Revision, Account, LogEntry, Site, InputIssue, StrayRevision}
"""What an author's function may read beside tables."""
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
    if role == "link" and bare is not tuple:
        message = f"table {table.__name__}, column {name}: a Link is a tuple[str, ...] of what the row names"
        raise DefinitionError(message)
    if role in {"partition", "clustering"} and (optional or bare is tuple):
        message = f"table {table.__name__}, column {name}: a key column always has one value; drop the None or the tuple"
        raise DefinitionError(message)
    return Column(name, bare, role, optional, described)


def _signature(function: Callable[..., Any]) -> tuple[Any, Any, type, Settings | None]:
    """What it reads, what it is given beside that (None: nothing), the table that it makes, and its settings."""
    hints = typing.get_type_hints(function)
    arguments = get_args(hints.pop("return", None))
    parameters = dict(inspect.signature(function).parameters)
    named = parameters.pop("settings", None)
    settings = None
    if named is not None:
        hints.pop("settings", None)
        settings = named.default
        if named.kind is not inspect.Parameter.KEYWORD_ONLY or not isinstance(settings, Settings):
            message = (
                f"dataset {function.__name__}: write its settings as *, settings: MySettings = MySettings(), of a class that "
                "extends Settings"
            )
            raise DefinitionError(message)
    read = list(hints.values())
    if len(read) not in {1, 2} or len(parameters) != len(read) or len(arguments) != 1:
        message = (
            f"dataset {function.__name__}: its signature must say what it reads and makes, as in "
            "def f(page: Page) -> Iterator[MyTable]"
        )
        raise DefinitionError(message)
    if not (isinstance(arguments[0], type) and issubclass(arguments[0], Table)):
        message = f"dataset {function.__name__}: {arguments[0]} is no Table; make a class of columns that extends Table"
        raise DefinitionError(message)
    return read[0], read[1] if len(read) > 1 else None, arguments[0], settings


def _folded_things(name: str, things: tuple[Any, ...], fold: type[Fold]) -> tuple[type, ...]:
    """What holds the revisions that a fold is given."""
    if shared := shared_by_all(fold):
        message = (
            f"dataset {name}: all pages would share {fold.__name__}.{shared}; set what it holds in __init__"
        )
        raise DefinitionError(message)
    if Revision not in things or not set(things) <= {Revision, StrayRevision}:
        message = (
            f"dataset {name}: a fold goes from revision to revision; write it as def f(revision: Revision, so_far: MyFold), or "
            "with Revision | StrayRevision"
        )
        raise DefinitionError(message)
    return tuple(Page if thing is Revision else thing for thing in things)


def _arms(hint: Any) -> tuple[Any, ...]:
    """The types of a union, or the type."""
    return get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)


def _is_rollup(dataset: Dataset) -> bool:
    return dataset.is_rollup


def _has_links(dataset: Dataset) -> bool:
    return bool(dataset.schema.links)
