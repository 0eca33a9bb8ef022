"""Input files, compressed or not, as streams of bytes; a bomb is refused before it fills anything."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

import py7zr
import zstandard

RATIO_LIMIT = 2_000
"""Bytes out per byte in; real dumps of MediaWiki reach a few hundred."""
FREE_BYTES = 64 * 1024 * 1024
"""So much may come out of any file."""
_DAMAGED = (EOFError, OSError, lzma.LZMAError, zstandard.ZstdError, py7zr.Bad7zFile)


class InputError(Exception):
    """A file can't be read; the message names it and says why."""


@contextmanager
def open_input(path: Path) -> Iterator[BinaryIO]:
    """The decompressed bytes of a file; its ending says how: .gz, .bz2, .zst, .7z, else plain.

    Raises:
        InputError: missing, not readable, empty, damaged (also while it is read), or a bomb.
    """
    try:
        size = path.stat().st_size
        if path.is_dir():
            message = f"{path} is a folder, a file is wanted"
            raise InputError(message)
        if size == 0:
            message = f"{path} is empty"
            raise InputError(message)
        with _opened(path) as stream:
            yield io.BufferedReader(_Capped(stream, path, size), 1 << 20)
    except FileNotFoundError as error:
        message = f"{path}: no such file"
        raise InputError(message) from error
    except PermissionError as error:
        message = f"{path}: not allowed to read it; check its rights"
        raise InputError(message) from error
    except _DAMAGED as error:
        message = f"{path} is damaged or not what its ending says ({error}); fetch it again"
        raise InputError(message) from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    match path.suffix:
        case ".gz":
            with gzip.open(path) as stream:
                yield stream
        case ".bz2":
            with bz2.open(path) as stream:
                yield stream
        case ".zst":
            with zstandard.open(path, "rb") as stream:
                yield stream
        case ".7z":
            with tempfile.TemporaryDirectory() as folder, py7zr.SevenZipFile(path) as archive:
                (member, *more) = [entry for entry in archive.list() if not entry.is_directory]
                if more or (
                    member.uncompressed > FREE_BYTES
                    and member.uncompressed > RATIO_LIMIT * path.stat().st_size
                ):
                    message = f"{path}: more than one file in it, or too large unpacked; unpack it yourself"
                    raise InputError(message)
                archive.extract(folder, [member.filename])
                with (Path(folder) / member.filename).open("rb") as stream:
                    yield stream
        case _:
            with path.open("rb") as stream:
                yield stream


class _Capped(io.RawIOBase):
    """Passes bytes on until there are too many for the size of the file."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, path: Path, size: int) -> None:
        self._stream, self._path, self._size, self._out = stream, path, size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._out += len(data)
        if self._out > FREE_BYTES and self._out > RATIO_LIMIT * self._size:
            message = f"{self._path}: over {RATIO_LIMIT} times its size unpacked; it is refused as a bomb"
            raise InputError(message)
        return len(data)
