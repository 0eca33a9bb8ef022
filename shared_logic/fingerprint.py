"""The fingerprint of a definition: a hash of the code that decides its rows, comments and docstrings aside.

Two generations with one fingerprint may be merged and compared; another fingerprint is another generation for both layers.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import resolve_name
from types import ModuleType

from shared_logic.definition import Dataset
from shared_logic.events.declared import declared_modules
from shared_logic.tables import DefinitionError

_ROOT = "shared_logic"
_READING = (
    "shared_logic.events.streams",
    "shared_logic.kernel",
    "shared_logic.routing",
    "shared_logic.things",
)
"""Modules that make what authors' functions are given of events, and rows of what these yield."""
_TAKING = (
    "shared_logic.eventify.authors",
    "shared_logic.eventify.dump",
    "shared_logic.eventify.dump_blocks",
    "shared_logic.eventify.lifecycle_tables",
    "shared_logic.eventify.log_dump",
    "shared_logic.eventify.tables",
)
"""Modules that make states of tables and dumps."""


def fingerprint(dataset: Dataset) -> str:
    """16 hex digits over what decides its rows.

    These are the modules of the dataset and of all that it is made from, what they import of shared_logic and of their own packages,
    what reads events, and their settings.
    """
    settings = [f"{one.name} {one.settings!r}" for one in dataset.chain if one.settings is not None]
    modules = {one.function.__module__ for one in dataset.chain}
    return _digest("\n".join((dataset.name, *settings)), {*_READING, *modules})


def reading_fingerprint() -> str:
    """16 hex digits over what makes states of events, tables and dumps."""
    return _digest("reading", {*_READING, *_TAKING})


def declared_fingerprint() -> str:
    """16 hex digits over what reads the events that authors declare."""
    return _digest("declared", set(declared_modules()))


def own_modules(dataset: Dataset) -> tuple[str, ...]:
    """The module of its function, and those of its author's package that this imports; of shared_logic that module alone."""
    name = dataset.function.__module__
    root = name.partition(".")[0]
    if root == _ROOT:
        return (name,)
    return tuple(sorted(module for module in _closure({name}) if module.partition(".")[0] == root))


def _digest(name: str, names: set[str]) -> str:
    texts = (f"{module}\n{_code(import_module(module))}" for module in sorted(_closure(names)))
    return sha256("\n".join((name, *texts)).encode()).hexdigest()[:16]


def _closure(names: set[str]) -> set[str]:
    """The modules, and what they import."""
    seen: set[str] = set()
    while names:
        found = names.pop()
        seen.add(found)
        names |= {other for other in _imports(import_module(found)) if other in sys.modules} - seen
    return seen


def _code(module: ModuleType) -> str:
    return code(source_of(module))


def source_of(module: ModuleType) -> str:
    """The source of which the module was loaded; nothing of a package that has no file.

    Raises:
        DefinitionError: the module came without its source.
    """
    found = module.__spec__
    read = getattr(found.loader, "get_source", None) if found else None
    if found is None or read is None:  # a script, or whatever brings modules in its own way
        return inspect.getsource(module)
    source: str | None = read(found.name)
    if source is None:
        message = f"{found.name} has no source, and so no fingerprint; install its package with its .py files"
        raise DefinitionError(message)
    return source


@cache
def code(source: str) -> str:
    """What a module's source says, without comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imports(module: ModuleType) -> set[str]:
    roots = {_ROOT, module.__name__.partition(".")[0]}
    named = _named(source_of(module), module.__package__)
    return {name for name in named if name.partition(".")[0] in roots}


@cache
def _named(source: str, package: str | None) -> frozenset[str]:
    """The modules that a source of that package imports, and all that may be modules of what it imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            names |= {module, *(f"{module}.{one.name}" for one in node.names)}
    return frozenset(names)
