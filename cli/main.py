"""`wikibraid`: the commands, and how each ends."""

from __future__ import annotations

import errno
import sys

import typer

from batch.archive_error import ArchiveError
from batch.spark_error import SparkError
from cli import datasets  # noqa: F401  first of all: what is wrong in one of their modules is told
from cli.commands import (
    archive,
    batch,
    changes,
    config,
    deadletters,
    define,
    demo,
    doctor,
    drop,
    ingest,
    init,
    parity,
    purge,
    read,
    serve,
    sinks,
    speed,
    stack,
)
from cli.failures import CANNOT_KNOW, INTERRUPTED, MISTAKE, Failure
from cli.output import err
from cli.umask import keep_others_out
from serving.duckdb_session import MemoryLimitError
from serving.reader import NotPublished
from serving.sqlite_readonly import WrittenMeanwhileError
from serving.sqlite_store import StoreError
from shared_logic.installed import BrokenPackage, register_datasets
from shared_logic.protocols import LogError
from shared_logic.tables import DefinitionError

app = typer.Typer(
    help=(
        "Datasets from MediaWiki's history and its change events, defined once, computed by Spark and kept current by Bytewax.\n\n"
        "A first tour: `wikibraid demo`. By hand: `ingest tables` or `ingest dump`, `ingest events`, `batch run`, `speed run`, "
        "then `query`, `sql`, `export`, `parity`."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def before(context: typer.Context) -> None:
    """Keep what is written from other users, and know the datasets of packages that are installed here."""
    keep_others_out(context)
    try:
        register_datasets()
    except BrokenPackage as error:
        raise Failure(str(error)) from error


app.command()(demo.demo)
app.command()(init.init)
app.command()(define.datasets)
app.command()(define.new)
app.command("try")(define.try_)
app.command()(define.check)
app.add_typer(ingest.app, name="ingest")
app.command()(batch.plan)
app.command()(batch.cut)
app.command()(archive.archive)
app.add_typer(batch.app, name="batch")
app.add_typer(speed.app, name="speed")
app.command()(read.query)
app.command()(read.sql)
app.command()(read.export)
app.command()(changes.changes)
app.command()(read.explain)
app.command()(parity.parity)
app.command()(serve.serve)
app.add_typer(serve.app, name="access")
app.add_typer(sinks.app, name="sinks")
app.add_typer(config.app, name="config")
app.add_typer(stack.app, name="stack")
batch.generations_app.command("drop")(drop.drop)
app.add_typer(batch.generations_app, name="generations")
app.add_typer(purge.app, name="purge")
app.add_typer(deadletters.app, name="deadletters")
app.command()(doctor.doctor)


def run() -> None:
    """Run the command line; a user's mistake is one clear line, never a traceback."""
    try:
        app()
    except Failure as failure:
        err.print(f"wikibraid: {failure}", style="red", markup=False, soft_wrap=True)
        sys.exit(failure.code)
    except (
        StoreError,
        LogError,
        ArchiveError,
        SparkError,
        DefinitionError,
        MemoryLimitError,
        WrittenMeanwhileError,
    ) as error:
        err.print(f"wikibraid: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(MISTAKE)
    except NotPublished as error:
        err.print(f"wikibraid: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(CANNOT_KNOW)
    except PermissionError as error:
        message = f"{error.filename or error}: not allowed to read or write it; ask its owner for the rights, or name another place"
        err.print(f"wikibraid: {message}", style="red", markup=False, soft_wrap=True)
        sys.exit(MISTAKE)
    except Exception as error:
        if not _is_disk_full(error):
            raise
        message = "no space is left on a disk that this needs; make room, then run the same command again: nothing is lost"
        err.print(f"wikibraid: {message}", style="red", markup=False, soft_wrap=True)
        sys.exit(MISTAKE)
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        # Within a command Typer makes an exit of Ctrl-C.
        if end.code == INTERRUPTED:
            _say_interrupted()
        raise


def _say_interrupted() -> None:
    err.print("wikibraid: interrupted; run the same command again to go on", soft_wrap=True)


def _is_disk_full(error: BaseException) -> bool:
    """Whether that is what it is, told by the system, by Delta's library or by Spark."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return True
    return "No space left on device" in str(error) or "database or disk is full" in str(error)


if __name__ == "__main__":
    run()
