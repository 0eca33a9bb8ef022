"""Names in log rows about accounts, wherever a row has them, written in another way."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Protocol

from shared_logic.history import php
from shared_logic.history.user_events import LINK, LOGS_OF_HIDING, TYPES
from shared_logic.titles import USER

RENAMES = frozenset({"renameuser", "usermerge"})
"""Types of log rows whose parameters are names."""
ABOUT_ACCOUNTS = TYPES.keys() | LOGS_OF_HIDING | RENAMES | {"thanks", "gblblock"}
"""Types of log rows whose titles, in the namespace of users, are names."""


class Spelling(Protocol):
    """How names are to be written."""

    def shown(self, name: str) -> str:
        """What is to stand in the place of a name; the name itself, where it stays."""


class LogTexts(NamedTuple):
    """The texts of a log row that names stand in."""

    title: str | None
    """No prefix, blanks mostly underscores."""
    params: str | None
    """As MediaWiki stores them."""
    comment: str | None
    by: str | None
    """Who made it."""


def respelled(log_type: str | None, namespace: int | None, told: LogTexts, spelling: Spelling) -> LogTexts:
    """What the row says with names written so; of a row that is not about accounts, who made it."""
    by = None if told.by is None else spelling.shown(told.by)
    if log_type not in ABOUT_ACCOUNTS or namespace not in {None, USER}:
        return told._replace(by=by)
    params = told.params
    renamed: list[str] = []
    if log_type in RENAMES and params is not None:
        parsed = php.parsed(params)
        renamed = texts(parsed)
        shown = in_params(parsed, spelling)
        if shown != parsed:
            params = shown[php.UNPARSED] if php.UNPARSED in parsed else php.serialised(shown)
    named = [told.title or "", told.by or "", *renamed]
    return LogTexts(
        title=None if told.title is None else in_title(told.title, spelling),
        params=params,
        comment=None if told.comment is None else in_text(told.comment, named, spelling),
        by=by,
    )


def in_title(title: str, spelling: Spelling) -> str:
    """A title that is a name; that of another wiki's account, `Name@wiki`, is another name."""
    name = title.replace("_", " ")
    shown = spelling.shown(name)
    return title if shown == name else shown


def in_params(told: Mapping[str, Any], spelling: Spelling) -> dict[str, Any]:
    """The parameters of a rename."""
    return {
        key: in_title(value, spelling) if isinstance(value, str) else value for key, value in told.items()
    }


def texts(told: Mapping[str, Any]) -> list[str]:
    """The texts among parameters."""
    return [value for value in told.values() if isinstance(value, str)]


def in_text(text: str, named: Collection[str], spelling: Spelling) -> str:
    """A comment that may mention these names, or link to others; what is part of a longer word or name is none."""
    spoken = {name.replace("_", " ").strip() for name in (*named, *LINK.findall(text))} - {""}
    shown = {name: spelling.shown(name) for name in spoken}
    if all(name == other for name, other in shown.items()):
        return text
    # Names that stay are looked for as well, since one that goes may be how they begin.
    longest_first = sorted(spoken, key=len, reverse=True)
    written = "|".join(map(_alone, longest_first))
    return re.sub(rf"(?:{written}){_NO_PSEUDONYM}", lambda found: shown[found[0].replace("_", " ")], text)


def _alone(name: str) -> str:
    """A pattern of the name with blanks or underscores, where no letter before or after belongs to it."""
    before = rf"(?<!{_LETTER})" if re.match(_LETTER, name[0]) else ""
    after = rf"(?!{_LETTER})" if re.match(_LETTER, name[-1]) else ""
    return before + re.escape(name).replace(r"\ ", "[ _]") + after


_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Scripts in which words stand without blanks between them: Thai, Lao, Burmese, Khmer, Japanese and Chinese; Korean joins particles."""
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff"
_LETTER = f"(?:[^\\W{_UNSPACED}]|[{_MARKS}])"
"""Letters, digits and marks of the others, and the underscore."""
_NO_PSEUDONYM = r"(?!#[0-9a-f]{32})"
"""Not where what stands in the place of a name begins."""
