"""MediaWiki History, denormalised: every revision, every state of a page and every state of an account as one event each.

79 columns with the names, types and order of Wikimedia's mediawiki_history (snapshot of analytics/refinery 2a25417). What a
revision tells of its author and page as they were is the state of that moment, by id.
"""

from __future__ import annotations

from shared_logic.datasets.sites import site_namespaces
from shared_logic.things import NAME_OF_BOT
from shared_logic.views.histories import ISSUES, text
from shared_logic.views.states import PAGE_STATES_CAUSED, REVISIONS, USER_STATES_CAUSED
from shared_logic.views.view import View, views

_USER = """
    {user}.user_blocks_historical AS {to}_blocks_historical,
    {user}.user_blocks AS {to}_blocks,
    {user}.user_groups_historical AS {to}_groups_historical,
    {user}.user_groups AS {to}_groups,
    {bots} AS {to}_is_bot_by_historical,
    {user}.is_bot_by AS {to}_is_bot_by,
    {user}.created_by_self AS {to}_is_created_by_self,
    {user}.created_by_system AS {to}_is_created_by_system,
    {user}.created_by_peer AS {to}_is_created_by_peer,"""


def _event_user(told: str, bots: str) -> str:
    """The columns of who did it, of the state `actor` and of what is told of them otherwise."""
    return f"""
    coalesce(actor.user_text_historical, {told}_text) AS event_user_text_historical,
    CASE WHEN {told}_anonymous THEN {told}_text ELSE actor.user_text END AS event_user_text,{
        _USER.format(user="actor", to="event_user", bots=bots)
    }
    CASE WHEN actor.user_id IS NULL THEN {told}_anonymous ELSE false END AS event_user_is_anonymous,
    CASE WHEN actor.user_id IS NULL THEN {
        told
    }_temporary ELSE actor.is_temporary END AS event_user_is_temporary,
    CASE WHEN actor.user_id IS NULL THEN {
        told
    }_permanent ELSE NOT actor.is_temporary END AS event_user_is_permanent,
    {told}_cross_wiki AS event_user_is_cross_wiki,
    {text("actor.user_registration_timestamp")} AS event_user_registration_timestamp,
    {text("actor.user_creation_timestamp")} AS event_user_creation_timestamp,
    {text("actor.first_edit")} AS event_user_first_edit_timestamp,"""


_NO_USER = """
    NULL::BIGINT AS user_id, NULL::BIGINT AS user_central_id, NULL::VARCHAR AS user_text_historical,
    NULL::VARCHAR AS user_text, NULL::VARCHAR[] AS user_blocks_historical, NULL::VARCHAR[] AS user_blocks,
    NULL::VARCHAR[] AS user_groups_historical, NULL::VARCHAR[] AS user_groups,
    NULL::VARCHAR[] AS user_is_bot_by_historical, NULL::VARCHAR[] AS user_is_bot_by,
    NULL::BOOLEAN AS user_is_created_by_self, NULL::BOOLEAN AS user_is_created_by_system,
    NULL::BOOLEAN AS user_is_created_by_peer, NULL::BOOLEAN AS user_is_anonymous, NULL::BOOLEAN AS user_is_temporary,
    NULL::BOOLEAN AS user_is_permanent, NULL::VARCHAR AS user_registration_timestamp,
    NULL::VARCHAR AS user_creation_timestamp, NULL::VARCHAR AS user_first_edit_timestamp,"""

_NO_PAGE = """
    NULL::BIGINT AS page_id, NULL::VARCHAR AS page_artificial_id, NULL::VARCHAR AS page_title_historical,
    NULL::VARCHAR AS page_title, NULL::INTEGER AS page_namespace_historical,
    NULL::BOOLEAN AS page_namespace_is_content_historical, NULL::INTEGER AS page_namespace,
    NULL::BOOLEAN AS page_namespace_is_content, NULL::BOOLEAN AS page_is_redirect, NULL::BOOLEAN AS page_is_deleted,
    NULL::VARCHAR AS page_creation_timestamp, NULL::VARCHAR AS page_first_edit_timestamp,
    NULL::BIGINT AS page_revision_count, NULL::BIGINT AS page_seconds_since_previous_revision,"""

_NO_REVISION = """
    NULL::BIGINT AS revision_id, NULL::BIGINT AS revision_parent_id, NULL::BOOLEAN AS revision_minor_edit,
    NULL::VARCHAR[] AS revision_deleted_parts, NULL::BOOLEAN AS revision_deleted_parts_are_suppressed,
    NULL::BIGINT AS revision_text_bytes, NULL::BIGINT AS revision_text_bytes_diff,
    NULL::VARCHAR AS revision_text_sha1, NULL::VARCHAR AS revision_content_model,
    NULL::VARCHAR AS revision_content_format, NULL::BOOLEAN AS revision_is_deleted_by_page_deletion,
    NULL::VARCHAR AS revision_deleted_by_page_deletion_timestamp, NULL::BOOLEAN AS revision_is_identity_reverted,
    NULL::BIGINT AS revision_first_identity_reverting_revision_id, NULL::BIGINT AS revision_seconds_to_identity_revert,
    NULL::BOOLEAN AS revision_is_identity_revert, NULL::BOOLEAN AS revision_is_from_before_page_creation,
    NULL::VARCHAR[] AS revision_tags"""


_IS_CONTENT_AT_DELETION = """
    CASE WHEN site.wiki IS NULL THEN r.page_namespace_at_deletion = 0
        ELSE list_contains(site.content, r.page_namespace_at_deletion::VARCHAR) END"""
"""Of a wiki of which nobody tells the namespaces, the main one is content, as in `page_lives`."""


def _page(state: str, title: str, namespace: str, is_content: str) -> str:
    """The columns of the page, of its state and of what is told of it otherwise."""
    return f"""
    {state}.page_artificial_id,
    coalesce({state}.page_title_historical, {title}) AS page_title_historical,
    {state}.page_title,
    coalesce({state}.page_namespace_historical, {namespace})::INTEGER AS page_namespace_historical,
    coalesce({state}.page_namespace_is_content_historical, {is_content}) AS page_namespace_is_content_historical,
    {state}.page_namespace::INTEGER AS page_namespace,
    {state}.page_namespace_is_content,
    {state}.page_is_redirect,
    {state}.page_is_deleted,
    {text(f"{state}.page_creation_timestamp")} AS page_creation_timestamp,
    {text(f"{state}.page_first_edit_timestamp")} AS page_first_edit_timestamp,"""


ACTORS = views.add(
    View(
        name="actors_over_time",
        doc="States of accounts as intervals that hold any instant at most once.",
        reads=(USER_STATES_CAUSED.name,),
        is_internal=True,
        sql="""
SELECT *, coalesce(began, TIMESTAMPTZ '-infinity') AS since, coalesce(ended, TIMESTAMPTZ 'infinity') AS until
FROM user_states_caused
QUALIFY until > since AND (
    count(*) OVER (PARTITION BY wiki, user_id) = 1 OR began IS NOT NULL OR ended IS NOT NULL
)
""",
    )
)

PAGES = views.add(
    View(
        name="pages_over_time",
        doc="States of pages as intervals; the first one begins with the first edit at the latest.",
        reads=(PAGE_STATES_CAUSED.name,),
        is_internal=True,
        sql="""
SELECT
    *,
    coalesce(
        CASE WHEN page_first_state THEN least(start_timestamp, page_first_edit_timestamp) ELSE start_timestamp END,
        TIMESTAMPTZ '-infinity'
    ) AS since,
    coalesce(end_timestamp, TIMESTAMPTZ 'infinity') AS until
FROM page_states_caused
WHERE page_id > 0
QUALIFY until > since AND (
    count(*) OVER (PARTITION BY wiki, page_id) = 1 OR start_timestamp IS NOT NULL OR end_timestamp IS NOT NULL
)
""",
    )
)

_REVISIONS = f"""
SELECT
    r.wiki AS wiki_db,
    NULL::BIGINT AS event_log_id,
    'revision' AS event_entity,
    'create' AS event_type,
    {text("r.event_timestamp")} AS event_timestamp,
    r.event_comment,
    r.user_id AS event_user_id,
    actor.user_central_id AS event_user_central_id,{
    _event_user("r.told", "coalesce(actor.is_bot_by_historical, r.told_bots)")
}
    r.user_revision_count AS event_user_revision_count,
    r.user_seconds AS event_user_seconds_since_previous_revision,
    r.page_id,{
    _page("page", "r.page_title_at_deletion", "r.page_namespace_at_deletion", _IS_CONTENT_AT_DELETION)
}
    r.page_revision_count,
    r.page_seconds_since_previous_revision,{_NO_USER}
    r.rev_id AS revision_id,
    r.revision_parent_id,
    r.revision_minor_edit,
    r.revision_deleted_parts,
    r.revision_deleted_parts_are_suppressed,
    r.revision_text_bytes,
    CASE WHEN coalesce(r.revision_parent_id, 0) = 0 THEN r.revision_text_bytes
        ELSE r.revision_text_bytes - r.parent_text_bytes END AS revision_text_bytes_diff,
    r.revision_text_sha1,
    NULL::VARCHAR AS revision_content_model,
    NULL::VARCHAR AS revision_content_format,
    r.revision_is_deleted AS revision_is_deleted_by_page_deletion,
    CASE WHEN r.revision_is_deleted
        THEN {text("coalesce(deletion.start_timestamp, r.page_last_archived_at, r.event_timestamp)")}
        END AS revision_deleted_by_page_deletion_timestamp,
    r.revision_is_identity_reverted,
    r.revision_first_identity_reverting_revision_id,
    r.revision_seconds_to_identity_revert,
    r.revision_is_identity_revert,
    coalesce(r.event_timestamp < page.page_creation_timestamp, false) AS revision_is_from_before_page_creation,
    r.revision_tags
FROM (
    SELECT
        *,
        user_text AS told_text,
        CASE WHEN user_text IS NOT NULL THEN user_id IS NULL END AS told_anonymous,
        NULL::BOOLEAN AS told_temporary,
        NULL::BOOLEAN AS told_permanent,
        coalesce(user_id IS NULL AND contains(user_text, '>'), false) AS told_cross_wiki,
        CASE WHEN regexp_matches(user_text, '{
    NAME_OF_BOT
}', 'i') THEN ['name'] ELSE []::VARCHAR[] END AS told_bots
    FROM revisions_of_any_page
) AS r
LEFT JOIN actors_over_time AS actor
    ON actor.wiki = r.wiki AND actor.user_id = r.user_id AND r.event_timestamp >= actor.since AND r.event_timestamp < actor.until
LEFT JOIN pages_over_time AS page
    ON page.wiki = r.wiki AND page.page_id = r.page_id AND r.event_timestamp >= page.since AND r.event_timestamp < page.until
ASOF LEFT JOIN (
    SELECT wiki, page_id, start_timestamp FROM page_states_caused
    WHERE caused_by_event_type = 'delete' AND start_timestamp IS NOT NULL AND page_id > 0
) AS deletion ON deletion.wiki = r.wiki AND deletion.page_id = r.page_id AND r.event_timestamp < deletion.start_timestamp
LEFT JOIN site_namespaces AS site ON site.wiki = r.wiki
QUALIFY row_number() OVER (PARTITION BY r.wiki, r.rev_id ORDER BY page.since DESC, actor.since DESC, r.page_id) = 1
"""  # noqa: S608  fixed columns


def _states(entity: str, began: str) -> str:
    """What states of pages and of users have in common: who caused them, as of then."""
    return f"""
    s.wiki AS wiki_db,
    s.source_log_id AS event_log_id,
    '{entity}' AS event_entity,
    s.caused_by_event_type AS event_type,
    {text(began)} AS event_timestamp,
    NULL::VARCHAR AS event_comment,
    s.caused_by_user_id AS event_user_id,
    s.caused_by_user_central_id AS event_user_central_id,{_event_user("s.told", "actor.is_bot_by_historical")}
    NULL::BIGINT AS event_user_revision_count,
    NULL::BIGINT AS event_user_seconds_since_previous_revision,"""


def _told(states: str, began: str) -> str:
    return f"""
FROM (
    SELECT
        *,
        caused_by_user_text AS told_text,
        caused_by_anonymous_user AS told_anonymous,
        caused_by_temporary_user AS told_temporary,
        caused_by_permanent_user AS told_permanent,
        coalesce(caused_by_anonymous_user AND contains(caused_by_user_text, '>'), false) AS told_cross_wiki
    FROM {states}
) AS s
LEFT JOIN actors_over_time AS actor
    ON actor.wiki = s.wiki AND actor.user_id = s.caused_by_user_id
    AND coalesce({began}, TIMESTAMPTZ '-infinity') >= actor.since
    AND coalesce({began}, TIMESTAMPTZ '-infinity') < actor.until
"""  # noqa: S608  names of views


_PAGES = f"""
SELECT{_states("page", "s.start_timestamp")}
    s.page_id,{_page("s", "NULL", "NULL", "NULL")}
    NULL::BIGINT AS page_revision_count,
    NULL::BIGINT AS page_seconds_since_previous_revision,{_NO_USER}{_NO_REVISION}{_told("page_states_caused", "s.start_timestamp")}
"""

_USERS = f"""
SELECT{_states("user", "s.began")}{_NO_PAGE}
    s.user_id,
    s.user_central_id,
    s.user_text_historical,
    s.user_text,{_USER.format(user="s", to="user", bots="s.is_bot_by_historical")}
    false AS user_is_anonymous,
    s.is_temporary AS user_is_temporary,
    NOT s.is_temporary AS user_is_permanent,
    {text("s.user_registration_timestamp")} AS user_registration_timestamp,
    {text("s.user_creation_timestamp")} AS user_creation_timestamp,
    {text("s.first_edit")} AS user_first_edit_timestamp,{_NO_REVISION}{_told("user_states_caused", "s.began")}
"""

MEDIAWIKI_HISTORY = views.add(
    View(
        name="mediawiki_history",
        doc="Every revision, state of a page and state of an account, with pages and users as they were and are.",
        keys=("wiki_db",),
        companions=ISSUES.reads,
        reads=(
            *(REVISIONS.name, PAGE_STATES_CAUSED.name, USER_STATES_CAUSED.name, ACTORS.name, PAGES.name),
            site_namespaces.name,
        ),
        sql=f"{_REVISIONS} UNION ALL {_PAGES} UNION ALL {_USERS}",
    )
)
