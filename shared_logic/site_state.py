"""The state of a wiki's site: what its namespaces are called, as a bootstrap told last."""

from __future__ import annotations

import msgspec

from shared_logic.page_state import newest

Namespace = tuple[int, str, str, bool]
"""Number, canonical name, localized name, whether its pages are content."""


class SiteState(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag="site"):
    """What is known of one wiki's configuration. An empty state is the identity of `join`."""

    told: tuple[int, int, int, str, tuple[Namespace, ...]] | None = None
    """Stamp, host name, namespaces in order of number."""


def join(one: SiteState, other: SiteState) -> SiteState:
    """What was said last."""
    return SiteState(told=newest(one.told, other.told))
