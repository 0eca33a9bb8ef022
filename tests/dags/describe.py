"""Prints what Airflow finds in dags/, as JSON; run in a process of its own, with AIRFLOW_HOME set."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "dags"


def main() -> None:
    """Parse, and describe."""
    from airflow.dag_processing.dagbag import DagBag

    begun = time.monotonic()
    bag = DagBag(FOLDER)
    seconds = time.monotonic() - begun
    told = {
        "seconds": seconds,
        "errors": bag.import_errors,
        "heavy": [
            name
            for name in ("pyspark", "bytewax", "delta", "duckdb", "great_expectations")
            if name in sys.modules
        ],
        "dags": {
            name: {
                "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
                "outlets": sorted(outlet.name for task in dag.tasks for outlet in task.outlets),
                "pools": {task.task_id: task.pool for task in dag.tasks},
                "retries": sorted({task.retries for task in dag.tasks}),
                "owner": dag.owner,
                "doc": dag.doc_md or "",
                "tags": sorted(dag.tags),
                "most": dag.max_active_runs,
                "paused": dag.is_paused_upon_creation,
                "schedule": dag.schedule if isinstance(dag.schedule, str) else None,
                "params": sorted(dag.params),
            }
            for name, dag in bag.dags.items()
        },
    }
    print(json.dumps(told))  # noqa: T201  to whoever runs it


if __name__ == "__main__":
    main()
