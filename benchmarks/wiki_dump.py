"""A stub dump of a generated wiki with heavy tails, the same for the same number, written page by page.

A fifth of all revisions is on one page and three tenths are one account's; a tenth goes back to the text before the last.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from pathlib import Path

START = datetime(2010, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=10 * 365).total_seconds()
WIKI = "benchwiki"
HOT_PAGE, HOT_USER = 0.2, 0.3
REVISIONS_A_PAGE = 20
HEAD = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">\n  <siteinfo>\n'
    f"    <sitename>Bench</sitename>\n    <dbname>{WIKI}</dbname>\n    <base>https://bench.example/wiki/Main</base>\n"
    "    <generator>MediaWiki 1.43.0</generator>\n    <case>first-letter</case>\n    <namespaces>\n"
    '      <namespace key="0" case="first-letter" />\n      <namespace key="1" case="first-letter">Talk</namespace>\n'
    "    </namespaces>\n  </siteinfo>\n"
)


def write(path: Path, revisions: int) -> None:
    """Write the dump of a wiki with that many revisions."""
    drawn = random.Random(revisions)
    users = max(100, revisions // 40)
    with path.open("w") as file:
        file.write(HEAD)
        rev_id = 0
        for page_id, size in enumerate(_sizes(drawn, revisions), 1):
            file.write(
                f"  <page>\n    <title>Page {page_id}</title>\n    <ns>0</ns>\n    <id>{page_id}</id>\n"
            )
            file.writelines(_revisions(drawn, rev_id, size, users))
            file.write("  </page>\n")
            rev_id += size
        file.write("</mediawiki>\n")


def _sizes(drawn: random.Random, revisions: int) -> Iterator[int]:
    """How many revisions each page has: a fifth of all, then from one to very many, twenty in the mean."""
    yield int(revisions * HOT_PAGE)
    left = revisions - int(revisions * HOT_PAGE)
    while left:
        size = min(left, max(1, int(drawn.paretovariate(1.06) * REVISIONS_A_PAGE / 6)), revisions // 50)
        yield size
        left -= size


def _revisions(drawn: random.Random, before: int, size: int, users: int) -> Iterator[str]:
    """A page's revisions in order of time."""
    parent = 0
    texts: list[str] = []
    for number, seconds in enumerate(sorted(drawn.random() * SPAN for _ in range(size)), 1):
        rev_id = before + number
        user_id = 1 if drawn.random() < HOT_USER else 2 + int(users * drawn.random() ** 2)
        back = len(texts) > 1 and drawn.random() < 0.1
        text = texts[-2] if back else sha1(str(rev_id).encode(), usedforsecurity=False).hexdigest()[:31]
        texts = [*texts[-1:], text]
        at = (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        parent_id = f"      <parentid>{parent}</parentid>\n" if parent else ""
        minor = "      <minor />\n" if rev_id % 7 == 0 else ""
        yield (
            f"    <revision>\n      <id>{rev_id}</id>\n{parent_id}      <timestamp>{at}</timestamp>\n      <contributor>\n"
            f"        <username>User {user_id}</username>\n        <id>{user_id}</id>\n      </contributor>\n{minor}"
            "      <comment>/* History */ an edit &amp; its summary</comment>\n      <origin>1</origin>\n"
            "      <model>wikitext</model>\n      <format>text/x-wiki</format>\n"
            f'      <text bytes="{1_000 + rev_id % 977}" sha1="{text}" location="tt:{rev_id}" id="{rev_id}" />\n'
            f"      <sha1>{text}</sha1>\n    </revision>\n"
        )
        parent = rev_id
