"""A DAG per group of datasets, and one per view: refresh the bootstrap → cut → batch → parity → announce.

`wikibraid batch run` archives, computes, audits, loads, catches up and flips; it goes on where it stopped as long as cut and code
are the same, which is why the cut is a task of its own whose result a retry finds again. Made for a schedule and for
`airflow backfill create`: a backfill's run takes the end of its interval for the present. What a view reads is of several groups, whose
schedule keeps it current; the view's own DAG is for runs by hand, such as the first one from a new bootstrap. A view that is called as
a group is one DAG with it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from dags.commands import wikibraid, wikibraid_json
from dags.groups import Group, groups, of_view, readable_views
from dags.outlets import dataset_asset
from dags.schedule import BEGINNING, POOL, RETRIES, SCHEDULE, WAITS

PARAMS = {
    "bootstrap": Param("", type="string", description="Folder of tables to begin from; empty: those known."),
    "wiki": Param("", type="string", description="Of that folder, unless the folder tells it."),
    "cut": Param("", type="string", description="Offsets of the log, as 10,12,9,14; empty: its end."),
    "full": Param(
        default=False,
        type="boolean",
        description="Whether all of history is computed again, in place of what was said since the last run.",
    ),
    "parity": Param(
        default=True, type="boolean", description="Whether merged and recomputed rows are compared."
    ),
}
"""What somebody who asks for a run may say of it."""


def recompute(group: Group, schedule: str | None) -> DAG:
    """The DAG of these datasets; without a schedule it runs when it is asked to."""
    names = [dataset.name for dataset in group.datasets]
    with DAG(
        dag_id=f"recompute_{group.name}",
        description=f"Recompute {', '.join(names)}"[:250],
        doc_md=group.doc,
        schedule=schedule,
        start_date=BEGINNING,
        catchup=False,
        is_paused_upon_creation=WAITS and schedule is not None,
        max_active_runs=1,
        tags=["wikibraid", "recompute"],
        default_args={"owner": "wikibraid", **RETRIES},
        params=PARAMS,
    ) as made:
        where = cut()
        refresh() >> where
        published = batch(names, where)
        differing = parity(names, published)
        announce.override(outlets=[dataset_asset(name) for name in names])(names, published, differing)
    return made


@task(pool=POOL)
def refresh() -> list[str]:
    """Take tables in, if a folder is named; the ids of the bootstraps, one a wiki."""
    params = get_current_context()["params"]
    if not params["bootstrap"]:
        return []
    of = ["--wiki", params["wiki"]] if params["wiki"] else []
    found: list[dict[str, Any]] = wikibraid_json("ingest", "tables", params["bootstrap"], *of)
    return [taken["bootstrap"]["id"] for taken in found]


@task
def cut() -> str:
    """Where the batch ends and the speed layer begins: offsets, as `10,12,9,14`."""
    asked = get_current_context()["params"]["cut"]
    return str(asked or wikibraid("cut").strip())


@task(pool=POOL)
def batch(names: list[str], where: str) -> list[dict[str, Any]]:
    """Compute, audit, load, catch up, flip; the generations that were published."""
    context = get_current_context()
    run, end = context["dag_run"], context.get("data_interval_end")
    is_backfill = str(run.run_type).rpartition(".")[2].lower().startswith("backfill")
    now = ["--now", _instant(end)] if is_backfill and end else []
    full = ["--full"] if context["params"]["full"] else []
    published: list[dict[str, Any]] = wikibraid_json("batch", "run", *names, "--cut", where, *now, *full)
    return published


@task(pool=POOL)
def parity(names: list[str], published: list[dict[str, Any]]) -> int:
    """Compare what is served with a recomputation of everything; a difference stops here."""
    if not get_current_context()["params"]["parity"]:
        return 0
    compared = [made["dataset"] for made in published if made["dataset"] in names]
    return len(wikibraid_json("parity", *compared)["differences"])


@task
def announce(names: list[str], published: list[dict[str, Any]], differing: int) -> None:
    """Tell consumers exactly what they can read."""
    events = get_current_context()["outlet_events"]
    by_name = {made["dataset"]: made for made in published}
    for name in names:
        events[dataset_asset(name)].extra = {**by_name[name], "differing": differing}


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


scheduled = {group.name: group for group in groups()}
by_hand = {view.name: of_view(view) for view in readable_views()}
for name, group in (scheduled | by_hand).items():
    globals()[f"recompute_{name}"] = recompute(group, SCHEDULE if name in scheduled else None)
