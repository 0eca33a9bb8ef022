"""What is done with accounts: made, renamed, blocked, hidden, given rights."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from shared_logic.states.page_state import SUPPRESSED, USER_HIDDEN
from tests.strategies.wiki import log_params
from tests.strategies.wiki.actions import Actions
from tests.strategies.wiki.dump import ACTION_HIDDEN
from tests.strategies.wiki.event_bus import BlockTold, Request
from tests.strategies.wiki.log_params import Params
from tests.strategies.wiki.state import NEVER, LogRow, Untold, User

LOGS_ON_USERS = frozenset({"block", "newusers", "rights"})
"""Logs whose rows a rename moves to the new name."""


class AccountActions(Actions):
    """Each returns whether it could be done; what can't be done changes nothing."""

    def create_account(self, clock: int, name: str) -> bool:
        """Somebody makes an account for themselves."""
        return self._create_account(clock, name, None, "create", "")

    def create_account_for(self, clock: int, creator: User, name: str, *, comment: str = "asked") -> bool:
        """Somebody with an account makes one for another."""
        return self._create_account(clock, name, creator, "create2", comment)

    def autocreate_account(self, clock: int, name: str) -> bool:
        """A visitor with an account elsewhere, or with a temporary one, gets a local one: logged, but no recent change."""
        if not self._is_free(name):
            return False
        request = self.request(clock)
        user = self._add_account(request, name)
        params = log_params.account_created(user.user_id or 0)
        self.log_row(request, user, "newusers", "autocreate", user.title, 0, "", params)
        self.bus.user_change(request, "create", user, user, "", is_autocreate=True)
        return True

    def rename_user(
        self, clock: int, admin: User, user: User, name: str, *, comment: str = "on request"
    ) -> bool:
        """A new name, in actor and user, and in the titles of rows about the user; the row of the rename keeps the old one."""
        if user.user_id is None or not self._is_free(name):
            return False
        request = self.request(clock)
        old, old_title = user.name, user.title
        user.name = name
        for row in self.log:
            if row.kind in LOGS_ON_USERS and row.title == old_title:
                row.title = user.title
        params = log_params.renamed(old, name, user.edits)
        self._log_on(request, admin, "renameuser", "renameuser", user, comment, params, title=old_title)
        prior = {"user": {"user_text": old}}
        self.bus.user_change(request, "rename", user, admin, comment, prior_state=prior)
        return True

    def block(
        self,
        clock: int,
        admin: User,
        user: User,
        *,
        seconds: int,
        flags: Sequence[str] = ("nocreate",),
        comment: str = "vandalism",
    ) -> bool:
        """A block that ends after so many seconds, 0: never; an active one is changed."""
        request = self.request(clock)
        told = BlockTold(request.second + seconds if seconds else NEVER)
        params = log_params.blocked(told.expiry, flags, None)
        self._block(request, admin, user, told, params, comment)
        return True

    def block_from_pages(
        self,
        clock: int,
        admin: User,
        user: User,
        page_ids: Sequence[int],
        *,
        seconds: int,
        flags: Sequence[str] = (),
        comment: str = "edit war",
    ) -> bool:
        """A partial block: the user may not edit these pages."""
        pages = [self.pages[page_id] for page_id in page_ids if page_id in self.pages]
        if not pages:
            return False
        request = self.request(clock)
        told = BlockTold(request.second + seconds if seconds else NEVER, [page.page_id for page in pages])
        params = log_params.blocked(told.expiry, flags, [page.title for page in pages])
        self._block(request, admin, user, told, params, comment)
        return True

    def block_and_hide_name(self, clock: int, admin: User, user: User, *, comment: str = "libel") -> bool:
        """A block without end that hides the name, in all revisions and rows of the log; told by a log that few may read."""
        if user.user_id is None or user.is_hidden:
            return False
        request = self.request(clock)
        active = self._is_blocked(user, request.second)
        user.is_hidden, user.block_expiry = True, NEVER
        params = log_params.blocked(NEVER, ("nocreate", "hiddenname"), None)
        action = "reblock" if active else "block"
        self._set_name_bits(user)
        told = BlockTold(NEVER, hides_name=True)
        self.bus.blocks_change(request, user, admin, comment, told, None)
        self._log_on(request, admin, "suppress", action, user, comment, params)
        return True

    def unblock(self, clock: int, admin: User, user: User, *, comment: str = "mistake") -> bool:
        """A block ends before its time; only the log tells. A hidden name is shown again."""
        request_at = max(clock, self.now)
        if not self._is_blocked(user, request_at):
            return False
        request = self.request(clock)
        was_hidden, user.is_hidden, user.block_expiry = user.is_hidden, False, None
        if was_hidden:
            self._set_name_bits(user)
        self._log_on(request, admin, "block", "unblock", user, comment, log_params.nothing())
        return True

    def rights(
        self, clock: int, admin: User, user: User, group: str, *, comment: str = "role change"
    ) -> bool:
        """The user joins a group, or leaves it."""
        add = {group} - set(user.groups_at(max(clock, self.now)))
        return self.change_groups(clock, admin, user, add=add, remove={group}, expiry=None, comment=comment)

    def rights_until(
        self,
        clock: int,
        admin: User,
        user: User,
        group: str,
        *,
        seconds: int,
        comment: str = "for a while",
    ) -> bool:
        """The user is in a group for so many seconds; its end is told by nothing."""
        expiry = max(clock, self.now) + seconds
        return self.change_groups(clock, admin, user, add={group}, remove=(), expiry=expiry, comment=comment)

    def change_groups(
        self,
        clock: int,
        admin: User,
        user: User,
        *,
        add: Collection[str],
        remove: Collection[str],
        expiry: int | None,
        comment: str,
    ) -> bool:
        """Groups joined, until a second (None: for good), and left."""
        if user.user_id is None or user.is_temp:
            return False
        current = user.groups_at(max(clock, self.now))
        old = {group: until for group, until in user.groups.items() if group in current}
        new = {group: until for group, until in old.items() if group not in remove}
        new |= dict.fromkeys(add, expiry)
        if new == old:
            return False
        request = self.request(clock)
        user.groups = new
        self._log_on(request, admin, "rights", "rights", user, comment, log_params.rights(old, new))
        prior = {"user": {"groups": sorted(old)}}
        self.bus.user_change(request, "groups_change", user, admin, comment, prior_state=prior)
        return True

    # --- parts ------------------------------------------------------------------------------------------------

    def _create_account(self, clock: int, name: str, creator: User | None, action: str, comment: str) -> bool:
        name = name.replace("_", " ")
        if not self._is_free(name):
            return False
        request = self.request(clock)
        user = self._add_account(request, name)
        params = log_params.account_created(user.user_id or 0)
        self._log_on(request, creator or user, "newusers", action, user, comment, params)
        self.bus.user_change(request, "create", user, creator or user, comment, is_autocreate=False)
        return True

    def _is_free(self, name: str) -> bool:
        return self.named(name) is None

    def _add_account(self, request: Request, name: str) -> User:
        return self.add_user(User(self.next_actor, self.next_user, name, registered=request.second))

    def _is_blocked(self, user: User, second: int) -> bool:
        expiry = user.block_expiry
        return expiry is not None and (expiry == NEVER or expiry > second)

    def _block(
        self, request: Request, admin: User, user: User, told: BlockTold, params: Params, comment: str
    ) -> None:
        active, before = self._is_blocked(user, request.second), user.block_expiry
        user.block_expiry = told.expiry
        prior = BlockTold(before) if active and before is not None else None
        self.bus.blocks_change(request, user, admin, comment, told, prior)
        self._log_on(request, admin, "block", "reblock" if active else "block", user, comment, params)

    def _set_name_bits(self, user: User) -> None:
        bits = USER_HIDDEN | SUPPRESSED

        def changed(hidden: int, which: int) -> int:
            return hidden | which if user.is_hidden else hidden & ~which

        mine = [revision for revision in self.everything if revision.user is user]
        for revision in mine:
            after = replace(revision, hidden=changed(revision.hidden, bits))
            if revision.rev_id in self.revisions:
                self.revisions[revision.rev_id] = after
            else:
                archived = self.archive[revision.rev_id]
                self.archive[revision.rev_id] = replace(archived, revision=after)
        self.note_untold(Untold.HIDDEN_NAME, (revision.rev_id for revision in mine))
        for row in self.log:
            if row.kind == "suppress":
                continue
            if row.user is user:
                row.hidden = changed(row.hidden, bits)
            if row.title == user.title:
                row.hidden = changed(row.hidden, ACTION_HIDDEN | SUPPRESSED)

    def _log_on(
        self,
        request: Request,
        performer: User,
        kind: str,
        action: str,
        user: User,
        comment: str,
        params: Params,
        *,
        title: tuple[int, str] | None = None,
    ) -> LogRow:
        """A row about a user; it names the id of the user page, if there is one."""
        title = title or user.title
        page = self.page_at(title)
        page_id = page.page_id if page else 0
        return self.log_and_tell(request, performer, kind, action, title, page_id, comment, params)
