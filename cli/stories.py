"""Small stories as messages, drawn freely: pages and accounts, any order, repeats, late ones, restores, renames and bad bytes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from shared_logic.events.declared import DeclaredEvent, is_declared, title_and_stream
from shared_logic.events.read import DeadLetter, OutOfScope, Read, read
from shared_logic.events.records import GREATEST_ID

NAMES = ("Alice", "Bertha", "CleanupBot")
COMMENTS = ("", "/* Early life */ more", "Undid revision 3 by [[Special:Contributions/Alice|Alice]]", "typo")
START = datetime(2024, 1, 31, 12, tzinfo=UTC)
"""So that stories go on into the next month."""


def _iso(seconds: int) -> str:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _event(schema: str, stream: str, second: int, **fields: object) -> dict[str, object]:
    meta = {"stream": stream, "dt": _iso(second), "id": f"{stream}-{second}", "domain": "test.example"}
    return {"$schema": f"/{schema}/1.0.0", "meta": meta, **fields}


def _page(page_id: int, second: int) -> dict[str, object]:
    namespace = (second // 40_000) % 2
    # Pages move to titles that others had before.
    title = f"{'Talk:' if namespace else ''}Page_{(page_id + second // 20_000) % 3}"
    return {"database": "testwiki", "page_id": page_id, "page_title": title, "page_namespace": namespace}


@st.composite
def _revision(draw: st.DrawFn) -> dict[str, object]:
    page_id, rev_id = draw(st.integers(1, 3)), draw(st.integers(1, 12))
    at = rev_id * 9_000 % 70_000
    second = at + draw(st.sampled_from([0, 0, 0, 5, 30_000, 90_000]))
    users = [
        {"user_id": 1, "user_text": draw(st.sampled_from(NAMES))},
        {"user_id": 2, "user_text": draw(st.sampled_from(NAMES))},
        {"user_text": "192.0.2.1"},
    ]
    return _event(
        "mediawiki/revision/create",
        "mediawiki.revision-create",
        second,
        **_page(page_id, second),
        rev_id=rev_id,
        rev_timestamp=_iso(at),
        rev_len=100 * (rev_id % 4),
        rev_sha1="abc"[rev_id % 3],
        performer=users[rev_id % 3],
        comment=COMMENTS[rev_id % 4],
        **({"rev_parent_id": rev_id - 1} if rev_id > 1 else {}),
    )


@st.composite
def _deletion(draw: st.DrawFn) -> dict[str, object]:
    second = draw(st.integers(0, 12)) * 10_000
    kind = draw(st.sampled_from(["delete", "undelete"]))
    return _event(
        f"mediawiki/page/{kind}",
        f"mediawiki.page-{kind}",
        second,
        **_page(draw(st.integers(1, 3)), second),
        rev_id=1,
    )


@st.composite
def _visibility(draw: st.DrawFn) -> dict[str, object]:
    rev_id = draw(st.integers(1, 12))
    second = draw(st.integers(0, 12)) * 10_000
    return _event(
        "mediawiki/revision/visibility-change",
        "mediawiki.revision-visibility-change",
        second,
        **_page(draw(st.integers(1, 3)), second),
        rev_id=rev_id,
        rev_timestamp=_iso(rev_id * 9_000 % 70_000),
        visibility={part: draw(st.booleans()) for part in ("text", "user", "comment")},
    )


@st.composite
def _logged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A row of the log: what happens to accounts and titles."""
    log_id, second = draw(st.integers(1, 9)), draw(st.integers(0, 12)) * 10_000
    name, other = draw(st.permutations(NAMES))[:2]
    page = f"{draw(st.sampled_from(['', 'Talk:']))}Page_{draw(st.integers(1, 3))}"
    target = f"Page {draw(st.integers(1, 4))}"
    log_type, action, title, params = draw(
        st.sampled_from(
            [
                ("renameuser", "renameuser", f"User:{name}", {"olduser": name, "newuser": other}),
                ("newusers", "create", f"User:{name}", {"userid": 1}),
                ("rights", "rights", f"User:{name}", {"oldgroups": [], "newgroups": ["bot"]}),
                ("block", "block", f"User:{name}", {"duration": "1 day", "flags": "nocreate"}),
                ("block", "unblock", f"User:{name}", []),
                ("move", "move", page, {"target": target, "noredir": "0"}),
                ("delete", "delete", page, []),
                ("delete", "restore", page, {"count": {"revisions": 1}}),
            ]
        )
    )
    namespace = 2 if title.startswith("User:") else 1 if title.startswith("Talk:") else 0
    event = _event(
        "mediawiki/recentchange",
        "mediawiki.recentchange",
        second,
        wiki="testwiki",
        type="log",
        log_id=log_id,
        log_type=log_type,
        log_action=action,
        title=title,
        namespace=namespace,
        timestamp=int((START + timedelta(seconds=second)).timestamp()),
        log_params=params,
        user="Alice",
    )
    return f"testwiki/log/{log_id}", _encoded(event)


def _encoded(event: dict[str, object]) -> bytes:
    return json.dumps(event).encode()


def messages_for(
    things: Sequence[type], texts: Sequence[str] = (), given: Sequence[bytes] = ()
) -> st.SearchStrategy[tuple[str, bytes]]:
    """Messages of which datasets that read these things make something.

    `texts` are values that functions look for, which fields of declared events have more often than others. `given` are events, drawn as they
    are or, if they are declared, with fields of one another and with drawn ones.
    """
    found = [one for raw in given if (one := _readable(raw)) is not None]
    declared = [
        _declared(thing, tuple(texts), tuple(_told(one.raw) for one in found if type(one.event) is thing))
        for thing in things
        if is_declared(thing)
    ]
    if len(declared) == len(things):
        return st.one_of(*declared)
    others = [
        (entity.key, one.raw) for one in found if not is_declared(type(one.event)) for entity in one.entities
    ]
    return st.one_of(*declared, messages, *([st.sampled_from(others)] if others else []))


def _readable(raw: bytes) -> Read | None:
    try:
        return read(raw)
    except (DeadLetter, OutOfScope):
        return None


def _told(raw: bytes) -> dict[str, object]:
    """What an event has beside its head."""
    told: dict[str, object] = msgspec.json.decode(raw)
    return {name: value for name, value in told.items() if name not in {"$schema", "meta"}}


@st.composite
def _declared(
    draw: st.DrawFn,
    record: type[DeclaredEvent],
    texts: tuple[str, ...],
    given: tuple[dict[str, object], ...],
) -> tuple[str, bytes]:
    """An event as its record has it: a mixture of up to three that the story has, so that some are about the same."""
    one = _fields(record, texts) | st.sampled_from(given) if given else _fields(record, texts)
    known = draw(st.shared(st.lists(one, min_size=1, max_size=3), key=record.__qualname__))
    fields: dict[str, object] = {}
    for name in sorted({name for fields in known for name in fields}):
        chosen = draw(st.sampled_from(known))
        if name in chosen:
            fields[name] = chosen[name]
    second, number = draw(st.integers(0, 12)) * 10_000, draw(st.integers(1, 4))
    title, stream = title_and_stream(record)
    event = _event(title, stream or "declared", second, **fields)
    event["meta"] |= {"id": f"message {number}"}  # type: ignore[operator]
    raw = msgspec.json.encode(event)
    try:
        (entity,) = read(raw).entities
    except DeadLetter:
        return "testwiki/event/1", raw
    return entity.key, raw


def _fields(record: type[msgspec.Struct], texts: Sequence[str]) -> st.SearchStrategy[dict[str, object]]:
    """What an event, or a record in it, has beside its head, by the names of its JSON text; what has a default may be missing."""
    required, optional = dict[str, st.SearchStrategy[object]](), dict[str, st.SearchStrategy[object]]()
    hints = get_type_hints(record, include_extras=True)
    for field in msgspec.structs.fields(record):
        if field.name not in {"schema", "meta"}:
            into = required if field.required else optional
            into[field.encode_name] = _value(field.name, hints[field.name], texts)
    return st.fixed_dictionaries(required, optional=optional)


def _value(name: str, hint: Any, texts: Sequence[str]) -> st.SearchStrategy[Any]:
    """Values as JSON has them, of a field of that name and type."""
    if name == "wiki":
        return st.sampled_from(["testwiki", "otherwiki"])
    if hint is datetime:
        return st.integers(0, 120_000_000).map(lambda ms: START + timedelta(milliseconds=ms, microseconds=7))
    if hint is str:
        return st.sampled_from(texts) | st.text() if texts else st.text()
    if hint is Any:
        return _value(name, str | int | bool | None, texts)
    if get_origin(hint) is Annotated:
        return _value(name, get_args(hint)[0], texts)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _fields(hint, texts)
    return _held(name, hint, texts) if get_origin(hint) in _MADE_OF_OTHERS else _plain(hint)


def _held(name: str, hint: Any, texts: Sequence[str]) -> st.SearchStrategy[Any]:
    """Values of a type that is made of others."""
    origin = get_origin(hint)
    arms = [_value(name, arm, texts) for arm in get_args(hint) if arm is not Ellipsis]
    if origin in {Union, UnionType}:
        return st.one_of(arms)
    if origin in {dict, Mapping}:
        return st.dictionaries(*arms, max_size=3)
    if origin is tuple and Ellipsis not in get_args(hint):
        return st.tuples(*arms)
    return st.lists(*arms, max_size=3)


_MADE_OF_OTHERS = {Union, UnionType, list, set, frozenset, tuple, Sequence, Collection, dict, Mapping}


def _plain(hint: Any) -> st.SearchStrategy[Any]:
    values: st.SearchStrategy[object] = st.from_type(hint)
    return values.filter(lambda value: not isinstance(value, int) or abs(value) <= GREATEST_ID)


_KEYS = ("testwiki/1", "testwiki/2", "testwiki/3", "testwiki/user/1", "testwiki/user/2")


@st.composite
def _of_pages(draw: st.DrawFn) -> tuple[str, bytes]:
    """What befell a page: mostly told to that page, at times to another one, as a restore to a new id makes."""
    event = draw(st.one_of(_revision(), _revision(), _deletion(), _visibility()))
    own = f"testwiki/{event['page_id']}"
    return draw(st.sampled_from([own] * len(_KEYS) + list(_KEYS))), _encoded(event)


messages = _logged() | _of_pages() | _of_pages() | st.tuples(st.sampled_from(_KEYS), st.just(b"{not json"))
"""(key, bytes)."""
