"""The datasets, one module each; importing this package registers them all."""

from shared_logic.datasets import daily_edits, identity_reverts, page_current, user_current

__all__ = ["daily_edits", "identity_reverts", "page_current", "user_current"]
