"""streams.yaml: which source streams are read, in the shape of Wikimedia's stream configuration (EventStreamConfig)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from cli.configuration import parsed_entries
from shared_logic.events.streams import KINDS, OF_STREAMS


class Stream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of streams.yaml. Settings that other services read are allowed, and not looked at."""

    schema_title: str
    topic_prefixes: tuple[str, ...] = ("eqiad.", "codfw.")
    topics: tuple[str, ...] = ()
    """In Kafka; else the stream's name with each of the prefixes."""
    canary_events_enabled: bool = True
    message_key_fields: dict[str, str] | None = None
    destination_event_service: str | None = None
    producers: dict[str, Any] = {}
    consumers: dict[str, Any] = {}
    public: bool = True
    """Whether EventStreams gives it to everybody: `ingest live` asks for these."""


def streams(path: Path) -> Mapping[str, Stream]:
    """What streams.yaml says, by the streams' names.

    Raises:
        Failure: it can't be used; the message names the file, the line and what is wrong.
    """
    found = parsed_entries(path, Stream)
    for name, stream in found.entries.items():
        if stream.schema_title not in KINDS and (stream.schema_title, name) not in OF_STREAMS:
            known = ", ".join(sorted(KINDS))
            message = f"{name}: nothing reads the schema {stream.schema_title}; there are {known}"
            raise found.mistake(message, name, "schema_title")
    if not found.entries:
        message = "no stream is named, so that nothing could be read; name some, or remove the file"
        raise found.mistake(message)
    return found.entries


def topics(name: str, stream: Stream) -> tuple[str, ...]:
    """Its topics in Kafka."""
    return stream.topics or tuple(prefix + name for prefix in stream.topic_prefixes)
