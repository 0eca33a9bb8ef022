"""A wiki as MediaWiki's tables."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from tests.strategies.wiki.state import Age, Archived, LogRow, Page, Revision, User, WikiState
from tests.strategies.wiki.text import digits14, is_redirect, sha1_base36

Table = list[dict[str, str | None]]
_Row = dict[str, object]


def tables(wiki: WikiState) -> dict[str, Table]:
    """The tables of this moment; values as text, None for NULL."""
    rows: dict[str, Iterable[_Row]] = {
        "page": (_page(wiki, page) for _, page in sorted(wiki.pages.items())),
        "revision": (_revision(wiki, wiki.revisions[rev_id]) for rev_id in sorted(wiki.revisions)),
        "archive": (_archived(wiki, row) for row in sorted(wiki.archive.values(), key=lambda row: row.ar_id)),
        "actor": (
            {"actor_id": user.actor_id, "actor_user": user.user_id, "actor_name": user.name}
            for user in _actors(wiki)
        ),
        "slot_roles": ({"role_id": 1, "role_name": "main"},),
        "slots": (_slot(revision) for revision in wiki.everything),
        "content": _contents(wiki),
        "change_tag": _tags(wiki),
        "change_tag_def": (
            {
                "ctd_id": number,
                "ctd_name": name,
                "ctd_user_defined": 0,
                "ctd_count": sum(name in revision.tags for revision in wiki.everything),
            }
            for name, number in wiki.tag_ids.items()
        ),
        "user": (_user(wiki, user) for user in wiki.accounts.values()),
        "user_groups": _groups(wiki),
        "logging": (_logged(wiki, row) for row in wiki.log),
    }
    told = {name: [_texts(row) for row in table] for name, table in rows.items()}
    # Asked last, since the rows above name comments.
    told["comment"] = [_texts(_comment(text, number)) for text, number in wiki.comments.items()]
    return told


def _page(wiki: WikiState, page: Page) -> _Row:
    latest = wiki.latest(page)
    return {
        "page_id": page.page_id,
        "page_namespace": page.title[0],
        "page_title": page.title[1],
        "page_is_redirect": int(is_redirect(latest.text)),
        "page_is_new": int(page.is_new),
        "page_random": f"{page.page_id * 0.618 % 1:.12f}",
        "page_touched": digits14(page.touched),
        "page_links_updated": digits14(page.touched),
        "page_latest": page.latest,
        "page_len": latest.size,
        "page_content_model": "wikitext",
        "page_lang": None,
    }


def _revision(wiki: WikiState, revision: Revision) -> _Row:
    return {
        "rev_id": revision.rev_id,
        "rev_page": revision.page_id,
        "rev_comment_id": wiki.comment_id(revision.comment),
        "rev_actor": revision.user.actor_id,
        "rev_timestamp": digits14(revision.timestamp),
        "rev_minor_edit": int(revision.minor),
        "rev_deleted": revision.hidden,
        "rev_len": revision.size,
        "rev_parent_id": revision.parent_id,
        "rev_sha1": revision.sha1,
    }


def _archived(wiki: WikiState, row: Archived) -> _Row:
    revision = row.revision
    return {
        "ar_id": row.ar_id,
        "ar_namespace": row.title[0],
        "ar_title": row.title[1],
        "ar_comment_id": wiki.comment_id(revision.comment),
        "ar_actor": revision.user.actor_id,
        "ar_timestamp": digits14(revision.timestamp),
        "ar_minor_edit": int(revision.minor),
        "ar_rev_id": revision.rev_id,
        "ar_deleted": revision.hidden,
        "ar_len": revision.size,
        "ar_page_id": revision.page_id,
        "ar_parent_id": revision.parent_id,
        "ar_sha1": revision.sha1,
    }


def _actors(wiki: WikiState) -> Iterator[User]:
    """All accounts, and of the others those that did something."""
    acting = {revision.user for revision in wiki.everything} | {row.user for row in wiki.log}
    for user in (*wiki.users, *wiki.imported_users):
        if user.user_id is not None or user in acting:
            yield user


def _slot(revision: Revision) -> _Row:
    return {
        "slot_revision_id": revision.rev_id,
        "slot_role_id": 1,
        "slot_content_id": revision.content_id,
        "slot_origin": revision.origin,
    }


def _contents(wiki: WikiState) -> Iterator[_Row]:
    texts = {revision.content_id: revision.text for revision in wiki.everything}
    for content_id, text in sorted(texts.items()):
        yield {
            "content_id": content_id,
            "content_size": len(text.encode()),
            "content_sha1": sha1_base36(text),
            "content_model": 1,
            "content_address": f"tt:{content_id}",
        }


def _tags(wiki: WikiState) -> Iterator[_Row]:
    tagged = ((revision.rev_id, name) for revision in wiki.everything for name in revision.tags)
    for number, (rev_id, name) in enumerate(tagged, start=1):
        yield {
            "ct_id": number,
            "ct_rc_id": None,
            "ct_log_id": None,
            "ct_rev_id": rev_id,
            "ct_params": None,
            "ct_tag_id": wiki.tag_ids[name],
        }


def _user(wiki: WikiState, user: User) -> _Row:
    row: _Row = {
        "user_id": user.user_id,
        "user_name": user.name,
        "user_real_name": "",
        "user_newpass_time": None,
        "user_touched": digits14(wiki.now),
        "user_email_authenticated": None,
        "user_email_token_expires": None,
        "user_registration": None if user.registered is None else digits14(user.registered),
        "user_editcount": user.edits,
        "user_password_expires": None,
    }
    if wiki.age >= Age.OF_2026:
        row["user_is_temp"] = int(user.is_temp)
    return row


def _groups(wiki: WikiState) -> Iterator[_Row]:
    """A membership that ended is a row until a job clears it away, which here is at once."""
    for user in wiki.accounts.values():
        for group in user.groups_at(wiki.now):
            expiry = user.groups[group]
            yield {
                "ug_user": user.user_id,
                "ug_group": group,
                "ug_expiry": None if expiry is None else digits14(expiry),
            }


def _logged(wiki: WikiState, row: LogRow) -> _Row:
    return {
        "log_id": row.log_id,
        "log_type": row.kind,
        "log_action": row.action,
        "log_timestamp": digits14(row.second),
        "log_actor": row.user.actor_id,
        "log_namespace": row.title[0],
        "log_title": row.title[1],
        "log_page": row.page_id,
        "log_comment_id": wiki.comment_id(row.comment),
        "log_params": row.params,
        "log_deleted": row.hidden,
    }


def _comment(text: str, number: int) -> _Row:
    return {
        "comment_id": number,
        "comment_hash": int.from_bytes(zlib.crc32(text.encode()).to_bytes(4, "big"), "big", signed=True),
        "comment_text": text,
        "comment_data": None,
    }


def _texts(row: _Row) -> dict[str, str | None]:
    return {name: None if value is None else str(value) for name, value in row.items()}
