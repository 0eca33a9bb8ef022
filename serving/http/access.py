"""Who may read what is private: roles of bearers of secrets, and one constant answer for everybody else.

The gate stands before routing: whoever has not the role learns nothing, not even which paths, parameters or methods there are.
Secrets are random texts of 256 bits that this installation made; of each only the SHA-256 is kept.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Annotated

import msgspec
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.problems import Problem, answer

UNAUTHORIZED, TOO_MANY = 401, 429
SIMILAR_EDITORS, OPERATOR = "similareditors", "operator"
ROLES = (SIMILAR_EDITORS, OPERATOR)


class Bearer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who has a secret."""

    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """Of the secret, in hex."""
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may see what is private, and how often."""

    known: Callable[[], Mapping[str, Bearer]]
    """By name those who may now."""
    per_minute: int = 120
    """Requests of each of them."""


class BearersFile:
    """Those that a file names, read again whenever it is another one."""

    def __init__(self, path: Path, read: Callable[[], Mapping[str, Bearer]]) -> None:
        """Read it."""
        self._path, self._read = path, read
        self._read_as = self._stamp()  # before it is read: what changes meanwhile is read again
        self._known = read()

    def __call__(self) -> Mapping[str, Bearer]:
        """Those of now."""
        stamp = self._stamp()
        if stamp != self._read_as:
            self._read_as = stamp
            self._known = self._read()
        return self._known

    def _stamp(self) -> tuple[int, int, int] | None:
        """Changes with the file; None: there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def admit(path: Path, known: Mapping[str, Bearer], name: str, roles: tuple[str, ...]) -> str:
    """Give somebody beside those known a new secret, which is returned and nowhere kept, and these roles; an older one is no longer valid.

    Raises:
        ValueError: a name that credentials can't bear.
    """
    if not name or ":" in name or not name.isprintable():
        message = (
            f"{name!r} can't be a name: Basic credentials end it at the first colon, and it must be printable"
        )
        raise ValueError(message)
    secret = secrets.token_urlsafe(32)
    _write(path, {**known, name: Bearer(sha256=_digest(secret), roles=roles)})
    return secret


def revoke(path: Path, known: Mapping[str, Bearer], name: str) -> None:
    """Let somebody of those known in no longer.

    Raises:
        KeyError: nobody of that name is let in.
    """
    left = dict(known)
    del left[name]
    _write(path, left)


def _write(path: Path, known: Mapping[str, Bearer]) -> None:
    """The file is there as a whole at any time, and nobody else's to read."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(msgspec.yaml.encode(known))
    unfinished.replace(path)


class Gate:
    """Lets requests for private paths through if their bearer has the role, so often a minute."""

    def __init__(self, app: ASGIApp, *, roles: Mapping[str, str], access: Access) -> None:
        """`roles` gives the role by the beginning of the path."""
        self._app, self._roles, self._known = app, roles, access.known
        self._limit = parse(f"{access.per_minute}/minute")
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on with the bearer's name in `scope["state"]["bearer"]`."""
        role = self._role(scope)
        if role is None:
            await self._app(scope, receive, send)
            return
        name = self._bearer(Headers(scope=scope).get("authorization", ""), role)
        if name is None:
            response = answer(Problem(UNAUTHORIZED, "this needs credentials with the role for it"))
            response.headers["WWW-Authenticate"] = 'Basic realm="wikibraid", charset="UTF-8"'
            await response(scope, receive, send)
            return
        if not self._limiter.hit(self._limit, name):
            response = answer(Problem(TOO_MANY, f"more than {self._limit}; wait a minute"))
            free_at = self._limiter.get_window_stats(self._limit, name).reset_time
            response.headers["Retry-After"] = str(max(1, ceil(free_at - time.time())))
            await response(scope, receive, send)
            return
        scope.setdefault("state", {})["bearer"] = name
        await self._app(scope, receive, send)

    def _role(self, scope: Scope) -> str | None:
        if scope["type"] != "http":
            return None
        path = scope["path"]
        found = (role for start, role in self._roles.items() if path == start or path.startswith(f"{start}/"))
        return next(found, None)

    def _bearer(self, header: str, role: str) -> str | None:
        scheme, _, given = header.partition(" ")
        name = None
        if scheme.lower() == "basic":
            try:
                name, _, given = base64.b64decode(given, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return None
        elif scheme.lower() != "bearer":
            return None
        digest = _digest(given)
        found = None
        # Everybody is compared, so that how long it takes tells nothing.
        for known, bearer in self._known().items():
            if hmac.compare_digest(bearer.sha256, digest) and role in bearer.roles and name in {None, known}:
                found = known
        return found


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
