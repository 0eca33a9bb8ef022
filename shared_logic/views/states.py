"""Users and pages over time, with what depends on the first edit, on other users, and on the instant of reading."""

from __future__ import annotations

import shared_logic.datasets  # noqa: F401  the tables that are read
from shared_logic.views.view import View, views

REVISIONS_UNITED = """
SELECT * FROM revision_facts
UNION ALL BY NAME
SELECT
    *, true AS revision_is_deleted, false AS revision_is_identity_reverted, false AS revision_is_identity_revert
FROM stray_facts
"""
"""SQL for the facts of revisions with and without page id."""

REVISIONS = views.add(
    View(
        name="revisions_of_any_page",
        doc="Facts of every revision, of those without page id too, and what other revisions tell of them.",
        reads=("revision_facts", "stray_facts"),
        is_internal=True,
        sql=f"""
WITH united AS ({REVISIONS_UNITED}),
twice AS (SELECT wiki, rev_id FROM united GROUP BY ALL HAVING count(*) > 1),
revisions AS (
    SELECT * FROM united ANTI JOIN twice USING (wiki, rev_id)
    UNION ALL
    SELECT * FROM united SEMI JOIN twice USING (wiki, rev_id)
    -- A restore to another page tells the page that it went to, not the one that it left.
    QUALIFY row_number() OVER (PARTITION BY wiki, rev_id ORDER BY revision_is_deleted, page_id DESC) = 1
)
SELECT
    revisions.*,
    CASE WHEN user_id > 0 THEN row_number() OVER mine END AS user_revision_count,
    CASE WHEN user_id > 0 THEN date_diff('second', lag(event_timestamp) OVER mine, event_timestamp) END AS user_seconds,
    parents.revision_text_bytes AS parent_text_bytes
FROM revisions LEFT JOIN (
    SELECT wiki, rev_id, any_value(revision_text_bytes) AS revision_text_bytes FROM revisions GROUP BY ALL
) AS parents ON parents.wiki = revisions.wiki AND parents.rev_id = nullif(revisions.revision_parent_id, 0)
WINDOW mine AS (PARTITION BY revisions.wiki, user_id ORDER BY event_timestamp, revisions.rev_id)
""",  # noqa: S608  a constant
    )
)

FIRST_EDITS = views.add(
    View(
        name="first_edits",
        doc="When each account edited first.",
        reads=(REVISIONS.name,),
        is_internal=True,
        sql="""
SELECT wiki, user_id, min(event_timestamp) AS first_edit FROM revisions_of_any_page WHERE user_id > 0 GROUP BY ALL
""",
    )
)

USER_STATES = views.add(
    View(
        name="user_states",
        doc="Every state of every account, as of now.",
        reads=("user_lives", FIRST_EDITS.name),
        is_internal=True,
        sql="""
WITH expiring AS (
    SELECT *, inferred_from IS NOT DISTINCT FROM 'unblock' AND start_timestamp > getvariable('now') AS is_to_come FROM user_lives
),
begun AS (
    SELECT
        lives.*, first_edit,
        CASE WHEN starts_with_first_edit THEN least(start_timestamp, first_edit) ELSE start_timestamp END AS began,
        -- A block that has not expired yet is in force until something that is told of ends the state.
        CASE WHEN lead(is_to_come, 1, false) OVER life THEN lead(end_timestamp) OVER life ELSE end_timestamp END AS ended
    FROM expiring AS lives LEFT JOIN first_edits USING (wiki, user_id)
    WINDOW life AS (PARTITION BY wiki, user_id ORDER BY ordinal)
)
SELECT
    * EXCLUDE (is_to_come),
    last_value(user_blocks_historical) OVER whole AS user_blocks
FROM begun
WHERE NOT is_to_come
    AND (user_registration_timestamp IS NOT NULL OR user_creation_timestamp IS NOT NULL OR first_edit IS NOT NULL)
WINDOW whole AS (PARTITION BY wiki, user_id ORDER BY ordinal ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
""",
    )
)

USER_NAMES_OVER_TIME = views.add(
    View(
        name="user_names_over_time",
        doc="Who bore a name from when on.",
        reads=("user_states",),
        is_internal=True,
        sql="""
SELECT wiki, user_text_historical AS name, coalesce(began, TIMESTAMPTZ '-infinity') AS since, any_value(user_id) AS user_id
FROM user_states GROUP BY ALL
""",
    )
)

USERS_NOW = views.add(
    View(
        name="users_now",
        doc="Every account as it is now.",
        reads=("user_states",),
        is_internal=True,
        sql="""
SELECT
    wiki, user_id, any_value(user_text) AS user_text, any_value(user_central_id) AS user_central_id,
    any_value(is_temporary) AS is_temporary
FROM user_states GROUP BY ALL
""",
    )
)


def _caused(table: str, began: str) -> str:
    """The rows of a table, with who caused each: by id, or by the name that is told, as of then.

    Whether that is a temporary account is known of log rows only, as upstream has it.
    """
    return f"""
SELECT
    told.* EXCLUDE (
        caused_by_user_id, caused_by_user_text, caused_by_temporary_user, caused_by_permanent_user
    ),
    CASE WHEN source_log_id IS NULL THEN told.caused_by_temporary_user
        ELSE coalesce(told.caused_by_temporary_user, present.is_temporary) END AS caused_by_temporary_user,
    CASE WHEN source_log_id IS NULL THEN told.caused_by_permanent_user
        ELSE coalesce(told.caused_by_permanent_user, NOT present.is_temporary) END AS caused_by_permanent_user,
    coalesce(told.caused_by_user_id, bearer.user_id) AS caused_by_user_id,
    coalesce(present.user_text, told.caused_by_user_text) AS caused_by_user_text,
    present.user_central_id AS caused_by_user_central_id
FROM (SELECT *, coalesce({began}, TIMESTAMPTZ '-infinity') AS caused_at FROM {table}) AS told
ASOF LEFT JOIN user_names_over_time AS bearer
    ON told.wiki = bearer.wiki AND told.caused_by_user_text = bearer.name AND told.caused_at >= bearer.since
LEFT JOIN users_now AS present
    ON told.wiki = present.wiki AND present.user_id = coalesce(told.caused_by_user_id, bearer.user_id)
"""  # noqa: S608  names of views


USER_STATES_CAUSED = views.add(
    View(
        name="user_states_caused",
        doc="Every state of every account, with who caused it.",
        reads=("user_states", "user_names_over_time", "users_now"),
        is_internal=True,
        sql=_caused("user_states", "began"),
    )
)

PAGE_STATES_CAUSED = views.add(
    View(
        name="page_states_caused",
        doc="Every state of every page, with who caused it.",
        reads=("page_lives", "user_names_over_time", "users_now"),
        is_internal=True,
        sql=_caused("page_lives", "start_timestamp"),
    )
)
