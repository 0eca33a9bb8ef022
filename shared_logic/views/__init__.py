"""Views: what is made of merged tables when it is read, as SQL; nothing of them is stored.

What belongs to others (the name that an author has now or had then, the title of a page) is joined here by id and time, so that
a rename is one row of one table and shows at once. The dialect is DuckDB's. `getvariable('now')` is the instant of reading.
"""

from shared_logic.views import histories, mediawiki_history, reduced, similar_users, top_lists
from shared_logic.views.view import View, views

__all__ = ["View", "histories", "mediawiki_history", "reduced", "similar_users", "top_lists", "views"]
