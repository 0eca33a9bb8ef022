"""sinks.yaml: which merged tables are written to where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from cli.configuration import Entries, cassandra_security, kafka_options, parsed_entries
from cli.failures import Failure
from cli.home import Home
from serving.cassandra_session import Address, Unreachable, connected
from serving.ddl import create_keyspace
from shared_logic.addresses import shown
from shared_logic.definition import Dataset
from shared_logic.registry import registry
from shared_logic.sinks import OutputTable, Sink, SinkError, public_table, whole_table
from shared_logic.views import views
from speed.kafka_log import KafkaUnreachable, Topic

SECONDS = 1
SECONDS_OF_FILES = 60
"""Between deliveries to a table of files, each of which is a version of its own."""
AWAY = (Unreachable, KafkaUnreachable)
"""What is raised where a sink, the store or the log doesn't answer: to be tried again."""


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of sinks.yaml."""

    dataset: str
    to: str
    """cassandra://HOST:PORT/KEYSPACE, kafka://HOST:PORT/TOPIC, or delta:///FOLDER."""
    private: bool = False
    """Whether private columns are written as well."""
    seconds: int | None = None
    """Between deliveries; else 1, of files 60."""
    replicas: int = 1
    """Copies of a row, of a keyspace that is new."""


@dataclass(frozen=True, slots=True)
class Output:
    """One merged table that is written to one place."""

    name: str
    dataset: Dataset
    table: OutputTable
    to: str
    target: Address | Topic | Path
    seconds: int
    replicas: int

    def meets(self, other: Output) -> bool:
        """Whether both would write to one place."""
        match self.target, other.target:
            case Path() as one, Path() as another:
                return _overlap(one, another)
            case Topic() as one, Topic() as another:
                return _same_topic(one, another)
            case Address() as one, Address() as another:
                return self.table.name == other.table.name and _same_keyspace(one, another)
        return False

    @contextmanager
    def opened(self) -> Iterator[Sink]:
        """The sink, while inside.

        Raises:
            Unreachable: its server doesn't answer.
        """
        if isinstance(self.target, Path):
            from batch.delta_sink import DeltaSink

            yield DeltaSink(self.target, self.table)
        elif isinstance(self.target, Topic):
            from speed.kafka_sink import KafkaSink

            yield KafkaSink(self.target, self.table, kafka_options())
        else:
            from serving.cassandra_sink import CassandraSink

            with connected(self.target, cassandra_security()) as cql:
                cql.define(create_keyspace(self.target.keyspace, self.replicas))
                yield CassandraSink(cql, self.table)


@dataclass(frozen=True, slots=True)
class Own:
    """Where an installation's own data lies, to which no sink may write."""

    home: Path
    topic: Topic | None
    """Of the log; None: it is in the home."""
    address: Address | None
    """Of the store; None: it is in the home."""

    def at(self, target: Address | Topic | Path) -> str | None:
        """What of it lies there; None: nothing."""
        if isinstance(target, Path):
            return f"the home {self.home}" if _overlap(target, self.home) else None
        if isinstance(target, Topic):
            return "the log" if self.topic is not None and _same_topic(target, self.topic) else None
        return "the store" if self.address is not None and _same_keyspace(target, self.address) else None


def outputs(place: Home) -> Mapping[str, Output]:
    """What a home's sinks.yaml says, by name.

    Raises:
        Failure: it can't be used; the message names the file, the line and what is wrong.
    """
    return outputs_of(place.sinks_file, Own(place.path, place.topic(), place.address()))


def outputs_of(path: Path, own: Own) -> Mapping[str, Output]:
    """What a file says, by name, where `own` is what no sink may write to.

    Raises:
        Failure: it can't be used; the message names the file, the line and what is wrong.
    """
    found = parsed_entries(path, Setting)
    made = {name: _output(found, name) for name in found.entries}
    before: list[Output] = []
    for name, output in made.items():
        if what := own.at(output.target):
            message = f"{name} would write to where {what} lies, and damage it; give it a place of its own"
            raise found.mistake(message, name, "to")
        for other in before:
            if output.meets(other):
                message = f"{name} writes to where {other.name} writes to; give each a place of its own"
                raise found.mistake(message, name, "to")
        before.append(output)
    return made


def _output(found: Entries[Setting], name: str) -> Output:
    told = found.entries[name]
    if not name.isidentifier():
        raise found.mistake(f"{name!r} is no name; use letters, digits and _", name)
    if told.dataset in views:
        raise found.mistake(f"{name}: {views[told.dataset].no_table('write')}", name, "dataset")
    if told.dataset not in registry:
        raise found.mistake(f"{name}: {registry.unknown(told.dataset)}", name, "dataset")
    if told.seconds is not None and told.seconds < 1:
        raise found.mistake(f"{name}: seconds must be at least 1", name, "seconds")
    if told.replicas < 1:
        raise found.mistake(f"{name}: replicas must be at least 1", name, "replicas")
    dataset = registry[told.dataset]
    try:
        table = whole_table(dataset) if told.private else public_table(dataset)
        target = _target(told.to)
    except (SinkError, ValueError) as error:
        raise found.mistake(f"{name}: {error}", name, "to") from error
    usual = SECONDS_OF_FILES if isinstance(target, Path) else SECONDS
    return Output(name, dataset, table, told.to, target, told.seconds or usual, told.replicas)


def _target(text: str) -> Address | Topic | Path:
    scheme = text.partition(":")[0]
    if scheme == "cassandra":
        return Address.of(text)
    if scheme == "kafka":
        return Topic.of(text)
    if scheme == "delta":
        parts = urlsplit(text)
        if not parts.netloc and parts.path.startswith("/") and not parts.query:
            return Path(parts.path).resolve()
        message = f"{shown(text)!r} is no folder; write delta:///path/to/folder"
        raise ValueError(message)
    message = f"{shown(text)!r} is no sink; write cassandra://HOST:PORT/KEYSPACE, kafka://HOST:PORT/TOPIC or delta:///FOLDER"
    raise ValueError(message)


def output_named(place: Home, name: str) -> Output:
    """The one of that name.

    Raises:
        Failure: there is none, or sinks.yaml can't be used.
    """
    known = outputs(place)
    if name not in known:
        message = f"no sink {name!r}; {place.sinks_file} names {', '.join(known) or 'none'}"
        raise Failure(message)
    return known[name]


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _same_topic(one: Topic, other: Topic) -> bool:
    brokers, others = ({_named(broker) for broker in topic.brokers.split(",")} for topic in (one, other))
    return one.name == other.name and not brokers.isdisjoint(others)


def _same_keyspace(one: Address, other: Address) -> bool:
    nodes, others = ({_named(host) for host in address.hosts} for address in (one, other))
    alike = (one.keyspace, one.port) == (other.keyspace, other.port)
    return alike and not nodes.isdisjoint(others)


def _named(host: str) -> str:
    """This machine has two names that everybody uses."""
    return re.sub(r"^localhost\b", "127.0.0.1", host.lower())
