"""The state of a wiki's site: what its namespaces are called, as a bootstrap told last."""

from __future__ import annotations

import msgspec

from shared_logic.clock import Register
from shared_logic.states.page_state import newest

Namespace = tuple[int, str, str, bool]
"""Number, canonical name, localized name, whether its pages are content."""


class Configuration(Register, frozen=True):
    """How a wiki is set up."""

    hostname: str
    namespaces: tuple[Namespace, ...]
    """In order of number."""


class SiteState(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag="site"):
    """What is known of one wiki's configuration. An empty state is the identity of `join`."""

    told: Configuration | None = None


def join(one: SiteState, other: SiteState) -> SiteState:
    """What was said last."""
    return SiteState(told=newest(one.told, other.told))
