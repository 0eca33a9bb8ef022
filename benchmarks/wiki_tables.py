"""MediaWiki's tables of a generated wiki, heavy-tailed, the same for the same number: one TSV file per table.

A fifth of all revisions is on one page and three tenths are one account's. Pages are moved, deleted and restored, accounts are
made, renamed, blocked and given rights, as often as on a wiki of middling size.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from pathlib import Path
from typing import IO

from shared_logic.events.log_params import as_stored

START = datetime(2010, 1, 1, tzinfo=UTC)
WIKI = "benchwiki"
HEADS = {
    "revision": "rev_id rev_page rev_timestamp rev_parent_id rev_len rev_sha1 rev_minor_edit rev_deleted rev_actor rev_comment_id",
    "archive": "ar_id ar_rev_id ar_page_id ar_namespace ar_title ar_timestamp ar_parent_id ar_len ar_sha1 ar_minor_edit "
    "ar_deleted ar_actor ar_comment_id",
    "page": "page_id page_namespace page_title page_is_redirect",
    "logging": "log_id log_type log_action log_timestamp log_actor log_namespace log_title log_page log_comment_id log_params",
    "user": "user_id user_name user_registration user_is_temp",
    "user_groups": "ug_user ug_group",
    "actor": "actor_id actor_user actor_name",
    "comment": "comment_id comment_text",
}


def write(folder: Path, revisions: int) -> None:
    """Write the tables of a wiki with that many revisions."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: (folder / f"{name}.tsv").open("w") for name in HEADS}
    try:
        for name, head in HEADS.items():
            files[name].write(head.replace(" ", "\t") + "\n")
        _Wiki(files, revisions).live()
    finally:
        for file in files.values():
            file.close()


class _Wiki:
    def __init__(self, files: Mapping[str, IO[str]], revisions: int) -> None:
        self.files, self.count = files, revisions
        self.drawn = random.Random(revisions)
        self.users = max(20, revisions // 40)
        self.pages = max(20, revisions // 12)
        self.log_id = 0
        self.titles: dict[int, str] = {}
        self.latest: dict[int, tuple[int, list[str]]] = {}
        self.deleted: set[int] = set()
        self.names: dict[int, str] = {}

    def live(self) -> None:
        self.row("comment", 1, "an edit")
        step = timedelta(seconds=max(1, 10 * 365 * 86_400 // self.count))
        for user_id in range(1, self.users + 1):
            name = f"User {user_id}{' bot' if user_id % 97 == 0 else ''}"
            self.names[user_id] = name
            at = START + timedelta(seconds=user_id)
            self.log(at, "newusers", "create", 2, name.replace(" ", "_"), 0, {"userid": user_id}, user_id)
        for rev_id, at in self.moments(step):
            page_id = 1 if self.drawn.random() < 0.2 else 2 + int((self.pages - 2) * self.drawn.random() ** 2)
            user_id = 1 if self.drawn.random() < 0.3 else 1 + int((self.users - 1) * self.drawn.random() ** 2)
            self.edit(rev_id, page_id, user_id, at)
            if rev_id % 50 == 0:
                self.happen(rev_id, at)
        for page_id, title in self.titles.items():
            if page_id not in self.deleted:
                self.row("page", page_id, 0, title, 0)
        for user_id, name in self.names.items():
            self.row("user", user_id, name, _digits(START + timedelta(seconds=user_id)), 0)
            self.row("actor", user_id, user_id, name)
        self.row("actor", self.users + 1, r"\N", "192.0.2.1")

    def moments(self, step: timedelta) -> Iterator[tuple[int, datetime]]:
        at = START + timedelta(days=1)
        for rev_id in range(1, self.count + 1):
            at += step
            yield rev_id, at

    def edit(self, rev_id: int, page_id: int, user_id: int, at: datetime) -> None:
        if page_id not in self.titles:
            self.titles[page_id] = f"Page_{page_id}"
            self.log(
                at,
                "create",
                "create",
                0,
                self.titles[page_id],
                page_id,
                {"associated_rev_id": rev_id},
                user_id,
            )
        parent, texts = self.latest.get(page_id, (0, []))
        back = len(texts) > 1 and self.drawn.random() < 0.1
        text = texts[-2] if back else sha1(str(rev_id).encode(), usedforsecurity=False).hexdigest()[:31]
        self.latest[page_id] = rev_id, [*texts[-1:], text]
        actor = self.users + 1 if self.drawn.random() < 0.1 else user_id
        told = (_digits(at), parent, 1_000 + rev_id % 977, text, rev_id % 7 == 0, 0, actor, 1)
        if page_id in self.deleted:
            self.row("archive", rev_id, rev_id, page_id, 0, self.titles[page_id], *told)
        else:
            self.row("revision", rev_id, page_id, *told)

    def happen(self, rev_id: int, at: datetime) -> None:
        page_id = self.drawn.choice(list(self.titles)) if rev_id % 1_000 == 0 else 1 + rev_id % self.pages
        user_id = 1 + rev_id % self.users
        kind = rev_id // 50 % 8
        if kind < 4 and page_id in self.titles and page_id not in self.deleted:
            old, new = self.titles[page_id], f"Page_{page_id}_of_{rev_id}"
            self.titles[page_id] = new
            self.log(
                at, "move", "move", 0, old, page_id, {"target": new.replace("_", " "), "noredir": "1"}, 1
            )
        elif (
            kind == 4
            and page_id > 1
            and page_id in self.titles
            and page_id not in self.deleted
            and rev_id % 3 == 0
        ):
            # Revisions that were written before stay live here: the next ones go to the archive.
            self.log(at, "delete", "delete", 0, self.titles[page_id], page_id, [], 1)
            self.log(
                at + timedelta(seconds=1),
                "delete",
                "restore",
                0,
                self.titles[page_id],
                page_id,
                {"count": 1},
                1,
            )
        elif kind == 5:
            self.log(
                at,
                "block",
                "block",
                2,
                self.title(user_id),
                0,
                {"duration": "3 days", "flags": "nocreate"},
                1,
            )
        elif kind == 6:
            self.log(
                at,
                "rights",
                "rights",
                2,
                self.title(user_id),
                0,
                {"oldgroups": [], "newgroups": ["sysop"]},
                1,
            )
        elif kind == 7 and user_id > 1:
            old, new = self.names[user_id], f"User {user_id} of {rev_id}"
            self.names[user_id] = new
            self.log(
                at,
                "renameuser",
                "renameuser",
                2,
                old.replace(" ", "_"),
                0,
                {"olduser": old, "newuser": new},
                1,
            )

    def title(self, user_id: int) -> str:
        return self.names[user_id].replace(" ", "_")

    def log(
        self,
        at: datetime,
        kind: str,
        action: str,
        namespace: int,
        title: str,
        page_id: int,
        params: object,
        actor: int,
    ) -> None:
        self.log_id += 1
        stored = as_stored(kind, params) or ""
        self.row(
            "logging", self.log_id, kind, action, _digits(at), actor, namespace, title, page_id, 1, stored
        )

    def row(self, table: str, *values: object) -> None:
        fields = (str(int(value)) if isinstance(value, bool) else str(value) for value in values)
        self.files[table].write("\t".join(fields) + "\n")


def _digits(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S")
