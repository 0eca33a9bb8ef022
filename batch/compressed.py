"""Input files, compressed or not, as streams of bytes; damage is told as such, and a bomb is refused before it fills anything."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Protocol

import py7zr
import zstandard
from py7zr.exceptions import ArchiveError, PasswordRequired

RATIO_LIMIT = 2_000
"""Bytes out per byte in; real dumps of MediaWiki reach a few hundred."""
FREE_BYTES = 64 * 1024 * 1024
"""So much may come out of any file."""
BUFFER_BYTES = 1 << 20
BZ2_PIECE_BYTES = 1 << 16
ZSTD_PIECE_BYTES = 1 << 11
"""Zstandard's decoder gives all that a piece holds at once: at worst 32,768 times its size."""

_DAMAGE = (
    EOFError,
    OSError,
    ArchiveError,
    PasswordRequired,
    lzma.LZMAError,
    zlib.error,
    zstandard.ZstdError,
)


class InputError(Exception):
    """A file can't be read; the message names it and says why."""


class RatioCap:
    """Counts what comes out of a file, and refuses it when that is out of all proportion to what is in it."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.limit = FREE_BYTES + RATIO_LIMIT * size
        self.out = 0

    def add(self, number: int) -> None:
        """Count so many bytes.

        Raises:
            InputError: they are too many.
        """
        self.out += number
        if self.out > self.limit:
            raise InputError(
                f"{self.path}: over {RATIO_LIMIT:,} times its size unpacked; refused as a decompression bomb"
            )


def open_input(path: Path) -> BinaryIO:
    """The decompressed bytes of a file; its ending says how: .gz, .bz2, .zst, .7z (one file in it), else plain.

    The stream itself raises `InputError`, too, when damage or a bomb shows only later. Close it, or use it with `with`.

    Raises:
        InputError: missing, not readable, empty, damaged, or a bomb.
    """
    size = size_of(path)
    with _told(path):
        stream = io.BufferedReader(_Checked(_opened(path), RatioCap(path, size)), BUFFER_BYTES)
    try:
        # A wrong ending shows in the first bytes.
        head = stream.peek(1)
    except InputError:
        stream.close()
        raise
    if not head:
        stream.close()
        raise InputError(f"{path} is empty inside")
    return stream


def size_of(path: Path) -> int:
    """Bytes of a file as it lies on disk.

    Raises:
        InputError: missing, not readable, or empty.
    """
    with _told(path), path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
    if not size:
        raise InputError(f"{path} is empty")
    return size


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell what fails inside as what it is."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder, a file is wanted") from error
    except PermissionError as error:
        raise InputError(f"{path}: not allowed to read it; check its rights") from error
    except _DAMAGE as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: BaseException) -> InputError:
    """What is said of a file in which reading fails."""
    return InputError(f"{path} is damaged or not what its ending says ({error}); fetch it again")


class _Source(Protocol):
    """What is read from: files and decompressors."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


def _opened(path: Path) -> _Source:
    match path.suffix:
        case ".gz":
            return gzip.open(path)
        case ".bz2":
            return _Frames(path.open("rb"), BZ2_PIECE_BYTES, bz2.BZ2Decompressor)
        case ".zst":
            return _Frames(path.open("rb"), ZSTD_PIECE_BYTES, _ZstdFrame)
        case ".7z":
            return _only_member(path)
        case _:
            return path.open("rb")


class _Checked(io.RawIOBase):
    """Passes bytes on, counted, and tells damage as what it is."""

    def __init__(self, source: _Source, cap: RatioCap) -> None:
        self._source = source
        self._cap = cap

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._source.read(len(buffer))
        except _DAMAGE as error:
            raise damaged(self._cap.path, error) from error
        self._cap.add(len(data))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._source.close()
        super().close()


class _Frame(Protocol):
    """A decoder of one stream of a file that may hold several."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _ZstdFrame:
    """Zstandard's decoder with the names of bz2's."""

    needs_input = True

    def __init__(self) -> None:
        self._decoder = zstandard.ZstdDecompressor().decompressobj()

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:  # noqa: ARG002  it can't be told
        return self._decoder.decompress(data)


class _Frames:
    """Every stream of a file, one after the other.

    The libraries' own readers take a file that ends within a stream (zstandard), or whose next stream starts with damage
    (bz2), for one that is complete; rows would be missing and nobody would know.
    """

    def __init__(self, file: IO[bytes], piece: int, frame: Callable[[], _Frame]) -> None:
        self._file = file
        self._piece = piece
        self._new_frame = frame
        self._frame = frame()
        self._waiting = b""

    def read(self, size: int, /) -> bytes:
        while not self._waiting:
            data = b""
            if self._frame.eof:
                data = self._frame.unused_data or self._file.read(self._piece)
                if not data:
                    return b""
                self._frame = self._new_frame()
            elif self._frame.needs_input:
                data = self._file.read(self._piece)
                if not data:
                    raise EOFError("it ends in the middle")
            self._waiting = self._frame.decompress(data, size)
        given, self._waiting = self._waiting[:size], self._waiting[size:]
        return given

    def close(self) -> None:
        self._file.close()


def _only_member(path: Path) -> IO[bytes]:
    """The only file in an archive, unpacked to a temporary file that is gone when closed: py7zr can't be read from."""
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    try:
        with py7zr.SevenZipFile(path) as archive:
            members = [entry.filename for entry in archive.list() if not entry.is_directory]
            _refuse_many(path, members)
            # The reader counts again, from the start, what it reads of the temporary file.
            archive.extract(targets=members, factory=_To(unpacked, RatioCap(path, path.stat().st_size)))
        unpacked.seek(0)
    except BaseException:
        unpacked.close()
        raise
    return unpacked


def _refuse_many(path: Path, members: list[str]) -> None:
    if len(members) != 1:
        raise InputError(f"{path} holds {len(members)} files, one is wanted; unpack it yourself")


class _To(py7zr.WriterFactory):  # type: ignore[misc]
    """Lets py7zr write to a file of ours."""

    def __init__(self, file: IO[bytes], cap: RatioCap) -> None:
        self._file = file
        self._cap = cap

    def create(self, filename: str) -> py7zr.Py7zIO:  # noqa: ARG002  there is but one
        return _Counted(self._file, self._cap)


class _Counted(py7zr.Py7zIO):  # type: ignore[misc]
    """A file to which py7zr writes, counted."""

    def __init__(self, file: IO[bytes], cap: RatioCap) -> None:
        self._file = file
        self._cap = cap

    def write(self, s: bytes | bytearray) -> int:
        self._cap.add(len(s))
        return self._file.write(s)

    def read(self, size: int | None = None) -> bytes:
        return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def flush(self) -> None:
        self._file.flush()

    def size(self) -> int:
        return self._cap.out
