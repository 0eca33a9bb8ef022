"""Commands about events that could not be read."""

from __future__ import annotations

from collections import deque
from hashlib import sha256
from typing import Annotated

import typer

from cli.commands.ingest_events import WikisOption, scope_of
from cli.failures import Failure
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, known_home
from cli.output import err, out, print_json, print_records, text
from cli.schemas import faults
from speed.ingest import replay as replay_letters

SHOWN = 50
app = typer.Typer(help="Events that could not be read, kept whole.", no_args_is_help=True)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=0, help="Rows of a table to print.")] = SHOWN,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """List the dead letters, the newest last."""
    found = 0
    rows: deque[dict[str, object]] = deque(maxlen=None if json else limit)
    for letter in known_home(home).dead_letters():
        found += 1
        row: dict[str, object] = {
            "id": letter.id,
            "source": letter.source.split(" ")[0],
            "line": letter.position,
            "reason": letter.code,
            "detail": letter.detail[:120],
            "bytes": len(letter.value),
            "replayed": letter.replayed,
        }
        rows.append(row)
    if json:
        print_json(list(rows))
    else:
        print_records(list(rows))
        if found > limit:
            err.print(f"{found:,} dead letters, the newest {limit} of them shown")


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(help="The dead letter, as `deadletters list` numbers it.")],
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Show one dead letter: why it is dead and what it looks like, free text left out, since it may be hidden on the wiki."""
    letter = next(known_home(home).dead_letters(number), None)
    if letter is None:
        message = f"no dead letter {number}; `wikibraid deadletters list` lists them"
        raise Failure(message)
    shown = {
        "id": letter.id,
        "source": letter.source,
        "line": letter.position,
        "reason": letter.code,
        "detail": letter.detail,
        "bytes": len(letter.value),
        "sha256": sha256(letter.value).hexdigest(),
        "faults": faults(letter.value),
        "outline": _outline(letter.value),
    }
    if json:
        print_json(shown)
    else:
        print_records([{"field": name, "value": text(value)} for name, value in shown.items()])


@app.command("replay")
def replay(
    numbers: Annotated[list[int] | None, typer.Argument(help="Some of them; all, if none is given.")] = None,
    wiki: WikisOption = None,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Read dead letters again, after an update; those that can be read now go to the logs."""
    place = known_home(home)
    with place.writing_log("deadletters replay"), place.intake() as intake:
        alive, dead = replay_letters(intake.notes, numbers or (), scope_of(place, wiki))
        intake.relay()
    if json:
        print_json({"alive": alive, "dead": dead})
        return
    out.print(f"{alive} went to the logs, {dead} stay dead letters")


def _outline(value: bytes) -> str:
    """Which letters, digits and brackets stand where, up to 200 bytes; no text can be read from it."""
    text = value[:200].decode(errors="replace")
    return "".join("a" if letter.isalpha() else "0" if letter.isdigit() else letter for letter in text)
