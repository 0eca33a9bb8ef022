"""The command that looks for mistakes in the files that people write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer

import shared_logic.datasets  # noqa: F401  registers the datasets
from cli.access import bearers
from cli.configuration import (
    CASSANDRA_AUTHORITIES,
    CASSANDRA_LOGIN,
    DATABASE_PASSWORD,
    KAFKA_OPTIONS,
    cassandra_security,
    configuration,
    configure_datasets,
    database_password,
    kafka_options,
)
from cli.failures import Failure
from cli.home import CONFIGURATION, placed
from cli.options import DEFAULT_HOME, HomeOption, JsonOption
from cli.output import out, print_json
from cli.sinks import Own, outputs_of
from cli.stack_places import moved
from cli.stack_settings import settings as stack_settings
from cli.streams import streams

app = typer.Typer(help="What is configured, and what is wrong with it.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """Keep `check` a command of its own."""


@app.command()
def check(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """Read every file of the configuration, and say of each what is wrong: file, line, and what to write instead."""
    folder = home.expanduser().resolve()
    own = folder / "wikibraid.yaml"
    checks: list[tuple[str, Callable[[], object]]] = [
        (_shown(own), lambda: _datasets_and_places(own)),
        (_shown(_file(folder, "streams.yaml")), lambda: streams(_file(folder, "streams.yaml"))),
        (_shown(_file(folder, "sinks.yaml")), lambda: outputs_of(_file(folder, "sinks.yaml"), _own(folder))),
        (_shown(folder / "stack.yaml"), lambda: _stack(folder)),
        (_shown(folder / "access.yaml"), lambda: bearers(folder / "access.yaml")),
        (f"${CASSANDRA_LOGIN}, ${CASSANDRA_AUTHORITIES}", cassandra_security),
        (f"${KAFKA_OPTIONS}", kafka_options),
        (f"${DATABASE_PASSWORD}", database_password),
    ]
    found = [{"what": what, "mistake": _mistake(read)} for what, read in checks]
    wrong = sum(one["mistake"] is not None for one in found)
    if json:
        print_json(found)
    for one in found if not json else ():
        out.print(f"✗ {one['mistake']}" if one["mistake"] else f"✓ {one['what']}", markup=False)
    if wrong:
        message = f"{wrong} of {len(checks)} can't be used"
        raise Failure(message)


def _mistake(read: Callable[[], object]) -> str | None:
    try:
        read()
    except Failure as failure:
        return str(failure)
    return None


def _datasets_and_places(path: Path) -> None:
    found = configuration(path)
    placed(found, path)
    configure_datasets(found, path)


def _stack(folder: Path) -> None:
    made = stack_settings(folder)
    if (folder / "stack.yaml").exists() or (folder / "stack").exists():
        moved(folder, made)


def _own(folder: Path) -> Own:
    path = folder / "wikibraid.yaml"
    try:
        return Own(folder, *placed(configuration(path), path))
    except Failure:
        # Told of that file.
        return Own(folder, None, None)


def _file(folder: Path, name: str) -> Path:
    own = folder / name
    return own if own.exists() else CONFIGURATION / name


def _shown(path: Path) -> str:
    return str(path) if path.exists() else f"{path} (not there, which says nothing)"
