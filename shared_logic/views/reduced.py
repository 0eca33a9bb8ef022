"""MediaWiki History reduced to what counts need: events of what is not deleted, and digests by user and by page.

16 columns of Wikimedia's mediawiki_history_reduced. A digest sums the revisions of one user, or of one page, on one day or in one
month, of one type of user and page or of all.
"""

from __future__ import annotations

from shared_logic.titles import CANONICAL_NAMESPACES, MAIN
from shared_logic.views.mediawiki_history import MEDIAWIKI_HISTORY
from shared_logic.views.view import View, views

_TYPE = """CASE
        WHEN {who}_is_anonymous OR {who}_is_temporary THEN 'anonymous'
        WHEN list_contains(coalesce({who}_is_bot_by, {who}_is_bot_by_historical), 'group') THEN 'group_bot'
        WHEN list_contains(coalesce({who}_is_bot_by, {who}_is_bot_by_historical), 'name') THEN 'name_bot'
        ELSE 'user'
    END"""

_NAMES_OF_EVERY_WIKI = ", ".join(f"('{name}', {number})" for name, number in CANONICAL_NAMESPACES.items())

EVENTS = views.add(
    View(
        name="reduced_events",
        doc="Events of what is not deleted, as counts see them.",
        reads=(MEDIAWIKI_HISTORY.name, "site_namespaces"),
        is_internal=True,
        sql=f"""
WITH names AS (
    SELECT
        wiki, unnest(numbers)::INTEGER AS number, unnest(canonical_names) AS canonical, unnest(localized_names) AS localized
    FROM site_namespaces
),
names_of_every_wiki (canonical, number) AS (VALUES {_NAMES_OF_EVERY_WIKI})
SELECT
    regexp_replace(coalesce(nullif(sites.hostname, ''), wiki_db), '^www\\.|\\.org$', '', 'g') AS project,
    event_entity,
    event_type,
    CASE WHEN event_entity = 'page' AND event_type = 'create'
        THEN coalesce(page_first_edit_timestamp, event_timestamp) ELSE event_timestamp END AS event_timestamp,
    CASE event_entity WHEN 'user' THEN coalesce(user_text, user_text_historical)
        ELSE coalesce(event_user_text, event_user_text_historical) END AS user_text,
    CASE event_entity WHEN 'user' THEN {_TYPE.format(who="user")} ELSE {_TYPE.format(who="event_user")} END AS user_type,
    CASE WHEN coalesce(page_namespace, page_namespace_historical, {MAIN}) = {MAIN} THEN ''
        -- As MediaWiki writes titles of a namespace without a name: digests of a title must not be of two pages.
        ELSE coalesce(
            nullif(names.canonical, ''), names_of_every_wiki.canonical, nullif(names.localized, ''),
            'Special:Badtitle/NS' || coalesce(page_namespace, page_namespace_historical)
        ) || ':' END || coalesce(page_title, page_title_historical) AS page_title,
    coalesce(page_namespace, page_namespace_historical) AS page_namespace,
    CASE WHEN event_entity <> 'user' THEN
        CASE WHEN coalesce(page_namespace_is_content, page_namespace_is_content_historical)
            THEN 'content' ELSE 'non_content' END END AS page_type,
    list_filter(
        [
            CASE WHEN page_is_redirect THEN 'redirect' END,
            CASE WHEN event_entity = 'user' AND user_is_created_by_self THEN 'self_created' END
        ],
        tag -> tag IS NOT NULL
    ) AS other_tags,
    page_is_redirect,
    coalesce(revision_text_bytes_diff, 0) AS text_bytes_diff,
    abs(coalesce(revision_text_bytes_diff, 0)) AS text_bytes_diff_abs,
    CASE WHEN event_entity = 'revision' THEN 1 ELSE 0 END AS revisions,
    CASE event_entity WHEN 'user' THEN user_id ELSE event_user_id END AS user_id,
    CASE event_entity WHEN 'user' THEN user_central_id ELSE event_user_central_id END AS user_central_id,
    page_id
FROM mediawiki_history
LEFT JOIN site_namespaces AS sites ON sites.wiki = wiki_db
LEFT JOIN names ON names.wiki = wiki_db AND names.number = coalesce(page_namespace, page_namespace_historical)
LEFT JOIN names_of_every_wiki ON names_of_every_wiki.number = coalesce(page_namespace, page_namespace_historical)
WHERE event_timestamp IS NOT NULL
    AND (event_entity <> 'page' OR NOT page_is_deleted)
    AND (event_entity <> 'revision' OR NOT revision_is_deleted_by_page_deletion)
""",  # noqa: S608  fixed columns
    )
)


def _digests(entity: str, key: str, only: str) -> str:
    """Sums by day and by month, each with and without type of user and of page."""
    return f"""
SELECT
    project,
    '{entity}' AS event_entity,
    CASE WHEN grouping(day) = 0 THEN 'daily_digest' ELSE 'monthly_digest' END AS event_type,
    coalesce(day, month) || ' 00:00:00.0' AS event_timestamp,
    {"user_text" if key == "user_text" else "NULL"} AS user_text,
    CASE WHEN grouping(user_type) = 0 THEN user_type ELSE 'all' END AS user_type,
    {"page_title" if key == "page_title" else "NULL"} AS page_title,
    NULL::INTEGER AS page_namespace,
    CASE WHEN grouping(page_type) = 0 THEN page_type ELSE 'all' END AS page_type,
    []::VARCHAR[] AS other_tags,
    sum(text_bytes_diff)::BIGINT AS text_bytes_diff,
    sum(text_bytes_diff_abs)::BIGINT AS text_bytes_diff_abs,
    count(*) AS revisions,
    NULL::BIGINT AS user_id,
    NULL::BIGINT AS user_central_id,
    NULL::BIGINT AS page_id
FROM (SELECT *, event_timestamp[:10] AS day, event_timestamp[:7] || '-01' AS month FROM reduced_events)
WHERE event_entity = 'revision' AND {only}
GROUP BY GROUPING SETS (
    (project, {key}, day), (project, {key}, day, user_type), (project, {key}, day, page_type),
    (project, {key}, day, user_type, page_type), (project, {key}, month), (project, {key}, month, user_type),
    (project, {key}, month, page_type), (project, {key}, month, user_type, page_type)
)
"""  # noqa: S608  fixed columns


MEDIAWIKI_HISTORY_REDUCED = views.add(
    View(
        name="mediawiki_history_reduced",
        doc="Events of what is not deleted, and daily and monthly digests by user and by page.",
        reads=(EVENTS.name,),
        keys=("project",),
        companions=MEDIAWIKI_HISTORY.companions,
        sql=f"""
SELECT * EXCLUDE (page_is_redirect) FROM reduced_events
UNION ALL {_digests("user", "user_text", "user_text IS NOT NULL")}
UNION ALL {_digests("page", "page_title", "page_title IS NOT NULL AND NOT page_is_redirect")}
""",  # noqa: S608
    )
)
