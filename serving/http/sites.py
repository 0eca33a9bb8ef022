"""Which wikis, pages and editors the paths of metrics name, and what those in answers are called."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from serving.http.metric_terms import family_of, project_of
from serving.http.source import Source
from shared_logic.datasets.page_history import namespaces_of
from shared_logic.datasets.sites import SiteNamespaces
from shared_logic.history.page_events import Namespaces
from shared_logic.registry import registry
from shared_logic.titles import MAIN, database_key, user_name

SECONDS_SITES_ARE_KEPT = 60.0


class Sites:
    """Which wiki a project is."""

    def __init__(self, source: Source) -> None:
        """Read from there; wikis are known for a minute."""
        self._source = source
        self._lock = threading.Lock()
        self._wikis: Mapping[str, str] = {}
        self._asked_at = float("-inf")

    def wiki(self, project: str) -> str:
        """The database name; of a project that nothing tells of, what was given."""
        return self._known().get(project, project)

    def wikis(self, project: str) -> list[str]:
        """The database names of all that it means: of one project one."""
        family = family_of(project)
        if family is None:
            return [self.wiki(project)]
        return sorted(wiki for name, wiki in self._known().items() if family.match(name))

    def _known(self) -> Mapping[str, str]:
        """Database names of the projects of which a bootstrap told the domain."""
        with self._lock:
            if time.monotonic() - self._asked_at > SECONDS_SITES_ARE_KEPT:
                rows = self._source.reader.stream(registry["site_namespaces"]).rows
                self._wikis = {project_of(row["hostname"]): row["wiki"] for row in rows if row["hostname"]}
                self._asked_at = time.monotonic()
            return self._wikis

    def page(self, wiki: str, title: str) -> int | None:
        """The page that bears a title now; None: none does."""
        whole = database_key(title)
        prefix, colon, rest = whole.partition(":")
        number = self._namespaces(wiki).number(prefix) if colon else None
        namespace, bare = (MAIN, whole) if number is None else (number, rest)
        for row in self._source.reader.stream(registry["page_titles"], (wiki, bare, "page")).rows:
            if (row["namespace"], row["full_title"], row["is_deleted"]) == (namespace, bare, False):
                return int(row["id"])
        return None

    def editor(self, wiki: str, text: str) -> str:
        """The key of who bears a name now: of an account its id, of an address itself."""
        name = user_name(text)
        known = self._source.reader.get(registry["user_by_name"], (wiki, name)).rows
        return str(known[0]["editor"]) if known else name

    def named_editor(self, wiki: str, row: dict[str, Any]) -> dict[str, Any]:
        """An editor as lists show it: by its name now, addresses not."""
        known = self._source.reader.get(registry["user_current"], (wiki, row["editor"])).rows
        return {"user_text": known[0]["name"] if known else None}

    def named_page(self, wiki: str, row: dict[str, Any]) -> dict[str, Any]:
        """A page as lists show it: by its title now, with the English name of its namespace."""
        known = self._source.reader.get(registry["page_current"], (wiki, row["page_id"])).rows
        if not known or known[0]["title"] is None:
            return {"page_title": None}
        names = {number: name for name, number in self._namespaces(wiki).canonical.items()}
        prefix = names.get(known[0]["namespace"])
        return {"page_title": f"{prefix}:{known[0]['title']}" if prefix else known[0]["title"]}

    def _namespaces(self, wiki: str) -> Namespaces:
        known = self._source.reader.get(registry["site_namespaces"], (wiki,)).rows
        return namespaces_of(SiteNamespaces(**known[0]) if known else None)
