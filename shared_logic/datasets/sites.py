"""What every wiki's namespaces are called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from shared_logic.language import Partition, Table, about, dataset
from shared_logic.things import Site


class SiteNamespaces(Table, frozen=True, kw_only=True):
    """One row per wiki of which a bootstrap told the namespaces; the lists are in one order."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    hostname: Annotated[str, about("host name, as en.wikipedia.org; empty where nothing tells it")]
    numbers: Annotated[tuple[str, ...], about("numbers of the namespaces")]
    canonical_names: Annotated[tuple[str, ...], about("their names in English, blanks as underscores")]
    localized_names: Annotated[tuple[str, ...], about("their names on the wiki, blanks as underscores")]
    content: Annotated[tuple[str, ...], about("numbers of those whose pages count as content")]


@dataset
def site_namespaces(site: Site) -> Iterator[SiteNamespaces]:
    """Names of the namespaces, and which of them count as content."""
    yield SiteNamespaces(
        wiki=site.wiki,
        hostname=site.hostname,
        numbers=tuple(str(number) for number, *_ in site.namespaces),
        canonical_names=tuple(canonical for _, canonical, _, _ in site.namespaces),
        localized_names=tuple(localized for _, _, localized, _ in site.namespaces),
        content=tuple(str(number) for number, _, _, is_content in site.namespaces if is_content),
    )


class ContentNamespaces(Table, frozen=True, kw_only=True):
    """One row per wiki of which a bootstrap told the namespaces."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    numbers: Annotated[tuple[str, ...], about("numbers of the namespaces whose pages count as content")]


@dataset
def content_namespaces(site: Site) -> Iterator[ContentNamespaces]:
    """Which namespaces count as content; apart from their names, so that metrics are kept without the history of titles."""
    yield ContentNamespaces(
        wiki=site.wiki,
        numbers=tuple(str(number) for number, *_, is_content in site.namespaces if is_content),
    )
