"""What Airflow needs before it starts: made once, and brought up to the version that is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import stack.airflow
from stack.airflow import AirflowSettings, environment, prepare

OLDER = "3.0.0"


def airflow(settings: AirflowSettings, *words: str) -> int:
    """The command, over that folder; how it ended."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("airflow")), *words],
        env={**os.environ, **environment(settings)},
        capture_output=True,
        check=False,
    ).returncode


def secrets_of(settings: AirflowSettings) -> list[bytes]:
    return [(settings.folder / name).read_bytes() for name in ("jwt_secret", "fernet_key", "passwords.json")]


def test_it_is_prepared_once_for_each_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given an Airflow that notes how it was called
    noting, calls = tmp_path / "airflow", tmp_path / "calls"
    noting.write_text(f'#!/bin/sh\necho "$1" >> {calls}\n')
    noting.chmod(0o700)
    monkeypatch.setattr(stack.airflow, "_BIN", tmp_path)
    settings = AirflowSettings(folder=tmp_path / "folder", dags=tmp_path, port=1, execution_port=2)
    # when it starts twice, then it is prepared once
    prepare(settings)
    before = secrets_of(settings)
    prepare(settings)
    assert calls.read_text().split() == ["db", "pools"]
    # and once more where another one was there before, with the same secrets
    (settings.folder / ".prepared").write_text(OLDER)
    prepare(settings)
    assert calls.read_text().split() == ["db", "pools"] * 2
    assert secrets_of(settings) == before


@pytest.mark.e2e
@pytest.mark.slow
def test_a_database_of_an_older_airflow_is_brought_up(tmp_path: Path) -> None:
    settings = AirflowSettings(folder=tmp_path / "airflow", dags=tmp_path, port=1, execution_port=2)
    # given a folder that an older Airflow left
    prepare(settings)
    before = secrets_of(settings)
    assert airflow(settings, "db", "downgrade", "--to-version", OLDER, "--yes") == 0
    (settings.folder / ".prepared").write_text(OLDER)
    assert airflow(settings, "db", "check-migrations", "--migration-wait-timeout", "0") != 0
    # when the installed one is to start, then the database is its own, and the secrets are those that were
    prepare(settings)
    assert airflow(settings, "db", "check-migrations", "--migration-wait-timeout", "0") == 0
    assert secrets_of(settings) == before
