"""A DAG per view: once all that it reads was announced anew, so is the view."""

from __future__ import annotations

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from dags.groups import readable_views
from dags.outlets import dataset_asset, view_asset
from dags.schedule import BEGINNING, RETRIES
from shared_logic.views import View


def announce_view(view: View) -> DAG:
    """The DAG that announces it; nothing is computed, a view is SQL at read."""
    read = {name: dataset_asset(name) for name in view.datasets}
    announced = view_asset(view.name)
    with DAG(
        dag_id=f"announce_{view.name}",
        description=f"Announce {view.name}"[:250],
        doc_md=view.doc,
        schedule=list(read.values()),
        start_date=BEGINNING,
        catchup=False,
        is_paused_upon_creation=False,
        max_active_runs=1,
        tags=["wikibraid", "view"],
        default_args={"owner": "wikibraid", **RETRIES},
    ) as made:

        @task(inlets=list(read.values()), outlets=[announced])
        def announce() -> None:
            """Tell consumers which generations it reads; a run by hand may come before there are any."""
            context = get_current_context()
            known, events = context["inlet_events"], context["outlet_events"]
            if missing := [name for name, asset in read.items() if not known[asset]]:
                raise AirflowFailException(
                    f"{view.name} reads what was never announced: {', '.join(missing)}; run recompute_{view.name} first"
                )
            events[announced].extra = {name: known[asset][-1].extra for name, asset in read.items()}

        announce()
    return made


for one in readable_views():
    globals()[f"announce_{one.name}"] = announce_view(one)
