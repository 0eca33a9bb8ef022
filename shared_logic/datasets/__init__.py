"""The datasets, one module each; importing this package registers them all."""

from shared_logic.datasets import (
    daily_edits,
    history_keys,
    identity_reverts,
    input_issues,
    metrics,
    page_current,
    page_history,
    revision_history,
    similar_users,
    sites,
    user_current,
    user_history,
)

__all__ = [
    "daily_edits",
    "history_keys",
    "identity_reverts",
    "input_issues",
    "metrics",
    "page_current",
    "page_history",
    "revision_history",
    "similar_users",
    "sites",
    "user_current",
    "user_history",
]
