"""Who may read what is private: roles of bearers of secrets, and one constant answer for everybody else.

The gate stands before routing: whoever has not the role learns nothing, not even which paths, parameters or methods there are.
Secrets are random texts of 256 bits that this installation made; of each only the SHA-256 is kept.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

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

    sha256: str
    """Of the secret, in hex."""
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may see what is private, and how often."""

    known: Mapping[str, Bearer]
    """By name."""
    per_minute: int = 120
    """Requests of each of them."""


def bearers(path: Path) -> dict[str, Bearer]:
    """Those that the file names; none, if it isn't there.

    Raises:
        msgspec.DecodeError: the file is none of bearers.
    """
    return msgspec.yaml.decode(path.read_bytes(), type=dict[str, Bearer]) if path.exists() else {}


def admit(path: Path, name: str, roles: tuple[str, ...]) -> str:
    """Give somebody a new secret, which is returned and nowhere kept, and these roles."""
    secret = secrets.token_urlsafe(32)
    known = bearers(path) | {name: Bearer(sha256=_digest(secret), roles=roles)}
    path.touch(mode=0o600)
    path.write_bytes(msgspec.yaml.encode(known))
    return secret


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
            await answer(Problem(TOO_MANY, f"more than {self._limit}; wait a minute"))(scope, receive, send)
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
        for known, bearer in self._known.items():
            if hmac.compare_digest(bearer.sha256, digest) and role in bearer.roles and name in {None, known}:
                found = known
        return found


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
