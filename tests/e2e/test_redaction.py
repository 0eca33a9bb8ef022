"""What is hidden on the wiki is in no answer of the command line any more: not now, not as of before, not after a replay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cli.home import Home
from tests.e2e.commands import ran

pytestmark = [pytest.mark.e2e, pytest.mark.spark]
COMMENT, NAME, TEXT, BAD = "Token-in-a-comment", "Token Account", "tokensha1", "Token-in-a-bad-event"
TOKENS = (COMMENT, NAME, TEXT)
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, spark: SparkSession) -> Run:
    """Runs a command in a home of the test's own; a failure is raised."""

    def command(*words: str) -> str:
        return ran(*words, environment={"WIKIBRAID_HOME": str(tmp_path / "home")}).output

    return command


def event(name: str, sent: str, **fields: object) -> bytes:
    schema, stream = f"/mediawiki/revision/{name}/1.0.0", f"mediawiki.revision-{name}"
    whole = {
        "$schema": schema,
        "meta": {"stream": stream, "dt": sent, "id": f"{name} {sent}"},
        "database": "testwiki",
        "page_id": 1,
        "page_title": "Page",
        "page_namespace": 0,
        "rev_id": 5,
        "rev_timestamp": "2024-01-01T00:00:00Z",
    }
    return json.dumps(whole | fields).encode()


def original(sent: str) -> bytes:
    author = {"user_id": 9, "user_text": NAME}
    return event("create", sent, comment=COMMENT, rev_sha1=TEXT, rev_len=3, performer=author)


HIDING = event(
    "visibility-change", "2024-01-02T00:00:00Z", visibility={"text": False, "user": False, "comment": False}
)


def everything_said(run: Run, folder: Path) -> str:
    """All that any command says of the revision, of every generation and cut, and of dead letters."""
    with Home(folder / "home").store() as store:
        made = store.generations("revision_facts")
    times = [(), *(("--at", str(one.number)) for one in made)]
    times += [("--at", ",".join(map(str, one.cut))) for one in made]
    said = []
    for at in times:
        said.append(run("query", "revision_facts", "testwiki", "--format", "json", *at))
        said.append(run("query", "revision_facts", "testwiki", "--format", "csv", *at))
        run("export", "revision_facts", "--out", str(folder / "out"), *at)
        said += [path.read_text() for path in (folder / "out").rglob("*.jsonl")]
    said.append(run("explain", "revision_facts", "testwiki", "1", "5", "--json"))
    said.append(run("sql", "FROM revision_facts", "--json"))
    said.append(run("changes", "revision_facts"))
    said.append(run("deadletters", "list", "--json"))
    said += [run("deadletters", "show", str(number), "--json") for number in (1, 2)]
    return "\n".join(said)


def test_hidden_parts_are_in_no_answer(run: Run, tmp_path: Path) -> None:
    # given a revision with tokens in comment, name and text, and bad events with one, in a first generation
    def ingest(name: str, *events: bytes) -> None:
        (tmp_path / name).write_bytes(b"\n".join(events))
        run("ingest", "events", str(tmp_path / name))
        run("speed", "run", "--engine", "loop", "revision_facts")

    (tmp_path / "first").write_bytes(
        b"\n".join(
            [
                original("2024-01-01T00:00:00Z"),
                b'{"broken": "' + BAD.encode(),
                event("create", "2024-01-01T00:00:00Z", comment=BAD, rev_id="5"),
            ]
        )
    )
    run("ingest", "events", str(tmp_path / "first"))
    run("batch", "run", "revision_facts")
    before = everything_said(run, tmp_path)
    assert [token in before for token in TOKENS] == [True, True, True]
    assert BAD not in before
    # when all of it is hidden, and speed has caught up
    ingest("hiding", HIDING)
    # then no way of reading shows any, of whatever generation and cut
    after = everything_said(run, tmp_path)
    assert [token for token in (*TOKENS, BAD) if token in after] == []
    # and neither does another generation, nor the original events once more, the same and under a later clock
    run("batch", "run", "revision_facts")
    ingest("again", original("2024-01-01T00:00:00Z"), original("2024-01-03T00:00:00Z"))
    again = everything_said(run, tmp_path)
    assert [token for token in (*TOKENS, BAD) if token in again] == []
    (row,) = json.loads(run("query", "revision_facts", "testwiki", "--format", "json"))["rows"]
    hidden = ("event_comment", "user_id", "user_text", "revision_text_sha1")
    assert (row["rev_id"], [row[name] for name in hidden]) == (5, [None] * 4)
