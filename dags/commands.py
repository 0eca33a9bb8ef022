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
from collections import deque
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from stack import tethered

AUDIT_FAILED, DIFFERS, EMPTY = 5, 6, 7
"""Exit codes of the command (see docs/operations.md) after which another try would end in the same way."""
_LINES_KEPT = 20
_log = logging.getLogger(__name__)


def wikibraid(*words: str) -> str:
    """Run the command; what it printed. What it says goes to the task's log as it is said.

    The command ends with the task, however that ends: marked as failed or cleared in Airflow, timed out, or killed.

    Raises:
        AirflowFailException: an audit failed, merged and recomputed differ, or nothing was brought in: to be looked at, not tried
            again; or there is no such command.
        AirflowException: it failed in another way, such as at a home that another process writes to; every command can be run again.
    """
    command = [_command(), *words]
    _log.info("running %s", " ".join(command))
    said: deque[str] = deque(maxlen=_LINES_KEPT)
    with (
        TemporaryFile("w+", encoding="utf-8") as printed,
        subprocess.Popen(
            [sys.executable, tethered.__file__, *command],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        for line in process.stderr or ():
            said.append(line.rstrip())
            _log.info("%s", said[-1])
        status = process.wait()
        printed.seek(0)
        output = printed.read()
    if status:
        message = f"`{' '.join(command)}` ended with {status}: {' | '.join(said)}"
        if status in {AUDIT_FAILED, DIFFERS, EMPTY}:
            raise AirflowFailException(message)
        raise AirflowException(message)
    return output


def wikibraid_json(*words: str) -> Any:
    """Run the command with --json; what it printed, as values."""
    return json.loads(wikibraid(*words, "--json"))


def _command() -> str:
    named = os.environ.get("WIKIBRAID_COMMAND")
    beside = str(Path(sys.executable).with_name("wikibraid"))
    found = shutil.which(named) if named else shutil.which(beside) or shutil.which("wikibraid")
    if found is None:
        message = (
            f"there is no program {named or 'wikibraid, neither on the path nor beside this Python'}; "
            "set WIKIBRAID_COMMAND to the path of the `wikibraid` command"
        )
        raise AirflowFailException(message)
    return found
