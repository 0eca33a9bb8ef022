"""The commands that bring input in."""

from __future__ import annotations

import typer

from cli.commands import ingest_content, ingest_events, ingest_history, ingest_home, ingest_relocations

app = typer.Typer(
    help="Bring input in. Every command can be run again: it goes on where it stopped.", no_args_is_help=True
)
app.command()(ingest_events.events)
app.command()(ingest_events.live)
app.command()(ingest_events.kafka)
app.command()(ingest_history.tables)
app.command()(ingest_history.database)
app.command()(ingest_history.dump)
app.command()(ingest_content.content)
app.command()(ingest_home.home)
app.command()(ingest_relocations.relocations)
