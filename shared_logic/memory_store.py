"""The store in memory: the shortest honest implementation of the protocol, for the law and for `try`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from shared_logic.expiry import check_kept, unread
from shared_logic.generations import generation_of
from shared_logic.kernel import add
from shared_logic.protocols import Accumulator, Cut, Generation, Lane, Parts, Told


class MemoryStore:
    """Dictionaries; `atomically` does nothing, so each write stands alone as in a store without transactions."""

    def __init__(self) -> None:
        """Start empty."""
        self._generations: dict[str, dict[int, Generation]] = {}
        self._manifest: dict[str, int] = {}
        """The number of the published generation; of what was dropped the last one, which is not there."""
        self._batch: dict[str, dict[bytes, dict[int, bytes | None]]] = {}
        self._states: dict[tuple[str, str], bytes] = {}
        self._tails: dict[tuple[int, str], dict[int, bytes]] = {}
        self._redactions: dict[tuple[str, int], int] = {}
        self._progress: dict[tuple[Lane, int], int] = {}
        self._ends: dict[tuple[Lane, int], int] = {}
        self._rows: dict[Lane, dict[bytes, bytes | None]] = {}
        self._accumulators: dict[Lane, dict[bytes, dict[int, Accumulator]]] = {}
        self._passed: dict[Lane, dict[bytes, tuple[int, ...]]] = {}
        self._changed: dict[Lane, dict[tuple[int, int], set[bytes]]] = {}

    def atomically(self) -> AbstractContextManager[object]:
        """Nothing: writes stand alone."""
        return nullcontext()

    def add_generation(self, generation: Generation) -> None:
        """See `Store`."""
        self._generations.setdefault(generation.dataset, {})[generation.number] = generation

    def datasets(self) -> Sequence[str]:
        """See `Store`."""
        return sorted(self._generations)

    def generations(self, dataset: str) -> Sequence[Generation]:
        """See `Store`."""
        return [found for _, found in sorted(self._generations.get(dataset, {}).items())]

    def last_number(self, dataset: str) -> int:
        """See `Store`."""
        return max([*self._generations.get(dataset, {}), self._manifest.get(dataset, 0)])

    def published(self, dataset: str) -> Generation | None:
        """See `Store`."""
        return self._generations.get(dataset, {}).get(self._manifest.get(dataset, 0))

    def publish(self, dataset: str, number: int) -> None:
        """See `Store`."""
        if number not in self._generations.get(dataset, {}):
            raise KeyError(number)
        self._manifest[dataset] = number

    def expire(self, dataset: str, kept: Collection[int]) -> int:
        """See `Store`."""
        known = self._generations.get(dataset, {})
        published = self.published(dataset)
        check_kept(dataset, known, published.number if published else None, kept)
        count = 0
        for versions in self._batch.get(dataset, {}).values():
            for version in unread([(number, row is None) for number, row in versions.items()], kept):
                del versions[version]
                count += 1
        gone = {Lane(dataset, number) for number in known if number < max(kept) and number not in kept}
        for lane in gone:
            del known[lane.generation]
        self._forget_lanes(gone.__contains__)
        return count

    def drop(self, dataset: str) -> None:
        """See `Store`."""
        if last := self.last_number(dataset):
            self._manifest[dataset] = last
        self._generations.pop(dataset, None)
        self._batch.pop(dataset, None)
        self._forget_lanes(lambda lane: lane.dataset == dataset)

    def _forget_lanes(self, is_gone: Callable[[Lane], bool]) -> None:
        for of_lane in (self._rows, self._accumulators, self._passed, self._changed):
            for lane in [lane for lane in of_lane if is_gone(lane)]:
                of_lane.pop(lane, None)
        for positions in (self._progress, self._ends):
            for place in [place for place in positions if is_gone(place[0])]:
                del positions[place]

    def parts(self, dataset: str, key: bytes, number: int | None = None) -> Parts | None:
        """See `Store`."""
        made = self.published(dataset) if number is None else generation_of(self, dataset, number)
        if made is None:
            return None
        lane = made.lane
        progress = self.progress_of(lane)
        through = tuple(progress.get(partition, cut) for partition, cut in enumerate(made.cut))
        accumulators = self.accumulators(lane, [key]).get(key, {})
        speed = self.speed_rows_of(lane, [key])
        put = (speed[key],) if key in speed else None
        return Parts(made, through, self.batch_rows_of(lane, [key]).get(key), put, accumulators)

    def load(self, dataset: str, number: int, rows: Iterable[tuple[bytes, bytes]]) -> tuple[int, int, int]:
        """See `Store`."""
        shown = dict(self.batch_rows(Lane(dataset, number), b""))
        versions = self._batch.setdefault(dataset, {})
        changed = same = 0
        for key, row in rows:
            if shown.pop(key, None) == row:
                same += 1
            else:
                versions.setdefault(key, {})[number] = row
                changed += 1
        for key in shown:
            versions[key][number] = None
        return changed, len(shown), same

    def batch_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """See `Store`."""
        found = ((key, self._batch_row(lane, key)) for key in keys)
        return {key: row for key, row in found if row is not None}

    def _batch_row(self, lane: Lane, key: bytes) -> bytes | None:
        versions = self._batch.get(lane.dataset, {}).get(key, {})
        newest = max((number for number in versions if number <= lane.generation), default=None)
        return None if newest is None else versions[newest]

    def batch_rows(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """See `Store`."""
        for key in sorted(self._batch.get(lane.dataset, {})):
            if key.startswith(prefix) and key >= start:
                row = self._batch_row(lane, key)
                if row is not None:
                    yield key, row

    def changed_between(self, dataset: str, one: int, other: int) -> Iterator[bytes]:
        """See `Store`."""
        first, last = sorted((one, other))
        for key, versions in sorted(self._batch.get(dataset, {}).items()):
            if any(first < number <= last for number in versions):
                yield key

    def load_states(self, base: str, states: Iterable[tuple[str, bytes]]) -> int:
        """See `Store`."""
        new = {(base, key): state for key, state in states}
        self._states |= new
        return len(new)

    def has_states(self, base: str) -> bool:
        """See `Store`."""
        return any(of == base for of, _ in self._states)

    def states_of(self, base: str, keys: Sequence[str]) -> Mapping[str, bytes]:
        """See `Store`."""
        return {key: self._states[base, key] for key in keys if (base, key) in self._states}

    def forget(self, bases: Collection[str], cut: Cut) -> None:
        """See `Store`."""
        self._states = {place: state for place, state in self._states.items() if place[0] in bases}
        for (partition, _), tails in self._tails.items():
            for offset in [offset for offset in tails if offset < cut[partition]]:
                del tails[offset]

    def vacuum(self) -> None:
        """See `Store`. There are no files."""

    def write_tails(self, partition: int, tails: Iterable[tuple[str, int, bytes]]) -> None:
        """See `Store`."""
        for key, offset, state in tails:
            self._tails.setdefault((partition, key), {})[offset] = state

    def tails_of(
        self, partition: int, keys: Sequence[str], start: int, end: int
    ) -> Mapping[str, Sequence[bytes]]:
        """See `Store`."""
        tails = ((key, self._tails.get((partition, key), {})) for key in keys)
        found = ((key, [said for at, said in tail.items() if start <= at < end]) for key, tail in tails)
        return {key: said for key, said in found if said}

    def told_of(
        self, base: str, partition: int, keys: Sequence[str], start: int, end: int
    ) -> Callable[[], Told]:
        """See `Store`; looked up when it is wanted."""
        return lambda: Told(self.states_of(base, keys), self.tails_of(partition, keys, start, end))

    def redact(self, wiki: str, rev_id: int, bits: int, clock: int) -> None:  # noqa: ARG002
        """See `Store`."""
        self._redactions[wiki, rev_id] = self._redactions.get((wiki, rev_id), 0) | bits

    def redactions(self, wiki: str, rev_ids: Sequence[int]) -> Mapping[int, int]:
        """See `Store`."""
        return {rev_id: bits for rev_id in rev_ids if (bits := self._redactions.get((wiki, rev_id), 0))}

    def take_over(self, lanes: Sequence[Lane], partitions: Sequence[int]) -> None:
        """See `Store`; there is one writer anyway."""

    def progress(self, lane: Lane, partition: int) -> int | None:
        """See `Store`."""
        return self._progress.get((lane, partition))

    def progress_of(self, lane: Lane) -> Mapping[int, int]:
        """See `Store`."""
        return {partition: offset for (of, partition), offset in self._progress.items() if of == lane}

    def write_progress(self, lane: Lane, partition: int, offset: int) -> None:
        """See `Store`."""
        self._progress[lane, partition] = offset

    def batch_end(self, lane: Lane, partition: int) -> int | None:
        """See `Store`."""
        return self._ends.get((lane, partition))

    def write_batch_end(self, lane: Lane, partition: int, offset: int) -> None:
        """See `Store`."""
        self._ends[lane, partition] = offset

    def write_rows(self, lane: Lane, rows: Mapping[bytes, bytes | None]) -> None:
        """See `Store`."""
        self._rows.setdefault(lane, {}).update(rows)

    def speed_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes | None]:
        """See `Store`."""
        rows = self._rows.get(lane, {})
        return {key: rows[key] for key in keys if key in rows}

    def speed_rows(
        self, lane: Lane, prefix: bytes, start: bytes = b""
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """See `Store`."""
        rows = sorted(self._rows.get(lane, {}).items())
        return ((key, row) for key, row in rows if key.startswith(prefix) and key >= start)

    def accumulators(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, Mapping[int, Accumulator]]:
        """See `Store`."""
        known = self._accumulators.get(lane, {})
        return {key: known[key] for key in keys if key in known}

    def write_accumulators(
        self, lane: Lane, partition: int, accumulators: Mapping[bytes, Accumulator]
    ) -> None:
        """See `Store`."""
        for key, accumulator in accumulators.items():
            self._accumulators.setdefault(lane, {}).setdefault(key, {})[partition] = accumulator

    def accumulated(
        self, lane: Lane, prefix: bytes, start: bytes = b""
    ) -> Iterator[tuple[bytes, tuple[int, ...]]]:
        """See `Store`."""
        for key, partitions in sorted(self._accumulators.get(lane, {}).items()):
            if key.startswith(prefix) and key >= start:
                total: tuple[int, ...] = ()
                for accumulator in partitions.values():
                    total = add(total, accumulator.sums) if total else accumulator.sums
                yield key, total

    def write_changed(self, lane: Lane, partition: int, end: int, keys: Collection[bytes]) -> None:
        """See `Store`."""
        self._changed.setdefault(lane, {}).setdefault((partition, end), set()).update(keys)

    def changed(self, lane: Lane, partition: int, after: int, upto: int) -> Iterator[bytes]:
        """See `Store`."""
        for (of, end), keys in sorted(self._changed.get(lane, {}).items()):
            if of == partition and after < end <= upto:
                yield from sorted(keys)

    def passed(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, tuple[int, ...]]:
        """See `Store`."""
        known = self._passed.get(lane, {})
        return {key: known[key] for key in keys if key in known}

    def write_passed(self, lane: Lane, totals: Mapping[bytes, tuple[int, ...]]) -> None:
        """See `Store`."""
        self._passed.setdefault(lane, {}).update(totals)
