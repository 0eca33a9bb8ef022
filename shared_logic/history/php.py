"""Parameters of log rows, as PHP's `serialize` writes them: lengths of strings are bytes of UTF-8."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite, isnan
from types import MappingProxyType
from typing import Any

Value = None | bool | int | float | str | dict[str, "Value"]
UNPARSED = "unparsed"
"""The key under which text stands that is not a serialised array."""

MOST_NESTED = 100
"""Arrays within arrays that are followed; MediaWiki's are three deep."""


def parsed(text: str | None) -> Mapping[str, Value]:
    """The array in the text, keys as text; other text stands whole under `unparsed`; nothing is an empty map.

    >>> parsed('a:1:{s:10:"4::olduser";s:2:"Ä";}'), parsed("A title")
    ({'4::olduser': 'Ä'}, {'unparsed': 'A title'})
    """
    if text is None:
        return {}
    try:
        # Half a character that was read from JSON can't be encoded: it is no text that PHP wrote.
        reader = _Reader(text.encode())
        value = reader.value(MOST_NESTED)
    except ValueError:
        return {UNPARSED: text}
    return value if isinstance(value, dict) and reader.at_end else {UNPARSED: text}


def serialised(value: Any) -> str:
    """A value in the form of PHP's `serialize`: what `parsed` takes apart, and lists as arrays from 0 on.

    >>> serialised({"4::olduser": "Ä", "0": None})
    'a:2:{s:10:"4::olduser";s:2:"Ä";i:0;N;}'
    """
    match value:
        case None:
            return "N;"
        case bool():
            return f"b:{value:d};"
        case int():
            return f"i:{value};"
        case float():
            return f"d:{_PHP_FLOATS.get(str(value), repr(value))};"
        case str():
            return f's:{len(value.encode(errors="surrogatepass"))}:"{value}";'
        case list():
            return serialised({str(place): entry for place, entry in enumerate(value)})
        case _:
            entries = "".join(f"{_key(key)}{serialised(entry)}" for key, entry in value.items())
            return f"a:{len(value)}:{{{entries}}}"


def _key(key: str) -> str:
    """PHP's arrays have whole numbers where a key is the text of one."""
    return serialised(int(key) if _WHOLE.fullmatch(key) else key)


_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)
_PHP_FLOATS = MappingProxyType({"nan": "NAN", "inf": "INF", "-inf": "-INF"})


def as_text(params: Mapping[str, Value]) -> dict[str, str]:
    """The parameters as `source_log_params` has them: each value in the form in which Scala prints it.

    The entries of an array within stand in the order of the text; Scala's order of more than four is its own.

    >>> as_text(parsed('a:2:{s:8:"sitewide";b:1;s:5:"flags";a:1:{i:0;N;}}'))
    {'sitewide': 'true', 'flags': 'Map(0 -> None)'}
    """
    return {key: _printed(value) for key, value in params.items()}


def _printed(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return _printed_float(value)
        case dict():
            return f"Map({', '.join(f'{key} -> {_printed(entry)}' for key, entry in value.items())})"
        case _:
            return str(value)


_PLAIN_FROM, _PLAIN_BELOW = 1e-3, 1e7
"""Java prints numbers in between without an exponent."""


def _printed_float(value: float) -> str:
    if not isfinite(value):
        return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or _PLAIN_FROM <= abs(value) < _PLAIN_BELOW:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, *others = digits
    places = int(exponent) + len(others)
    return f"{'-' * sign}{first}.{''.join(map(str, others)) or '0'}E{places}"


_INTEGER = re.compile(rb"[+-]?[0-9]+")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_FLOAT = re.compile(rb"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WORDS = MappingProxyType({b"NAN": float("nan"), b"INF": float("inf"), b"-INF": float("-inf")})
_BOOLEANS = MappingProxyType({b"0": False, b"1": True})


class _Reader:
    """Goes through the bytes once; anything unexpected is a ValueError."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def value(self, nested: int) -> Value:
        kind = self._take(2)
        match kind:
            case b"N;":
                return None
            case b"i:":
                return int(self._checked(_INTEGER, b";"))
            case b"b:":
                text = self._until(b";")
                if text not in _BOOLEANS:
                    raise self._unexpected(f"{text!r} is no boolean")
                return _BOOLEANS[text]
            case b"d:":
                return self._float()
            case b"s:":
                return self._text()
            case b"a:":
                return self._array(nested)
            case _:
                raise self._unexpected(f"type {kind!r}")

    def _array(self, nested: int) -> dict[str, Value]:
        if not nested:
            raise self._unexpected("arrays within arrays without end")
        size = self._length()
        self._expect(b"{")
        entries: dict[str, Value] = {}
        for _ in range(size):
            key = self.value(0)
            if isinstance(key, bool) or not isinstance(key, int | str):
                raise self._unexpected(f"{key!r} is no key")
            entries[str(key)] = self.value(nested - 1)
        self._expect(b"}")
        return entries

    def _text(self) -> str:
        size = self._length()
        self._expect(b'"')
        data = self._take(size)
        self._expect(b'";')
        return data.decode()

    def _float(self) -> float:
        text = self._until(b";")
        if text in _WORDS:
            return _WORDS[text]
        if not _FLOAT.fullmatch(text):
            raise self._unexpected(f"{text!r} is no number")
        return float(text)

    def _length(self) -> int:
        return int(self._checked(_LENGTH, b":"))

    def _checked(self, form: re.Pattern[bytes], end: bytes) -> bytes:
        text = self._until(end)
        if not form.fullmatch(text):
            raise self._unexpected(f"{text!r} is no whole number")
        return text

    def _take(self, size: int) -> bytes:
        data = self._data[self._at : self._at + size]
        if len(data) != size:
            raise self._unexpected(f"{size} bytes wanted")
        self._at += size
        return data

    def _until(self, end: bytes) -> bytes:
        place = self._data.index(end, self._at)
        data = self._data[self._at : place]
        self._at = place + 1
        return data

    def _expect(self, wanted: bytes) -> None:
        if self._take(len(wanted)) != wanted:
            raise self._unexpected(f"{wanted!r} wanted")

    def _unexpected(self, what: str) -> ValueError:
        return ValueError(f"{what} at byte {self._at}")
