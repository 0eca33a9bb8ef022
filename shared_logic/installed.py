"""Datasets that lie in packages of their authors, found by their entry points.

In an author's pyproject.toml, every module that defines datasets has a name of its own:

    [project.entry-points."wikibraid.datasets"]
    section_edits = "our_datasets.section_edits"
"""

from __future__ import annotations

from importlib.metadata import entry_points

import shared_logic.datasets  # noqa: F401  ours come first: authors' may read them
from shared_logic.tables import DefinitionError

GROUP = "wikibraid.datasets"
_loaded: set[str] = set()


class BrokenPackage(Exception):  # noqa: N818  what is wrong
    """A module of an author's package can't be imported; the message names it."""


def register_datasets() -> None:
    """Register the datasets of all packages that are installed here, beside ours; those that are registered already stay.

    Raises:
        BrokenPackage: one of their modules can't be imported.
    """
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if entry.value in _loaded:
            continue
        try:
            entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else "a package"
            message = (
                f"the datasets {entry.name} of {package} ({entry.value}) can't be imported: {_told(error, entry.module)}; "
                "mend the module, or uninstall the package"
            )
            raise BrokenPackage(message) from error
        _loaded.add(entry.value)


def _told(error: Exception, module: str) -> str:
    """What was raised, and the line of the package where it was."""
    what = str(error) if isinstance(error, DefinitionError) else f"{type(error).__name__}: {error}"
    root, lines = module.partition(".")[0], []
    trace = error.__traceback__
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__"))
        is_annotation = trace.tb_frame.f_code.co_filename == "<string>"
        if name.partition(".")[0] == root and not is_annotation:
            lines.append(f" ({name}, line {trace.tb_lineno})")
        trace = trace.tb_next
    return what + (lines[-1] if lines else "")
