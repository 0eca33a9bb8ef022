"""Which part of the history a command line asks for."""

from __future__ import annotations

from cli.failures import Failure
from serving.history_parts import OfPage, OfUser, Part, days_of

_BY_KEY = {"page_history": 2, "user_history": 2}
"""Views that are read by their whole key without looking at the whole wiki, with the width of that."""


def part_of(
    name: str, words: list[str], page: str | None, user: int | None, period: str | None
) -> Part | None:
    """The part that is asked for; None: all of a table.

    Raises:
        Failure: more than one part, one of a table that has none, or no wiki beside it.
    """
    chosen = [value for value in (page, user, period) if value is not None]
    if name != "mediawiki_history":
        if chosen:
            message = f"--page, --user and --period are of mediawiki_history; {name} is read by its key"
            raise Failure(message)
        return _by_key(name, words) if len(words) == _BY_KEY.get(name) else None
    if not chosen:
        return None
    if len(chosen) > 1 or len(words) != 1:
        message = "name one wiki, and one of --page, --user and --period"
        raise Failure(message)
    (wiki,) = words
    if page is not None:
        return OfPage(wiki, page)
    if user is not None:
        return OfUser(wiki, user)
    try:
        return days_of(wiki, period or "")
    except ValueError as error:
        raise Failure(f"--period: {error}") from error


def _by_key(name: str, words: list[str]) -> Part:
    wiki, key = words
    if name == "page_history":
        return OfPage(wiki, key)
    if not key.isdecimal():
        message = f"user_history: {key!r} is no user id"
        raise Failure(message)
    return OfUser(wiki, int(key))
