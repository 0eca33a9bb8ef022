"""Names, types and order of the columns that Wikimedia's tables have (1.10 and 1.11 of the reference); ours begin with them."""

from __future__ import annotations

import pytest

from tests.serving.history_rows import columns

TYPES = {
    "string": "VARCHAR",
    "bigint": "BIGINT",
    "int": "INTEGER",
    "boolean": "BOOLEAN",
    "array<string>": "VARCHAR[]",
    "map<string,string>": "MAP(VARCHAR, VARCHAR)",
}
"""Hive's types as DuckDB calls them."""
UPSTREAM = {
    "mediawiki_history": """
        wiki_db:string event_log_id:bigint event_entity:string event_type:string event_timestamp:string
        event_comment:string event_user_id:bigint event_user_central_id:bigint event_user_text_historical:string
        event_user_text:string event_user_blocks_historical:array<string> event_user_blocks:array<string>
        event_user_groups_historical:array<string> event_user_groups:array<string>
        event_user_is_bot_by_historical:array<string> event_user_is_bot_by:array<string>
        event_user_is_created_by_self:boolean event_user_is_created_by_system:boolean
        event_user_is_created_by_peer:boolean event_user_is_anonymous:boolean event_user_is_temporary:boolean
        event_user_is_permanent:boolean event_user_is_cross_wiki:boolean event_user_registration_timestamp:string
        event_user_creation_timestamp:string event_user_first_edit_timestamp:string
        event_user_revision_count:bigint event_user_seconds_since_previous_revision:bigint page_id:bigint
        page_artificial_id:string page_title_historical:string page_title:string page_namespace_historical:int
        page_namespace_is_content_historical:boolean page_namespace:int page_namespace_is_content:boolean
        page_is_redirect:boolean page_is_deleted:boolean page_creation_timestamp:string
        page_first_edit_timestamp:string page_revision_count:bigint page_seconds_since_previous_revision:bigint
        user_id:bigint user_central_id:bigint user_text_historical:string user_text:string
        user_blocks_historical:array<string> user_blocks:array<string> user_groups_historical:array<string>
        user_groups:array<string> user_is_bot_by_historical:array<string> user_is_bot_by:array<string>
        user_is_created_by_self:boolean user_is_created_by_system:boolean user_is_created_by_peer:boolean
        user_is_anonymous:boolean user_is_temporary:boolean user_is_permanent:boolean
        user_registration_timestamp:string user_creation_timestamp:string user_first_edit_timestamp:string
        revision_id:bigint revision_parent_id:bigint revision_minor_edit:boolean
        revision_deleted_parts:array<string> revision_deleted_parts_are_suppressed:boolean
        revision_text_bytes:bigint revision_text_bytes_diff:bigint revision_text_sha1:string
        revision_content_model:string revision_content_format:string revision_is_deleted_by_page_deletion:boolean
        revision_deleted_by_page_deletion_timestamp:string revision_is_identity_reverted:boolean
        revision_first_identity_reverting_revision_id:bigint revision_seconds_to_identity_revert:bigint
        revision_is_identity_revert:boolean revision_is_from_before_page_creation:boolean
        revision_tags:array<string>
    """,
    "page_history": """
        wiki_db:string page_id:bigint page_artificial_id:string page_creation_timestamp:string
        page_first_edit_timestamp:string page_title_historical:string page_title:string
        page_namespace_historical:int page_namespace_is_content_historical:boolean page_namespace:int
        page_namespace_is_content:boolean page_is_redirect:boolean page_is_deleted:boolean start_timestamp:string
        end_timestamp:string caused_by_event_type:string caused_by_user_id:bigint
        caused_by_user_central_id:bigint caused_by_user_text:string caused_by_anonymous_user:boolean
        caused_by_temporary_user:boolean caused_by_permanent_user:boolean inferred_from:string
        source_log_id:bigint source_log_comment:string source_log_params:map<string,string>
    """,
    "user_history": """
        wiki_db:string user_id:bigint user_central_id:bigint user_text_historical:string user_text:string
        user_groups_historical:array<string> user_groups:array<string> user_blocks_historical:array<string>
        user_blocks:array<string> is_bot_by_historical:array<string> is_bot_by:array<string>
        user_registration_timestamp:string user_creation_timestamp:string user_first_edit_timestamp:string
        created_by_self:boolean created_by_system:boolean created_by_peer:boolean is_anonymous:boolean
        is_temporary:boolean is_permanent:boolean start_timestamp:string end_timestamp:string
        caused_by_event_type:string caused_by_user_id:bigint caused_by_user_central_id:bigint
        caused_by_user_text:string caused_by_anonymous_user:boolean caused_by_temporary_user:boolean
        caused_by_permanent_user:boolean caused_by_block_expiration:string inferred_from:string
        source_log_id:bigint source_log_comment:string source_log_params:map<string,string>
    """,
    "mediawiki_history_reduced": """
        project:string event_entity:string event_type:string event_timestamp:string user_text:string
        user_type:string page_title:string page_namespace:int page_type:string other_tags:array<string>
        text_bytes_diff:bigint text_bytes_diff_abs:bigint revisions:bigint user_id:bigint user_central_id:bigint
        page_id:bigint
    """,
}
OURS = {
    "page_history": ["page_first_state", "valid_from", "valid_to", "page_valid_from", "link_quality"],
    "user_history": ["is_blocked", "is_partially_blocked"],
}
"""Columns of our own, which stand behind."""


@pytest.mark.parametrize(
    "view, number",
    [
        ("mediawiki_history", 79),
        ("page_history", 26),
        ("user_history", 34),
        ("mediawiki_history_reduced", 16),
    ],
)
def test_a_view_has_upstreams_columns_with_their_types_in_their_order(view: str, number: int) -> None:
    told = [column.split(":") for column in UPSTREAM[view].split()]
    expected = [(name, TYPES[kind]) for name, kind in told]
    assert len(expected) == number
    found = list(columns(view).items())
    assert found[:number] == expected
    assert [name for name, _ in found[number:]] == OURS.get(view, [])
