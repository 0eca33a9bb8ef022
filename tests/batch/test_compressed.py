import bz2
import gzip
import os
from pathlib import Path

import py7zr
import pytest
import zstandard

from batch import compressed
from batch.compressed import InputError, open_input

DATA = b"abc\n" * 20_000 + os.urandom(200_000)
HALF = len(DATA) // 2
AAWIKI = (
    Path(__file__).parents[2].parent
    / "shared"
    / "data"
    / "dumps"
    / "aawiki-20260101-pages-meta-history.xml.7z"
)


def seven_zip(path, members):
    with py7zr.SevenZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(data, name)
    return path


def written(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


def read(path):
    with open_input(path) as stream:
        return stream.read()


@pytest.mark.parametrize(
    "name,data",
    [
        ("a.xml", DATA),
        ("a.xml.gz", gzip.compress(DATA, mtime=0)),
        ("several.xml.gz", gzip.compress(DATA[:HALF], mtime=0) + gzip.compress(DATA[HALF:], mtime=0)),
        ("a.xml.bz2", bz2.compress(DATA)),
        ("several.xml.bz2", bz2.compress(DATA[:HALF]) + bz2.compress(DATA[HALF:])),
        ("a.xml.zst", zstandard.compress(DATA)),
        ("several.xml.zst", zstandard.compress(DATA[:HALF]) + zstandard.compress(DATA[HALF:])),
    ],
)
def test_gives_the_bytes_however_compressed(tmp_path, name, data):
    assert read(written(tmp_path, name, data)) == DATA


def test_gives_the_one_file_of_an_archive(tmp_path):
    assert read(seven_zip(tmp_path / "a.7z", {"a.xml": DATA})) == DATA


def test_gives_a_real_archive():
    if not AAWIKI.exists():
        pytest.skip(f"{AAWIKI} is missing")
    data = read(AAWIKI)
    assert data.startswith(b"<mediawiki")
    assert data.rstrip().endswith(b"</mediawiki>")


def test_refuses_an_archive_of_several_files(tmp_path):
    path = seven_zip(tmp_path / "a.7z", {"a.xml": DATA, "b.xml": DATA})
    with pytest.raises(InputError, match=r"a\.7z holds 2 files"):
        read(path)


@pytest.mark.parametrize(
    "name,compress", [("a.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.zst", zstandard.compress)]
)
@pytest.mark.parametrize("missing", [1, 5, 1_000, 150_000])
def test_a_file_cut_off_is_damaged_never_merely_shorter(tmp_path, name, compress, missing):
    path = written(tmp_path, name, compress(DATA)[:-missing])
    with pytest.raises(InputError, match=f"{name} is damaged"):
        read(path)


@pytest.mark.parametrize("missing", [10, 1_000, 100_000])
def test_an_archive_cut_off_is_damaged(tmp_path, missing):
    path = seven_zip(tmp_path / "a.7z", {"a.xml": DATA})
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(InputError, match=r"a\.7z is damaged"):
        read(path)


@pytest.mark.parametrize(
    "name,compress", [("a.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.zst", zstandard.compress)]
)
def test_damage_where_the_second_stream_starts_is_told(tmp_path, name, compress):
    first = compress(DATA[:HALF])
    second = bytearray(compress(DATA[HALF:]))
    second[0] ^= 0xFF
    with pytest.raises(InputError, match="damaged"):
        read(written(tmp_path, name, first + bytes(second)))


@pytest.mark.parametrize("name,compress", [("a.gz", gzip.compress), ("a.bz2", bz2.compress)])
@pytest.mark.parametrize("place", [0, 12, 60, 100_000])
def test_damage_anywhere_is_told(tmp_path, name, compress, place):
    data = bytearray(compress(DATA))
    data[place : place + 200] = bytes(byte ^ 0xFF for byte in data[place : place + 200])
    with pytest.raises(InputError, match="damaged"):
        read(written(tmp_path, name, bytes(data)))


@pytest.mark.parametrize("name", ["a.gz", "a.bz2", "a.zst", "a.7z"])
def test_a_file_that_is_not_what_its_ending_says(tmp_path, name):
    with pytest.raises(InputError, match=f"{name} is damaged or not what its ending says"):
        open_input(written(tmp_path, name, b"plain text " * 100))


def test_missing_empty_and_folder_are_told(tmp_path):
    with pytest.raises(InputError, match=r"none\.xml: no such file"):
        open_input(tmp_path / "none.xml")
    with pytest.raises(InputError, match=r"e\.xml is empty"):
        open_input(written(tmp_path, "e.xml", b""))
    with pytest.raises(InputError, match=r"e\.gz is empty inside"):
        open_input(written(tmp_path, "e.gz", gzip.compress(b"")))
    with pytest.raises(InputError, match="is a folder"):
        open_input(tmp_path)


def test_a_file_that_may_not_be_read(tmp_path):
    path = written(tmp_path, "a.xml", DATA)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(InputError, match="not allowed"):
        open_input(path)


@pytest.mark.parametrize(
    "name,compress", [("a.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.zst", zstandard.compress)]
)
def test_a_bomb_is_refused(tmp_path, monkeypatch, name, compress):
    monkeypatch.setattr(compressed, "RATIO_LIMIT", 20)
    monkeypatch.setattr(compressed, "FREE_BYTES", 10_000)
    path = written(tmp_path, name, compress(bytes(10_000_000)))
    with pytest.raises(InputError, match=f"{name}: over 20 times"):
        read(path)


def test_an_archive_that_is_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(compressed, "RATIO_LIMIT", 20)
    monkeypatch.setattr(compressed, "FREE_BYTES", 10_000)
    path = seven_zip(tmp_path / "a.7z", {"a.xml": bytes(10_000_000)})
    with pytest.raises(InputError, match=r"a\.7z: over 20 times"):
        open_input(path)


def test_an_error_of_whoever_reads_is_not_blamed_on_the_file(tmp_path):
    path = written(tmp_path, "a.xml", DATA)
    with pytest.raises(OSError, match="no space"), open_input(path):
        raise OSError("no space left elsewhere")
