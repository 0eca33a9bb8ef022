"""Commands for authors: datasets, new, try, check."""

from __future__ import annotations

import keyword
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

import shared_logic.datasets
from batch.compressed import InputError, open_input
from cli.failures import DIFFERS, Failure
from cli.options import JsonOption, NameArgument, dataset_named
from cli.output import err, out, print_json, print_records
from cli.templates import TEMPLATES, module, names_used
from cli.umask import let_others_read
from shared_logic.definition import Dataset
from shared_logic.fingerprint import fingerprint
from shared_logic.installed import GROUP
from shared_logic.reference import reference, told
from shared_logic.registry import registry
from shared_logic.views import View, views

OURS = Path("shared_logic/datasets")
"""As seen from the project's root."""
FOLDER = Path(shared_logic.datasets.__file__).parent
SHOWN = 5
"""Of what could not be read, or made functions raise."""
GIVEN = 1_000
"""Events of a file that stories are drawn from."""


def datasets(
    name: Annotated[
        str | None, typer.Argument(help="One dataset, with every column; or a view, with its SQL.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the datasets, or show the data dictionary of one."""
    if name is None:
        rows = [
            {
                "dataset": made.name,
                "shape": made.shape,
                "keeps": "sums" if made.is_rollup else "rows",
                "reads": made.reading,
                "key": " ".join(made.schema.key_names),
                "about": made.doc.split("\n")[0],
            }
            for made in registry.values()
        ]
        rows += [
            {
                "dataset": view.name,
                "shape": "view",
                "keeps": "nothing",
                "reads": ", ".join(view.reads),
                "key": " ".join(view.keys),
                "about": view.doc,
            }
            for view in views.values()
            if not view.is_internal
        ]
        if json:
            print_json(rows)
        else:
            print_records(rows)
        return
    if name in views:
        _say_view(views[name], json)
        return
    made = dataset_named(name)
    described = describe(made)
    if json:
        print_json(described)
        return
    out.print(
        f"[bold]{made.name}[/bold] · {made.shape} · fingerprint {described['fingerprint']}\n\n{escape(made.doc)}\n"
    )
    print_records(described["columns"])  # type: ignore[arg-type]
    for condition in made.schema.expectations:
        out.print(f"every row: {condition}", markup=False)


def _say_view(view: View, json: bool) -> None:
    described = {
        "view": view.name,
        "about": view.doc,
        "reads": list(view.reads),
        "key": list(view.keys),
        "sql": view.sql.strip(),
    }
    if json:
        print_json(described)
        return
    out.print(f"[bold]{view.name}[/bold] · view of {', '.join(view.reads)}\n\n{escape(view.doc)}\n")
    out.print(view.sql.strip(), markup=False)


def describe(dataset: Dataset) -> dict[str, object]:
    """A dataset's line in the data dictionary, with its columns."""
    return {
        "dataset": dataset.name,
        "shape": dataset.shape,
        "table": dataset.schema.name,
        "about": dataset.doc,
        "fingerprint": fingerprint(dataset),
        "columns": [
            {
                "column": column.name,
                "type": column.type.__name__ + ("?" if column.optional else ""),
                "role": column.role,
                "unit": column.about.unit,
                "about": column.about.text,
                "private": column.about.private,
            }
            for column in dataset.schema.columns
        ],
        "expectations": list(dataset.schema.expectations),
    }


def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the dataset, in lower case with underscores.")],
    shape: Annotated[
        str, typer.Option(help="enrichment, entity, fold, rollup, pair, event, derived or linked.")
    ] = "enrichment",
    folder: Annotated[
        Path,
        typer.Option(help="Where the module is written: in a package of your own, it imports wikibraid."),
    ] = OURS,
    json: JsonOption = False,
) -> None:
    """Write the module of a new dataset, ready to be changed."""
    if shape not in TEMPLATES:
        message = f"--shape {shape}: choose one of {', '.join(TEMPLATES)}"
        raise Failure(message)
    if not (name.isidentifier() and name.isascii()) or name != name.lower():
        message = f"{name!r} can't be a dataset's name; use lower-case letters, digits and underscores"
        raise Failure(message)
    table = "".join(part.capitalize() for part in name.split("_"))
    taken = {name, table} & names_used(shape)
    if taken or keyword.iskeyword(name) or keyword.iskeyword(table):
        message = f"{name!r} can't be a dataset's name: {', '.join(taken) or name} means something else in its module; choose another name"
        raise Failure(message)
    path = folder / f"{name}.py"
    if path.exists() or name in registry:
        message = f"{path if path.exists() else name} is there already; choose another name"
        raise Failure(message)
    if not folder.is_dir():
        message = f"{folder} is no folder; " + (
            "run this in the project's root, or give --folder"
            if folder == OURS
            else "make it, or name another one"
        )
        raise Failure(message)
    let_others_read(context)
    own_package = folder.resolve() != FOLDER
    path.write_text(module(shape, name, table, own_package=own_package))
    if json:
        print_json({"dataset": name, "shape": shape, "path": path})
        return
    made_known = _made_known(path) if own_package else f"add {name} to {folder / '__init__.py'}"
    out.print(
        f"{path} is written. Next: {made_known}, change the function, then\n  wikibraid try {name} EVENTS.ndjson\n  wikibraid check {name}",
        markup=False,
        soft_wrap=True,
    )


def _made_known(path: Path) -> str:
    """What makes a module of an author's own package known."""
    dotted, folder = path.stem, path.resolve().parent
    while (folder / "__init__.py").exists():
        dotted, folder = f"{folder.name}.{dotted}", folder.parent
    return (
        f'name it in your package\'s pyproject.toml\n  [project.entry-points."{GROUP}"]\n  {path.stem} = "{dotted}"\n'
        "install that beside wikibraid"
    )


def try_(
    name: NameArgument,
    file: Annotated[Path, typer.Argument(help="Events, one JSON text a line; may be compressed.")],
    limit: Annotated[int, typer.Option(min=0, help="Rows to print.")] = 20,
    json: JsonOption = False,
) -> None:
    """Compute a dataset over a file of events with the reference interpreter: seconds, no Spark."""
    made = dataset_named(name)
    try:
        with open_input(file) as stream:
            found = told(line for line in (raw.strip() for raw in stream) if line)
    except InputError as error:
        raise Failure(str(error)) from error
    raised: list[str] = []

    def failed(dataset: str, place: str, error: str) -> None:
        raised.append(f"{dataset} has no rows of {place}: {error}")

    table = reference(registry.closure([name]), found.states, failed)[name]
    records = [made.schema.record(key, values) for key, values in sorted(table.items())]
    if json:
        print_json(records)
    else:
        print_records(records[:limit], name)
        out.print(
            f"{len(records)} rows of {len(found.states)} pages, accounts, log rows and other events; "
            f"{len(found.dead)} events unreadable, {len(found.out_of_scope)} out of scope"
        )
        for place, why in found.dead[:SHOWN]:
            out.print(f"  line {place + 1}: {why}", markup=False)
    if raised:
        message = f"functions raised {len(raised):,} times:\n  " + "\n  ".join(raised[:SHOWN])
        raise Failure(message)


def check(
    name: NameArgument,
    examples: Annotated[int, typer.Option(min=1, help="Stories to try the law on.")] = 300,
    events: Annotated[
        Path | None,
        typer.Option(
            help="Events that stories have among theirs, one JSON text a line: where what a function looks for is seldom drawn, "
            "such as wikitext or JSON in an event's field."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Try the law, purity and exactness of a dataset; prints the smallest counter-example."""
    from cli.check import check_dataset

    made = dataset_named(name)
    checked = check_dataset(made, examples, _given(events) if events else ())
    if json:
        print_json(
            {
                "dataset": name,
                "holds": not checked.findings,
                "findings": checked.findings,
                "stories_with_rows": checked.with_rows,
            }
        )
    for finding in checked.findings if not json else ():
        out.print(finding, markup=False)
    if checked.findings:
        message = f"{name}: {len(checked.findings)} of the checks failed"
        raise Failure(message, DIFFERS)
    if not checked.with_rows:
        err.print(
            f"{name} has rows in none of the {examples} stories, so that nothing was tried: give events of which it makes some, "
            f"`wikibraid check {name} --events FILE`",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
    if not json:
        out.print(
            f"{name}: the law holds over {examples} stories, in {checked.with_rows} of which it has rows; it is pure, and its sums are "
            "whole numbers",
            soft_wrap=True,
        )


def _given(file: Path) -> list[bytes]:
    """The first events of a file.

    Raises:
        Failure: it can't be read.
    """
    try:
        with open_input(file) as stream:
            return list(islice((line for raw in stream if (line := raw.strip())), GIVEN))
    except InputError as error:
        raise Failure(str(error)) from error
