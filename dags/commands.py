"""Calls of the `wikibraid` command: the one thing that tasks do, so that Airflow can live in an environment of its own.

`WIKIBRAID_COMMAND` names the command, if it isn't on the path or beside this Python; it finds its home by `WIKIBRAID_HOME`, and its
secrets by the files that the environment names. Nothing secret is an argument, so nothing secret is rendered or listed.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

AUDIT_FAILED, DIFFERS = 5, 6
"""Exit codes of the command (see docs/operations.md) after which another try would end in the same way."""
_LINES_KEPT = 20
_log = logging.getLogger(__name__)


def wikibraid(*words: str) -> str:
    """Run the command; what it printed. What it says goes to the task's log.

    Raises:
        AirflowFailException: an audit failed, or merged and recomputed differ: to be looked at, not tried again.
        AirflowException: it failed in another way; every command can be run again.
    """
    command = [_command(), *words]
    _log.info("running %s", " ".join(command))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()
    for line in said:
        _log.info("%s", line)
    if done.returncode:
        message = f"`{' '.join(command)}` ended with {done.returncode}: {' | '.join(said[-_LINES_KEPT:])}"
        if done.returncode in {AUDIT_FAILED, DIFFERS}:
            raise AirflowFailException(message)
        raise AirflowException(message)
    return done.stdout


def wikibraid_json(*words: str) -> Any:
    """Run the command with --json; what it printed, as values."""
    return json.loads(wikibraid(*words, "--json"))


def _command() -> str:
    beside = Path(sys.executable).with_name("wikibraid")
    return (
        os.environ.get("WIKIBRAID_COMMAND")
        or (str(beside) if beside.exists() else None)
        or shutil.which("wikibraid")
        or "wikibraid"
    )
