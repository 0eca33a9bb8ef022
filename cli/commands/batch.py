"""The batch layer's commands: plan, batch run, generations."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.batch_run import Published, recompute, with_relatives
from cli.catching_up import EngineName, catch_up
from cli.configuration import EMBEDDED
from cli.failures import CANNOT_KNOW, EMPTY, Failure
from cli.home import Home
from cli.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    NameArgument,
    cut_named,
    dataset_named,
    datasets_named,
    instant_named,
    known_home,
)
from cli.output import Meter, err, meter, out, print_json, print_outcome, print_records
from cli.relocations import followed
from shared_logic.datasets.page_history import page_titles
from shared_logic.definition import Dataset
from shared_logic.fingerprint import fingerprint
from shared_logic.generations import DatasetGeneration, generation_of, next_number
from shared_logic.protocols import Generation, Log, Store
from shared_logic.registry import registry

app = typer.Typer(help="Recompute datasets from all of history.", no_args_is_help=True)
generations_app = typer.Typer(
    help="The batch views that were made, and which one readers read.", no_args_is_help=True
)


@app.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(help="Datasets; all, if none is named.")] = None,
    cut: Annotated[str | None, typer.Option(help="Offsets of the log, as 10,12,9,14; else its end.")] = None,
    now: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT",
            help="What readers of views take for the present until the next run, as 2026-01-01T00:00:00Z; else the present.",
        ),
    ] = None,
    despite_growth: Annotated[
        bool,
        typer.Option(help="Publish though a wiki has grown or shrunk more than the audit allows."),
    ] = False,
    full: Annotated[
        bool,
        typer.Option(
            help="Take nothing from earlier runs: all of history again, in place of what was said since the last run."
        ),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Compute with Spark, audit, load, let speed catch up, and flip; killed anywhere and run again, it goes on."""
    place = known_home(home)
    datasets = datasets_named(names or [])
    if now is not None:
        instant_named(now)
    with (
        place.writing_store("batch run"),
        place.log() as log,
        place.store() as store,
        meter("starting Spark") as progress,
    ):
        _refuse_empty(place, log)
        where = log.ends() if cut is None else cut_named(cut, "--cut", log)
        related = with_relatives(store, datasets)
        made = recompute(
            place, log, store, related, where, progress, despite_growth=despite_growth, full=full
        )
        place.set_now(now)
        _follow_relocations(place, log, store, made.generations, progress)
    _say_published(made, json)


def cut(home: HomeOption = DEFAULT_HOME) -> None:
    """Print the end of the log, for --cut: runs with the same cut and code are the same run."""
    with known_home(home).log() as log:
        out.print(",".join(map(str, log.ends())), markup=False, highlight=False)


@app.command()
def plan(
    names: Annotated[list[str] | None, typer.Argument(help="Datasets; all, if none is named.")] = None,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Show what a batch run would do: which definitions changed, and how much of the log is new."""
    place = known_home(home)
    with place.log() as log, place.store() as store:
        ends = log.ends()
        rows = []
        for dataset in datasets_named(names or []):
            made = store.published(dataset.name)
            code = fingerprint(dataset)
            rows.append(
                {
                    "dataset": dataset.name,
                    "published": made.number if made else None,
                    "code": "new" if made is None else "same" if made.fingerprint == code else "changed",
                    "messages since its cut": sum(ends) - (sum(made.cut) if made else 0),
                    "next generation": next_number(store, dataset.name),
                }
            )
    if json:
        print_json(rows)
    else:
        print_records(rows)


@generations_app.command("list")
def generations_list(name: NameArgument, home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """List the generations of a dataset."""
    with known_home(home).store() as store:
        current = store.published(dataset_named(name).name)
        rows = [
            {
                "generation": made.number,
                "published": current is not None and current.number == made.number,
                "cut": ",".join(map(str, made.cut)),
                "bootstrap": made.bootstrap,
                "fingerprint": made.fingerprint,
                "delta version": made.delta_version,
                "run": made.run,
            }
            for made in store.generations(name)
        ]
    if json:
        print_json(rows)
    else:
        print_records(rows, name)


@generations_app.command("publish")
def generations_publish(
    name: NameArgument,
    number: Annotated[int, typer.Argument(help="The generation, as `generations list` numbers it.")],
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Make a generation the one that readers read; the same command rolls back."""
    place = known_home(home)
    with place.writing_store("generations publish"), place.log() as log, place.store() as store:
        dataset = dataset_named(name)
        made = generation_of(store, name, number)
        if made is None:
            message = f"{name} has no generation {number}; `wikibraid generations list {name}` lists them"
            raise Failure(message, CANNOT_KNOW)
        family = family_of(store, dataset, made)
        if left := _left_out(store, family):
            fitting = [
                str(other.number)
                for other in store.generations(name)
                if not _left_out(store, family_of(store, dataset, other))
            ]
            message = (
                f"{name} can't be read from generation {number}: {left} belongs to it and has none of that run; "
                f"`wikibraid batch run {name}` makes generations of all that belong together"
                + (f", and {', '.join(fitting)} can be published" if fitting else "")
            )
            raise Failure(message, CANNOT_KNOW)
        current = [(one, its) for one, its in family if its.fingerprint == fingerprint(one)]
        if len(current) == len(family):
            catch_up(log, store, family, EngineName.LOOP)
        else:
            # What other code began this code must not go on with: readers are told how far it is.
            err.print(
                f"generation {number} was made by other code: it is read as far as that code brought it"
            )
        with store.atomically():
            for member, generation in family:
                store.publish(member.name, generation.number)
    print_outcome(
        {member.name: generation.number for member, generation in family},
        f"{name} is read from generation {number}"
        + (f", with {len(family) - 1} related" if len(family) > 1 else ""),
        json=json,
    )


@generations_app.command("expire")
def generations_expire(
    names: Annotated[list[str] | None, typer.Argument(help="Datasets; all, if none is named.")] = None,
    keep: Annotated[
        int, typer.Option(min=1, help="How many of the newest stay, beside the published one.")
    ] = 2,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Give up old generations with all rows and files that no other one reads; a rollback to them is no longer possible."""
    from batch import views

    place = known_home(home)
    rows = []
    with place.writing_store("generations expire"), place.store() as store:
        for dataset in datasets_named(names or []):
            known = store.generations(dataset.name)
            made = [generation.number for generation in known]
            current = store.published(dataset.name)
            if current is None:
                continue
            kept = {*made[-keep:], current.number}
            gone = [number for number in made if number < max(kept) and number not in kept]
            removed = store.expire(dataset.name, kept)
            runs = {generation.run for generation in known if generation.number in kept}
            rows.append(
                {
                    "dataset": dataset.name,
                    "given up": gone,
                    "kept": sorted(kept),
                    "versions removed": removed,
                    "files removed": views.forget(place.delta / dataset.name, runs),
                }
            )
        forget_unread(place, store)
    if json:
        print_json(rows)
    else:
        print_records(rows)


def forget_unread(place: Home, store: Store) -> None:
    """Give up entity states and tails that no generation needs, be it of a dataset that is not registered any more."""
    from batch import views

    needed = [generation for name in store.datasets() for generation in store.generations(name)]
    bases = {generation.base for generation in needed}
    cuts = [generation.cut for generation in needed]
    if not cuts:
        with place.log() as log:
            cuts = [log.ends()]
    views.forget(place.delta / "entity_states", bases)
    store.forget(bases, tuple(map(min, zip(*cuts, strict=True))))


def family_of(store: Store, dataset: Dataset, made: Generation) -> list[DatasetGeneration]:
    """The generations of the same run: what a dataset is derived from and what is derived from it must be of one run."""
    return [
        DatasetGeneration(member, found)
        for member in registry.family(dataset)
        for found in store.generations(member.name)
        if found.run == made.run
    ]


def _refuse_empty(place: Home, log: Log) -> None:
    """Refuse a home that there is nothing to compute from.

    Raises:
        Failure: it is such.
    """
    if not (any(log.ends()) or place.bootstraps_known()):
        message = (
            f"nothing was ever brought into {place.path}: do that by `wikibraid ingest tables`, `ingest dump` or `ingest events` "
            "first, or name another place with --home"
        )
        raise Failure(message, EMPTY)


def _follow_relocations(
    place: Home, log: Log, store: Store, generations: list[Generation], progress: Meter
) -> None:
    """Look up where history merges and restores took revisions, if tables that were just published tell it."""
    lanes = [DatasetGeneration(registry[one.dataset], one) for one in generations]
    if any(dataset.name == page_titles.name for dataset, _ in lanes):
        progress.say("following history merges and restores")
        # On servers daemons keep what was published by now: whoever wrote there would be taken for their successor.
        if followed(place, store, "batch run") and place.configuration.store == EMBEDDED:
            catch_up(log, store, lanes, EngineName.LOOP)


def _say_published(made: Published, json: bool) -> None:
    rows = [
        {
            "dataset": one.dataset,
            "generation": one.number,
            "cut": list(one.cut),
            "delta_version": one.delta_version,
            "run": one.run,
            "raised": made.raised[one.dataset],
        }
        for one in made.generations
    ]
    if json:
        print_json([{**row, "largest_group": made.largest_groups.get(str(row["dataset"]))} for row in rows])
        return
    print_records(rows, "published")
    for name, size in made.largest_groups.items():
        out.print(f"{name}: the largest group of linked names has {size:,}")


def _left_out(store: Store, family: list[DatasetGeneration]) -> str | None:
    """What is read by one of these generations, or reads one and is published, but is not of their run; None: nothing."""
    moved = {member.name for member, _ in family}
    read = [one.name for member, _ in family for one in member.inputs]
    reading = [
        other.name
        for member, _ in family
        for other in registry.derived_from(member)
        if store.published(other.name) is not None
    ]
    return next((name for name in (*read, *reading) if name not in moved), None)
