"""The command line as a user meets it: from tables and events to merged rows, with Spark and Bytewax."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cli.failures import AUDIT_FAILED, BUSY, CANNOT_KNOW, Failure
from cli.home import Home
from stack.cassandra_node import CassandraNode
from stack.kafka_broker import KafkaBroker
from tests import sample
from tests.e2e.commands import ran

pytestmark = [pytest.mark.e2e, pytest.mark.spark, pytest.mark.bytewax]
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, spark: SparkSession) -> Run:
    """Runs a command in a home of the test's own; a failure is raised."""

    def command(*words: str) -> str:
        return ran(*words, environment={"WIKIBRAID_HOME": str(tmp_path / "home")}).stdout

    return command


@pytest.fixture
def on_servers(run: Run, broker: KafkaBroker, node: CassandraNode) -> None:
    """The home's log lies in Kafka and its store in Cassandra."""
    name = f"e2e_{uuid.uuid4().hex}"
    store = f"cassandra://127.0.0.1:{node.settings.port}/{name}"
    run("init", "--log", f"kafka://{broker.address}/{name}", "--store", store)


@pytest.fixture
def embedded() -> None:
    """The home's log and store lie in its folder."""


@pytest.fixture(
    params=["embedded", pytest.param("on_servers", marks=[pytest.mark.cassandra, pytest.mark.kafka])]
)
def _anywhere(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(request.param)


@pytest.mark.usefixtures("_anywhere")
def test_from_tables_and_events_to_merged_rows(run: Run, tmp_path: Path) -> None:
    # given a real wiki's tables of some day, and the events of the time before
    events = sample.events()
    early, late = tmp_path / "early.ndjson", tmp_path / "late.ndjson"
    early.write_bytes(b"\n".join(events[:3_000]))
    late.write_bytes(b"\n".join((*events[3_000:], b"{broken", events[0])))
    run("ingest", "tables", str(sample.SNAPSHOT), "--wiki", sample.WIKI, "--taken-at", "2022-01-30T17:25:37Z")
    run("ingest", "events", str(early))
    with pytest.raises(Failure) as nothing:
        run("query", "daily_edits", sample.WIKI)
    assert nothing.value.code == CANNOT_KNOW
    # when a generation is made, and later events are worked off
    made = json.loads(run("batch", "run", "daily_edits", "--json"))
    wanted = ("user_names", "user_current", "hidden_names", "editor_days", "daily_edits")
    assert {entry["dataset"]: entry["generation"] for entry in made} == dict.fromkeys(wanted, 1)
    assert {entry["dataset"]: entry["largest_group"] for entry in made}["user_names"] > 1
    run("batch", "run", "page_current")
    before = json.loads(run("query", "daily_edits", "--format", "json"))
    counts = json.loads(run("ingest", "events", str(late), "--json"))
    assert counts["read"] == sum(
        counts[name] for name in ("kept", "copies", "dead", "out_of_scope", "canaries")
    )
    assert counts["dead"] == 1
    assert counts["reasons"]["not-json"] == 1
    behind = json.loads(run("query", "daily_edits", "--format", "json"))
    assert (behind["complete"], behind["rows"]) == (False, before["rows"])
    run("speed", "run", "daily_edits")
    # then the merged rows are new, complete but for restores that nobody has followed, and equal to a recomputation of everything
    after = json.loads(run("query", "daily_edits", "--format", "json"))
    assert (after["lag"], after["waiting"] > 0, after["complete"]) == (0, True, False)
    assert after["rows"] != before["rows"]
    compared = json.loads(run("parity", "daily_edits", "user_current", "page_current", "--json"))
    assert compared["differences"] == []
    assert set(compared["compared"].values()) == {"stored"}
    assert set(compared["left_out"].values()) == {0}
    # and what was not kept is compared as of where it stands
    assert compared["through"]["daily_edits"] == compared["through"]["user_current"]
    assert compared["through"]["page_current"] != compared["through"]["daily_edits"]
    # and SQL, CSV and an export say the same
    (total,) = json.loads(run("sql", "SELECT sum(edits)::BIGINT AS edits FROM daily_edits", "--json"))
    assert total["edits"] == sum(row["edits"] for row in after["rows"])
    assert len(run("query", "daily_edits", "--format", "csv").splitlines()) == len(after["rows"]) + 1
    run("export", "daily_edits", "--out", str(tmp_path / "out"))
    lines = (tmp_path / "out" / "daily_edits.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == after["rows"]
    # and the same run again publishes the same generation, a later one can be rolled back
    again = json.loads(run("batch", "run", "daily_edits", "--json"))
    assert {entry["dataset"]: entry["generation"] for entry in again} == dict.fromkeys(wanted, 2)
    assert json.loads(run("batch", "run", "daily_edits", "--json")) == again
    run("generations", "publish", "daily_edits", "1")
    rolled_back = json.loads(run("query", "daily_edits", "--format", "json"))
    assert (rolled_back["generation"], rolled_back["lag"]) == (1, 0)
    assert rolled_back["rows"] == after["rows"]
    # and what is given up is gone, rows and files, while what is kept answers and is run again as before
    run("generations", "publish", "daily_edits", "2")
    expired = json.loads(run("generations", "expire", "daily_edits", "--keep", "1", "--json"))
    assert {entry["dataset"]: (entry["given up"], entry["kept"]) for entry in expired}["daily_edits"] == (
        [1],
        [2],
    )
    assert all(entry["files removed"] for entry in expired)
    assert json.loads(run("query", "daily_edits", "--format", "json"))["rows"] == after["rows"]
    assert json.loads(run("batch", "run", "daily_edits", "--json")) == again


def test_a_failing_audit_publishes_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a table whose rows can't meet an expectation
    from shared_logic.registry import registry

    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(sample.events()[:200]))
    run("ingest", "events", str(events))
    monkeypatch.setattr(registry["page_current"].schema, "expectations", ("revisions < 0",))
    # when a generation is made
    with pytest.raises(Failure, match="page_current: revisions < 0") as failed:
        run("batch", "run", "page_current")
    # then it is not published
    assert failed.value.code == AUDIT_FAILED
    with pytest.raises(Failure) as nothing:
        run("query", "page_current")
    assert nothing.value.code == CANNOT_KNOW


def test_a_second_writer_is_told_who_writes(run: Run, tmp_path: Path) -> None:
    with (
        Home(tmp_path / "home").writing_store("batch run"),
        pytest.raises(Failure, match="in use by `wikibraid batch run`") as busy,
    ):
        run("batch", "run")
    assert busy.value.code == BUSY


@pytest.mark.parametrize(
    "words,says",
    [
        (["query", "nothing"], "no dataset 'nothing'"),
        (["query", "daily_edit"], "no dataset 'daily_edit'; did you mean daily_edits"),
        (
            ["explain", "mediawiki_history", "w", "7"],
            "mediawiki_history is a view, which is joined when it is read; name the tables that it is made of: ",
        ),
        (["parity", "top_pages"], "top_pages is a view"),
        (["sql", "FROM daily_edit"], "no dataset 'daily_edit'; did you mean daily_edits"),
        (
            ["query", "daily_edits", "w", "soon"],
            "'soon' is no date, as 2026-01-31, which the key column day is",
        ),
        (["ingest", "tables", "/nowhere", "--wiki", "w"], "/nowhere is no folder"),
        (["ingest", "dump", "/nowhere.xml"], "/nowhere.xml"),
        (["deadletters", "show", "7"], "no dead letter 7"),
        (["new", "Upper"], "can't be a dataset's name"),
        (["new", "class"], "'class' can't be a dataset's name"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, words: list[str], says: str) -> None:
    Home(tmp_path / "home")
    home = [] if words[0] == "new" else ["--home", str(tmp_path / "home")]
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *words, *home], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
