"""After a purge no hidden byte is in any file of the home, in Kafka or in Cassandra, and readers read what they read before."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from batch.table_files import read_table_folder
from cli.commands import purge as module
from cli.failures import Failure
from cli.home import Home
from cli.main import app
from serving.cassandra_session import connected
from serving.http.query_log import Query, QueryLog
from serving.reader import Reader
from shared_logic.registry import registry
from speed.kafka_log import KafkaLog
from stack.cassandra_node import CassandraNode
from stack.kafka_broker import KafkaBroker
from tests import sample
from tests.e2e.commands import ran

pytestmark = [pytest.mark.e2e, pytest.mark.spark]
DATASETS = ("daily_edits", "page_current", "identity_reverts", "revision_facts", "user_current")
CANARIES = ("Canary-in-a-comment", "Canary Account", "canary0sha1", "Canary-in-a-dead-letter")
NAMES = ("Canary Vandal", "Canary Before")
"""Of an account that a block hides, and that had another name."""
PAGE, REVISION, ACCOUNT, VANDAL = 900_001, 900_002, 900_003, 900_004


def event(schema: str, stream: str, second: int, **fields: object) -> bytes:
    at = f"2022-03-01T00:00:{second:02}Z"
    meta = {"stream": stream, "dt": at, "domain": "gtb.example.org", "id": str(uuid.uuid4())}
    return json.dumps({"$schema": schema, "meta": meta, **fields}).encode()


def old_event(name: str, stream: str, second: int, **fields: object) -> bytes:
    whole = {
        "database": sample.WIKI,
        "page_id": PAGE,
        "page_title": "Kept",
        "page_namespace": 0,
        "rev_id": REVISION,
        "rev_timestamp": "2022-03-01T00:00:01Z",
    }
    return event(f"/mediawiki/{name}/1.0.0", f"mediawiki.{stream}", second, **(whole | fields))


AUTHOR = {"user_id": ACCOUNT, "user_text": CANARIES[1]}
HIDING = {
    "visibility": {"text": False, "user": False, "comment": False},
    "performer": {"user_id": 1, "user_text": "Admin"},
}
EARLY = (
    old_event("revision/create", "revision-create", 1, comment=CANARIES[0], rev_sha1=CANARIES[2], performer=AUTHOR, rev_len=3),
    event(
        "/mediawiki/page/change/1.0.0",
        "mediawiki.page_change",
        1,
        wiki_id=sample.WIKI,
        dt="2022-03-01T00:00:01Z",
        page_change_kind="create",
        comment=CANARIES[0],
        performer=AUTHOR,
        page={"page_id": PAGE, "page_title": "Kept", "namespace_id": 0},
        revision={
            "rev_id": REVISION,
            "rev_dt": "2022-03-01T00:00:01Z",
            "rev_sha1": CANARIES[2],
            "comment": CANARIES[0],
            "editor": AUTHOR,
            "is_content_visible": True,
            "is_comment_visible": True,
            "is_editor_visible": True,
        },
    ),
    b'{"broken": "' + CANARIES[3].encode() + b'"',
    old_event("revision/create", "revision-create", 2, rev_id=REVISION + 10, rev_timestamp="2022-03-01T00:00:02Z",
        comment="Shown", performer={"user_id": VANDAL, "user_text": NAMES[1]}),
    event("/mediawiki/recentchange/1.0.0", "mediawiki.recentchange", 3, wiki=sample.WIKI, type="log", namespace=2,
        log_id=900_100, log_type="renameuser", log_action="renameuser", title=f"User:{NAMES[1]}", timestamp=1_646_092_803,
        log_params={"olduser": NAMES[1], "newuser": NAMES[0], "edits": 1}, user="Admin", comment="asked for",
        log_action_comment=f"renamed {NAMES[1]} to {NAMES[0]}", title_url="https://example.org/wiki/User:Canary_Before"),
    old_event("revision/create", "revision-create", 4, rev_id=REVISION + 11, rev_timestamp="2022-03-01T00:00:04Z",
        rev_parent_id=REVISION + 10, comment="Shown too", performer={"user_id": VANDAL, "user_text": NAMES[0]}),
)  # fmt: skip
LATE = (
    event("/mediawiki/user/blocks-change/1.1.0", "mediawiki.user-blocks-change", 8, database=sample.WIKI, user_id=VANDAL,
        user_text=NAMES[0], blocks={"name": True, "email": True, "user_talk": True, "account_create": True},
        performer={"user_id": 1, "user_text": "Admin"}),
    old_event("revision/visibility-change", "revision-visibility-change", 9, prior_state={"visibility": {}}, **HIDING),
    # a further revision, which stays as it is
    old_event("revision/create", "revision-create", 20, rev_id=REVISION + 1, rev_parent_id=REVISION,
        rev_timestamp="2022-03-01T00:00:20Z", comment="Stays", performer={"user_id": ACCOUNT + 1, "user_text": "Somebody"}),
)  # fmt: skip


LAST = (
    old_event("revision/create", "revision-create", 30, rev_id=REVISION + 3, rev_parent_id=REVISION + 1,
        rev_timestamp="2022-03-01T00:00:30Z", comment="Last", performer={"user_id": ACCOUNT + 1, "user_text": "Somebody"}),
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, spark: SparkSession) -> Path:
    return tmp_path / "home"


@pytest.fixture
def on_servers(home: Path, broker: KafkaBroker, node: CassandraNode) -> None:
    name = f"purge_{uuid.uuid4().hex}"
    store = f"cassandra://127.0.0.1:{node.settings.port}/{name}"
    run(home, "init", "--log", f"kafka://{broker.address}/{name}", "--store", store)


@pytest.fixture
def embedded() -> None:
    """The home's log and store lie in its folder."""


@pytest.fixture(
    params=["embedded", pytest.param("on_servers", marks=[pytest.mark.cassandra, pytest.mark.kafka])]
)
def _anywhere(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(request.param)


def run(home: Path, *words: str) -> str:
    return ran(*words, "--home", str(home)).stdout


def ingest(home: Path, folder: Path, name: str, events: tuple[bytes, ...]) -> None:
    path = folder / name
    path.write_bytes(b"\n".join(events))
    run(home, "ingest", "events", str(path))


def shown(home: Path) -> dict[str, list[dict[str, Any]]]:
    """What readers read, but for the account that nothing but a hidden edit told of."""
    with Home(home).store() as store:
        return {
            name: [
                row
                for row in Reader(store).scan(registry[name]).rows
                if name != "user_current" or row["user_id"] != ACCOUNT
            ]
            for name in DATASETS
        }


def stored(home: Path) -> Iterator[tuple[str, bytes]]:
    """Every file as it is and decoded, every record in Kafka, every row in Cassandra."""
    for path in sorted(home.rglob("*")):
        if not path.is_file():
            continue
        yield str(path), path.read_bytes()
        if path.suffix == ".parquet":
            yield f"{path}, decoded", repr(pq.read_table(path).to_pylist()).encode()
        elif path.suffix == ".zst":
            yield f"{path}, decoded", zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    place = Home(home)
    with place.log() as log:
        if isinstance(log, KafkaLog):
            for partition, (start, end) in enumerate(zip(log.starts(), log.ends(), strict=True)):
                for message in log.read(partition, start, end - start):
                    yield f"Kafka, partition {partition}, offset {message.offset}", message.value
    address = place.address()
    if address is not None:
        with connected(address) as cql:
            cql.use_keyspace()
            tables = cql.rows(
                "SELECT table_name FROM system_schema.tables WHERE keyspace_name=?", address.keyspace
            )
            for (table,) in tables:
                for row in cql.scan(f"SELECT * FROM {table}"):
                    yield f"Cassandra, {table}", repr(row).encode()
    with place.notes() as notes:
        for letter in notes.dead_letters.kept():
            yield f"dead letter {letter.id}", letter.value


def places_of(home: Path, canaries: tuple[str, ...]) -> dict[str, list[str]]:
    """Where each canary is found."""
    found: dict[str, list[str]] = {canary: [] for canary in canaries}
    for place, content in stored(home):
        for canary in canaries:
            if canary.encode() in content:
                found[canary].append(place)
    return found


def hidden_comments_of_tables() -> tuple[str, ...]:
    """Long comments in the sample's tables that only revisions have whose comment is hidden."""
    tables = {name: list(rows) for name, rows in read_table_folder(sample.SNAPSHOT).items()}
    texts = {row["comment_id"]: row["comment_text"] or "" for row in tables["comment"]}
    uses = {
        row["revcomment_rev"]: row["revcomment_comment_id"] for row in tables.get("revision_comment_temp", [])
    }
    hidden: set[str] = set()
    visible: set[str] = set()
    for row in tables["revision"]:
        number = row.get("rev_comment_id") or "0"
        text = texts.get(number if number != "0" else uses.get(row["rev_id"]), "")
        (hidden if int(row["rev_deleted"] or 0) & 2 else visible).add(text)
    others = "\n".join([*visible, *(text for text in texts.values() if text not in hidden)])
    everything = others + b"\n".join(sample.events()).decode()
    return tuple(text for text in hidden if len(text) > 8 and text not in everything)


@pytest.mark.usefixtures("_anywhere")
def test_no_hidden_byte_is_left(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    # given history from tables and events, in a generation, and what was hidden since, by speed
    run(home, "ingest", "tables", str(sample.SNAPSHOT), "--wiki", sample.WIKI)
    events = sample.events()
    ingest(home, tmp_path, "early.ndjson", (*events[:2_500], *EARLY))
    run(home, "batch", "run", *DATASETS)
    ingest(home, tmp_path, "late.ndjson", (*events[2_500:], *LATE))
    run(home, "speed", "run", "--engine", "loop", *DATASETS)
    # and nothing that is not followed yet
    ingest(home, tmp_path, "later.ndjson", LAST)
    with pytest.raises(Failure, match="messages of the log are in no table yet"):
        run(home, "purge", "plan")
    run(home, "speed", "run", "--engine", "loop", *DATASETS)
    before = shown(home)
    # and what killed processes left
    for left in ("bootstraps/half", "temporary/half"):
        (home / left).mkdir(parents=True)
        (home / left / "copy").write_text(CANARIES[0])
    # and why somebody looked at the account
    QueryLog(home / "access.log").write(
        Query(
            at=datetime(2022, 3, 1, tzinfo=UTC),
            who="investigator",
            wiki=sample.WIKI,
            whom=(f"#{VANDAL}",),
            reason=f"User:{NAMES[0]}'s edits, “{NAMES[1]}” before",
        )
    )
    canaries = (*CANARIES, *NAMES, "Canary_Before", *hidden_comments_of_tables())
    for canary, places in places_of(home, canaries).items():
        assert places or canary == CANARIES[3], canary
    # when a purge is planned, dies in the middle, and is executed
    plan = json.loads(run(home, "purge", "plan", "--json"))
    assert plan["revisions"] > 0
    assert plan["names"] >= len(NAMES)
    assert plan["dead_letters"] == 1
    with pytest.raises(Failure, match="no plan nothing"):
        run(home, "purge", "execute", "nothing")
    with monkeypatch.context() as patch:
        patch.setattr(module, "_purge_log", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        CliRunner().invoke(app, ["purge", "execute", plan["plan"], "--home", str(home)])
    assert json.loads((home / "purges" / f"{plan['plan']}.json").read_text())["state"] == "begun"
    told = run(home, "purge", "execute", plan["plan"])
    # then none of it is anywhere, and readers read what they read before
    assert places_of(home, canaries) == {canary: [] for canary in canaries}
    assert shown(home) == before
    # and what servers still have to drop they can drop, or it is told who has to
    place = Home(home)
    if (topic := place.topic()) is not None:
        broker: KafkaBroker = request.getfixturevalue("broker")
        with place.log() as log:
            assert log.starts() == log.ends()
            for partition, end in enumerate(log.ends()):
                files = (broker.settings.folder / "data" / f"{topic.name}-{partition}").glob("*.log")
                # the last one begins with what was said once more
                assert max(int(file.stem) for file in files) == end - 1
    assert ("nodetool drain" in told) == (place.address() is not None)
    # and all goes on: events, speed, parity, another batch, another purge
    fresh = old_event(
        "revision/create", "revision-create", 40, rev_id=REVISION + 4, rev_timestamp="2022-03-01T00:00:40Z"
    )
    ingest(home, tmp_path, "fresh.ndjson", (fresh,))
    run(home, "speed", "run", "--engine", "loop", *DATASETS)
    assert shown(home) != before
    assert json.loads(run(home, "parity", "daily_edits", "page_current", "--json"))["differences"] == []
    assert "was executed already" in run(home, "purge", "execute", plan["plan"])
    # of which nothing is left to do
    assert json.loads(run(home, "purge", "plan", "--json")) == {
        "plan": None,
        "state": "nothing",
        "revisions": 0,
        "log_rows": 0,
        "names": 0,
        "dead_letters": 0,
    }
    assert run(home, "purge", "plan") == "nothing is hidden that was not purged\n"
    # until what was hidden is told again
    ingest(
        home,
        tmp_path,
        "again.ndjson",
        (old_event("revision/create", "revision-create", 41, comment=CANARIES[0]),),
    )
    run(home, "speed", "run", "--engine", "loop", *DATASETS)
    again = json.loads(run(home, "purge", "plan", "--json"))
    assert (again["revisions"], again["names"], again["dead_letters"]) == (
        plan["revisions"],
        plan["names"],
        0,
    )
    assert re.fullmatch("[0-9a-f]{12}", again["plan"])
