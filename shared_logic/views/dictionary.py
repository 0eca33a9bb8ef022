"""What the columns of views are, by view and name, in their order; where upstream's value is not the best one, which column has that."""

from __future__ import annotations

from collections.abc import Mapping

_BATCH = "; null for what only events told so far"
_UNTOLD = "; null where no table lists the account and nothing tells who made it"
_AS_TEXT = "as text, UTC"

_PAGE = {
    "page_id": "id of the page; null where no source tells one",
    "page_artificial_id": "where no id is known: a hash of the log row that deleted the page, the same in both layers (upstream: random)",
}
_TITLES = {
    "page_title_historical": "title then, without namespace, blanks as underscores; of an archived revision that no state holds the page's last",
    "page_title": "title now, or at the deletion",
    "page_namespace_historical": "namespace then",
    "page_namespace_is_content_historical": "whether the site counts that as content",
    "page_namespace": "namespace now, or at the deletion",
    "page_namespace_is_content": "whether the site counts that as content",
    "page_is_redirect": "now; null for deleted pages",
    "page_is_deleted": "whether the life was rebuilt from the archive or a deletion",
}
_PAGE_TIMES = {
    "page_creation_timestamp": f"upstream's creation, {_AS_TEXT}: that of the first state, else its start, which a history merge or an "
    "import can make later than the first edit; page_history.page_valid_from is when the page truly was made",
    "page_first_edit_timestamp": f"time of its first revision, {_AS_TEXT}",
}


def _of_user(prefix: str, who: str, when: str) -> dict[str, str]:
    """Columns that tell of an account."""
    return {
        f"{prefix}_text_historical": f"name of {who} {when}",
        f"{prefix}_text": f"name of {who} now",
        f"{prefix}_blocks_historical": f"flags of the block in force {when}; a block without flags is empty, and user_history.is_blocked tells it",
        f"{prefix}_blocks": "flags of the block of the last state",
        f"{prefix}_groups_historical": f"groups {when}, as the log tells them: empty before the first change",
        f"{prefix}_groups": "groups now",
        f"{prefix}_is_bot_by_historical": f"by what {who} was a bot {when}: name, group",
        f"{prefix}_is_bot_by": f"by what {who} is a bot now",
        f"{prefix}_is_created_by_self": f"made by who uses it{_UNTOLD}",
        f"{prefix}_is_created_by_system": f"made by a login on another wiki{_UNTOLD}",
        f"{prefix}_is_created_by_peer": f"made by somebody else{_UNTOLD}",
        f"{prefix}_is_anonymous": f"whether {who} is an address",
        f"{prefix}_is_temporary": f"whether {who} is a temporary account; null where neither a table nor user_change tells, and for revisions of who has no account or is hidden",
        f"{prefix}_is_permanent": f"whether {who} is a named account; null as above",
    }


def _user_times(prefix: str) -> dict[str, str]:
    return {
        f"{prefix}_registration_timestamp": f"registration, {_AS_TEXT}",
        f"{prefix}_creation_timestamp": f"time of the creation in the log, or else of its event, {_AS_TEXT}",
        f"{prefix}_first_edit_timestamp": f"first edit, archived ones too, {_AS_TEXT}",
    }


_CAUSED = {
    "caused_by_event_type": "what began the state",
    "caused_by_user_id": "who did that; of events, by the name and time that they tell",
    "caused_by_user_central_id": "central id of who did that",
    "caused_by_user_text": "name now of who did that",
    "caused_by_anonymous_user": "whether that was an address",
    "caused_by_temporary_user": "whether that was a temporary account; known of log rows only",
    "caused_by_permanent_user": "whether that was a named account; known of log rows only",
}
_SOURCE = {
    "inferred_from": "why the state is known, where no event of its own began it",
    "source_log_id": f"the log row that began it{_BATCH}",
    "source_log_comment": f"its comment{_BATCH}",
    "source_log_params": f"its parameters as texts; what does not parse stands under `unparsed`{_BATCH}",
}

_PAGE_HISTORY = {
    "wiki_db": "database name of the wiki",
    **_PAGE,
    **_PAGE_TIMES,
    **_TITLES,
    "start_timestamp": f"upstream's beginning, {_AS_TEXT}; valid_from is the true one",
    "end_timestamp": f"upstream's end, {_AS_TEXT}, null: it lasts; can be before the start, where an import or a merge brought earlier "
    "revisions; valid_to is the true one",
    **_CAUSED,
    **_SOURCE,
    "page_first_state": "whether it is the first of the page",
    "valid_from": f"ours: when it truly began, {_AS_TEXT}; null: unknown. States of a page neither overlap nor run backwards",
    "valid_to": f"ours: when it truly ended, {_AS_TEXT}; null: it lasts",
    "page_valid_from": f"ours: when the page truly was made, {_AS_TEXT}",
    "link_quality": "ours: how sure it is that the state is this page's: by_id, by_title, inferred, ambiguous",
}

_USER_HISTORY = {
    "wiki_db": "database name of the wiki",
    "user_id": "id on the wiki",
    "user_central_id": "central id; null where no table or event tells it",
    **{
        name.replace("user_is_", "is_").replace("is_created", "created"): text
        for name, text in _of_user("user", "the account", "in this state").items()
        if name not in {"user_is_anonymous", "user_is_temporary", "user_is_permanent"}
        and "created" not in name
    },
    **_user_times("user"),
    "created_by_self": f"made by who uses it{_UNTOLD}",
    "created_by_system": f"made by a login on another wiki{_UNTOLD}",
    "created_by_peer": f"made by somebody else{_UNTOLD}",
    "is_anonymous": "false",
    "is_temporary": "whether it is a temporary account; null: neither a table nor user_change tells",
    "is_permanent": "whether it is a named account",
    "start_timestamp": f"beginning, {_AS_TEXT}: of a first state the least of registration, creation and first edit",
    "end_timestamp": f"end, {_AS_TEXT}; null: it lasts",
    **_CAUSED,
    "caused_by_block_expiration": "when the block ends, 14 digits, or `indefinite`; months have 30 days, as upstream counts",
    **_SOURCE,
    "is_blocked": "ours: whether a block was in force, with flags or without",
    "is_partially_blocked": "ours: whether that was of some pages or namespaces only, which upstream takes for a whole block",
}

_MEDIAWIKI_HISTORY = {
    "wiki_db": "database name of the wiki",
    "event_log_id": f"log row of a page or user event{_BATCH}",
    "event_entity": "revision, page or user",
    "event_type": "of revisions create; else what began the state: create (a page's first revision), create-page (its log row), move, "
    "delete, restore, merge; create, rename, altergroups, alterblocks",
    "event_timestamp": f"own time, {_AS_TEXT}; null: unknown",
    "event_comment": "summary of a live revision; null for archived ones, page and user events, as upstream has it (page_history and "
    "user_history have source_log_comment)",
    "event_user_id": "who did it; null: an address, nobody known, or hidden",
    "event_user_central_id": "central id of who did it; null where no state of theirs is known",
    **_of_user("event_user", "who did it", "then"),
    "event_user_is_cross_wiki": "whether it is an imported name (`>`) without account; never null, whatever upstream documents",
    **_user_times("event_user"),
    "event_user_revision_count": "running number of the revision among its author's, from 1, archived ones too (not MediaWiki's edit count)",
    "event_user_seconds_since_previous_revision": "since the author's revision before",
    **_PAGE,
    **_TITLES,
    **_PAGE_TIMES,
    "page_revision_count": "running number of the revision on its page, from 1, archived ones too",
    "page_seconds_since_previous_revision": "since the page's revision before",
    "user_id": "of user events the account",
    "user_central_id": "of user events its central id",
    **_of_user("user", "the account", "from then on"),
    **_user_times("user"),
    "revision_id": "id of the revision",
    "revision_parent_id": "0: none; null: not told",
    "revision_minor_edit": "marked as minor",
    "revision_deleted_parts": "what is hidden: text, comment, user",
    "revision_deleted_parts_are_suppressed": "from administrators as well; no event tells it",
    "revision_text_bytes": "length",
    "revision_text_bytes_diff": "length less the parent's, wherever that is; without parent the length; null: the parent is not known",
    "revision_text_sha1": "SHA-1 in base 36, over all slots; null where hidden",
    "revision_content_model": "null, as upstream has it",
    "revision_content_format": "null, as upstream has it",
    "revision_is_deleted_by_page_deletion": "whether it is in the archive",
    "revision_deleted_by_page_deletion_timestamp": f"the page's first deletion after it, else the newest archived revision of the page, {_AS_TEXT}",
    "revision_is_identity_reverted": "a later revision went back to a text from before it",
    "revision_first_identity_reverting_revision_id": "the first that did",
    "revision_seconds_to_identity_revert": "time until then",
    "revision_is_identity_revert": "its text is that of an earlier one, with others between",
    "revision_is_from_before_page_creation": "its time is before upstream's creation of its page",
    "revision_tags": "names of its tags, sorted; null: none",
}

_REDUCED = {
    "project": "host name without www. and .org; without one the database name",
    "event_entity": "revision, page or user",
    "event_type": "as in mediawiki_history; daily_digest and monthly_digest",
    "event_timestamp": "of a page's creation the first edit, of digests the beginning of the day or month",
    "user_text": "name now, else then; null on digests of pages",
    "user_type": "anonymous (temporary ones too), group_bot, name_bot or user; all",
    "page_title": "title now with the English name of its namespace; null on digests of users",
    "page_namespace": "null on digests",
    "page_type": "content or non_content; all",
    "other_tags": "redirect, self_created",
    "text_bytes_diff": "sum of differences of bytes",
    "text_bytes_diff_abs": "sum of their absolute values",
    "revisions": "how many; 0 for events of pages and users",
    "user_id": "null on digests",
    "user_central_id": "null on digests",
    "page_id": "null on digests: pages that bore one title in turn are one digest, as upstream has it (page_periods keeps them apart)",
}

_ISSUES = {
    "wiki_db": "database name of the wiki",
    "table": "the table, or element of a dump",
    "key": "key of the row, as far as it can be told",
    "field": "the column at fault; empty: the whole row",
    "code": "what is wrong, in a word",
    "detail": "what is wrong, and what was made of it",
}

_TOP = {
    "wiki": "database name of the wiki",
    "month": "first day of the month, UTC",
    "rank": "from 1",
}

_SIMILAR_USERS = {
    "wiki": "database name of the wiki",
    "editor": "`#` and the user id, or the address",
    "rank": "from 1: those with most pages shared first",
    "neighbour": "who edited the same pages near the editor, as `editor`",
    "editor_name": "name now, or address",
    "neighbour_name": "name now, or address",
    "pages_shared": "pages on which both edited within the window",
    "edit_overlap": "part of the editor's pages that both edited, from 0 to 1",
    "edit_overlap_inv": "part of the neighbour's pages that both edited, from 0 to 1",
    "neighbour_edits": "edits of the neighbour that count",
    "neighbour_pages": "pages that the neighbour edited",
    "day_overlap": "cosine of both editors' edits by day of the week",
    "day_level": "the same in a word",
    "hour_overlap": "cosine of both editors' edits by hour of the day, each hour with those beside it",
    "hour_level": "the same in a word",
    "follows": "turns of the editor that came after one of the neighbour's",
    "soonest_seconds": "least time between them, in seconds",
    "pages_came_first": "pages that the editor edited before the neighbour did",
    "editor_kind": "account, temporary or anonymous",
    "neighbour_kind": "likewise",
    "editor_first_day": "UTC day of the first edit that counts",
    "editor_last_day": "UTC day of the last edit that counts",
    "neighbour_first_day": "of the neighbour's first",
    "neighbour_last_day": "of the neighbour's last",
}

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "issues": _ISSUES,
    "page_history": _PAGE_HISTORY,
    "user_history": _USER_HISTORY,
    "mediawiki_history": _MEDIAWIKI_HISTORY,
    "mediawiki_history_reduced": _REDUCED,
    "similar_users": _SIMILAR_USERS,
    "top_editors": _TOP
    | {
        "editor": "name now, or address",
        "edits": "revisions that readers can reach",
        "net_bytes": "bytes added less bytes removed",
        "absolute_bytes": "bytes added and bytes removed",
    },
    "top_pages": _TOP
    | {
        "page_id": "id of the page",
        "title": "title now, without namespace",
        "namespace": "namespace now",
        "edits": "revisions that readers can reach",
    },
}
"""By view, then column."""
