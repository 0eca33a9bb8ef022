"""Streams and schemas of which a source has events, and which nobody wanted when it was read: another configuration or package may.

They are told by the reasons for which their events were out of scope.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from shared_logic.events.read import OutOfScope, UnknownSchema
from shared_logic.events.streams import KINDS, OF_STREAMS
from speed.sqlite_log import SqliteLog

MOST_LEFT_OUT = 1_000
"""Streams and schemas that are remembered for a source: events may name what they like."""
_OF_STREAM, _OF_SCHEMA = "stream ", str(UnknownSchema(""))
"""How such reasons begin."""


class UnnamedStream(OutOfScope):
    """An event of a stream that is not configured."""

    def __init__(self, stream: str) -> None:
        """`stream` is the one that the event names."""
        super().__init__(_OF_STREAM + stream)


def tell_of_unnamed_streams(reasons: Iterable[str]) -> bool:
    """Whether one of these reasons is that of an `UnnamedStream`."""
    return any(reason.startswith(_OF_STREAM) for reason in reasons)


class LeftOut:
    """What was left out of one source."""

    def __init__(self, log: SqliteLog, source: str) -> None:
        """What the log remembers of that source."""
        self._log, self._name = log, f"left out of {source}"
        told = log.facts.recall(self._name)
        self._remembered = frozenset(msgspec.json.decode(told, type=list[str])) if told else frozenset()
        self._reasons = set(self._remembered)

    def is_wanted_in(self, streams: Collection[str]) -> bool:
        """Whether any of it is wanted by now, where these streams are; all are, if there are none."""
        of_streams = {reason for reason in self._reasons if reason.startswith(_OF_STREAM)}
        if streams:
            of_streams &= {_OF_STREAM + stream for stream in streams}
        return bool(of_streams) or not self._reasons.isdisjoint(_schemas_read())

    def forget(self) -> None:
        """Before the source is read from its beginning."""
        self._reasons.clear()

    def note(self, reasons: Iterable[str]) -> None:
        """Remember those among the reasons why events are out of scope, up to `MOST_LEFT_OUT`.

        A schema that is read in other streams only is none: the source would be read again for it each time.
        """
        left_out = {reason for reason in reasons if reason.startswith((_OF_STREAM, _OF_SCHEMA))}
        for reason in left_out - _schemas_read():
            if len(self._reasons) < MOST_LEFT_OUT:
                self._reasons.add(reason)
        if self._reasons != self._remembered:
            self._remembered = frozenset(self._reasons)
            self._log.facts.remember(self._name, msgspec.json.encode(sorted(self._reasons)))


def _schemas_read() -> set[str]:
    """Schemas that are read in all streams or in some, as the reason why an event was out of scope before they were."""
    return {str(UnknownSchema(title)) for title in (*KINDS, *(title for title, _ in OF_STREAMS))}
