"""The words of Wikimedia's Analytics Query Service: what its paths may say, and what is counted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, NamedTuple

from fastapi import Path
from pydantic import AfterValidator


class EditorType(StrEnum):
    """Kinds of editors."""

    ALL = "all-editor-types"
    ANONYMOUS = "anonymous"
    GROUP_BOT = "group-bot"
    NAME_BOT = "name-bot"
    USER = "user"


class PageType(StrEnum):
    """Kinds of pages."""

    ALL = "all-page-types"
    CONTENT = "content"
    NON_CONTENT = "non-content"


class ActivityLevel(StrEnum):
    """Classes of editors or pages by their edits."""

    ALL = "all-activity-levels"
    LOW = "1..4-edits"
    MEDIUM = "5..24-edits"
    HIGH = "25..99-edits"
    HIGHEST = "100..-edits"


class Ranking(StrEnum):
    """By what lists are ranked."""

    EDITS = "top-by-edits"
    NET = "top-by-net-bytes-difference"
    ABSOLUTE = "top-by-absolute-bytes-difference"


class Measure(StrEnum):
    """How differences of bytes are added up."""

    NET = "net"
    ABSOLUTE = "absolute"


class Metric(NamedTuple):
    """What is counted."""

    name: str
    """In answers."""
    column: str
    """In tables."""


EDITS, EDITORS = Metric("edits", "edits"), Metric("editors", "editors")
NEW_PAGES, EDITED_PAGES = Metric("new_pages", "new_pages"), Metric("edited_pages", "edited_pages")
NEW_USERS = Metric("new_registered_users", "new_registered_users")
BYTES: Mapping[Measure, Metric] = MappingProxyType(
    {
        Measure.NET: Metric("net_bytes_diff", "net_bytes"),
        Measure.ABSOLUTE: Metric("abs_bytes_diff", "absolute_bytes"),
    }
)
RANKED: Mapping[Ranking, Metric] = MappingProxyType(
    {Ranking.EDITS: EDITS, Ranking.NET: BYTES[Measure.NET], Ranking.ABSOLUTE: BYTES[Measure.ABSOLUTE]}
)


def project_of(text: str) -> str:
    """As answers name a project: en.wikipedia of en.wikipedia.org.

    Raises:
        ValueError: it can be none.
    """
    name = text.strip().lower().removeprefix("www.").removesuffix(".org")
    if not re.fullmatch(r"[a-z0-9_.-]+", name):
        message = (
            "no project; write a domain such as en.wikipedia.org, all-projects, or all-wikipedia-projects"
        )
        raise ValueError(message)
    return name


def family_of(project: str) -> re.Pattern[str] | None:
    """Which projects `all-projects` and `all-FAMILY-projects` mean; None: it is one project."""
    if project == "all-projects":
        return re.compile("")
    found = re.fullmatch(r"all-([a-z0-9_]+)-projects", project)
    return found and re.compile(rf"[a-z0-9\-]+\.{found[1]}$")


def _one_project(text: str) -> str:
    """A project, not several.

    Raises:
        ValueError: it is none.
    """
    name = project_of(text)
    if family_of(name) is not None:
        message = f"{name} is several projects, over which this can't be added up; name one"
        raise ValueError(message)
    return name


Project = Annotated[
    str,
    Path(max_length=255, description="Domain such as en.wikipedia.org, or the wiki's database name."),
    AfterValidator(_one_project),
]
Projects = Annotated[
    str,
    Path(
        max_length=255,
        description="Domain such as en.wikipedia.org, or the wiki's database name; all-projects, or all-wikipedia-projects and the "
        "like: all of which the domain is known, together.",
    ),
    AfterValidator(project_of),
]
Day = Annotated[
    str, Path(pattern=r"^\d{8}(\d{2})?$", description="YYYYMMDD or YYYYMMDDHH, UTC; both ends are included.")
]
Title = Annotated[str, Path(max_length=300, description="With its namespace, in English or as on the wiki.")]
Name = Annotated[str, Path(max_length=255, description="Of the account now; or an address.")]
Year = Annotated[str, Path(pattern=r"^\d{4}$")]
Month = Annotated[str, Path(pattern=r"^(0[1-9]|1[0-2])$", description="Two digits.")]
DayOfMonth = Annotated[str, Path(pattern=r"^(\d{2}|all-days)$", description="Two digits, or all-days.")]
