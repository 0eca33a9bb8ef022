"""Calls the `wikibraid` command as tasks do, and prints how each call ended, as JSON; run in a process of its own, with AIRFLOW_HOME set."""

from __future__ import annotations

import json
import os
import sys


def main(*statuses: str) -> None:
    """The command ends with each of these."""
    from airflow.sdk.exceptions import AirflowException

    from dags.commands import wikibraid

    told = {}
    for status in statuses:
        os.environ["STATUS"] = status
        try:
            told[status] = ["", wikibraid("batch", "run")]
        except AirflowException as error:
            told[status] = [type(error).__name__, str(error)]
    print(json.dumps(told))  # noqa: T201  to whoever runs it


if __name__ == "__main__":
    main(*sys.argv[1:])
