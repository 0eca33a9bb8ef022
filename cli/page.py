"""The page that the demo leaves: plots of the merged tables, and what was compared."""

from __future__ import annotations

import html
import io
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

from serving.reader import Reader
from shared_logic.registry import registry

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#202122}"
    "h1,h2{font-weight:600}svg{max-width:100%;height:auto}.ok{color:#14866d}.bad{color:#b32424}"
)


def write_page(
    path: Path, wiki: str, about: str, read: Reader, before: dict[str, int], differing: int
) -> Path:
    """Write the page; `before` names each dataset's generation before the recomputation."""
    reverts = read.scan(registry["identity_reverts"], (wiki,)).rows
    verdict = "0 differing rows" if not differing else f"{differing} differing values"
    generations = ", ".join(f"{name} {number}" for name, number in before.items())
    body = (
        f"<h1>{html.escape(wiki)}</h1><p>{html.escape(about)}.</p>"
        f'<p class="{"bad" if differing else "ok"}"><strong>{verdict}</strong> between the merged tables (generations '
        f"{html.escape(generations)}, kept current by Bytewax) and Spark's recomputation of everything.</p>"
        f"<h2>Edits a month, by kind of user</h2>{_stacked(read, wiki, 'daily_edits', 'user_kind', 'edits', 'day')}"
        f"<h2>Editors a month, by edits</h2>{_stacked(read, wiki, 'active_editors', 'activity', 'editors', 'month')}"
        f"<h2>Time until a revision was reverted</h2>{_delays(reverts)}"
    )
    page = (
        f"<!doctype html><meta charset=utf-8><title>{html.escape(wiki)}</title><style>{_STYLE}</style>{body}"
    )
    path.write_text(page)
    return path


def _stacked(read: Reader, wiki: str, name: str, by: str, value: str, when: str) -> str:
    """Sums a month of a dataset, stacked by a column in the order that its definition gives."""
    dataset = registry[name]
    totals: Counter[tuple[str, date]] = Counter()
    for row in read.scan(dataset, (wiki,)).rows:
        totals[row[by], row[when].replace(day=1)] += row[value]
    months = _months({month for _, month in totals})
    present = {group for group, _ in totals}
    figure, axes = plt.subplots(figsize=(10, 3.2))
    bottom = [0] * len(months)
    for group in filter(present.__contains__, map(str, dataset.schema.column(by).about.one_of)):
        heights = [totals[group, month] for month in months]
        axes.bar([f"{month:%Y-%m}" for month in months], heights, bottom=bottom, label=group)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    step = max(1, len(months) // 12)
    axes.set_xticks(
        range(0, len(months), step), [f"{month:%Y-%m}" for month in months[::step]], rotation=45, ha="right"
    )
    axes.legend(frameon=False)
    return _svg(figure)


def _months(found: set[date]) -> list[date]:
    """Every month from the first to the last."""
    if not found:
        return []
    first, last = min(found), max(found)
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    return [
        date(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1)
        for n in range(count)
    ]


def _delays(rows: list[dict[str, Any]]) -> str:
    bounds = (
        (60, "a minute"),
        (3_600, "an hour"),
        (86_400, "a day"),
        (604_800, "a week"),
        (31_536_000, "a year"),
    )
    counts: Counter[str] = Counter()
    for row in rows:
        if row["seconds_to_revert"] is not None:
            counts[next((name for bound, name in bounds if row["seconds_to_revert"] < bound), "more")] += 1
    figure, axes = plt.subplots(figsize=(10, 2.6))
    names = [*(name for _, name in bounds), "more"]
    axes.bar(
        [name if name == "more" else f"under {name}" for name in names], [counts[name] for name in names]
    )
    axes.set_ylabel("revisions")
    return _svg(figure)


def _svg(figure: Any) -> str:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    text = io.StringIO()
    figure.savefig(text, format="svg")
    plt.close(figure)
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :]
