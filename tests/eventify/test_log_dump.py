from __future__ import annotations

import io

from shared_logic.entities import Entity, Kind, State
from shared_logic.eventify.dump import DumpReader
from shared_logic.eventify.log_dump import said_by_head, said_by_log_items
from shared_logic.eventify.log_items import read_logging
from shared_logic.states.log_state import LogState, LogTitle
from shared_logic.states.site_state import SiteState
from shared_logic.states.user_state import UserState

DUMP = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">
<siteinfo><dbname>testwiki</dbname><namespaces><namespace key="0" case="first-letter" />
<namespace key="2" case="first-letter">Benutzer</namespace></namespaces></siteinfo>
<logitem><id>5</id><timestamp>2021-01-01T00:00:00Z</timestamp><contributor><username>Maker</username><id>3</id></contributor>
<type>newusers</type><action>create2</action><logtitle>Benutzer:Made up</logtitle>
<params xml:space="preserve">a:1:{s:9:"4::userid";i:9;}</params></logitem>
</mediawiki>
"""
BEGINNING = 1_700_000_000_000


def said() -> dict[Entity, State]:
    site = DumpReader(io.BytesIO(DUMP.encode()), BEGINNING, print).site
    items = read_logging(io.BytesIO(DUMP.encode()))
    head = said_by_head("testwiki", site, BEGINNING)
    return dict([*head, *said_by_log_items("testwiki", items, site.namespaces, BEGINNING)])


def test_an_entry_is_a_log_row_and_tells_of_accounts() -> None:
    found = said()
    row = found[Entity("testwiki", Kind.LOG, 5)]
    assert isinstance(row, LogState)
    assert (row.log_type, row.namespace, row.title, row.user_name) == (
        "newusers",
        2,
        LogTitle(BEGINNING, "Made_up"),
        "Maker",
    )
    names = {e.id: [name for name, _ in s.names] for e, s in found.items() if isinstance(s, UserState)}
    assert names == {3: ["Maker"], 9: ["Made up"]}


def test_the_head_tells_namespaces() -> None:
    site = said()[Entity("testwiki", Kind.SITE, 0)]
    assert isinstance(site, SiteState)
    assert site.told is not None
    assert site.told.namespaces == ((0, "", "", True), (2, "", "Benutzer", False))
