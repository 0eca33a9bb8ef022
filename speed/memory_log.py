"""The canonical log in memory, for the law and for `try`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from shared_logic.partitions import partition
from shared_logic.protocols import Cut, Message


class MemoryLog:
    """Lists; whoever has it appends."""

    def __init__(self, partitions: int) -> None:
        """Start empty with that many partitions."""
        self._partitions = partitions
        self._messages: defaultdict[int, list[Message]] = defaultdict(list)

    @property
    def identity(self) -> str:
        """See `Log`."""
        return f"{id(self):x}"

    @property
    def partitions(self) -> int:
        """See `Log`."""
        return self._partitions

    def append(self, key: str, value: bytes) -> None:
        """Add a message to the partition of its key."""
        messages = self._messages[partition(key, self._partitions)]
        messages.append(Message(len(messages), key, value))

    def read(self, partition: int, offset: int, most: int) -> Sequence[Message]:
        """See `Log`."""
        return self._messages[partition][offset : offset + most]

    def ends(self) -> Cut:
        """See `Log`."""
        return tuple(len(self._messages[p]) for p in range(self._partitions))

    def starts(self) -> Cut:
        """See `Log`."""
        return (0,) * self._partitions
