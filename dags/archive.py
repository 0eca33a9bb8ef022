"""The log is archived every hour, so that it may forget earlier than everything is recomputed."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from dags.commands import wikibraid_json
from dags.schedule import BEGINNING, RETRIES

with DAG(
    dag_id="archive",
    description="Copy what is new in the log to the archive",
    doc_md="What Kafka has given up before it was archived is lost: let it keep records much longer than the hours between two runs.",
    schedule="@hourly",
    start_date=BEGINNING,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    tags=["wikibraid", "archive"],
    default_args={"owner": "wikibraid", **RETRIES},
) as archive:

    @task
    def copy() -> dict[str, Any]:
        """Copy what is new."""
        done: dict[str, Any] = wikibraid_json("archive")
        return done

    copy()
