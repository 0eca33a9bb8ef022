"""Where a home has its log and its store, beside where its stack keeps them: with servers of its own, whose ports stack.yaml gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cli.configuration import EMBEDDED, configuration, mistaken, parsed_entries, rewritten
from cli.sinks import Setting
from cli.stack_settings import StackSettings
from serving.sqlite_file import BUSY_SECONDS
from serving.sqlite_readonly import connected_readonly
from shared_logic.addresses import shown
from shared_logic.protocols import LogError
from speed.sqlite_log import SqliteLog

NAME = "wikibraid"
"""Of a stack's topic and of its keyspace."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a server of the stack keeps, where only the server's port is another than before."""

    key: str
    """Of wikibraid.yaml."""
    before: str
    now: str


def places(made: StackSettings) -> dict[str, str]:
    """Where a stack keeps the log and the store, by the keys of wikibraid.yaml."""
    return {
        "log": f"kafka://{made.host}:{made.kafka_port}/{NAME}",
        "store": f"cassandra://{made.host}:{made.cassandra_port}/{NAME}",
    }


def moved(home: Path, made: StackSettings) -> Sequence[Moved]:
    """What has another port in stack.yaml than in the home's wikibraid.yaml.

    Raises:
        Failure: the home has its log or store elsewhere, or its log other partitions; the message names file and key.
    """
    path = home / "wikibraid.yaml"
    if not (path.exists() or any((home / f"{key}.db").exists() for key in places(made))):
        return []
    told = configuration(path)
    found = []
    for key, now in places(made).items():
        before = getattr(told, key)
        if before == now:
            continue
        if not (_has_server(home, key) and _portless(before) == _portless(now)):
            why = f"{key}: {shown(before)} here, and {now} by {home / 'stack.yaml'}; {_remedy(home, key, before)}"
            raise mistaken(path, why, key)
        found.append(Moved(key, before, now))
    partitions = _partitions(home)
    if partitions not in {None, made.partitions}:
        why = f"partitions: {made.partitions}, and the log of {home} has {partitions}, which can't be changed; write {partitions}"
        raise mistaken(home / "stack.yaml", why, "partitions")
    return found


def follow(home: Path, found: Sequence[Moved]) -> Sequence[str]:
    """Write the new ports into wikibraid.yaml, and into sinks.yaml where sinks are on those servers; says what was written.

    Raises:
        Failure: an address stands there in a way that only a person can change; the message names the line.
    """
    if not found:
        return []
    sinks = home / "sinks.yaml"
    to: dict[tuple[str, ...], str] = {
        (name, "to"): address
        for name, sink in (parsed_entries(sinks, Setting).entries if sinks.exists() else {}).items()
        if (address := _beside(sink.to, found)) is not None
    }
    # wikibraid.yaml comes last: it is what tells that something is still to be followed.
    written = [*_written(sinks, to)]
    return [*written, *_written(home / "wikibraid.yaml", {(one.key,): one.now for one in found})]


def _written(path: Path, values: Mapping[tuple[str, ...], str]) -> Sequence[str]:
    if values:
        rewritten(path, values)
    return [f"{path}: {': '.join(place)}: {value}, as stack.yaml says" for place, value in values.items()]


def _beside(address: str, found: Sequence[Moved]) -> str | None:
    """The address that a sink has now; None: it is on none of the servers that moved."""
    server, _, name = address.rpartition("/")
    for one in found:
        if _local(server) == _local(one.before.rpartition("/")[0]):
            return f"{one.now.rpartition('/')[0]}/{name}"
    return None


def _remedy(home: Path, key: str, before: str) -> str:
    if before == EMBEDDED and not (home / f"{key}.db").exists():
        return "write that here"
    if _has_server(home, key):
        return "if both are the stack's own server, write that here, else give the stack a new --home"
    return (
        "what lies there would be lost from sight: give the stack a new --home, into which `wikibraid ingest home` "
        "takes what this one has"
    )


def _has_server(home: Path, key: str) -> bool:
    """Whether the stack's own server has data here: only then what has another port may be the same."""
    data = {"log": "kafka/data/meta.properties", "store": "cassandra/data"}
    return (home / "stack" / data[key]).exists()


def _partitions(home: Path) -> int | None:
    """Of the log; None: that is not known here."""
    path = home / "log.db"
    if not path.exists():
        return None
    try:
        with SqliteLog(path, readonly=partial(connected_readonly, busy_seconds=BUSY_SECONDS)) as notes:
            return notes.partitions
    except LogError:  # whatever is wrong with it is told by who needs it
        return None


def _portless(address: str) -> str:
    return re.sub(r":\d+(?=/[^/]*$)", "", _local(address))


def _local(address: str) -> str:
    """This machine has two names that everybody uses."""
    return address.replace("//localhost", "//127.0.0.1")
