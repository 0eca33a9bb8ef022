"""What `wikibraid check` tries: the law on drawn stories, purity in other processes, and exact sums."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from collections.abc import Sequence

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from cli.stories import messages_for
from shared_logic.definition import Dataset
from shared_logic.events.declared import is_declared
from shared_logic.generations import DatasetGeneration
from shared_logic.laws import Difference, handover
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Log, Store
from shared_logic.reference import reference, told
from shared_logic.registry import registry
from speed import loop_engine
from speed.memory_log import MemoryLog
from speed.worker import Worker

IMPURE_MODULES = frozenset(
    {"io", "os", "pathlib", "random", "secrets", "socket", "subprocess", "time", "uuid"}
)
IMPURE_CALLS = frozenset({"now", "today", "utcnow", "open", "input", "id", "hash"})
SURROUNDINGS = (("0", "UTC"), ("4242", "Asia/Kathmandu"))
"""Hash seeds and time zones under which a pure function gives the same."""


class LawBrokenError(AssertionError):
    """A story for which the merged table is not the reference's."""


def check_dataset(dataset: Dataset, examples: int) -> list[str]:
    """What is wrong with the dataset, one readable text each; empty: nothing was found."""
    return [*broken_law(dataset, examples), *impurities(dataset), *failures(dataset)]


def broken_law(dataset: Dataset, examples: int) -> list[str]:
    """The smallest story found for which speed and batch disagree."""
    datasets = registry.closure([dataset.name])

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        story=st.lists(messages_for(_things(datasets)), max_size=20),
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

        found = handover(log, MemoryStore(), datasets, {}, [cut], catch_up)
        if found:
            raise LawBrokenError(_readable(story, cut, found[0]))

    try:
        law()
    except LawBrokenError as broken:
        return [str(broken)]
    except Flaky:
        told = f"{dataset.name} gives other rows when it is asked again: a function of a dataset must depend on its argument only; "
        return [told + "look for what its module keeps from one call to the next"]
    return []


def _things(datasets: Sequence[Dataset]) -> list[type]:
    return [thing for one in datasets if one.source is None for thing in one.reads]


def impurities(dataset: Dataset) -> list[str]:
    """Clocks, randomness and files in the dataset's module, and rows that change with hash seed or time zone."""
    found = [
        f"{dataset.name} uses {name}: a function of a dataset must depend on its argument only"
        for name in sorted(_suspicious(inspect.getsource(sys.modules[dataset.function.__module__])))
    ]
    events = b"\n".join(_sample_for(dataset))
    digests = {surroundings: _digest_in(dataset, events, *surroundings) for surroundings in SURROUNDINGS}
    if len(set(digests.values())) > 1:
        found.append(
            f"{dataset.name} gives other rows in another process: under "
            + " and ".join(f"PYTHONHASHSEED={seed} TZ={zone}" for seed, zone in digests)
            + "; look for the order of a set, or for local time"
        )
    return found


def failures(dataset: Dataset) -> list[str]:
    """What the functions of the dataset and of what it is made from raised on plain events, fractions in sums included."""
    raised: dict[str, str] = {}
    """By dataset and error the first place."""

    def failed(name: str, place: str, error: str) -> None:
        raised.setdefault(f"{name} raises {error}", place)

    reference(dataset.chain, told(_sample_for(dataset)).states, failed)
    return [f"{what}, first of {place}" for what, place in raised.items()]


def _readable(story: list[tuple[str, bytes]], cut: tuple[int, ...], difference: Difference) -> str:
    events = "\n".join(f"  to {key}: {raw.decode(errors='replace')}" for key, raw in story)
    return (
        f"the law does not hold for {difference.dataset}, row {difference.key}:\n"
        f"  reference: {difference.expected}\n  merged:    {difference.found}\n"
        f"with the batch before {cut} of this story:\n{events}"
    )


def _suspicious(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.split(".")[0] in IMPURE_MODULES}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in IMPURE_MODULES:
            found.add(node.module)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in IMPURE_CALLS:
                found.add(f"{name}()")
    return found


def _sample_for(dataset: Dataset) -> Sequence[bytes]:
    """Plain edits, and some of the declared events that the dataset or what it is made from reads."""
    declared = [thing for thing in _things(dataset.chain) if is_declared(thing)]
    if not declared:
        return SAMPLE
    drawn: list[bytes] = []

    @settings(max_examples=50, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(story=st.lists(messages_for(declared), min_size=1, max_size=10))
    def draw(story: list[tuple[str, bytes]]) -> None:
        drawn.extend(raw for _, raw in story)

    draw()
    return (*SAMPLE, *drawn)


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
