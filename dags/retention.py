"""What is given up: generations that nobody reads, nor can roll back to any more."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from dags.commands import wikibraid_json
from dags.schedule import BEGINNING, POOL, RETRIES

with DAG(
    dag_id="retention",
    description="Give up old generations of every dataset",
    doc_md="Keeps the newest generations and the published one of every dataset; the rows that only others read are removed.",
    schedule="@weekly",
    start_date=BEGINNING,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    tags=["wikibraid", "retention"],
    default_args={"owner": "wikibraid", **RETRIES},
    params={"keep": Param(2, type="integer", minimum=1, description="Generations that stay.")},
) as retention:

    @task(pool=POOL)
    def expire() -> list[dict[str, Any]]:
        """Give up what is older."""
        keep = get_current_context()["params"]["keep"]
        removed: list[dict[str, Any]] = wikibraid_json("generations", "expire", "--keep", str(keep))
        return removed

    expire()
