"""XML dumps as a bootstrap: their parts are read by several processes, each of which writes the states that its part tells."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from batch.bootstrap import Written, begin, write_part
from batch.compressed import InputError, open_input
from batch.dump_splits import LOGGING, Part, opened, parts
from batch.issues import with_issues
from shared_logic.entities import Entity, State, page
from shared_logic.eventify.authors import with_authors
from shared_logic.eventify.dump_blocks import BlockReader
from shared_logic.eventify.dump_elements import DumpError
from shared_logic.eventify.log_dump import said_by_head, said_by_log_items
from shared_logic.eventify.log_items import read_logging
from shared_logic.eventify.problems import Problem, Report

SECONDS_BETWEEN_LOOKS = 1.0
"""How often a process looks whether the one that started it still lives."""

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, order=True)
class Damage:
    """What of a dump could not be read."""

    place: str
    """The file, and the bytes of it if it was read in parts."""
    reason: str

    def __str__(self) -> str:
        """Both, in words."""
        return f"{self.place}: {self.reason}"


def database_name(path: Path) -> str | None:
    """What a dump says its wiki is called.

    Raises:
        InputError: it is damaged, or no dump.
    """
    with opened(parts(path)[0]) as stream:
        try:
            return BlockReader(stream, 0, lambda _: None).site.dbname
        except DumpError as error:
            message = f"{path}: {error}"
            raise InputError(message) from error


class Dumps:
    """Dumps of one wiki, in parts that several processes read at once."""

    def __init__(self, files: Sequence[Path], pool: ProcessPoolExecutor | None) -> None:
        """Find the parts; without a pool this process reads them.

        Raises:
            InputError: a file can't be read at all.
        """
        self._parts = [part for path in files for part in parts(path)]
        self._pool = pool

    def newest(self) -> int:
        """The newest time in them, milliseconds since 1970 UTC; what is damaged tells none.

        Raises:
            InputError: a process that reads was killed.
        """
        return max(self._done([partial(_newest, part) for part in self._parts]), default=0)

    def write(
        self, folder: Path, wiki: str, beginning: int, progress: Callable[[Written], None]
    ) -> tuple[Written, Counter[str], tuple[Damage, ...]]:
        """Write what they say as of `beginning` (milliseconds) into a bootstrap's folder, the same whoever reads which part.

        Returns how much was written, what was skipped by kind, and what is damaged; what lies before and after damage is taken.

        Raises:
            InputError: a process that reads was killed.
        """
        begin(folder)
        written, skipped, damaged = Written(), Counter[str](), list[Damage]()
        tasks = [
            partial(_read, part, folder, number, wiki, beginning) for number, part in enumerate(self._parts)
        ]
        for found in self._done(tasks):
            written.add(found.written)
            skipped.update(found.skipped)
            damaged += found.damaged
            progress(written)
        return written, skipped, tuple(sorted(damaged))

    def _done(self, tasks: Sequence[Callable[[], Made]]) -> Iterator[Made]:
        """What the tasks return, in any order."""
        if self._pool is None:
            yield from (task() for task in tasks)
            return
        try:
            for future in as_completed([self._pool.submit(task) for task in tasks]):
                yield future.result()
        except BrokenProcessPool as error:
            message = (
                "a process that read the dumps was killed, most likely for want of memory; make room, then run the same "
                "command again"
            )
            raise InputError(message) from error


@contextmanager
def processes() -> Iterator[ProcessPoolExecutor | None]:
    """One for each core, none if there is but one; enter it before locks and files are held that they would hold as well.

    They end with this one, however that ends.
    """
    cores = os.cpu_count() or 1
    if cores == 1:
        yield None
        return
    # At its first array Arrow imports pandas, which takes as long as to read 100,000 revisions: once, not in each of them.
    pa.array([0])
    with ProcessPoolExecutor(cores, get_context("fork"), _end_with, (os.getpid(),)) as pool:
        pool.submit(os.getpid).result()
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with(parent: int) -> None:
    """Leave interrupts to the process that started this one, and end when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


# --- what each process does ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Read:
    """What came of a part."""

    written: Written
    skipped: Counter[str]
    damaged: list[Damage]


def _read(part: Part, folder: Path, number: int, wiki: str, beginning: int) -> _Read:
    damaged: list[Damage] = []
    skipped: Counter[str] = Counter()

    def said(report: Report) -> Iterator[tuple[Entity, State]]:
        try:
            yield from with_authors(_said(part, wiki, beginning, report))
        except (InputError, DumpError) as error:
            found = Damage(part.name, str(error))
            damaged.append(found)
            report(Problem("dump", part.name, "", "damaged", str(found)))

    written = write_part(folder, number, with_issues(wiki, skipped, said))
    return _Read(written, skipped, damaged)


def _said(part: Part, wiki: str, beginning: int, report: Report) -> Iterator[tuple[Entity, State]]:
    with opened(part) as stream:
        reader = BlockReader(stream, beginning, report)
        site = reader.site
        if part.start == 0:
            yield from said_by_head(wiki, site, beginning)
        if LOGGING not in part.path.name:
            for page_id, state in reader:
                yield page(wiki, page_id), state
            return
    with open_input(part.path) as stream:
        yield from said_by_log_items(wiki, read_logging(stream, report), site.namespaces, beginning)


def _newest(part: Part) -> int:
    newest = 0
    try:
        if LOGGING in part.path.name:
            with open_input(part.path) as stream:
                for item in read_logging(stream, lambda _: None):
                    newest = max(newest, item.timestamp)
            return newest
        with opened(part) as stream:
            for _, state in BlockReader(stream, 0, lambda _: None):
                newest = max((newest, *(revision.timestamp or 0 for revision in state.revisions.values())))
    except (InputError, DumpError):
        # It is told when the part is read.
        pass
    return newest
