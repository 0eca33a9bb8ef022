"""What `wikibraid check` tries: the law on drawn stories, purity in other processes, and exact sums."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import duckdb
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from cli.stories import messages_for
from serving.arrow import arrow_schema
from shared_logic.definition import Dataset
from shared_logic.events.declared import is_declared
from shared_logic.fingerprint import own_modules, source_of
from shared_logic.generations import DatasetGeneration
from shared_logic.laws import Difference, handover
from shared_logic.memory_store import MemoryStore
from shared_logic.merge import merged
from shared_logic.protocols import Lane, Log, Store
from shared_logic.reference import reference, told
from speed import loop_engine
from speed.memory_log import MemoryLog
from speed.worker import Worker

IMPURE_MODULES = frozenset(
    [
        "asyncio",
        "io",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "shutil",
        "socket",
        "sqlite3",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "uuid",
        "aiohttp",
        "httpx",
        "requests",
        "urllib3",
    ]
)
IMPURE_CALLS = frozenset({"now", "today", "utcnow", "open", "input", "id", "hash"})
SURROUNDINGS = (("0", "UTC"), ("4242", "Asia/Kathmandu"))
"""Hash seeds and time zones under which a pure function gives the same."""


class LawBrokenError(AssertionError):
    """A story for which the merged table is not the reference's."""


class RaisedError(AssertionError):
    """A story for which a function raises."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check."""

    findings: list[str]
    """What is wrong with the dataset, one readable text each; empty: nothing was found."""
    with_rows: int
    """Of the stories for how many it has rows: the others try nothing."""


def check_dataset(dataset: Dataset, examples: int, events: Sequence[bytes] = ()) -> Checked:
    """Try it on so many drawn stories, which have events of the given ones among theirs."""
    drawn = Drawn(dataset, tuple(events))
    broken = broken_law(drawn, examples)
    raised = failures(drawn, examples)
    return Checked([*broken, *unreadable_expectations(dataset), *impurities(drawn), *raised], drawn.with_rows)


@dataclass(slots=True)
class Drawn:
    """A dataset, with what its stories are drawn from."""

    dataset: Dataset
    events: tuple[bytes, ...] = ()
    with_rows: int = 0

    @property
    def things(self) -> list[type]:
        """What it, or what it is made from, reads."""
        return [thing for one in self.dataset.chain if one.source is None for thing in one.reads]

    def messages(self, things: Sequence[type]) -> st.SearchStrategy[tuple[str, bytes]]:
        """Of which datasets that read these things make something."""
        sources = (
            [_source(module) for module in own_modules(self.dataset)] if any(map(is_declared, things)) else []
        )
        texts = sorted({text for source in sources for text in _texts(source)})
        return messages_for(things, texts, self.events)


def broken_law(drawn: Drawn, examples: int) -> list[str]:
    """The smallest story found for which speed and batch disagree."""
    dataset = drawn.dataset
    datasets = dataset.chain

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        story=_story(drawn.messages(drawn.things)),
        partitions=st.integers(1, 3),
        most=st.integers(1, 6),
        shares=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    )
    def law(story: list[tuple[str, bytes]], partitions: int, most: int, shares: list[float]) -> None:
        log = MemoryLog(partitions)
        for key, raw in story:
            log.append(key, raw)
        cut = tuple(int(share * end) for share, end in zip(shares, log.ends(), strict=False))

        def catch_up(log: Log, store: Store, lanes: Sequence[DatasetGeneration]) -> None:
            loop_engine.run_until_idle(Worker(log, store, lanes), most=most)

        store = MemoryStore()
        found = handover(log, store, datasets, {}, [cut], catch_up)
        if found:
            raise LawBrokenError(_readable(story, cut, found[0]))
        drawn.with_rows += any(merged(store, dataset, Lane(dataset.name, 1)))

    try:
        law()
    except LawBrokenError as broken:
        return [str(broken)]
    except Flaky:
        told = f"{dataset.name} gives other rows when it is asked again: a function of a dataset must depend on its argument only; "
        return [told + "look for what its module keeps from one call to the next"]
    return []


def _story(messages: st.SearchStrategy[tuple[str, bytes]]) -> st.SearchStrategy[list[tuple[str, bytes]]]:
    """Up to 20 messages, of any number as often: left to itself Hypothesis draws few, and reverts and pairs want many of one page."""
    return st.integers(0, 20).flatmap(lambda least: st.lists(messages, min_size=least, max_size=20))


def impurities(drawn: Drawn) -> list[str]:
    """Clocks, randomness and files in the modules of the dataset, and rows that change with hash seed or time zone."""
    dataset = drawn.dataset
    found = [
        f"{dataset.name} uses {name} ({module}, line {line}): a function of a dataset must depend on its argument only"
        for module in own_modules(dataset)
        for name, line in sorted(_suspicious(_source(module)).items())
    ]
    events = b"\n".join(_sample_for(drawn))
    digests = {surroundings: _digest_in(dataset, events, *surroundings) for surroundings in SURROUNDINGS}
    if len(set(digests.values())) > 1:
        found.append(
            f"{dataset.name} gives other rows in another process: under "
            + " and ".join(f"PYTHONHASHSEED={seed} TZ={zone}" for seed, zone in digests)
            + "; look for the order of a set, or for local time"
        )
    return found


def failures(drawn: Drawn, examples: int) -> list[str]:
    """What the functions of the dataset and of what it is made from raise: on plain events, else on the smallest drawn story."""
    raised = _raised(drawn.dataset, _sample_for(drawn))
    if raised:
        return [f"{what}, first of {place}" for what, place in raised.items()]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(story=_story(drawn.messages(drawn.things)))
    def raises_nothing(story: list[tuple[str, bytes]]) -> None:
        for what in _raised(drawn.dataset, [raw for _, raw in story]):
            raise RaisedError(f"{what}, as for these events:\n{_shown(story)}")

    try:
        raises_nothing()
    except RaisedError as error:
        return [str(error)]
    except Flaky:
        return []  # what depends on more than its argument is told elsewhere
    return []


def _raised(dataset: Dataset, events: Iterable[bytes]) -> dict[str, str]:
    """What functions raised on these events, fractions in sums included, with the first place."""
    raised: dict[str, str] = {}

    def failed(name: str, place: str, error: str) -> None:
        raised.setdefault(f"{name} raises {error}", place)

    reference(dataset.chain, told(events).states, failed)
    return raised


def unreadable_expectations(dataset: Dataset) -> list[str]:
    """Expectations of its table that are no SQL over the columns: the audit of a batch run would ask them.

    Those that may hold what Spark's SQL alone has are left to that audit.
    """
    table, found = arrow_schema(dataset).empty_table(), list[str]()
    with duckdb.connect() as session:
        session.register("rows", table)
        for condition in dataset.schema.expectations:
            if _OF_SPARK.search(condition):
                continue
            try:
                session.sql(f"SELECT * FROM rows WHERE NOT ({condition})")  # noqa: S608  an author's own
            except (duckdb.BinderException, duckdb.ParserException) as error:
                why = str(error).partition("\n\nLINE")[0].replace("\n", " ")
                # Functions and their arguments may be Spark's own.
                if isinstance(error, duckdb.ParserException) or _NO_COLUMN in why:
                    found.append(
                        f"{dataset.schema.name}: the expectation {condition!r} is no SQL over the columns: {why}"
                    )
    return found


_OF_SPARK = re.compile(
    r"""["`]|<=>|->|\b(?:rlike|regexp|div|array|exists|any|some|every)\b""",
    re.IGNORECASE,
)
"""What DuckDB can't read, or reads as something else: other quotes, operators and functions that are words of its grammar."""
_NO_COLUMN = "Referenced column"


def _readable(story: list[tuple[str, bytes]], cut: tuple[int, ...], difference: Difference) -> str:
    return (
        f"the law does not hold for {difference.dataset}, row {difference.key}:\n"
        f"  reference: {difference.expected}\n  merged:    {difference.found}\n"
        f"with the batch before {cut} of this story:\n{_shown(story)}"
    )


def _shown(story: list[tuple[str, bytes]]) -> str:
    return "\n".join(f"  to {key}: {raw.decode(errors='replace')}" for key, raw in story)


def _source(module: str) -> str:
    return source_of(sys.modules[module])


def _texts(source: str) -> Iterator[str]:
    """The texts that code compares with and looks for; sentences are for readers."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and not set(node.value) & set(" \n")
        ):
            yield node.value


def _suspicious(source: str) -> dict[str, int]:
    """What is not pure, with the line where it is first."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names if name.name.split(".")[0] in IMPURE_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in IMPURE_MODULES:
            names = [node.module]
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            names = [f"{name}()"] if name in IMPURE_CALLS else []
        for name in names:
            found.setdefault(name, node.lineno)  # type: ignore[attr-defined]
    return found


def _sample_for(drawn_from: Drawn) -> Sequence[bytes]:
    """Plain edits, the given events, and some of the declared events that the dataset or what it is made from reads."""
    declared = [thing for thing in drawn_from.things if is_declared(thing)]
    if not declared:
        return (*SAMPLE, *drawn_from.events)
    drawn: list[bytes] = []

    @settings(max_examples=50, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(story=st.lists(drawn_from.messages(declared), min_size=1, max_size=10))
    def draw(story: list[tuple[str, bytes]]) -> None:
        drawn.extend(raw for _, raw in story)

    draw()
    return (*SAMPLE, *drawn_from.events, *drawn)


def _digest_in(dataset: Dataset, events: bytes, seed: str, zone: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cli.purity", dataset.function.__module__, dataset.name],
        env=os.environ | {"PYTHONHASHSEED": seed, "TZ": zone},
        input=events,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


def _sample(page_id: int, rev_id: int) -> bytes:
    at = f"2024-03-{1 + rev_id // 24:02}T{rev_id % 24:02}:00:00Z"
    return msgspec.json.encode(
        {
            "$schema": "/mediawiki/revision/create/1.0.0",
            "meta": {"stream": "mediawiki.revision-create", "dt": at},
            "database": "testwiki",
            "page_id": page_id,
            "page_title": f"Page_{page_id}",
            "page_namespace": 0,
            "page_is_redirect": False,
            "rev_id": rev_id,
            "rev_timestamp": at,
            "rev_parent_id": max(0, rev_id - 3),
            "rev_len": 10 * rev_id,
            "rev_sha1": "abcde"[rev_id % 5],
            "comment": "/* A */ b",
            "performer": {"user_id": rev_id % 4, "user_text": f"User {rev_id % 4}"},
        }
    )


SAMPLE = tuple(_sample(1 + rev_id % 3, rev_id) for rev_id in range(1, 60))
"""Plain edits of three pages."""
