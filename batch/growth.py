"""How much more or less of a wiki a candidate may hold than the generation before it, whatever the size of the wiki.

Wikimedia's checks of mediawiki_history allow 1 % less and 100 % more, and look at the 50 largest wikis only. The same bounds hold
here for every wiki, widened by what chance alone does to a count of its size (four standard deviations of Poisson's distribution).
Nothing is wrong with a wiki that is new, or with what is short of a thousand rows more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pyspark.sql import Column
from pyspark.sql import functions as f

from shared_logic.definition import Dataset

ROWS = "rows"
"""The measure that every table has."""
LEAST_OF_ROWS, LEAST_OF_SOME = 0.99, 0.5
"""Share that must be left of all rows, and of those that meet a condition."""
MOST = 2.0
FEW = 1_000
DEVIATIONS = 4


class Measure(NamedTuple):
    """What is counted."""

    wiki: str
    measure: str
    """`rows`, or the condition that they meet."""


Counts = Mapping[Measure, int]


class Outlier(NamedTuple):
    """A count that has grown or shrunk too much."""

    wiki: str
    measure: str
    before: int
    after: int


def wiki_of(dataset: Dataset) -> Column:
    """The wiki of each of the table's rows; one for all, if their keys name none."""
    return f.col("wiki") if "wiki" in dataset.schema.key_names else f.lit("")


def measures(dataset: Dataset) -> dict[str, Column]:
    """By its name, each count of a wiki's rows: all of them, and those that meet each of the table's conditions of growth."""
    return {
        ROWS: f.count(f.lit(1)),
        **{condition: f.count_if(f.expr(condition)) for condition in dataset.schema.growth},
    }


def outliers(before: Counts, after: Counts) -> Iterator[Outlier]:
    """What has grown or shrunk too much since the generation before; what that did not count is not looked at."""
    for measure, old in sorted(before.items()):
        new = after.get(measure, 0)
        least, most = bounds(measure.measure, old)
        if not least <= new <= most:
            yield Outlier(*measure, old, new)


def bounds(measure: str, before: int) -> tuple[float, float]:
    """The least and the most that a count may be now.

    >>> bounds("rows", 1_000_000), bounds("rows", 9)
    ((990000.0, 2000000.0), (-3.0, 1009))
    """
    chance = DEVIATIONS * math.sqrt(before)
    share = LEAST_OF_ROWS if measure == ROWS else LEAST_OF_SOME
    return min(before * share, before - chance), max(before * MOST, before + FEW)
