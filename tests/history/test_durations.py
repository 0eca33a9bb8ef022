from __future__ import annotations

import pytest

from shared_logic.clock import from_iso
from shared_logic.history.durations import expiry

AT = from_iso("2017-03-05T10:00:00Z")
DAY = 86_400_000


@pytest.mark.parametrize("text", ["indefinite", "infinite", "never", "", " Infinite "])
def test_endless(text: str) -> None:
    assert expiry(text, AT) is None


@pytest.mark.parametrize(
    "text, length",
    [
        ("3 days", 3 * DAY),
        ("1 week", 7 * DAY),
        ("1 month", 30 * DAY),
        ("1 year", 365 * DAY),
        ("1 day 2 hours", DAY + 7_200_000),
        ("2 hours, 30 minutes", 9_000_000),
        ("90 seconds", 90_000),
        ("2 fortnights", 28 * DAY),
    ],
)
def test_lengths_are_added_to_the_time_of_the_block(text: str, length: int) -> None:
    assert expiry(text, AT) == AT + length


@pytest.mark.parametrize(
    "text, instant",
    [
        ("2021-02-14T21:38:45Z", "2021-02-14T21:38:45Z"),
        ("2021-02-14T21:38:45", "2021-02-14T21:38:45Z"),
        ("Sun, 01 Jan 2017 00:00:00 GMT", "2017-01-01T00:00:00Z"),
        ("01 Jan 2017 00:00:00 GMT", "2017-01-01T00:00:00Z"),
        ("01 Jan 2017", "2017-01-01T00:00:00Z"),
        ("21:35", "2017-03-05T21:35:00Z"),
    ],
)
def test_dates(text: str, instant: str) -> None:
    assert expiry(text, AT) == from_iso(instant)


def test_a_time_of_day_is_a_whole_minute_of_the_day_of_the_block() -> None:
    assert expiry("21:35", AT + 7_123) == from_iso("2017-03-05T21:35:00Z")
    assert expiry("9:05", AT) == from_iso("2017-03-05T09:05:00Z")


@pytest.mark.parametrize("text", ["soon", "3 moons", "32 Jan 2017", "99999999 years", "3", "25:00"])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither a duration|after the year 9999"):
        expiry(text, AT)
