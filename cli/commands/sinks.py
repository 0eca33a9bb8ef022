"""The commands that write merged tables to where sinks.yaml says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Annotated

import typer

from cli.daemons import answering, on_signal
from cli.failures import CANNOT_KNOW, Failure
from cli.home import Home
from cli.options import DEFAULT_HOME, HOST, HomeOption, HostOption, JsonOption, PortOption, known_home
from cli.output import err, meter, print_json, print_records, tell
from cli.sinks import AWAY, Output, output_named, outputs
from cli.umask import let_others_read
from serving.delivery import Delivery, standing
from serving.delivery_daemon import DeliveryDaemon, KeptSink
from serving.reader import NotPublished
from shared_logic.json_schema import key_schema, row_schema
from shared_logic.protocols import Store
from shared_logic.sinks import SinkError

app = typer.Typer(
    help="Write merged tables to Cassandra, Kafka or Delta, as sinks.yaml says, and keep them.",
    no_args_is_help=True,
)
PORT = 9474
NamesArgument = Annotated[list[str] | None, typer.Argument(help="Sinks; all, if none is named.")]


@app.command("list")
def list_(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """List the sinks, and how far each is."""
    place = known_home(home)
    rows = []
    for output in outputs(place).values():
        known = standing(place.sink_note(output.name))
        rows.append(
            {
                "sink": output.name,
                "dataset": output.dataset.name,
                "to": output.to,
                "seconds": output.seconds,
                "mark": known.mark if known and known.to == output.to else None,
            }
        )
    if json:
        print_json(rows)
    else:
        print_records(rows)


@app.command()
def deliver(
    context: typer.Context,
    names: NamesArgument = None,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Bring the sinks to what readers read now, and stop there; can be run again."""
    let_others_read(context)
    place = known_home(home)
    rows = []
    for output in _chosen(place, names):
        with place.delivering(output.name, "sinks deliver"), meter(f"delivering {output.name}"):
            try:
                with _opened(place, output)() as (delivery, store):
                    done = delivery.deliver(store)
            except NotPublished as error:
                raise Failure(str(error), CANNOT_KNOW) from error
            except SinkError as error:
                raise Failure(str(error)) from error
        rows.append({"sink": output.name, "put": done.put, "deleted": done.deleted, "mark": done.mark})
    if json:
        print_json(rows)
    else:
        print_records(rows)


@app.command()
def daemon(
    context: typer.Context,
    names: NamesArgument = None,
    host: HostOption = HOST,
    port: PortOption = PORT,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Keep the sinks current until SIGTERM or Ctrl-C; one that doesn't answer is tried again and holds up no other."""
    let_others_read(context)
    place = known_home(home)
    chosen = _chosen(place, names)
    kept = [KeptSink(output.name, output.seconds, _opened(place, output)) for output in chosen]
    running = DeliveryDaemon(kept, AWAY, tell)
    on_signal(running.stop)
    with ExitStack() as stack:
        for output in chosen:
            stack.enter_context(place.delivering(output.name, "sinks daemon"))
        stack.enter_context(answering(running, host, port))
        err.print(f"keeps {len(kept)} sinks")
        running.run()
    err.print("stopped; the same command goes on from here")


@app.command()
def schema(name: Annotated[str, typer.Argument(help="The sink.")], home: HomeOption = DEFAULT_HOME) -> None:
    """Print the JSON Schemas of a sink's rows and of their keys, as Kafka's records have them."""
    table = output_named(known_home(home), name).table
    print_json({"key": key_schema(table), "value": row_schema(table)})


def _chosen(place: Home, names: list[str] | None) -> list[Output]:
    if names:
        return [output_named(place, name) for name in names]
    found = list(outputs(place).values())
    if not found:
        message = f"{place.sinks_file} names no sinks, and says how they are written; put yours into {place.path / 'sinks.yaml'}"
        raise Failure(message)
    return found


def _opened(place: Home, output: Output) -> Callable[[], AbstractContextManager[tuple[Delivery, Store]]]:
    @contextmanager
    def opened() -> Iterator[tuple[Delivery, Store]]:
        with output.opened() as sink, place.store() as store:
            note = place.sink_note(output.name)
            yield Delivery(output.dataset, output.table, sink, output.to, note), store

    return opened
