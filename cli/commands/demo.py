"""The whole of it on real history: bootstrap, Spark, Bytewax, merge, recompute, compare; ends with a page to look at."""

from __future__ import annotations

import gzip
import shutil
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.live import Live
from rich.table import Table as RichTable

import shared_logic.datasets  # noqa: F401  registers the datasets
from batch import bootstrap
from batch.compressed import InputError
from batch.fingerprint import taking_fingerprint
from batch.table_files import read_table_folder
from cli.batch_run import recompute
from cli.catching_up import EngineName, catch_up, published, with_families
from cli.commands.ingest_history import opened_dump
from cli.failures import DIFFERS, Failure
from cli.home import Home
from cli.output import meter, out
from serving.parity import compare
from serving.reader import Reader
from shared_logic.clock import from_iso, instant
from shared_logic.definition import Dataset
from shared_logic.entities import Entity, State, page
from shared_logic.eventify.authors import with_authors
from shared_logic.eventify.dump import DumpReader
from shared_logic.eventify.tables import states
from shared_logic.protocols import Store
from shared_logic.registry import registry
from shared_logic.states.page_state import PageState
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog

SAMPLE = Path(__file__).parents[2] / "sample"
SAMPLE_WIKI = "gtbwiki"
SAMPLE_TAKEN_AT = "2022-01-30T17:25:37Z"
PIECES = 12
SHARE_BEFORE = 0.8
MONTHS_SHOWN = 12
SHOWN = (
    "page_current",
    "identity_reverts",
    "active_editors",
    "daily_edits",
    "hidden_names",
    "page_lives",
    "user_lives",
    "revision_facts",
    "edit_metrics",
    "coedits",
    "user_activity",
)
"""Datasets of every kind, with what they are made of: a batch run of all would show the same for longer."""

Said = list[tuple[Entity, State]]


@dataclass(frozen=True, slots=True)
class Story:
    """History for the demo: what is there before, and what happens then."""

    wiki: str
    beginning: int
    said: Said
    before: Sequence[bytes]
    """Events that were sent before the bootstrap was taken."""
    after: Sequence[bytes]
    about: str


def demo(
    dump: Annotated[
        str | None, typer.Option(help="Path or URL of an XML dump, instead of the sample.")
    ] = None,
    out_dir: Annotated[
        Path, typer.Option("--out", help="Folder for the home and the page; made anew.")
    ] = Path("demo-output"),
) -> None:
    """Show the whole of it on real history, in a minute or two."""
    begun = time.monotonic()
    datasets = registry.closure(SHOWN)
    if out_dir.exists():
        if not (out_dir / "home" / "FORMAT").exists():
            message = f"{out_dir} is no demo's folder; give another one with --out"
            raise Failure(message)
        shutil.rmtree(out_dir)
    home = Home(out_dir / "home")
    with home.writing_log("demo"), home.writing_store("demo"), home.intake() as intake, home.store() as store:
        log = intake.notes
        _step(1, "real history from before the log")
        try:
            story = _of_dump(dump, out_dir) if dump else _of_sample()
        except InputError as error:
            raise Failure(str(error)) from error
        out.print(story.about)
        made = _load(home, log, story)
        out.print(f"bootstrap {made.id}: {made.pages:,} pages, {made.revisions:,} revisions")

        _step(2, "Spark computes every dataset, Great Expectations audits, the first generation is published")
        with meter("starting Spark") as progress:
            recompute(home, log, store, datasets, log.ends(), progress)
        read = Reader(store, log.ends)
        out.print(", ".join(f"{d.name}: {len(read.scan(d).rows):,} rows" for d in datasets))

        _step(3, f"{len(story.after):,} later events come in, Bytewax keeps the merged tables current")
        seconds = _stream(log, store, read, story)
        out.print(f"ingested, applied and durable in {seconds:.1f} s")

        _step(4, "Spark recomputes everything, and every merged row is compared with it")
        merged = {dataset.name: list(read.sorted_rows(dataset, redacted=False)) for dataset in datasets}
        first = {dataset.name: made.number for dataset, made in published(store, with_families(datasets))}
        with meter("recomputing") as progress:
            recompute(home, log, store, datasets, log.ends(), progress)
        differing = sum(_differing(dataset, merged[dataset.name], read) for dataset in datasets)
        from cli.page import write_page

        page = write_page(out_dir / "index.html", story.wiki, story.about, read, first, differing)
    out.print(f"\nDone in {time.monotonic() - begun:.0f} s. Look at {page}, and try:")
    out.print(f"  export WIKIBRAID_HOME={home.path}")
    for words in (
        f"query active_editors {story.wiki}",
        'sql "FROM daily_edits SELECT user_kind, sum(edits) AS edits GROUP BY ALL"',
        "generations list daily_edits",
        "datasets identity_reverts",
    ):
        out.print(f"  .venv/bin/wikibraid {words}", markup=False)
    if differing:
        message = f"{differing} merged values differ from the recomputation"
        raise Failure(message, DIFFERS)


def _differing(dataset: Dataset, merged: list[tuple[bytes, bytes]], read: Reader) -> int:
    """How many values of these merged rows are other than those of the table now, which is told."""
    found = list(compare(dataset.schema, merged, read.sorted_rows(dataset, redacted=False)))
    out.print(f"  {dataset.name:<18} {len(merged):>7,} rows  {len(found)} differing")
    return len(found)


def _step(number: int, what: str) -> None:
    out.print(f"\n[bold]{number}. {what}[/bold]")


def _of_sample() -> Story:
    beginning = from_iso(SAMPLE_TAKEN_AT)
    events = gzip.decompress((SAMPLE / "events.ndjson.gz").read_bytes()).splitlines()
    sent = [from_iso(msgspec.json.decode(event)["meta"]["dt"]) <= beginning for event in events]
    place = sent.index(False) if False in sent else len(events)
    said = list(states(read_table_folder(SAMPLE / "snapshot"), SAMPLE_WIKI, beginning, lambda _: None))
    about = f"{SAMPLE_WIKI}: a real MediaWiki's tables of {instant(beginning):%Y-%m-%d}, then its own events"
    return Story(SAMPLE_WIKI, beginning, said, events[:place], events[place:], about)


def _of_dump(name: str, folder: Path) -> Story:
    """The first 80 % of a dump's revisions as the bootstrap, the rest replayed as revision-create events."""
    path = Path(name)
    if "://" in name:
        path = folder / name.rsplit("/", 1)[-1]
        try:
            with urllib.request.urlopen(name) as response, path.open("wb") as file:  # noqa: S310  the user's own URL
                shutil.copyfileobj(response, file)
        except OSError as error:
            message = f"{name}: can't be fetched ({error})"
            raise Failure(message) from error
    with opened_dump(path) as stream, meter(f"reading {path.name}") as progress:
        reader = DumpReader(stream, 0, lambda _: None)
        whole: list[tuple[int, PageState]] = []
        for read in reader:
            whole.append(read)
            progress.at(len(whole))
        wiki = reader.site.dbname or "dumpwiki"
    times = sorted(
        r.timestamp for _, state in whole for r in state.revisions.values() if r.timestamp is not None
    )
    if not times:
        message = f"{path}: no revision in it"
        raise Failure(message)
    beginning = times[int((len(times) - 1) * SHARE_BEFORE)]
    with opened_dump(path) as stream:
        stated = list(DumpReader(stream, beginning, lambda _: None))
    said = [(page(wiki, page_id), _until(state, beginning)) for page_id, state in stated]
    later = sorted(
        (event for page_id, state in whole for event in _replayed(wiki, page_id, state, beginning)),
        key=lambda e: e[0],
    )
    about = f"{path.name}: {len(times):,} revisions, the last {len(later):,} of them replayed as events"
    return Story(
        wiki,
        beginning,
        list(with_authors(s for s in said if s[1].revisions)),
        (),
        [event for _, event in later],
        about,
    )


def _until(page: PageState, beginning: int) -> PageState:
    kept = {n: r for n, r in page.revisions.items() if r.timestamp is not None and r.timestamp <= beginning}
    return msgspec.structs.replace(page, revisions=kept)


def _replayed(wiki: str, page_id: int, page: PageState, beginning: int) -> Iterator[tuple[int, bytes]]:
    """What revision-create would have said of the page's revisions after the beginning."""
    for rev_id, revision in page.revisions.items():
        if revision.timestamp is None or revision.timestamp <= beginning or page.title is None:
            continue
        at = instant(revision.timestamp).strftime("%Y-%m-%dT%H:%M:%SZ")
        namespace, title = page.title.namespace, page.title.title
        event: dict[str, object] = {
            "$schema": "/mediawiki/revision/create/2.0.0",
            "meta": {
                "stream": "mediawiki.revision-create",
                "dt": at,
                "id": f"replayed-{rev_id}",
                "domain": "replay",
            },
            "dt": at,
            "database": wiki,
            "page_id": page_id,
            "page_title": f"Namespace_{namespace}:{title}" if namespace else title,
            "page_namespace": namespace,
            "page_is_redirect": bool(page.redirect and page.redirect.is_redirect),
            "rev_id": rev_id,
            "rev_timestamp": at,
        }
        optional = {
            "rev_parent_id": revision.parent_id or None,
            "rev_len": revision.size,
            "rev_sha1": revision.sha1,
            "rev_minor_edit": revision.minor,
            "comment": revision.comment,
        }
        event |= {field: value for field, value in optional.items() if value is not None}
        if revision.author is not None:
            event["performer"] = {"user_text": revision.author.name} | (
                {"user_id": revision.author.user_id} if revision.author.user_id else {}
            )
        yield revision.timestamp, msgspec.json.encode(event)


def _load(home: Home, log: SqliteLog, story: Story) -> bootstrap.Bootstrap:
    ingest(log, "demo, before", story.before)
    folder = home.bootstraps / "demo"
    with meter("revisions") as progress:
        written = bootstrap.write(folder, story.said, lambda so_far: progress.at(so_far.revisions))
    made = bootstrap.Bootstrap(
        id="demo",
        wiki=story.wiki,
        beginning=story.beginning,
        cut=log.ends(),
        sources=(),
        pages=written.pages,
        revisions=written.revisions,
        problems=0,
        reading=taking_fingerprint(),
    )
    bootstrap.describe(folder, made)
    return made


def _stream(log: SqliteLog, store: Store, read: Reader, story: Story) -> float:
    """Ingest and apply piece by piece, showing merged rows as they change; returns the seconds of work."""
    lanes = published(store, with_families(registry.closure(SHOWN)))
    seconds = 0.0
    size = max(1, -(-len(story.after) // PIECES))
    with Live(console=out, refresh_per_second=8) as live:
        for place in range(0, len(story.after), size):
            begun = time.monotonic()
            ingest(log, f"demo, from {place}", story.after[place : place + size])
            catch_up(log, store, lanes, EngineName.BYTEWAX)
            seconds += time.monotonic() - begun
            live.update(_months(read, story.wiki))
    return seconds


def _months(read: Reader, wiki: str) -> RichTable:
    found = read.scan(registry["active_editors"], (wiki,))
    months = sorted({row["month"] for row in found.rows})[-MONTHS_SHOWN:]
    classes = ("1 to 4", "5 to 24", "25 to 99", "100 or more")
    counts = {(row["month"], row["activity"]): row["editors"] for row in found.rows}
    now = datetime.now(tz=UTC).strftime("%H:%M:%S")
    table = RichTable(title=f"editors by edits a month, merged, {now}, lag {found.lag}", title_justify="left")
    table.add_column("month")
    for name in classes:
        table.add_column(name, justify="right")
    for month in months:
        table.add_row(f"{month:%Y-%m}", *(str(counts.get((month, name), "")) for name in classes))
    return table
