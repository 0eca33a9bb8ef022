"""Airflow 3 on this machine: api-server, execution-api, scheduler and dag-processor over one folder.

What tasks tell is answered by a process of its own. In one process the two APIs block one another over SQLite: a heartbeat that
has written needs the event loop to commit, on which a request that is noted down waits to write, until SQLite gives up.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stack.server import Server, ServerError

ADMIN = "admin"
POOL = "wikibraid"
"""Of one slot; the name is that of the DAGs' tasks."""
_BIN = Path(sys.executable).parent
_PREPARED = ".prepared"
_PASSWORDS = "passwords.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowSettings:
    """Where Airflow lies and listens."""

    folder: Path
    """Of its database, its logs and its secrets."""
    dags: Path
    port: int
    execution_port: int
    """Of the API that tasks talk to."""
    host: str = "127.0.0.1"
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the environment of its tasks, such as WIKIBRAID_HOME."""


class AirflowPart(Server):
    """One of Airflow's processes."""

    def __init__(self, settings: AirflowSettings, part: str) -> None:
        """`part` is api-server, execution-api, scheduler or dag-processor; nothing is started yet."""
        self.name = f"Airflow's {part}"
        port = {"api-server": settings.port, "execution-api": settings.execution_port}.get(part)
        super().__init__(settings.folder / part, settings.host, () if port is None else (port,))
        self.settings, self._part = settings, part

    def prepare(self) -> list[str]:
        """See `Server`; the database is made or brought up to date by the first that starts.

        Raises:
            ServerError: the database can't be made.
        """
        prepare(self.settings)
        made = self.settings
        words = {
            "api-server": _api("core", made.host, made.port),
            "execution-api": _api("execution", made.host, made.execution_port),
            # The server of task logs would listen on all addresses; the API finds these logs in the folder.
            "scheduler": ["scheduler", "--skip-serve-logs"],
            "dag-processor": ["dag-processor"],
        }
        return [program(), *words[self._part]]

    def environment(self) -> Mapping[str, str]:
        """See `Server`."""
        return environment(self.settings)

    def answers(self) -> bool:
        """Whether this part, or of what has no API the api-server, says that it is healthy."""
        if self._part == "execution-api":
            return _told(self.settings.host, self.settings.execution_port, "/execution/health") is not None
        told = health(self.settings)
        if self._part == "api-server":
            return told is not None
        return bool(told and told.get(self._part.replace("-", "_"), {}).get("status") == "healthy")


def parts(settings: AirflowSettings) -> list[AirflowPart]:
    """All processes, in the order in which they start."""
    return [
        AirflowPart(settings, part) for part in ("api-server", "execution-api", "scheduler", "dag-processor")
    ]


def prepare(settings: AirflowSettings) -> None:
    """Make the folder, its secrets and its database, where they are missing; bring the database up to the Airflow that is installed.

    Raises:
        ServerError: the database can't be made.
    """
    settings.folder.mkdir(parents=True, exist_ok=True)
    prepared, installed = settings.folder / _PREPARED, version("apache-airflow")
    if is_made(settings) and prepared.read_text(encoding="utf-8") == installed:
        return
    for name, value in (
        ("jwt_secret", secrets.token_urlsafe(64)),
        ("fernet_key", _fernet_key()),
        (_PASSWORDS, json.dumps({ADMIN: secrets.token_urlsafe(16)})),
    ):
        path = settings.folder / name
        if not (path.exists() and path.stat().st_size):
            path.touch(mode=0o600)
            path.write_text(value, encoding="utf-8")
    for words in (("db", "migrate"), ("pools", "set", POOL, "1", "Writes to the home, which has one writer")):
        done = subprocess.run(
            [program(), *words],
            env={**os.environ, **environment(settings)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            message = (
                f"Airflow's database in {settings.folder} can't be made: "
                f"`airflow {' '.join(words)}` ended with {done.returncode}: {done.stderr.strip()[-500:]}"
            )
            raise ServerError(message)
    prepared.write_text(installed, encoding="utf-8")


def is_made(settings: AirflowSettings) -> bool:
    """Whether the folder has a database."""
    return (settings.folder / _PREPARED).exists()


def program() -> str:
    """The path of Airflow's command line; of these settings it needs the `environment`."""
    return str(_BIN / "airflow")


def passwords_file(settings: AirflowSettings) -> Path:
    """Holds the password of the user `admin`, made when the folder was; only its owner reads it."""
    return settings.folder / _PASSWORDS


def environment(settings: AirflowSettings) -> dict[str, str]:
    """What its processes, and its command line, are told; secrets by commands that read files, so that none is in it."""
    folder = settings.folder.absolute()
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.dags.absolute()),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / _PASSWORDS),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{settings.host}:{settings.execution_port}/execution/",
        "AIRFLOW__CORE__FERNET_KEY_CMD": f"cat {folder / 'fernet_key'}",
        # How soon a task is tried again whose scheduler was killed.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
        "AIRFLOW__API__BASE_URL": f"http://{settings.host}:{settings.port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET_CMD": f"cat {folder / 'jwt_secret'}",
        # Seconds that one of its processes waits while another writes, before it answers with an error.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}?timeout=20",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "PYTHONUNBUFFERED": "1",
        **settings.variables,
    }


def health(settings: AirflowSettings) -> dict[str, dict[str, str]] | None:
    """What the API tells of every part; None: it doesn't answer."""
    return _told(settings.host, settings.port, "/api/v2/monitor/health")


def _told(host: str, port: int, path: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return None
    return found


def _api(application: str, host: str, port: int) -> list[str]:
    return ["api-server", "--apps", application, "--host", host, "--port", str(port)]


def _fernet_key() -> str:
    from cryptography.fernet import Fernet  # noqa: PLC0415  comes with Airflow

    return Fernet.generate_key().decode()
