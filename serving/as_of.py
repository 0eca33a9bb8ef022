"""A table as if the log ended earlier: an old generation, and the log from its cut on, folded again in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from serving.overlay import Overlay
from serving.reader import NotPublished
from shared_logic.definition import Dataset
from shared_logic.fingerprint import fingerprint
from shared_logic.generations import DatasetGeneration
from shared_logic.protocols import Cut, Generation, Log, Message, Store

Replay = Callable[[Log, Store, Sequence[DatasetGeneration]], None]
"""Brings lanes that were never begun to the end of the log."""


class Until:
    """The log as if it ended at `cut`; see `shared_logic.protocols.Log`."""

    def __init__(self, log: Log, cut: Cut) -> None:
        """Show what `log` holds before `cut`."""
        self._log, self._cut = log, cut

    @property
    def identity(self) -> str:
        """See `Log`."""
        return self._log.identity

    @property
    def partitions(self) -> int:
        """See `Log`."""
        return self._log.partitions

    def read(self, partition: int, offset: int, most: int) -> Sequence[Message]:
        """See `Log`."""
        end = self._cut[partition]
        if offset >= end:
            return []
        return [message for message in self._log.read(partition, offset, most) if message.offset < end]

    def ends(self) -> Cut:
        """See `Log`."""
        return tuple(map(min, self._log.ends(), self._cut))

    def starts(self) -> Cut:
        """See `Log`."""
        return tuple(map(min, self._log.starts(), self._cut))


def as_of(store: Store, log: Log, dataset: Dataset, cut: Cut, replay: Replay) -> tuple[Store, Generation]:
    """A store whose merged table of that generation is as if the log ended at `cut`; nothing is written to `store`.

    Raises:
        NotPublished: no generation is old enough, or the log no longer holds what lies between it and the cut.
    """
    lanes = _newest(store, dataset, cut)
    made = lanes[-1].generation
    before = Until(log, cut)
    if any(start > end for start, end in zip(before.starts(), made.cut, strict=True)):
        message = (
            f"{dataset.name} can't be read as of {_text(cut)}: the log begins at {_text(log.starts())}, after "
            f"generation {made.number}, which ends at {_text(made.cut)}; ask for that generation or for a later cut"
        )
        raise NotPublished(message)
    overlay = Overlay(store)
    replay(before, overlay, lanes)
    return overlay, made


def _newest(store: Store, dataset: Dataset, cut: Cut) -> list[DatasetGeneration]:
    """The lanes, sources first, of the newest run that ends at the cut or before and was made by the code of now."""
    chain = dataset.chain
    code = {member.name: fingerprint(member) for member in chain}
    known = {
        member.name: {
            made.run: made for made in store.generations(member.name) if made.fingerprint == code[member.name]
        }
        for member in chain
    }
    usable = [
        [DatasetGeneration(member, known[member.name][run]) for member in chain]
        for run in known[dataset.name]
        if all(run in made for made in known.values())
    ]
    for lanes in reversed(usable):
        if all(map(int.__le__, lanes[-1].generation.cut, cut)):
            return lanes
    first = f"the first one ends at {_text(usable[0][-1].generation.cut)}" if usable else "there is none"
    message = (
        f"{dataset.name} can't be read as of {_text(cut)}: none of its generations that the code of now made ends there "
        f"or before; {first} (`wikibraid generations list {dataset.name}`)"
    )
    raise NotPublished(message)


def _text(cut: Cut) -> str:
    return ",".join(map(str, cut))
