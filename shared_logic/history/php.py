"""Parameters of log rows, as PHP's `serialize` writes them: lengths of strings are bytes of UTF-8."""

from __future__ import annotations

from collections.abc import Mapping

Value = None | bool | int | float | str | dict[str, "Value"]
UNPARSED = "unparsed"
"""The key under which text stands that is not a serialised array."""


def parsed(text: str | None) -> Mapping[str, Value]:
    """The array in the text, keys as text; other text stands whole under `unparsed`; nothing is an empty map.

    >>> parsed('a:1:{s:10:"4::olduser";s:2:"Ä";}'), parsed("A title")
    ({'4::olduser': 'Ä'}, {'unparsed': 'A title'})
    """
    if not text:
        return {}
    try:
        reader = _Reader(text.encode(errors="surrogatepass"))
        value = reader.value()
    except (ValueError, RecursionError):
        return {UNPARSED: text}
    return value if isinstance(value, dict) and reader.at_end else {UNPARSED: text}


class _Reader:
    """Goes through the bytes once; anything unexpected is a ValueError."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def value(self) -> Value:
        kind = self._take(1)
        if kind == b"N":
            self._expect(b";")
            return None
        self._expect(b":")
        match kind:
            case b"i":
                return int(self._until(b";"))
            case b"b":
                return self._until(b";") == b"1"
            case b"d":
                return float(self._until(b";"))
            case b"s":
                text = self._text(int(self._until(b":")))
                self._expect(b";")
                return text
            case b"a":
                return self._array(int(self._until(b":")))
            case _:
                raise ValueError(f"type {kind!r} at byte {self._at}")

    def _array(self, size: int) -> dict[str, Value]:
        self._expect(b"{")
        entries: dict[str, Value] = {}
        for _ in range(size):
            key = self.value()
            entries[str(key)] = self.value()
        self._expect(b"}")
        return entries

    def _text(self, size: int) -> str:
        self._expect(b'"')
        data = self._take(size)
        self._expect(b'"')
        return data.decode()

    def _take(self, size: int) -> bytes:
        data = self._data[self._at : self._at + size]
        if size < 0 or len(data) != size:
            raise ValueError(f"{size} bytes wanted at byte {self._at}")
        self._at += size
        return data

    def _until(self, end: bytes) -> bytes:
        place = self._data.index(end, self._at)
        data = self._data[self._at : place]
        self._at = place + 1
        return data

    def _expect(self, wanted: bytes) -> None:
        if self._take(1) != wanted:
            raise ValueError(f"{wanted!r} wanted at byte {self._at - 1}")
