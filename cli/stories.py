"""Small stories as messages, drawn freely: pages and accounts, any order, repeats, late ones, restores, renames and bad bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import get_type_hints

import msgspec
from hypothesis import strategies as st

from shared_logic.events.declared import DeclaredEvent, is_declared, title_and_stream
from shared_logic.events.read import DeadLetter, read
from shared_logic.events.records import GREATEST_ID

NAMES = ("Alice", "Bertha", "CleanupBot")
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


def messages_for(things: Sequence[type]) -> st.SearchStrategy[tuple[str, bytes]]:
    """Messages of which datasets that read these things make something."""
    declared = [_declared(thing) for thing in things if is_declared(thing)]
    return st.one_of(*declared, *([messages] if len(declared) < len(things) else []))


@st.composite
def _declared(draw: st.DrawFn, record: type[DeclaredEvent]) -> tuple[str, bytes]:
    """An event as its record has it: a mixture of up to three that the story has, so that some are about the same."""
    known = draw(st.shared(st.lists(_fields(record), min_size=1, max_size=3), key=record.__qualname__))
    fields = {name: draw(st.sampled_from([one[name] for one in known])) for name in known[0]}
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


def _fields(record: type[DeclaredEvent]) -> st.SearchStrategy[dict[str, object]]:
    """What an event has beside its head, by the names of its JSON text."""
    hints = get_type_hints(record)
    names = dict(zip(record.__struct_fields__, record.__struct_encode_fields__, strict=True))
    own = {names[name]: _value(name, hints[name]) for name in names if name not in {"schema", "meta"}}
    return st.fixed_dictionaries(own)


def _value(name: str, hint: object) -> st.SearchStrategy[object]:
    if name == "wiki":
        return st.sampled_from(["testwiki", "otherwiki"])
    if hint is datetime:
        return st.integers(0, 120_000_000).map(lambda ms: START + timedelta(milliseconds=ms, microseconds=7))
    values: st.SearchStrategy[object] = st.from_type(hint)  # type: ignore[arg-type]
    return values.filter(lambda value: not isinstance(value, int) or abs(value) <= GREATEST_ID)


_keys = st.sampled_from(["testwiki/1", "testwiki/2", "testwiki/3", "testwiki/user/1", "testwiki/user/2"])
messages = _logged() | st.tuples(
    _keys,
    st.one_of(_revision(), _revision(), _deletion(), _visibility()).map(_encoded) | st.just(b"{not json"),
)
"""(key, bytes): also a copy that reaches another page, as a restore to a new id makes."""
