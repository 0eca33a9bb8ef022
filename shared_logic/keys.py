"""Keys as bytes that sort as the keys do, so that any ordered store reads partitions and ranges; rows as bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import msgspec

from shared_logic.clock import instant, milliseconds
from shared_logic.tables import Key, Schema, Values

_OFFSET = 1 << 63
_END = b"\x00\x00"


def encode_key(key: Key) -> bytes:
    """The key, or its first columns, as bytes; byte order is the order of the columns."""
    return b"".join([encode_part(value) for value in key])


def decode_key(schema: Schema[Any], data: bytes) -> Key:
    """The key that `encode_key` wrote."""
    values: list[Any] = []
    place = 0
    for kind in schema.key_types:
        if kind is str:
            end = data.index(_END, place)
            values.append(data[place:end].replace(b"\x00\x01", b"\x00").decode())
            place = end + 2
        else:
            (number,) = struct.unpack_from(">Q", data, place)
            place += 8
            values.append(_plain(kind, number - _OFFSET))
    return tuple(values)


@lru_cache(maxsize=65_536)
def encode_part(value: object) -> bytes:
    """One column of a key as bytes: a key is its columns' bytes, one after the other.

    Raises:
        ValueError: a text that is none in UTF-8, or a number of more than 64 bits.
    """
    if isinstance(value, str):
        return value.encode().replace(b"\x00", b"\x00\x01") + _END
    try:
        return struct.pack(">Q", _number(value) + _OFFSET)
    except struct.error as error:
        message = f"{value!r} is no number of 64 bits, as keys hold them"
        raise ValueError(message) from error


def encode_values(values: Values) -> bytes:
    """The values as bytes; equal values give equal bytes."""
    return encode_stored(
        [_number(value) if isinstance(value, datetime | date) else value for value in values]
    )


def encode_stored(values: Sequence[Any]) -> bytes:
    """As `encode_values` of values that hold no instants and days, but what is stored for them: numbers."""
    return _encoder.encode(values)


def decode_values(schema: Schema[Any], data: bytes) -> Values:
    """The values that `encode_values` wrote."""
    values: list[Any] = _decoder.decode(data)
    if len(values) != len(schema.value_names):
        message = f"{schema.name}: {len(values)} values were stored for {len(schema.value_names)} columns"
        raise ValueError(message)
    for place, kind in schema.made_plain:
        if values[place] is not None:
            values[place] = _plain(kind, values[place])
    return tuple(values)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Any])


def _number(value: Any) -> int:
    if isinstance(value, datetime):
        return milliseconds(value)
    return value.toordinal() if isinstance(value, date) else int(value)


def _plain(kind: type, value: Any) -> Any:
    if kind is datetime:
        return instant(value)
    if kind is date:
        return date.fromordinal(value)
    return tuple(value) if kind is tuple else kind(value)
