"""Parts of a dump that can be read apart: each reads as a whole dump, of the pages that begin in it.

A file that is not compressed is cut by bytes, a bz2 file of several streams (multistream dumps, or what parallel compressors write)
where streams begin; any other file is one part. A page is of the part in which its first byte lies; whoever reads that part reads on
to where the next page begins. So no index is needed, and no page is read twice.
"""

from __future__ import annotations

import bz2
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from batch.compressed import BZ2_PIECE_BYTES, InputError, RatioCap, damaged, open_input, size_of

PART_BYTES = {".xml": 32 << 20, ".bz2": 4 << 20}
"""Bytes of a part as they lie on disk, by the file's ending."""
PIECE_BYTES = 1 << 20
LONGEST_HEAD = 1 << 23
LOGGING = "pages-logging"
"""What the name of a dump of log entries holds."""
PAGE, PAGE_END, HEAD_END, END = b"<page>", b"</page>", b"</siteinfo>", b"</mediawiki>\n"
LOOKED_BACK = 100
"""Bytes in which the end of a page is looked for, with what blanks follow it."""

_STREAM = re.compile(rb"BZh[1-9]1AY&SY")
"""How a stream of bz2 begins: its head, and the mark of the first block."""
_STREAM_BYTES = 10
_HEAD = re.compile(rb"BZh[1-9]")

Piece = tuple[bytes, bool]
"""Unpacked bytes, and whether they lie beyond the part."""


class _DamagedBeyond(InputError):  # noqa: N818  what is damaged is no fault of the part
    """A stream is damaged that begins beyond the part: it is told by whoever reads the part in which it begins."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` to `end` of a file, as they lie on disk."""

    path: Path
    start: int
    end: int
    is_whole: bool
    """Whether it is all of the file."""

    @property
    def name(self) -> str:
        """The file, and where in it."""
        return self.path.name if self.is_whole else f"{self.path.name}, bytes {self.start:,} to {self.end:,}"


def parts(path: Path) -> list[Part]:
    """The parts of a file, the same ones on every machine.

    Raises:
        InputError: it can't be read at all.
    """
    size = size_of(path)
    step = size if LOGGING in path.name else PART_BYTES.get(path.suffix, size)
    starts = range(0, size, step)
    return [Part(path, start, min(start + step, size), len(starts) == 1) for start in starts]


def opened(part: Part) -> BinaryIO | PartStream:
    """The part as a dump of its own; it raises `InputError` where the file is damaged.

    Raises:
        InputError: it can't be read.
    """
    return open_input(part.path) if part.is_whole else PartStream(part)


class PartStream:
    """The head of the file, the pages that begin in the part, and the end of a dump."""

    def __init__(self, part: Part) -> None:
        """Nothing is read yet."""
        self._pieces = _as_dump(part)
        self._waiting = b""

    def read(self, size: int, /) -> bytes:
        """The next bytes, none at the end."""
        while not self._waiting:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._waiting = piece
        given, self._waiting = self._waiting[:size], self._waiting[size:]
        return given

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        self._pieces.close()


def _as_dump(part: Part) -> Generator[bytes, None, None]:
    pages = _pieces(part)
    if part.start:
        yield _head(part.path)
        pages = _from_first_page(pages)
    yield from _to_last_page(pages)


def _head(path: Path) -> bytes:
    """What stands before the first page."""
    head = b""
    for data, _ in _pieces(Part(path, 0, LONGEST_HEAD, is_whole=False)):
        head += data
        if PAGE in head or len(head) > LONGEST_HEAD:
            break
    return head.partition(PAGE)[0]


def _pieces(part: Part) -> Iterator[Piece]:
    """The unpacked bytes from the part's beginning on, to the end of the file."""
    return _bz2_pieces(part) if part.path.suffix == ".bz2" else _plain_pieces(part)


def _from_first_page(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces from the first page on that begins in the part; nothing, if none does."""
    tail = beyond = b""
    for data, is_beyond in pieces:
        if is_beyond:
            beyond += data
            # A page whose tag is cut by the part's end is still the part's.
            place = (tail + beyond[: len(PAGE) - 1]).find(PAGE)
            if place >= 0:
                yield tail[place:], False
                yield beyond, True
                yield from pieces
                return
            if len(beyond) >= len(PAGE):
                return
            continue
        known = tail + data
        place = known.find(PAGE)
        if place >= 0:
            yield known[place:], False
            yield from pieces
            return
        tail = known[1 - len(PAGE) :]


def _to_last_page(pieces: Iterator[Piece]) -> Iterator[bytes]:
    """The pieces up to the first page that begins beyond the part, then the end of a dump, unless the file itself ended."""
    held = seen = b""
    try:
        for data, is_beyond in pieces:
            known = held + data
            place = known.find(PAGE) if is_beyond else -1
            if place >= 0:
                yield known[:place]
                yield END
                return
            # Beyond the part a tag may go on in the next piece.
            size = max(len(known) - len(PAGE) + 1, 0) if is_beyond else len(known)
            yield known[:size]
            held = known[size:]
            seen = (seen + data)[-LOOKED_BACK:]
    except _DamagedBeyond:
        if not seen.rstrip().endswith((PAGE_END, HEAD_END)):
            raise
        yield held + END
        return
    yield held if seen else END


def _plain_pieces(part: Part) -> Iterator[Piece]:
    with part.path.open("rb") as file:
        file.seek(part.start)
        left = part.end - part.start
        while left and (data := file.read(min(left, PIECE_BYTES))):
            left -= len(data)
            yield data, False
        while data := file.read(PIECE_BYTES):
            yield data, True


def _bz2_pieces(part: Part) -> Iterator[Piece]:
    cap = RatioCap(part.path, part.path.stat().st_size)
    with part.path.open("rb") as file:
        begin = _first_stream(file, part)
        if begin is None:
            return
        try:
            while True:
                file.seek(begin)
                stream = bz2.BZ2Decompressor()
                while not stream.eof:
                    out = stream.decompress(_more(file) if stream.needs_input else b"", PIECE_BYTES)
                    cap.add(len(out))
                    yield out, begin >= part.end
                begin = file.tell() - len(stream.unused_data)
                file.seek(begin)
                if not file.read(1):
                    return
        except (OSError, EOFError) as error:
            told = damaged(part.path, error)
            if begin >= part.end and _begins_stream(file, begin):
                raise _DamagedBeyond(str(told)) from error
            raise told from error


def _begins_stream(file: BinaryIO, place: int) -> bool:
    """Whether who reads the part in which the place lies finds a stream there."""
    file.seek(place)
    return _STREAM.match(file.read(_STREAM_BYTES)) is not None


def _more(file: BinaryIO) -> bytes:
    data = file.read(BZ2_PIECE_BYTES)
    if not data:
        raise EOFError("it ends in the middle")
    return data


def _first_stream(file: BinaryIO, part: Part) -> int | None:
    """Where the first stream begins that begins in the part."""
    if part.start == 0:
        if not _HEAD.match(file.read(len("BZh9"))):
            raise damaged(part.path, OSError("it does not begin as bz2 does"))
        return 0
    file.seek(part.start)
    found = _STREAM.search(file.read(part.end - part.start + _STREAM_BYTES - 1))
    return None if found is None else part.start + found.start()
