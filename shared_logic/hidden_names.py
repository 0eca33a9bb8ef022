"""How names of hidden accounts are known by who has not seen them, and what stands in their place after a purge."""

from __future__ import annotations

import re
from hashlib import blake2b

from shared_logic.history.user_events import NOT_A_NAME
from shared_logic.things import User, UserKind
from shared_logic.titles import user_name


def name_digest(name: str) -> str:
    """The name as `hidden_names` keeps it: 32 hex digits of its BLAKE2b, of which nobody reads it.

    That of a pseudonym is that of the name in whose place it stands.

    >>> name_digest("Alice") == name_digest(pseudonym("Alice"))
    True
    """
    stands_for = _PSEUDONYM.fullmatch(name)
    return stands_for[1] if stands_for else blake2b(name.encode(errors="replace"), digest_size=16).hexdigest()


def pseudonym(name: str) -> str:
    """What stands in the place of a name: of the same kind (see `User.kind`), and no name that MediaWiki would allow.

    >>> pseudonym("Alice")[:11], pseudonym("Alice's Bot")[-4:], pseudonym("~2025-17")[:7]
    ('Hidden#eba1', '-bot', '~2025-#')
    """
    digest = name_digest(name)
    kind = User(1, name).kind
    first = name[:_YEAR_AND_DASH] if kind is UserKind.TEMPORARY else "Hidden"
    last = "-bot" if kind is UserKind.BOT else ""
    # Log rows about what has an address in it are about no account: they are about none under the pseudonym.
    return f"{first}#{digest}{last}{_ADDRESS if NOT_A_NAME.search(name) else ''}"


def names_in(name: str) -> tuple[str, ...]:
    """The names that an author's name tells: itself, and of an imported one that behind the mark.

    >>> names_in("Alice"), names_in("en>alice")
    (('Alice',), ('en>alice', 'Alice'))
    """
    _, mark, own = name.rpartition(">")
    return (name, user_name(own)) if mark else (name,)


def names_in_key(key: str) -> tuple[str, ...]:
    """The names that the key of an editor (see `User.key`) tells: an id and an address, which is the name of no account, tell none.

    >>> (
    ...     names_in_key("#7"),
    ...     names_in_key("192.0.2.1"),
    ...     names_in_key("2001:DB8:0:0:0:0:0:1"),
    ...     names_in_key("Alice"),
    ... )
    ((), (), (), ('Alice',))
    """
    return () if not key or key[0] == "#" or _IS_ADDRESS.fullmatch(key) else names_in(key)


def is_pseudonym(name: str) -> bool:
    """Whether it stands in the place of a name."""
    return "#" in name and _PSEUDONYM.fullmatch(name) is not None


_YEAR_AND_DASH = len("~2025-")
_ADDRESS = "-0.0.0.0"
_IS_ADDRESS = re.compile(r"\d+(?:\.\d+){3}|(?:[0-9A-F]{1,4}:){7}[0-9A-F]{1,4}", re.ASCII)
_PSEUDONYM = re.compile(r"(?:Hidden|~2\d{3}-)#([0-9a-f]{32})(?:-bot)?(?:-0\.0\.0\.0)?", re.ASCII)
