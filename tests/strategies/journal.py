"""The journal of a real wiki (what its actors asked MediaWiki for, and when), done again on the model."""

from __future__ import annotations

import bz2
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml import ElementTree

from shared_logic.clock import SECOND_MS, from_iso
from shared_logic.states.page_state import COMMENT_HIDDEN, SUPPRESSED, TEXT_HIDDEN, USER_HIDDEN
from tests.strategies.wiki import NEVER, Age, Page, Protection, Revision, Title, User, Wiki, title_of

Entry = Mapping[str, Any]

MAIN_PAGE: Title = (0, "Main_Page")
UNKNOWN_TEXT = "text of revision {}, which no dump holds"
"""In place of what was saved where the dump lacks it: the revision was deleted or hidden when the dump was made."""

NOT_MODELLED = {
    "managetags": "which tags there may be says nothing of revisions or pages",
    "runjobs": "links and tags that jobs derive from texts are no part of the model",
}
"""Kinds of entries that are passed over, with the reason."""

REFUSED = {
    "mergehistory-fail-timestamps-overlap": "the model refuses it, too",
    "undelete-no-results": "the model refuses it, too",
    "cantundelete": "the model refuses it, too",
}
"""Errors of entries that are tried on the model all the same."""

_HIDDEN = {"content": TEXT_HIDDEN, "comment": COMMENT_HIDDEN, "user": USER_HIDDEN}
_REDIRECTED = re.compile(r"Redirected page to (\[\[.*\]\])")
_USER, _USER_TALK, _FILE = 2, 3, 6


class Replay:
    """Does one entry after the other.

    What the journal does not hold is read from the wiki's dump: texts of edits, and what was in the files of imports.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is done yet; `folder` is one of those described in the README of the data, section 8."""
        with gzip.open(folder / "journal.ndjson.gz", "rt", encoding="utf-8") as lines:
            self._entries: list[Entry] = [json.loads(line) for line in lines]
        self._dump = _Dump(folder, _first_edit(self._entries))
        start = self._dump.installed
        admin = User(
            1, 1, "Admin", {"sysop": None, "bureaucrat": None, "interface-admin": None}, registered=start
        )
        installer = User(2, 2, "MediaWiki default", registered=start)
        self.wiki = Wiki(folder.name, Age.OF_2023, [admin, installer], start)
        self._page_ids: dict[int, int] = {}
        """The model's page id by the wiki's, of pages that were made by an edit."""
        self.accepted: list[Entry] = []
        """What MediaWiki refused and the model did."""
        self.refused: list[Entry] = []
        """What MediaWiki did and the model refused."""
        self.stale_titles: dict[int, str] = {}
        """By second: the former name, as a title, that a cache gave MediaWiki for somebody who had been renamed."""
        # The installer makes the main page before anybody asks for anything.
        self.wiki.create(start, installer, MAIN_PAGE, self._dump.texts[1])

    def play(self) -> Wiki:
        """The wiki after the whole journal."""
        for entry in self._entries:
            self._entry(entry)
        return self.wiki

    def _entry(self, entry: Entry) -> None:
        kind, errors = entry["kind"], entry["errors"]
        if kind in NOT_MODELLED or not set(errors) <= REFUSED.keys():
            return
        clock = from_iso(entry["time"]) // SECOND_MS
        act: Callable[[int, Entry], bool] = getattr(self, f"_{kind}")
        done = act(clock, entry)
        if done and errors:
            self.accepted.append(entry)
        elif not done and not errors:
            self.refused.append(entry)

    # --- who and what -----------------------------------------------------------------------------------------

    def _performer(self, entry: Entry) -> User:
        user_id = entry["user_id"]
        return self.wiki.accounts[user_id] if user_id else self.wiki.anonymous(_canonical(entry["user"]))

    def _named(self, name: str) -> User:
        return self.wiki.named(name) or self.wiki.anonymous(_canonical(name))

    def _page(self, name: str) -> Page | None:
        return self.wiki.page_at(title_of(name))

    def _text(self, rev_id: int, comment: str) -> str:
        """What an edit saved, as far as it is known; the comments of redirects say it."""
        redirect = _REDIRECTED.fullmatch(comment)
        unknown = f"#REDIRECT {redirect[1]}" if redirect else UNKNOWN_TEXT.format(rev_id)
        return self._dump.texts.get(rev_id, unknown)

    # --- kinds of entries -------------------------------------------------------------------------------------

    def _edit(self, clock: int, entry: Entry) -> bool:
        told, user = entry["result"]["edit"], self._performer(entry)
        title = title_of(told["title"])
        page = self.wiki.page_at(title)
        if "nochange" in told:
            return page is not None and self.wiki.null_edit(clock, user, page.page_id)
        comment, minor = entry["params"]["summary"] or "", bool(entry["params"].get("minor"))
        text = self._text(told["newrevid"], comment)
        if page is None:
            created = self.wiki.create(clock, user, title, text, comment=comment, minor=minor)
            self._page_ids[told["pageid"]] = max(self.wiki.pages)
            return created
        latest = self.wiki.latest(page)
        if entry["params"].get("undo") == latest.rev_id:
            restored = entry["params"]["undoafter"] or latest.parent_id
            text = self.wiki.revisions[restored].text
        return self.wiki.edit(clock, user, page.page_id, text, comment=comment, minor=minor)

    def _rollback(self, clock: int, entry: Entry) -> bool:
        page = self._page(entry["params"]["title"])
        if page is None:
            return False
        vandal = self._named(entry["params"]["user"])
        history = self.wiki.history(page.page_id)
        good = [revision for revision in history if revision.user is not vandal][-1]
        comment = entry["result"]["rollback"]["summary"]
        user = self._performer(entry)
        return self.wiki.edit(clock, user, page.page_id, good.text, comment=comment, minor=True)

    def _move(self, clock: int, entry: Entry) -> bool:
        told, user = entry["result"]["move"], self._performer(entry)
        old, new = title_of(told["from"]), title_of(told["to"])
        # Whether somebody may leave no redirect is a matter of rights, which the model does not know.
        redirect, comment = told["redirectcreated"], entry["params"]["reason"]
        page = self.wiki.page_at(old)
        moved = page is not None and self.wiki.move(
            clock, user, page.page_id, new, redirect=redirect, comment=comment
        )
        talk = self.wiki.page_at(_talk(old))
        if moved and talk is not None and entry["params"]["movetalk"]:
            self.wiki.move(clock, user, talk.page_id, _talk(new), redirect=redirect, comment=comment)
        return moved

    def _delete(self, clock: int, entry: Entry) -> bool:
        page = self._page(entry["params"]["title"])
        comment = entry["params"]["reason"]
        return page is not None and self.wiki.delete(
            clock, self._performer(entry), page.page_id, comment=comment
        )

    def _undelete(self, clock: int, entry: Entry) -> bool:
        params, title = entry["params"], title_of(entry["params"]["title"])
        chosen = None
        if "timestamps" in params:
            seconds = {from_iso(second) // SECOND_MS for second in params["timestamps"].split("|")}
            rows = [row.revision for row in self.wiki.archived_under(title)]
            chosen = [revision.rev_id for revision in rows if revision.timestamp in seconds]
        user = self._performer(entry)
        return self.wiki.undelete_title(clock, user, title, chosen, comment=params["reason"])

    def _protect(self, clock: int, entry: Entry) -> bool:
        params, page = entry["params"], self._page(entry["params"]["title"])
        expiry = _second(params["expiry"])
        asked = [one.split("=") for one in params["protections"].split("|")]
        protections = [Protection(action, level, expiry) for action, level in asked if level != "all"]
        if page is None:
            return False
        if self.wiki.protections(page, clock) == tuple(protections):
            return True  # MediaWiki says that it did what was so already.
        user = self._performer(entry)
        return self.wiki.protect(clock, user, page.page_id, protections, comment=params["reason"])

    def _upload(self, clock: int, entry: Entry) -> bool:
        """Only what the page of the file shows of it."""
        told, user = entry["result"]["upload"], self._performer(entry)
        page = self.wiki.page_at((_FILE, told["filename"]))
        comment = entry["params"]["comment"]
        if page is None:
            text = self._text(self.wiki.everything[-1].rev_id + 1, comment)
            return self.wiki.create(clock, user, (_FILE, told["filename"]), text, comment=comment)
        request = self.wiki.request(clock)
        revision = self.wiki.save_null(request, page, user, comment, minor=False)
        self.wiki.bus.revision_create(request, page, revision)
        return True

    def _import(self, clock: int, entry: Entry) -> bool:
        title = title_of(entry["import_title"])
        page, made = self._imported(clock, title, self._dump.uploaded[title])
        request = self.wiki.request(clock)
        self.wiki.finish_import(request, self._performer(entry), page, made, null_top=True)
        return True

    def _importdump(self, clock: int, entry: Entry) -> bool:
        """By a script, which leaves no trace but the revisions."""
        for title, old in self._dump.older.items():
            self._imported(clock, title, old)
        return True

    def _imported(self, clock: int, title: Title, old: Sequence[Foreign]) -> tuple[Page, list[Revision]]:
        request = self.wiki.request(clock)
        page = self.wiki.new_page(title, request.second)
        made: list[Revision] = []
        for foreign in old:
            parent = made[-1].rev_id if made else 0
            made.append(
                self.wiki.save(
                    request,
                    page,
                    self._author(foreign.user),
                    foreign.text,
                    parent,
                    foreign.comment,
                    minor=foreign.minor,
                    at=foreign.second,
                    is_counted=False,
                )
            )
        return page, made

    def _author(self, name: str) -> User:
        known = self.wiki.named(name)
        if known is not None:
            return known
        return self.wiki.imported_user(name) if ">" in name else self.wiki.anonymous(name)

    def _mergehistory(self, clock: int, entry: Entry) -> bool:
        params = entry["params"]
        source, target = self._page_ids[params["fromid"]], self._page_ids[params["toid"]]
        upto = from_iso(params["timestamp"]) // SECOND_MS
        return self.wiki.merge(clock, self._performer(entry), source, target, upto)

    def _revisiondelete(self, clock: int, entry: Entry) -> bool:
        params, user = entry["params"], self._performer(entry)
        rev_id, comment = params["ids"], params["reason"]
        bits = SUPPRESSED if params["suppress"] == "yes" else 0
        for part in params["hide"].split("|"):
            bits |= _HIDDEN[part]
        live = self.wiki.revisions.get(rev_id)
        if live is not None:
            return self.wiki.hide(clock, user, rev_id, live.hidden | bits, comment=comment)
        hidden = self.wiki.archive[rev_id].revision.hidden | bits
        title = title_of(params["target"])
        return self.wiki.hide_archived(clock, user, rev_id, hidden, title, comment=comment)

    def _createaccount(self, clock: int, entry: Entry) -> bool:
        name, creator = entry["params"]["username"], entry["params"]["by"]
        if creator is None:
            return self.wiki.create_account(clock, name)
        return self.wiki.create_account_for(clock, self._named(creator), name, comment="scripted")

    def _renameuser(self, clock: int, entry: Entry) -> bool:
        user = self.wiki.accounts[entry["target_user_id"]]
        old, admin = user.title, self._performer(entry)
        if not self.wiki.rename_user(clock, admin, user, entry["params"]["new"]):
            return False
        # The form by which the users were renamed has their pages moved as well.
        for namespace in (_USER, _USER_TALK):
            page = self.wiki.page_at((namespace, old[1]))
            if page is not None:
                comment = "Automatically moved page while renaming the user"
                new = (namespace, user.title[1])
                self.wiki.move(clock, admin, page.page_id, new, comment=comment)
        return True

    def _userrights(self, clock: int, entry: Entry) -> bool:
        params, told = entry["params"], entry["result"]["userrights"]
        if not told["added"] and not told["removed"]:
            return True  # MediaWiki says that it did what was so already.
        user = self.wiki.accounts[entry["target_user_id"]]
        if told["user"] != user.name:
            self.stale_titles[clock] = told["user"].replace(" ", "_")
        return self.wiki.change_groups(
            clock,
            self._performer(entry),
            user,
            add=[group for group in params["add"].split("|") if group],
            remove=[group for group in params["remove"].split("|") if group],
            expiry=_second(params["expiry"]) or None,
            comment=params["reason"],
        )

    def _block(self, clock: int, entry: Entry) -> bool:
        params, admin, user = entry["params"], self._performer(entry), self._named(entry["params"]["user"])
        expiry = _second(params["expiry"])
        seconds = expiry - clock if expiry != NEVER else 0
        flags = list(_flags(params, user))
        if params.get("partial"):
            page = self._page(params["pagerestrictions"])
            return page is not None and self.wiki.block_from_pages(
                clock,
                admin,
                user,
                [page.page_id],
                seconds=seconds,
                flags=flags,
                comment=params["reason"],
            )
        return self.wiki.block(clock, admin, user, seconds=seconds, flags=flags, comment=params["reason"])

    def _unblock(self, clock: int, entry: Entry) -> bool:
        user = self._named(entry["params"]["user"])
        return self.wiki.unblock(clock, self._performer(entry), user, comment=entry["params"]["reason"])


def _first_edit(entries: Sequence[Entry]) -> int:
    """The least revision id that an edit made."""
    saved = (entry["result"]["edit"] for entry in entries if entry["kind"] == "edit" and entry["result"])
    return min(int(edit["newrevid"]) for edit in saved if "newrevid" in edit)


def _flags(params: Entry, user: User) -> Iterator[str]:
    """Names of a block's settings, in the order in which MediaWiki lists them."""
    is_address = user.user_id is None
    if params["anononly"] and is_address:
        yield "anononly"
    if params["nocreate"]:
        yield "nocreate"
    if not params["autoblock"] and not is_address:
        yield "noautoblock"
    if not params["allowusertalk"]:
        yield "nousertalk"


def _second(text: str | None) -> int:
    return NEVER if text in {None, "", "infinite"} else from_iso(str(text)) // SECOND_MS


def _talk(title: Title) -> Title:
    return title[0] | 1, title[1]


def _canonical(name: str) -> str:
    """An address of version 6 in full, in capitals, without zeros at the beginning of a group."""
    if ":" not in name:
        return name
    groups = IPv6Address(name).exploded.split(":")
    return ":".join(f"{int(group, 16):X}" for group in groups)


_EXPORT = "{http://www.mediawiki.org/xml/export-0.11/}"


@dataclass(frozen=True)
class Foreign:
    """A revision that came from elsewhere."""

    text: str
    second: int
    user: str
    comment: str
    minor: bool


class _Dump:
    """What a wiki's dump tells that its journal does not."""

    def __init__(self, folder: Path, first_edit: int) -> None:
        self._first_edit = first_edit
        self.texts: dict[int, str] = {}
        """By revision id."""
        self.installed = 0
        """The second of the first revision of all, the main page's."""
        self.uploaded: dict[Title, list[Foreign]] = {}
        """What was in a file that somebody imported."""
        self.older: dict[Title, list[Foreign]] = {}
        """What was there before the first edit: imported by a script."""
        (path,) = (folder / "dumps").glob("*-pages-meta-history.xml.bz2")
        root = ElementTree.fromstring(bz2.decompress(path.read_bytes()))
        pages = {
            title_of(page.findtext(f"{_EXPORT}title", "")): list(page.iter(f"{_EXPORT}revision"))
            for page in root.iter(f"{_EXPORT}page")
        }
        self.installed = _told(pages[MAIN_PAGE][0]).second
        for title, revisions in pages.items():
            for element in revisions:
                self._read(title, element)

    def _read(self, title: Title, element: Element) -> None:
        text, foreign = element.find(f"{_EXPORT}text"), _told(element)
        rev_id = int(element.findtext(f"{_EXPORT}id", ""))
        if text is not None and not text.get("deleted"):
            self.texts[rev_id] = foreign.text
        if title[1].startswith("Imported_"):
            if foreign.comment.startswith("far "):
                self.uploaded.setdefault(title, []).append(foreign)
        elif title != MAIN_PAGE and rev_id < self._first_edit:
            self.older.setdefault(title, []).append(foreign)


def _told(element: Element) -> Foreign:
    contributor = f"{_EXPORT}contributor/{_EXPORT}"
    return Foreign(
        text=element.findtext(f"{_EXPORT}text") or "",
        second=from_iso(element.findtext(f"{_EXPORT}timestamp", "")) // SECOND_MS,
        user=element.findtext(f"{contributor}username") or element.findtext(f"{contributor}ip") or "",
        comment=element.findtext(f"{_EXPORT}comment") or "",
        minor=element.find(f"{_EXPORT}minor") is not None,
    )
