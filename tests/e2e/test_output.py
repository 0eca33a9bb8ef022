"""What commands print."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer

from cli.main import app
from cli.output import print_records

FOR_PROGRAMS = {"changes", "cut", "sinks schema"}
"""What they print is for programs as it is: lines of JSON, offsets, a JSON schema."""
RUN_ON = {"demo", "serve", "speed daemon", "sinks daemon", "stack supervise", "stack logs"}
"""They show what goes on."""


def test_what_goes_to_a_file_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    # given values that no screen has room for beside one another
    record = {"fingerprint": "f" * 120, "run": "r" * 90}
    # when they are printed into a file
    print_records([record])
    # then each stands there to its last character
    printed = capsys.readouterr().out
    assert all(value in printed for value in record.values())


def test_more_columns_than_there_is_room_for_stand_below_one_another(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # given a record of as many columns as MediaWiki History has
    print_records([{f"column_{number}": number for number in range(79)}])
    # then each has a line of its own, with its name
    lines = [line for line in capsys.readouterr().out.splitlines() if "column_" in line]
    assert len(lines) == 79


def test_every_command_prints_for_programs_too() -> None:
    # given all commands
    commands = dict(_commands(typer.main.get_command(app)))
    # when those are taken that name a format or JSON among their options
    able = {name for name, options in commands.items() if {"--json", "--format"} & options}
    # then only those are left of which that can't be asked
    assert commands.keys() - able == FOR_PROGRAMS | RUN_ON


def _commands(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """Names of commands, and their options."""
    if (group := getattr(command, "commands", None)) is not None:
        for name, one in group.items():
            yield from _commands(one, (*path, name))
    else:
        options = {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]
        yield " ".join(path), options
