"""Where answers come from: one store and one reader per thread, since stores are not for several at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from serving.moment import Moment, published_together
from serving.reader import Reader
from serving.standing import Waiting
from shared_logic.protocols import Cut, Generation, Store

AT_ONCE_EMBEDDED, AT_ONCE_CASSANDRA = 3, 8
"""Threads that read the embedded store wait for Python and nothing else. The more there are, the more CPU a statement costs them, so that
a server behind which many requests have come to wait would never catch up."""
SECONDS_ENDS_ARE_KEPT = 0.5
SECONDS_A_MOMENT_IS_KEPT = 0.5
SECONDS_A_FAILURE_IS_KEPT = 5.0
"""Of the log; else all who ask would wait for its patience, one after the other."""


class Source:
    """Readers of one installation."""

    def __init__(
        self,
        store: Callable[[], Store],
        ends: Callable[[], Cut],
        happened: Callable[[int, int], int | None] = lambda *_: None,
        waiting: Waiting = dict,
        at_once: int = AT_ONCE_EMBEDDED,
    ) -> None:
        """`store` opens the store for the thread that calls; `ends` tells where the log ends, `waiting` what was not looked up yet.

        `at_once` is how many are answered at a time; others wait for their turn.

        `happened` tells when the event at a partition and offset of the log happened, in milliseconds since 1970; None: unknown.
        """
        self._open, self._ask, self._happened, self._look = store, ends, happened, waiting
        self.at_once = at_once
        self._of_thread = threading.local()
        self._publishing, self._asking, self._dating = threading.Lock(), threading.Lock(), threading.Lock()
        self._ends: Cut = ()
        self._waits: Mapping[str, int] = {}
        self._failure: Exception | None = None
        self._published: dict[tuple[str, ...], tuple[float, dict[str, Generation]]] = {}
        self._asked_at = float("-inf")

    @property
    def store(self) -> Store:
        """This thread's store."""
        found: Store | None = getattr(self._of_thread, "store", None)
        if found is None:
            found = self._of_thread.store = self._open()
        return found

    @property
    def reader(self) -> Reader:
        """This thread's reader."""
        found: Reader | None = getattr(self._of_thread, "reader", None)
        if found is None:
            found = self._of_thread.reader = Reader(self.store, self.ends, waiting=self.waiting)
        return found

    def missing_since(self, through: Cut) -> int | None:
        """When the oldest event of the log happened that is not before `through`, in milliseconds since 1970.

        None: there is none, or its time is not known.
        """
        ends = self.ends()
        with self._dating:
            dated = (
                self._happened(partition, at)
                for partition, (at, end) in enumerate(zip(through, ends, strict=True))
                if at < end
            )
            return min((one for one in dated if one is not None), default=None)

    def moment(self, names: tuple[str, ...]) -> Moment:
        """This thread's reads of tables that were published together, now or half a second ago.

        Raises:
            NotPublished: one of them is not.
        """
        with self._publishing:
            asked_at, published = self._published.get(names, (float("-inf"), {}))
            if time.monotonic() - asked_at > SECONDS_A_MOMENT_IS_KEPT:
                again = published_together(self.store, names)
                # The same object while nothing flips: threads keep what they have made of it.
                published = published if again == published else again
                self._published[names] = time.monotonic(), published
        kept: dict[tuple[str, ...], tuple[object, Moment]] = self._of_thread.__dict__.setdefault(
            "moments", {}
        )
        if names not in kept or kept[names][0] is not published:
            kept[names] = published, Moment(self.store, published, self.ends, self.waiting)
        return kept[names][1]

    def waiting(self) -> Mapping[str, int]:
        """What was not looked up yet when it was asked where the log ends.

        Raises:
            As `ends` does.
        """
        self.ends()
        return self._waits

    def ends(self) -> Cut:
        """Where the log ends, or ended half a second ago.

        Raises:
            Whatever the log raises, or raised a few seconds ago.
        """
        with self._asking:
            age = time.monotonic() - self._asked_at
            if self._failure is not None and age < SECONDS_A_FAILURE_IS_KEPT:
                raise self._failure.with_traceback(None)  # else it grows with everybody who is told
            if self._failure is not None or age > SECONDS_ENDS_ARE_KEPT:
                try:
                    # In this order (see `serving.standing`).
                    self._waits, self._ends, self._failure = self._look(), self._ask(), None
                except Exception as error:
                    self._failure = error
                    raise
                finally:
                    self._asked_at = time.monotonic()
            return self._ends
