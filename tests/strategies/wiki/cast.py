"""Who and what the stories are about: few, and in all the forms that make a difference."""

from __future__ import annotations

from tests.strategies.wiki.state import User
from tests.strategies.wiki.text import Title

START = 1_704_146_400
"""2024-01-01T22:00:00Z, two hours before midnight."""
DAY = 86_400
TITLES: tuple[Title, ...] = (
    (0, "Kettle"),
    (0, "Tea_pot"),
    (1, "Kettle"),
    (10, "Navbox"),
    (0, "Mission:_Impossible"),
    (2, "Alice/Notes"),
)
TEXTS = ("alpha", "beta", "gämma ☃", "", "#REDIRECT [[Kettle]]", "alpha <b>&amp;</b>\nbeta")
TAGS = ("mw-reverted", "mw-undo", "visualeditor")
ADMIN = 0
"""Place of the administrator among the users."""


def cast() -> list[User]:
    """The users that a wiki has from the start: an administrator, people, a bot, a temporary account, two addresses."""
    known = START - DAY
    return [
        User(1, 1, "Admin", {"bureaucrat": None, "sysop": None}, registered=known),
        User(2, 2, "Alice", registered=known),
        User(3, 3, "Bob the Builder", registered=known),
        User(4, 4, "CleanupBot", {"bot": None}, registered=known),
        User(5, 5, "~2026-1", registered=known),
        User(6, None, "192.0.2.1"),
        User(7, None, "2001:DB8:0:0:0:0:0:1"),
    ]
