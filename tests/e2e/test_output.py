"""What commands print."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer

from cli.main import app
from cli.output import print_records

FOR_PROGRAMS = {"changes", "cut", "sinks schema"}
"""What they print is for programs as it is: lines of JSON, offsets, a JSON schema."""
RUN_ON = {"demo", "serve", "speed daemon", "sinks daemon", "stack supervise", "stack logs", "stack airflow"}
"""They show what goes on, or what another program prints."""


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


@pytest.mark.parametrize("columns", [1, 79])
def test_what_is_in_brackets_is_printed(capsys: pytest.CaptureFixture[str], columns: int) -> None:
    # given a comment of a wiki that looks like markup of the library that prints
    comment = "[/x] [bold] rv to [[user:a]]"
    # when it is printed beside others and below them, as a value, a name and a title
    print_records([{comment + str(number): comment for number in range(columns)}], comment)
    # then it stands there as it is
    printed = capsys.readouterr().out
    assert printed.count(comment) == 2 * columns + 1
    print_records([], comment)
    assert capsys.readouterr().out == f"{comment}: no rows\n"


def test_every_argument_is_explained() -> None:
    # given all commands; then their help says of each argument and option what it is
    assert [
        (name, parameter)
        for name, command in _commands(typer.main.get_command(app))
        for parameter in command
        if parameter != "--help" and not command[parameter]
    ] == []


def test_every_command_prints_for_programs_too() -> None:
    # given all commands
    commands = dict(_commands(typer.main.get_command(app)))
    # when those are taken that have it among their options
    able = {name for name, options in commands.items() if "--json" in options}
    # then only those are left of which that can't be asked
    assert commands.keys() - able == FOR_PROGRAMS | RUN_ON


def _commands(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Names of commands, and by the names of their options and arguments what their help says of each."""
    if (group := getattr(command, "commands", None)) is not None:
        for name, one in group.items():
            yield from _commands(one, (*path, name))
    else:
        parameters = command.params  # type: ignore[attr-defined]
        yield " ".join(path), {name: one.help for one in parameters for name in one.opts}
