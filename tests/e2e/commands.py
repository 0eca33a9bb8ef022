"""Runs commands of `wikibraid` in this process."""

from __future__ import annotations

from collections.abc import Mapping

from click.testing import Result
from typer.testing import CliRunner

from cli.main import app


def ran(*words: str, environment: Mapping[str, str] | None = None) -> Result:
    """The command, run to its end; its failure is raised."""
    done = CliRunner().invoke(app, list(words), env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done
