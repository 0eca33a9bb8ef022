"""Published generations brought to the end of the log, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from cli.failures import CANNOT_KNOW, Failure
from cli.options import dataset_named
from shared_logic.definition import Dataset
from shared_logic.fingerprint import fingerprint
from shared_logic.generations import DatasetGeneration
from shared_logic.protocols import Log, Store
from shared_logic.registry import registry
from speed import loop_engine
from speed.families import half_flipped, left_behind
from speed.worker import LogTooShort, Outcome, Worker, alike


class EngineName(StrEnum):
    """Which engine runs the worker."""

    BYTEWAX = "bytewax"
    LOOP = "loop"


def with_families(datasets: Sequence[Dataset]) -> tuple[Dataset, ...]:
    """With all that read the same tables: whoever stays behind its source could not be caught up without it."""
    names = {member.name for dataset in datasets for member in registry.family(dataset)}
    return tuple(dataset for dataset in registry.values() if dataset.name in names)


def with_readers(names: Sequence[str]) -> tuple[Dataset, ...]:
    """The named datasets with all that read their tables, directly or through others.

    Raises:
        Failure: a name is none's.
    """
    named = [dataset_named(name) for name in names]
    return tuple(dataset for dataset in registry.values() if any(one in dataset.chain for one in named))


def published(store: Store, datasets: tuple[Dataset, ...]) -> list[DatasetGeneration]:
    """The lanes of what readers read.

    Raises:
        Failure: nothing is published yet, what is was made by other code, or it does not belong together.
    """
    lanes = [
        DatasetGeneration(dataset, made)
        for dataset in datasets
        if (made := store.published(dataset.name)) is not None
    ]
    if not lanes:
        message = "nothing is published yet; `wikibraid batch run` makes the first generation"
        raise Failure(message, CANNOT_KNOW)
    changed = [dataset.name for dataset, made in lanes if made.fingerprint != fingerprint(dataset)]
    if changed:
        message = (
            f"the code of {', '.join(changed)} is not that of the published generation, and the two must not be mixed; "
            f"`wikibraid batch run {' '.join(changed)}` makes generations with this code"
        )
        raise Failure(message, CANNOT_KNOW)
    for why in half_flipped(store, lanes).values():
        raise Failure(why, CANNOT_KNOW)
    return lanes


def catch_up(
    log: Log,
    store: Store,
    lanes: list[DatasetGeneration],
    engine: EngineName,
    applied: Callable[[], None] = lambda: None,
) -> Outcome:
    """Bring the lanes to the end of the log.

    Raises:
        Failure: the log no longer reaches back to where a lane must go on, or a lane is apart from those that it reads.
    """
    total = Outcome()

    def after(_: object) -> bool:
        applied()
        return True

    store.take_over([one.lane for one in lanes], range(log.partitions))
    for group in alike(store, range(log.partitions), lanes):
        for why in left_behind(group).values():
            raise Failure(why, CANNOT_KNOW)
        try:
            worker = Worker(log, store, group)
        except LogTooShort as error:
            raise Failure(str(error), CANNOT_KNOW) from error
        _run_until_idle(engine)(worker, applied=after)
        total.add(worker.outcome)
    return total


def _run_until_idle(engine: EngineName) -> Callable[..., None]:
    """How that engine works off the log."""
    if engine is EngineName.LOOP:
        return loop_engine.run_until_idle
    from speed import bytewax_engine

    return bytewax_engine.run_until_idle


def standing(log: Log, store: Store, lanes: list[DatasetGeneration]) -> int:
    """How many messages of the log are included by the lane that is furthest behind."""
    return min(
        sum(
            made.cut[partition] if (at := store.progress(made.lane, partition)) is None else at
            for partition in range(log.partitions)
        )
        for _, made in lanes
    )
