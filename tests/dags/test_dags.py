"""DAGs as Airflow sees them: made from the registry, thin, safe to try again, and exact in what they announce."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from cli.failures import AUDIT_FAILED, BUSY, CANNOT_KNOW, DIFFERS, EMPTY, MISTAKE
from dags.groups import groups, of_view, readable_views
from shared_logic.registry import registry

ROOT = Path(__file__).parents[2]
FAKE = """#!/usr/bin/env python3
import json, os, sys
words = sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(words) + "\\n")
print("a line of progress", file=sys.stderr)
if words[0] == os.environ.get("FAILING"):
    sys.exit(int(os.environ["STATUS"]))
if words[0] == "ingest":
    print(json.dumps([{"bootstrap": {"id": "b"}}, {"bootstrap": {"id": "c"}}]))
elif words[0] == "archive":
    print(json.dumps({"added": 0}))
elif words[0] == "generations":
    print("[]")
elif words[0] == "cut":
    print("3,4,5,6")
elif words[0] == "batch":
    print(json.dumps([{"dataset": "identity_reverts", "generation": 7, "cut": [3, 4, 5, 6], "delta_version": 2, "run": "r"}]))
elif words[0] == "parity":
    print(json.dumps({"differences": []}))
"""


def airflow(home: Path, *words: str, **variables: str) -> Any:
    """Runs a program of this folder with an Airflow of its own; what it printed last, as values."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@cache
def described(home: Path) -> Any:
    return airflow(home, "tests.dags.describe")


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return described(tmp_path_factory.mktemp("airflow"))


def test_every_dataset_is_in_one_group() -> None:
    members = [dataset.name for group in groups() for dataset in group.datasets]
    assert sorted(members) == sorted(registry)
    for group in groups():
        for dataset in group.datasets:
            assert set(registry.family(dataset)) <= set(group.datasets)


def test_dags_are_parsed_without_errors_and_without_engines(parsed: Any) -> None:
    assert parsed["errors"] == {}
    assert parsed["heavy"] == []
    views = {f"{what}_{view.name}" for view in readable_views() for what in ("recompute", "announce")}
    assert parsed["dags"].keys() == {f"recompute_{group.name}" for group in groups()} | views | {
        "archive",
        "retention",
    }


def test_a_view_is_announced_when_all_that_it_reads_was(parsed: Any) -> None:
    for view in readable_views():
        assert parsed["dags"][f"announce_{view.name}"]["outlets"] == [view.name]
        wanted = {dataset.name for dataset in of_view(view).datasets}
        assert set(parsed["dags"][f"recompute_{view.name}"]["outlets"]) == wanted >= set(view.datasets)


def test_every_dag_has_its_shape(parsed: Any) -> None:
    by_hand = {view.name: of_view(view) for view in readable_views()}
    for group in ({group.name: group for group in groups()} | by_hand).values():
        dag = parsed["dags"][f"recompute_{group.name}"]
        assert dag["tasks"] == {
            "refresh": ["cut"],
            "cut": ["batch"],
            "batch": ["announce", "parity"],
            "parity": ["announce"],
            "announce": [],
        }
        assert dag["outlets"] == sorted(dataset.name for dataset in group.datasets)
        # what writes to the home waits for what does, and the short steps don't
        waiting = {task for task, pool in dag["pools"].items() if pool == "wikibraid"}
        assert waiting == {"refresh", "batch", "parity"}
    assert parsed["dags"]["retention"]["pools"] == {"expire": "wikibraid"}
    for dag in parsed["dags"].values():
        assert (dag["retries"], dag["owner"], dag["most"]) == ([3], "wikibraid", 1)
        assert dag["doc"]
        assert "wikibraid" in dag["tags"]


def test_what_loses_nothing_runs_from_the_start_and_what_is_dear_when_it_was_asked_for(
    parsed: Any, tmp_path: Path
) -> None:
    # given nobody who named a schedule, then the log is archived nevertheless, and only scheduled recomputations wait
    scheduled = {f"recompute_{group.name}" for group in groups()}
    assert {name for name, dag in parsed["dags"].items() if dag["paused"]} == scheduled
    # and with a schedule, nothing does
    named = airflow(tmp_path, "tests.dags.describe", WIKIBRAID_SCHEDULE="@weekly")["dags"]
    assert [name for name, dag in named.items() if dag["paused"]] == []
    assert {named[name]["schedule"] for name in scheduled} == {"@weekly"}


@pytest.fixture
def fake(tmp_path: Path) -> dict[str, str]:
    """A command that only notes how it was called."""
    command = tmp_path / "wikibraid"
    command.write_text(FAKE)
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return {"WIKIBRAID_COMMAND": str(command), "CALLS": str(tmp_path / "calls")}


def run(
    home: Path,
    configuration: dict[str, Any],
    variables: dict[str, str],
    dag: str = "recompute_identity_reverts",
) -> tuple[Any, list[list[str]]]:
    words = ("tests.dags.run", dag, json.dumps(configuration))
    told = airflow(home / "airflow", *words, **variables)
    calls = [json.loads(line) for line in Path(variables["CALLS"]).read_text().splitlines()]
    return told, calls


@pytest.mark.e2e
def test_a_run_announces_what_was_published(tmp_path: Path, fake: dict[str, str]) -> None:
    # when the DAG runs
    told, calls = run(tmp_path, {"bootstrap": "/tables", "wiki": "w", "full": True}, fake)
    # then it calls the command step by step
    assert told["state"] == "success"
    assert calls == [
        ["ingest", "tables", "/tables", "--wiki", "w", "--json"],
        ["cut"],
        ["batch", "run", "identity_reverts", "--cut", "3,4,5,6", "--full", "--json"],
        ["parity", "identity_reverts", "--json"],
    ]
    # and consumers are told exactly what they can read
    assert told["events"]["identity_reverts"] == {
        "dataset": "identity_reverts",
        "generation": 7,
        "cut": [3, 4, 5, 6],
        "delta_version": 2,
        "run": "r",
        "differing": 0,
    }


@pytest.mark.e2e
def test_what_would_fail_again_is_not_tried_again(tmp_path: Path, fake: dict[str, str]) -> None:
    # given a batch over nothing, which is as one of which an audit fails
    told, calls = run(tmp_path, {}, fake | {"FAILING": "batch", "STATUS": str(EMPTY)})
    assert told["state"] == "failed"
    assert told["tasks"]["batch"] == ["failed", 1]
    assert [call[0] for call in calls] == ["cut", "batch"]
    assert told["events"] == {}


@pytest.mark.e2e
def test_a_view_is_not_announced_before_what_it_reads(tmp_path: Path, fake: dict[str, str]) -> None:
    Path(fake["CALLS"]).touch()
    # given nothing that was announced, when somebody runs the DAG by hand
    told, _ = run(tmp_path, {}, fake, "announce_mediawiki_history")
    # then that is told once, and is no announcement
    assert (told["tasks"]["announce"], told["events"]) == (["failed", 1], {})


@pytest.mark.e2e
@pytest.mark.parametrize(
    "dag,configuration,call",
    [
        ("archive", {}, ["archive", "--json"]),
        ("retention", {"keep": 5}, ["generations", "expire", "--keep", "5", "--json"]),
    ],
)
def test_what_runs_by_the_clock_is_one_command(
    tmp_path: Path, fake: dict[str, str], dag: str, configuration: dict[str, Any], call: list[str]
) -> None:
    told, calls = run(tmp_path, configuration, fake, dag)
    assert (told["state"], calls) == ("success", [call])


def test_what_is_to_be_looked_at_is_not_tried_again_and_says_why(
    tmp_path: Path, fake: dict[str, str]
) -> None:
    # when the command ends in each way that docs/operations.md names
    statuses = [str(status) for status in (0, MISTAKE, CANNOT_KNOW, BUSY, AUDIT_FAILED, DIFFERS, EMPTY)]
    told = airflow(tmp_path / "airflow", "tests.dags.call", *statuses, **fake, FAILING="batch")
    # then another try is made where it may help
    ends = {status: name for status, (name, _) in told.items()}
    for_good, again = "AirflowFailException", "AirflowException"
    assert ends == dict(zip(statuses, ["", again, again, again, for_good, for_good, for_good], strict=True))
    # and the reason has what the command said
    assert told[str(AUDIT_FAILED)][1].endswith("wikibraid batch run` ended with 5: a line of progress")
