"""docs/datasets.md, made from the registry: `python -m cli.documents` writes it anew."""

from __future__ import annotations

from pathlib import Path

import shared_logic.datasets  # noqa: F401  registers the datasets
from serving.analysis import Analysis
from serving.reader import Stream
from shared_logic.clock import instant
from shared_logic.definition import Dataset
from shared_logic.registry import registry
from shared_logic.views import View, views
from shared_logic.views.dictionary import COLUMNS

PAGE = Path(__file__).parents[1] / "docs" / "datasets.md"


def datasets_page() -> str:
    """The whole page; of datasets that packages of authors brought it has none."""
    head = "# Datasets\n\nMade from the registry by `python -m cli.documents`.\n"
    own = [
        dataset for dataset in registry.values() if dataset.function.__module__.startswith("shared_logic.")
    ]
    return head + "".join(map(_section, own)) + "\n# Views\n" + "".join(map(_view, _public()))


def _section(dataset: Dataset) -> str:
    keeps = "sums by key" if dataset.is_rollup else "one row per key"
    lines = [
        f"\n## {dataset.name}\n",
        f"{dataset.doc}\n",
        f"{dataset.shape} of {dataset.reading}, {keeps}. {dataset.schema.doc}\n",
        "| column | type | role | unit | about |",
        "| --- | --- | --- | --- | --- |",
    ]
    for column in dataset.schema.columns:
        about = column.about.text + (f" (private: {column.about.private})" if column.about.private else "")
        kind = column.type.__name__ + (" or null" if column.optional else "")
        lines.append(f"| {column.name} | {kind} | {column.role} | {column.about.unit} | {about} |")
    if dataset.schema.expectations:
        lines.append(
            "\nEvery row: " + "; ".join(f"`{condition}`" for condition in dataset.schema.expectations) + "."
        )
    return "\n".join(lines) + "\n"


def _public() -> list[View]:
    return [view for view in views.values() if not view.is_internal]


def _view(view: View) -> str:
    by = f" Read by {', '.join(view.keys)}." if view.keys else ""
    lines = [
        f"\n## {view.name}\n",
        f"{view.doc}{by} Made when it is read, of {', '.join(view.datasets)}.\n",
        "| column | type | about |",
        "| --- | --- | --- |",
    ]
    for name, kind in columns_of(view):
        lines.append(f"| {name} | {kind} | {COLUMNS[view.name][name]} |")
    return "\n".join(lines) + "\n"


def columns_of(view: View) -> list[tuple[str, str]]:
    """Names and types of a view's columns, in DuckDB's words."""

    def nothing(_: Dataset) -> Stream:
        return Stream(iter(()), 0, (), complete=None, lag=None)

    with Analysis(nothing, None, instant(0)) as db:
        db.prepare([view.name])
        return db.columns(f"FROM {view.name}")


if __name__ == "__main__":
    PAGE.write_text(datasets_page())
