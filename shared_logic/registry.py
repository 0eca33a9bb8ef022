"""Datasets by name, each read from the signature of its function (see `shared_logic.language`)."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Union, get_args, get_origin

import msgspec

from shared_logic.definition import Dataset, Linked, Settings
from shared_logic.events.declared import identity_of, is_declared
from shared_logic.folds import Fold, shared_by_all
from shared_logic.tables import DefinitionError, Schema, Table
from shared_logic.things import Account, InputIssue, LogEntry, Page, Revision, Site, StrayRevision


class SettingsError(DefinitionError):
    """What an installation sets can't be so."""

    def __init__(self, message: str, settings: str) -> None:
        """`settings` is the name of these."""
        super().__init__(message)
        self.settings = settings


_TAKEN = frozenset({"audits", "entity_states", "growth", "quarantine", "raised"})
"""What the batch keeps in `delta/` beside the tables of datasets."""


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
        if name in _TAKEN:
            message = f"dataset {name}: a home has a table of its own of that name, beside those of datasets; choose another name"
            raise DefinitionError(message)
        signature = _Signature.of(function)
        things, fold, beside = signature.things, signature.fold, signature.beside
        source = joined = None
        if signature.linked is not None:
            source = self._making(signature.linked, name, "the table of a dataset with a Link", _has_links)
        elif not all(thing in THINGS or is_declared(thing) for thing in things):
            wanted = "Page, Revision, Account, LogEntry, Site, a declared event or the table of a rollup"
            source = self._making(signature.read, name, wanted, _is_rollup)
        if beside is not None:
            joined = self._joined(name, source, beside)
        made = Dataset(
            name=name,
            reads=things,
            schema=Schema(signature.table),
            function=function,
            source=source,
            joined=joined,
            fold=fold,
            settings=signature.settings,
            doc=inspect.cleandoc(function.__doc__ or ""),
        )
        if source is None and not made.is_rollup:
            _check_owners(made)
        _check_privacy(made)
        self[name] = made
        return made

    def configure(self, sections: Mapping[str, Mapping[str, Any]]) -> None:
        """Set what the sections say, by the names of settings; what they don't mention is as authors wrote it.

        Raises:
            SettingsError: no dataset takes such settings, or they can't have such a value.
        """
        kinds = self.settings_kinds
        for name in sections:
            if name not in kinds:
                message = f"no dataset has settings {name}; there are {', '.join(sorted(kinds)) or 'none'}"
                raise SettingsError(message, name)
        for made in list(self.values()):
            self[made.name] = replace(
                made,
                settings=None if made.settings is None else _configured(type(made.settings), sections),
                # What reads a table must name the dataset as it is now.
                source=self[made.source.name] if made.source else None,
                joined=self[made.joined.name] if made.joined else None,
            )

    @property
    def settings_kinds(self) -> Mapping[str, type[Settings]]:
        """Of the datasets' settings, by name."""
        return {type(made.settings).__name__: type(made.settings) for made in self.values() if made.settings}

    def unknown(self, name: str, others: Iterable[str] = ()) -> str:
        """What to say of a name that is no dataset's, nor one of the others: which are like it."""
        alike = get_close_matches(name, [*self, *others])
        meant = f"did you mean {' or '.join(alike)}? " if alike else ""
        return f"no dataset {name!r}; {meant}`wikibraid datasets` lists them"

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
                raise DefinitionError(self.unknown(name))
            wanted.update(dataset.name for dataset in self[name].chain)
        return tuple(dataset for dataset in self.values() if dataset.name in wanted)


THINGS = {Page, Revision, Account, LogEntry, Site, InputIssue, StrayRevision}
"""What an author's function may read beside tables and events that were declared."""
registry = Registry()
"""Every dataset that this process knows."""

dataset = registry.dataset
"""Decorator: register a function in `registry`."""


@dataclass(frozen=True, slots=True)
class _Signature:
    """What the signature of a dataset's function says."""

    read: Any
    """The type of what it reads."""
    things: tuple[Any, ...]
    """What of it comes one by one: the arms of a union; of linked rows the table; of a fold what holds its revisions."""
    table: type[Table]
    linked: Any = None
    """The table of the linked rows that it reads."""
    fold: type[Fold] | None = None
    beside: Any = None
    """What it is given beside a total or linked rows."""
    settings: Settings | None = None

    @classmethod
    def of(cls, function: Callable[..., Any]) -> _Signature:
        """That of a function.

        Raises:
            DefinitionError: it says nothing that can be run.
        """
        name = function.__name__
        hints = typing.get_type_hints(function)
        arguments = get_args(hints.pop("return", None))
        parameters = dict(inspect.signature(function).parameters)
        settings = _settings(name, parameters.pop("settings", None))
        hints.pop("settings", None)
        read = list(hints.values())
        if len(read) not in {1, 2} or len(parameters) != len(read) or len(arguments) != 1:
            message = f"dataset {name}: its signature must say what it reads and makes, as in def f(page: Page) -> Iterator[MyTable]"
            raise DefinitionError(message)
        (table,) = arguments
        if not (isinstance(table, type) and issubclass(table, Table)):
            message = f"dataset {name}: {table} is no Table; make a class of columns that extends Table"
            raise DefinitionError(message)
        first, beside = (*read, None)[:2]
        things = _arms(first)
        if isinstance(beside, type) and issubclass(beside, Fold):
            holders = _holders_of_revisions(name, things, beside)
            return cls(first, holders, table, fold=beside, settings=settings)
        if get_origin(first) is Linked:
            (linked,) = get_args(first)
            return cls(first, (linked,), table, linked=linked, beside=beside, settings=settings)
        return cls(first, things, table, beside=beside, settings=settings)


def _settings(name: str, parameter: inspect.Parameter | None) -> Settings | None:
    if parameter is None:
        return None
    default = parameter.default
    if parameter.kind is not inspect.Parameter.KEYWORD_ONLY or not isinstance(default, Settings):
        message = f"dataset {name}: write its settings as *, settings: MySettings = MySettings(), of a class that extends Settings"
        raise DefinitionError(message)
    return default


def _configured(kind: type[Settings], sections: Mapping[str, Mapping[str, Any]]) -> Settings:
    """These settings as their section says them, else as authors wrote them.

    Raises:
        SettingsError: they can't have such a value.
    """
    name = kind.__name__
    try:
        return msgspec.convert(dict(sections.get(name, {})), kind)
    except msgspec.ValidationError as error:
        message = f"settings {name}: {error}"
        raise SettingsError(message, name) from error


def _holders_of_revisions(name: str, things: tuple[Any, ...], fold: type[Fold]) -> tuple[type, ...]:
    """What holds the revisions that a fold is given: pages instead of revisions."""
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


_OWN: Mapping[type, tuple[str, ...]] = MappingProxyType(
    {
        Page: ("page_id", "id"),
        Revision: ("page_id", "id"),
        Account: ("user_id", "editor", "id"),
        LogEntry: ("log_id", "id"),
        StrayRevision: ("rev_id", "id"),
    }
)
"""By kind of thing the columns that tell which one it is; a revision may be on several pages, one after the other."""


def _check_owners(made: Dataset) -> None:
    """Refuse keys that rows of two things may share: what is done to one would take the other's row away, in speed alone.

    Raises:
        DefinitionError: no column of the key tells which thing a row is of.
    """
    for thing in made.reads:
        columns = _OWN.get(thing)
        if columns and not set(columns) & set(made.schema.key_names):
            raise _ambiguous(made, thing, " or ".join(columns))
    for event in filter(is_declared, made.reads):
        missing = [name for name in identity_of(event) if name not in made.schema.key_names]
        if missing:
            raise _ambiguous(made, event, ", ".join(missing))


def _check_privacy(made: Dataset) -> None:
    """Refuse to show what persons did, which everybody could read whose columns are not private.

    Raises:
        DefinitionError: a column but the wiki's is not.
    """
    if made.fold is None or not made.fold.tells_of_persons:
        return
    table = made.schema.name
    shown = [
        f"{table}.{column.name}"
        for column in made.schema.columns
        if column.name != "wiki" and not column.about.private
    ]
    if shown:
        message = (
            f"dataset {made.name}: {', '.join(shown)} tell who met whom; say that they are private, as in "
            'about("…", private="tells what one person did"); what everybody may see, such as a number of pairs, is a dataset derived from this one'
        )
        raise DefinitionError(message)


def _ambiguous(made: Dataset, thing: type, columns: str) -> DefinitionError:
    return DefinitionError(
        f"dataset {made.name}: its key ({', '.join(made.schema.key_names)}) doesn't tell which {thing.__name__} a row is of, "
        f"and of two with one key the one would take the other's row away; put {columns} into it, or make its values sums"
    )


def _arms(hint: Any) -> tuple[Any, ...]:
    """The types of a union, or the type."""
    return get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)


def _is_rollup(dataset: Dataset) -> bool:
    return dataset.is_rollup


def _has_links(dataset: Dataset) -> bool:
    return bool(dataset.schema.links)
