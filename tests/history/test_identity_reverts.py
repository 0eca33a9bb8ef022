"""Identity reverts (1.8 and 3 of the reference), a rule at a time, and against their definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared_logic.datasets.identity_reverts import identity_reverts
from shared_logic.things import Page, Revision, last_archived

Told = tuple[int, str | None, int]
"""Second, text, id of the parent."""


def revision(
    rev_id: int, second: int, text: str | None, parent_id: int, is_deleted: bool = False
) -> Revision:
    return Revision(
        wiki="w",
        page_id=1,
        namespace=0,
        rev_id=rev_id,
        at=second * 1_000,
        parent_id=parent_id,
        parent=None,
        size=None,
        sha1=text,
        user=None,
        comment=None,
        minor=False,
        tags=None,
        hidden=0,
        is_deleted=is_deleted,
        stated_at=second * 1_000,
        is_imported=False,
    )


def reverts(*revisions: Revision) -> dict[int, tuple[bool, int | None]]:
    """By revision: whether it is a revert, and what reverted it first."""
    history = tuple(sorted(revisions, key=lambda one: (one.at, one.rev_id)))
    page = Page(
        wiki="w",
        page_id=1,
        title="T",
        namespace=0,
        is_redirect=False,
        is_deleted=False,
        last_archived_at=last_archived(history),
        history=history,
        happenings=(),
    )
    return {row.rev_id: (row.is_revert, row.reverting_rev_id) for row in identity_reverts(page)}


def texts(words: str) -> list[Revision]:
    """Revisions of these texts, one after the other, each the child of the one before; `.` is hidden."""
    return [
        revision(number, number, None if word == "." else word, number - 1)
        for number, word in enumerate(words, 1)
    ]


def test_what_lies_between_two_equal_texts_is_reverted() -> None:
    assert reverts(*texts("abca")) == {2: (False, 4), 3: (False, 4), 4: (True, None)}


def test_a_base_is_not_reverted_by_its_own_series() -> None:
    assert reverts(*texts("abaca")) == {2: (False, 3), 3: (True, None), 4: (False, 5), 5: (True, None)}


def test_the_earliest_revert_counts() -> None:
    assert reverts(*texts("abcba"))[3] == (False, 4)


def test_a_revert_is_reverted_by_a_wider_one_of_another_base() -> None:
    # b … b lies within a … a
    assert reverts(*texts("abcba"))[4] == (True, 5)


def test_an_inner_series_does_not_hide_an_outer_one() -> None:
    # of the reverts to b that are still to come none reverts a revert to b, but the one to a behind them does
    assert reverts(*texts("abxbyba"))[4] == (True, 7)


def test_a_revision_with_its_parents_text_changes_nothing() -> None:
    assert reverts(*texts("aa")) == {}
    # and counts as the one before of its series: the next is compared with it
    assert reverts(*texts("aaa")) == {}


def test_a_revision_without_text_can_be_reverted_but_neither_reverts_nor_is_gone_back_to() -> None:
    assert reverts(*texts("a.a")) == {2: (False, 3), 3: (True, None)}
    assert reverts(*texts(".b.")) == {}


def test_of_two_reverts_of_one_second_the_smaller_id_is_the_first() -> None:
    found = reverts(
        revision(1, 1, "a", 0),
        revision(2, 2, "b", 1),
        revision(3, 3, "c", 2),
        revision(5, 9, "a", 3),
        revision(4, 9, "b", 3),
    )
    assert found[3] == (False, 4)


def test_archived_revisions_count() -> None:
    found = reverts(revision(1, 1, "a", 0, True), revision(2, 2, "b", 1), revision(3, 3, "a", 2))
    assert found == {2: (False, 3), 3: (True, None)}


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["a", "b", "c", None]), st.integers(0, 12)), max_size=12
    )
)
def test_as_the_definition_says(told: list[Told]) -> None:
    # given a page with revisions of any times, texts and parents
    history = sorted(
        (revision(number, second, text, parent) for number, (second, text, parent) in enumerate(told, 1)),
        key=lambda one: (one.at, one.rev_id),
    )
    place = {one.rev_id: number for number, one in enumerate(history)}
    bases: dict[int, int] = {}
    for text in ("a", "b", "c"):
        group = [one for one in history if one.sha1 == text]
        kept = [
            one
            for before, one in zip([None, *group], group, strict=False)
            if before is None or one.parent_id != before.rev_id
        ]
        bases |= {one.rev_id: kept[0].rev_id for one in kept[1:]}
    # then a revert has an equal text before it, and whatever lies between is reverted, but by its own series
    expected: dict[int, tuple[bool, int | None]] = {}
    for one in history:
        over = [
            revert
            for revert, base in bases.items()
            if place[base] < place[one.rev_id] < place[revert] and bases.get(one.rev_id) != base
        ]
        first = min(over, key=place.__getitem__, default=None)
        if one.rev_id in bases or first is not None:
            expected[one.rev_id] = one.rev_id in bases, first
    assert reverts(*history) == expected
