"""The histories of pages and users in upstream's columns and text forms (mediawiki_page_history, mediawiki_user_history)."""

from __future__ import annotations

from shared_logic.views.states import PAGE_STATES_CAUSED, USER_STATES_CAUSED
from shared_logic.views.view import View, views


def text(instant: str) -> str:
    """SQL for an instant as upstream writes it, as `2021-01-01 00:00:00.0`."""
    return f"strftime({instant} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.0')"


ISSUES = views.add(
    View(
        name="issues",
        doc="Everything in the input that could not be used or had to be guessed at.",
        reads=("input_issues", "page_issues", "user_issues"),
        keys=("wiki_db", "table"),
        sql="""
SELECT wiki AS wiki_db, "table", key, field, code, detail FROM input_issues
UNION ALL SELECT wiki, "table", key, field, code, detail FROM page_issues
UNION ALL SELECT wiki, "table", key, field, code, detail FROM user_issues
""",
    )
)

PAGE_HISTORY = views.add(
    View(
        name="page_history",
        doc="Every state of every page: upstream's mediawiki_page_history, and when a state truly was.",
        reads=(PAGE_STATES_CAUSED.name,),
        keys=("wiki_db", "page_id"),
        companions=("input_issues", "page_issues"),
        sql=f"""
SELECT
    wiki AS wiki_db,
    page_id,
    page_artificial_id,
    {text("page_creation_timestamp")} AS page_creation_timestamp,
    {text("page_first_edit_timestamp")} AS page_first_edit_timestamp,
    page_title_historical,
    page_title,
    page_namespace_historical::INTEGER AS page_namespace_historical,
    page_namespace_is_content_historical,
    page_namespace::INTEGER AS page_namespace,
    page_namespace_is_content,
    page_is_redirect,
    page_is_deleted,
    {text("start_timestamp")} AS start_timestamp,
    {text("end_timestamp")} AS end_timestamp,
    caused_by_event_type,
    caused_by_user_id,
    caused_by_user_central_id,
    caused_by_user_text,
    caused_by_anonymous_user,
    caused_by_temporary_user,
    caused_by_permanent_user,
    inferred_from,
    source_log_id,
    source_log_comment,
    from_json(source_log_params, '"MAP(VARCHAR,VARCHAR)"') AS source_log_params,
    page_first_state,
    {text("valid_from")} AS valid_from,
    {text("valid_to")} AS valid_to,
    {text("page_valid_from")} AS page_valid_from,
    link_quality
FROM page_states_caused
ORDER BY wiki, page, ordinal
""",  # noqa: S608  fixed columns
    )
)

USER_HISTORY = views.add(
    View(
        name="user_history",
        doc="Every state of every account: upstream's mediawiki_user_history, and whether a block was in force.",
        reads=(USER_STATES_CAUSED.name,),
        keys=("wiki_db", "user_id"),
        companions=("input_issues", "user_issues"),
        sql=f"""
SELECT
    wiki AS wiki_db,
    user_id,
    user_central_id,
    user_text_historical,
    user_text,
    user_groups_historical,
    user_groups,
    user_blocks_historical,
    user_blocks,
    is_bot_by_historical,
    is_bot_by,
    {text("user_registration_timestamp")} AS user_registration_timestamp,
    {text("user_creation_timestamp")} AS user_creation_timestamp,
    {text("first_edit")} AS user_first_edit_timestamp,
    created_by_self,
    created_by_system,
    created_by_peer,
    false AS is_anonymous,
    is_temporary,
    NOT is_temporary AS is_permanent,
    {text("began")} AS start_timestamp,
    {text("ended")} AS end_timestamp,
    caused_by_event_type,
    caused_by_user_id,
    caused_by_user_central_id,
    caused_by_user_text,
    caused_by_anonymous_user,
    caused_by_temporary_user,
    caused_by_permanent_user,
    CASE
        WHEN caused_by_event_type = 'alterblocks' AND inferred_from IS NULL AND is_blocked
        THEN coalesce(strftime(caused_by_block_expiration AT TIME ZONE 'UTC', '%Y%m%d%H%M%S'), 'indefinite')
    END AS caused_by_block_expiration,
    inferred_from,
    source_log_id,
    source_log_comment,
    from_json(source_log_params, '"MAP(VARCHAR,VARCHAR)"') AS source_log_params,
    is_blocked,
    is_partially_blocked
FROM user_states_caused
ORDER BY wiki, user_id, ordinal
""",  # noqa: S608  fixed columns
    )
)
