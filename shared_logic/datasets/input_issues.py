"""Rows of the input that could not be used, with the reason: what was read and what is missing adds up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from shared_logic.language import Clustering, Partition, Table, about, dataset
from shared_logic.things import InputIssue


class UnusedRow(Table, frozen=True, kw_only=True):
    """One row of a bootstrap that was not used."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    table: Annotated[Clustering[str], about("table, or element of a dump")]
    key: Annotated[Clustering[str], about("key of the row, as far as it can be told")]
    field: Annotated[Clustering[str], about("the column or element at fault; empty: the whole row")]
    code: Annotated[Clustering[str], about("what is wrong, in a word")]
    detail: Annotated[str, about("what is wrong", private="quotes the row")]


@dataset
def input_issues(issue: InputIssue) -> Iterator[UnusedRow]:
    """Rows of tables and dumps that could not be used."""
    yield UnusedRow(
        wiki=issue.wiki,
        table=issue.table,
        key=issue.key,
        field=issue.field,
        code=issue.code,
        detail=issue.detail,
    )
