"""The commands that serve merged tables over HTTP, and that admit who may see what is private."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.failures import Failure
from cli.options import DEFAULT_HOME, LAST_PORT, HomeOption, JsonOption, known_home
from cli.output import print_json, print_outcome, print_records

app = typer.Typer(help="Who may see what is private over HTTP.", no_args_is_help=True)
PORT = 8080


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=LAST_PORT, help="Port to listen at.")] = PORT,
    wiki: Annotated[str, typer.Option(help="The wiki that is meant where a request names none.")] = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Serve merged tables, metrics, similar users and the operators' page over HTTP until stopped."""
    from cli.http_server import answer

    answer(known_home(home), host, port, wiki)


@app.command("admit")
def admit_(
    name: Annotated[str, typer.Argument(help="Of the person or service.")],
    role: Annotated[list[str], typer.Option(help="similareditors or operator; may be given again.")],
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Make a secret for somebody, printed once; it is the password of Basic or the token of Bearer credentials."""
    from cli.access import bearers
    from serving.http.access import ROLES, admit

    unknown = [one for one in role if one not in ROLES]
    if unknown:
        message = f"no role {unknown[0]}; there are {', '.join(ROLES)}"
        raise Failure(message)
    path = known_home(home).access
    try:
        secret = admit(path, bearers(path), name, tuple(role))
    except ValueError as error:
        raise Failure(str(error)) from error
    print_outcome({"name": name, "roles": role, "secret": secret}, secret, json=json)


@app.command("revoke")
def revoke_(
    name: Annotated[str, typer.Argument(help="Of the person or service.")],
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Let somebody in no longer, from the next request on."""
    from cli.access import bearers
    from serving.http.access import revoke

    path = known_home(home).access
    known = bearers(path)
    try:
        revoke(path, known, name)
    except KeyError as error:
        message = f"nobody is called {name}; there are {', '.join(known) or 'none'}"
        raise Failure(message) from error
    print_outcome({"name": name}, f"{name} is let in no longer", json=json)


@app.command("list")
def list_(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """List who is let in, and with which roles."""
    from cli.access import bearers

    rows = [
        {"name": name, "roles": list(bearer.roles)}
        for name, bearer in bearers(known_home(home).access).items()
    ]
    if json:
        print_json(rows)
    else:
        print_records(rows)
