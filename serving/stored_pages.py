"""Pages by the titles that they bear or bore, with all that is known of them, from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.moment import published_together
from serving.reader import NotPublished, through_of
from shared_logic.datasets.page_history import namespaces_of, page_titles
from shared_logic.datasets.sites import SiteNamespaces, site_namespaces
from shared_logic.definition import Dataset
from shared_logic.entities import decode, page
from shared_logic.history.page_events import Namespaces
from shared_logic.keys import decode_key, decode_values, encode_key
from shared_logic.merge import merged
from shared_logic.partitions import partition
from shared_logic.protocols import Cut, Store
from shared_logic.states.page_state import EMPTY, PageState, united
from shared_logic.tables import Key


class StoredPages:
    """See `shared_logic.relocations.Pages`."""

    def __init__(self, store: Store) -> None:
        """Read what is published now.

        Raises:
            NotPublished: the tables of titles are not.
        """
        self._store = store
        self._generations = published_together(store, [page_titles.name, site_namespaces.name])
        made = self._generations[page_titles.name]
        self._base, self._cut = made.base, made.cut
        self.through: Cut = through_of(store, made)
        """The offsets before which everything is included."""

    def namespaces(self, wiki: str) -> Namespaces:
        """See `Pages`."""
        rows = self._rows(site_namespaces, (wiki,))
        return namespaces_of(SiteNamespaces(**rows[0]) if rows else None)

    def called(self, wiki: str, title: str) -> Mapping[int, PageState]:
        """See `Pages`.

        Raises:
            NotPublished: another generation was published meanwhile, with which what this one went on from may be gone.
        """
        rows = self._rows(page_titles, (wiki, title))
        page_ids = {row["page_id"] if row["said_by"] == "log" else row["id"] for row in rows} - {None, 0}
        found = {page_id: self._state(wiki, page_id) for page_id in sorted(page_ids)}
        if self._store.published(page_titles.name) != self._generations[page_titles.name]:
            message = f"{page_titles.name} was published anew meanwhile; try again"
            raise NotPublished(message)
        return {page_id: state for page_id, state in found.items() if state != EMPTY}

    def _rows(self, dataset: Dataset, prefix: Key) -> Sequence[dict[str, Any]]:
        schema, lane = dataset.schema, self._generations[dataset.name].lane
        rows = merged(self._store, dataset, lane, encode_key(prefix))
        return [schema.record(decode_key(schema, key), decode_values(schema, row)) for key, row in rows]

    def _state(self, wiki: str, page_id: int) -> PageState:
        key = page(wiki, page_id).key
        number = partition(key, len(self._cut))
        tails = self._store.tails_of(number, [key], self._cut[number], self.through[number])
        told = [*self._store.states_of(self._base, [key]).values(), *tails.get(key, ())]
        return united(state for state in map(decode, told) if isinstance(state, PageState))
