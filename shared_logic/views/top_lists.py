"""Who edited most, and what was edited most, in a month: ranks are made when they are read, for they change."""

from __future__ import annotations

from shared_logic.views.view import View, views

RANKS = 100
"""Places of a list."""

TOP_EDITORS = views.add(
    View(
        name="top_editors",
        doc=f"The {RANKS} editors with most edits in each month.",
        reads=("editor_periods", "user_current"),
        keys=("wiki", "month"),
        sql=f"""
SELECT
    periods.wiki,
    periods.begins AS month,
    row_number() OVER (PARTITION BY periods.wiki, periods.begins ORDER BY edits DESC, editor) AS rank,
    coalesce(users.name, editor) AS editor,
    edits,
    net_bytes,
    absolute_bytes
FROM editor_periods AS periods LEFT JOIN user_current AS users USING (wiki, editor)
WHERE granularity = 'monthly' AND page_type = 'all' AND editor <> ''
QUALIFY rank <= {RANKS}
ORDER BY wiki, month, rank
""",  # noqa: S608  a constant
    )
)

TOP_PAGES = views.add(
    View(
        name="top_pages",
        doc=f"The {RANKS} pages with most edits in each month.",
        reads=("page_periods", "page_current"),
        keys=("wiki", "month"),
        sql=f"""
SELECT
    periods.wiki,
    periods.begins AS month,
    row_number() OVER (PARTITION BY periods.wiki, periods.begins ORDER BY edits DESC, page_id) AS rank,
    page_id,
    title,
    pages.namespace,
    edits
FROM page_periods AS periods LEFT JOIN page_current AS pages USING (wiki, page_id)
WHERE granularity = 'monthly' AND editor_type = 'all'
QUALIFY rank <= {RANKS}
ORDER BY wiki, month, rank
""",  # noqa: S608
    )
)
