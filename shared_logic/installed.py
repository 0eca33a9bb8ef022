"""Datasets that lie in packages of their authors, found by their entry points.

In an author's pyproject.toml, every module that defines datasets has a name of its own:

    [project.entry-points."wikibraid.datasets"]
    section_edits = "our_datasets.section_edits"
"""

from __future__ import annotations

from importlib.metadata import entry_points

import shared_logic.datasets  # noqa: F401  ours come first: authors' may read them

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
                f"the datasets {entry.name} of {package} ({entry.value}) can't be imported: {type(error).__name__}: {error}; "
                "mend the module, or uninstall the package"
            )
            raise BrokenPackage(message) from error
        _loaded.add(entry.value)
