"""What stack.yaml says of a stack on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from cli.configuration import mistaken, parsed
from shared_logic.registry import registry
from stack.cassandra_node import SMALLEST_HEAP_MIB as SMALLEST_CASSANDRA_MIB
from stack.kafka_broker import SMALLEST_HEAP_MIB as SMALLEST_KAFKA_MIB

LAST_PORT = 65_535
Port = Annotated[int, Meta(ge=1, le=LAST_PORT)]
_NO_CRON = ("@once", "@continuous")
"""What Airflow takes for a schedule beside expressions of cron."""


class StackSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stack.yaml in the home says; every line may be left out."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    kafka_port: Port = 9092
    kafka_controller_port: Port = 9093
    kafka_memory_mib: Annotated[int, Meta(ge=SMALLEST_KAFKA_MIB)] = SMALLEST_KAFKA_MIB
    cassandra_port: Port = 9042
    cassandra_storage_port: Port = 7000
    cassandra_memory_mib: Annotated[int, Meta(ge=SMALLEST_CASSANDRA_MIB)] = SMALLEST_CASSANDRA_MIB
    spark_port: Port = 7077
    spark_web_port: Port = 8081
    spark_workers: Annotated[int, Meta(ge=1)] = 2
    """At least one: without any, what is sent to the cluster would wait for ever."""
    spark_worker_port: Port = 7078
    """Of the first worker; each takes two ports, the next ones after those."""
    spark_worker_memory_mib: Annotated[int, Meta(ge=1_024)] = 2_048
    """At least what an executor asks for."""
    airflow_port: Port = 8088
    airflow_execution_port: Port = 8089
    """Where Airflow's tasks tell how they are."""
    api_port: Port = 8080
    speed_processes: Annotated[int, Meta(ge=0)] = 2
    speed_port: Port = 9464
    """Of the first daemon; the others take the next ones."""
    paused: tuple[str, ...] = ()
    """Datasets that the daemons don't keep for now."""
    sinks_port: Port = 9474
    partitions: Annotated[int, Meta(ge=1)] = 4
    schedule: str | None = None
    """How often everything is recomputed; empty: when it is asked for; None: monthly, from when somebody unpauses Airflow's DAGs."""
    wiki: str = ""
    """The wiki that requests mean which name none."""


def settings(home: Path) -> StackSettings:
    """What stack.yaml says.

    Raises:
        Failure: it can't be used.
    """
    path = home.expanduser() / "stack.yaml"
    made = parsed(path, StackSettings) if path.exists() else StackSettings()
    taken: dict[int, str] = {}
    for what, port in _ports(made):
        field = what.partition(" ")[0]
        if port > LAST_PORT:
            raise mistaken(
                path, f"{what} would be port {port}, and the last one is {LAST_PORT}; begin lower", field
            )
        if (other := taken.setdefault(port, what)) != what:
            why = f"port {port} is wanted for {other} and for {what}; give each a port of its own"
            raise mistaken(path, why, field)
    if made.schedule and not _is_schedule(made.schedule):
        why = (
            f'schedule: {made.schedule!r} is none that Airflow knows; write it as cron does, such as "0 4 * * 1", '
            "or as @hourly, @daily, @weekly or @monthly"
        )
        raise mistaken(path, why, "schedule")
    for place, name in enumerate(made.paused):
        if name not in registry:
            raise mistaken(path, f"paused: {registry.unknown(name)}", "paused", str(place))
    return made


def port_names(home: Path, made: StackSettings) -> Mapping[int, str]:
    """By port what to change where it is taken."""
    path = home / "stack.yaml"
    return {port: f"another {what.partition(' ')[0]} in {path}" for what, port in _ports(made)}


def _is_schedule(text: str) -> bool:
    from croniter import croniter  # type: ignore[import-untyped]  # comes with Airflow, and takes its time

    return text in _NO_CRON or bool(croniter.is_valid(text))


def _ports(made: StackSettings) -> list[tuple[str, int]]:
    """What listens where, by the names of the settings."""
    several = {
        "spark_worker_port": 2 * made.spark_workers,
        "speed_port": made.speed_processes,
    }
    found = []
    for name, first in msgspec.structs.asdict(made).items():
        if name.endswith("_port"):
            more = [(f"{name} + {further}", first + further) for further in range(1, several.get(name, 1))]
            found += [(name, first), *more]
    return found
