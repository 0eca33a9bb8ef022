"""Runs one DAG with `dag.test()` and prints what became of it, as JSON; run in a process of its own, with AIRFLOW_HOME set."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module

MODULES = {"announce": "announce_views"}
"""Of DAGs whose names don't begin with that of their module."""


def main(name: str, configuration: str) -> None:
    """Prepare Airflow's database, run, and tell."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    module = import_module(f"dags.{MODULES.get(kind := name.partition('_')[0], kind)}")
    run = getattr(module, name).test(run_conf=json.loads(configuration))
    with create_session() as session:
        events = {event.asset.name: event.extra for event in session.query(AssetEvent).all()}
        tasks = {
            task.task_id: [str(task.state), task.try_number]
            for task in run.get_task_instances(session=session)
        }
    print(json.dumps({"state": str(run.state), "tasks": tasks, "events": events}))  # noqa: T201  to whoever runs it


if __name__ == "__main__":
    main(*sys.argv[1:])
