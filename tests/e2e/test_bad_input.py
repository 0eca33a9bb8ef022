"""Bad input at the command line: one clear line or a dead letter, the rest goes on, and every event is accounted for."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli import main
from cli.failures import CANNOT_KNOW, EMPTY, MISTAKE
from cli.templates import TEMPLATES

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
Run = Callable[..., tuple[int, str, str]]
BOMB_BYTES = 300_000_000
REVISION = """<page><title>A</title><ns>0</ns><id>1</id><revision><id>{}</id><timestamp>{}</timestamp>
<contributor><username>Alice</username><id>7</id></contributor><text>a</text></revision></page>"""
HEAD = '<mediawiki version="0.11"><siteinfo><dbname>testwiki</dbname></siteinfo>'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line as its entry point does; gives exit code, output and what it says of errors."""
    monkeypatch.setenv("WIKIBRAID_HOME", str(tmp_path / "home"))

    def command(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["wikibraid", *map(str, words)])
        code = 0
        try:
            main.run()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def event(rev_id: int, **changes: object) -> bytes:
    good: dict[str, object] = {
        "$schema": "/mediawiki/revision/create/1.1.0",
        "meta": {"stream": "mediawiki.revision-create", "dt": "2024-01-01T00:00:00Z"},
        "database": "testwiki",
        "page_id": 1,
        "page_title": "Page",
        "page_namespace": 0,
        "rev_id": rev_id,
        "rev_timestamp": "2024-01-01T00:00:00Z",
    }
    return json.dumps(good | changes).encode()


def balance(said: str) -> tuple[int, ...]:
    """The six numbers of the line that every ingest ends with."""
    line = r"read (\S+) = kept (\S+) \+ copies (\S+) \+ dead (\S+) \+ out of scope (\S+) \+ canaries (\S+)"
    found = re.search(line, said)
    assert found is not None, said
    read, *parts = (int(number.replace(",", "")) for number in found.groups())
    assert read == sum(parts)
    return read, *parts


def test_every_event_is_accounted_for(run: Run, tmp_path: Path) -> None:
    # given one event of every fate, some of them hostile
    meta = {"stream": "mediawiki.revision-create", "dt": "2024-01-01T00:00:00Z"}
    lines = [
        event(1),
        event(1),
        b"{not json",
        event(2, comment="x" * (10 * 1024 * 1024)),
        event(3).replace(b'"Page"', b'"\\ud800"'),
        event(4, rev_timestamp="9999-12-31T23:59:59Z"),
        event(5, meta=meta | {"dt": "2099-12-31T23:59:59Z"}),
        event(-6),
        event(7, page_id=-4),
        event(8, **{"$schema": "/mediawiki/revision/create/9.0.0"}),
        event(9, page_namespace=4711),
        b'{"rev_id": 99, ' + event(10)[1:],
        event(11, database="otherwiki"),
        event(12, meta=meta | {"domain": "canary"}),
    ]
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join(lines))
    # when they are ingested for one wiki
    code, said, _ = run("ingest", "events", file, "--wiki", "testwiki")
    # then each is counted once, and whoever is dead is kept with its line and reason
    assert code == 0
    assert balance(said) == (14, 3, 1, 8, 1, 1)
    letters = json.loads(run("deadletters", "list", "--json")[1])
    assert [(letter["line"], letter["reason"]) for letter in letters] == [
        (3, "not-json"),
        (4, "too-large"),
        (5, "not-json"),
        (6, "odd-clock"),
        (7, "future-message"),
        (8, "wrong-schema"),
        (9, "wrong-schema"),
        (10, "new-major-version"),
    ]
    # and nothing changes when all come again, or dead letters are replayed
    again = run("ingest", "events", file, "--wiki", "testwiki")[1]
    assert (balance(again)[0], "14  lines were read before" in again) == (0, True)
    assert "0 went to the logs, 8 stay dead letters" in run("deadletters", "replay", "--wiki", "testwiki")[1]


@pytest.mark.parametrize("command", [("live",), ("kafka", "--brokers", "127.0.0.1:1")])
def test_nothing_begins_in_the_future(run: Run, command: tuple[str, ...]) -> None:
    code, _, errors = run("ingest", *command, "--since", "2999-01-01T00:00:00Z")
    assert (code, "2999-01-01T00:00:00Z is still to come" in errors) == (1, True)


def test_a_last_line_is_read_once_it_is_whole(run: Run, tmp_path: Path) -> None:
    # given a file whose last line is still being written
    file = tmp_path / "events.ndjson"
    line = event(2, comment="x" * 600)
    file.write_bytes(event(1, comment="x" * 600) + b"\n" + line[:400])
    # when it is ingested, then that line is left, and told
    code, said, errors = run("ingest", "events", file)
    assert (code, balance(said)) == (0, (1, 1, 0, 0, 0, 0))
    assert f"{file}: its last line is not whole" in errors
    # and when it is whole it is read, though no newline follows
    file.write_bytes(file.read_bytes() + line[400:])
    code, said, errors = run("ingest", "events", file)
    assert (code, balance(said), errors.strip()) == (0, (1, 1, 0, 0, 0, 0), "")


def test_files_that_cannot_be_read_are_named_and_the_rest_goes_on(run: Run, tmp_path: Path) -> None:
    # given a folder with an empty file, a bomb, one that is cut off, and a good one
    folder = tmp_path / "events"
    folder.mkdir()
    (folder / "1-empty.ndjson").write_bytes(b"")
    (folder / "2-bomb.ndjson.bz2").write_bytes(bz2.compress(b"x" * BOMB_BYTES))
    many = b"\n".join(event(rev_id, comment="x" * 10_000) for rev_id in range(10, 410))
    (folder / "3-cut.ndjson.gz").write_bytes(gzip.compress(many)[:-20])
    (folder / "4-good.ndjson").write_bytes(event(2) + b"\n" + event(3))
    # when it is ingested
    code, said, errors = run("ingest", "events", folder, tmp_path / "nowhere.ndjson")
    # then the good one is in the log, as is most of what came before the cut; each other is one line, and the end tells of them
    assert code == MISTAKE
    read, kept, *_ = balance(said)
    assert 2 + 200 < kept == read < 2 + 400
    for says in (
        "skipped: .*1-empty.ndjson is empty",
        "skipped: .*2-bomb.ndjson.bz2: over 2,000 times its size unpacked; refused as a decompression bomb",
        "skipped: .*3-cut.ndjson.gz is damaged or not what its ending says",
        "skipped: .*nowhere.ndjson: can't be read",
        "wikibraid: 4 of the inputs could not be read to the end",
    ):
        assert re.search(f"^{says}", errors, re.MULTILINE), (says, errors)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder: nobody is refused")
def test_a_folder_that_may_not_be_read_is_named(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "events"
    folder.mkdir(mode=0)
    code, _, errors = run("ingest", "events", folder)
    assert code == MISTAKE
    assert f"skipped: {folder}: can't be read (Permission denied)" in errors


def test_a_folder_that_cannot_be_listed_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a folder that the system refuses to list
    folder = tmp_path / "events"
    folder.mkdir()

    def refusing(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refusing)
    # then it is named
    code, _, errors = run("ingest", "events", folder)
    assert (code, f"skipped: {folder}: can't be read (Permission denied)" in errors) == (MISTAKE, True)


@pytest.mark.parametrize(
    "name,data,says",
    [
        ("empty.xml", b"", "empty.xml is empty"),
        ("bomb.xml.bz2", bz2.compress(b" " * BOMB_BYTES), "refused as a decompression bomb"),
        (
            "type.xml",
            b'<!DOCTYPE x [<!ENTITY e "e">]><mediawiki/>',
            "type.xml: a document type (x) is refused",
        ),
        ("no.xml", b"hello", "no.xml: syntax error (line 1, column 0)"),
        ("other.xml", b"<html/>", "other.xml: the outermost element is html, not mediawiki"),
        (
            "cut.xml",
            (HEAD + "<page><title>A</ti").encode(),
            "cut.xml: unclosed token",
        ),
        (
            "cut.xml.gz",
            gzip.compress(HEAD.encode(), mtime=0)[:-9],
            "cut.xml.gz is damaged or not what its ending says",
        ),
        (
            "soon.xml",
            (HEAD + REVISION.format(1, "2098-01-01T00:00:00Z") + "</mediawiki>").encode(),
            "the newest time in it is 2098-01-01T00:00:00Z, which is still to come; say with --taken-at",
        ),
    ],
)
def test_what_is_no_dump_is_one_clear_line(
    run: Run, tmp_path: Path, name: str, data: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(data)
    code, said, errors = run("ingest", "dump", tmp_path / name, "--wiki", "testwiki")
    assert (code, said) == (MISTAKE, "")
    (line,) = errors.split("\n\n")[-1].strip().splitlines()
    assert line.startswith("wikibraid: ")
    assert says in line


def test_bad_revisions_of_a_dump_are_counted_and_the_rest_goes_on(run: Run, tmp_path: Path) -> None:
    # given a dump with an id below zero, a time of the year 9999, and a good revision
    pages = [
        REVISION.format(-5, "2021-01-01T00:00:00Z"),
        REVISION.format(6, "9999-12-31T23:59:59Z"),
        REVISION.format(7, "2021-01-01T00:00:00Z"),
    ]
    (tmp_path / "dump.xml").write_text(HEAD + "".join(pages) + "</mediawiki>")
    # when it is ingested
    code, said, _ = run("ingest", "dump", tmp_path / "dump.xml")
    # then the good one is there, and the others are counted by reason
    assert code == 0
    assert "1 revisions, as of 2021-01-01" in said
    assert re.search(r"1  skipped: revision: bad_timestamp", said)
    assert re.search(r"1  skipped: revision: (not_a_number|no_id|not_positive)", said)


@pytest.mark.parametrize(
    "words",
    [
        ["query", "daily_edits"],
        ["sql", "FROM daily_edits"],
        ["export", "daily_edits", "--out", "out"],
        ["explain", "daily_edits", "testwiki", "2022-01-30", "0", "account"],
        ["changes", "daily_edits"],
        ["parity", "daily_edits"],
        ["plan"],
        ["cut"],
        ["batch", "run"],
        ["generations", "list", "daily_edits"],
        ["deadletters", "list"],
        ["serve"],
    ],
)
def test_who_brings_nothing_in_makes_no_home(run: Run, tmp_path: Path, words: list[str]) -> None:
    code, said, errors = run(*words)
    assert (code, said) == (MISTAKE, "")
    assert f"wikibraid: {tmp_path}/home is no home of wikibraid; name one with --home" in errors
    assert list(tmp_path.iterdir()) == []


def test_a_home_into_which_nothing_was_brought_publishes_nothing(run: Run, tmp_path: Path) -> None:
    # given a home that was just made
    run("init")
    # when a batch is run, then it says what is missing
    code, _, errors = run("batch", "run", "daily_edits")
    assert (code, f"nothing was ever brought into {tmp_path}/home: do that by" in errors) == (EMPTY, True)
    assert run("query", "daily_edits")[0] == CANNOT_KNOW


def test_of_many_dead_letters_the_newest_are_listed(run: Run, tmp_path: Path) -> None:
    # given three dead letters
    (tmp_path / "events.ndjson").write_text("{a\n{b\n{c\n")
    run("ingest", "events", tmp_path / "events.ndjson")
    # when two are asked for
    code, said, errors = run("deadletters", "list", "--limit", "2")
    # then the newest are there, and how many there are is told
    assert (code, said.count("not-json")) == (0, 2)
    assert "3 dead letters, the newest 2 of them shown" in errors


def test_jars_that_are_not_there_are_one_clear_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given events, and no jars for Spark
    monkeypatch.setenv("WIKIBRAID_JARS", str(tmp_path))
    (tmp_path / "events.ndjson").write_bytes(event(1))
    run("ingest", "events", tmp_path / "events.ndjson")
    # when a batch is run
    code, _, errors = run("batch", "run", "daily_edits")
    # then it says so
    assert code == MISTAKE
    assert f"wikibraid: no jars in {tmp_path}; `make setup` fetches them" in errors


@pytest.mark.parametrize(
    "words",
    [
        ["access", "list"],
        ["access", "admit", "bob", "--role", "operator"],
        ["access", "revoke", "bob"],
        ["serve", "--port", "0"],
        ["config", "check"],
    ],
)
@pytest.mark.parametrize(
    "text,says",
    [
        (b"admitted: nonsense\n", "line 1: admitted: "),
        (b"bob: {sha256: 12, roles: [operator]}\n", "line 1: bob: "),
        (b"alice:\n", "line 1: alice: "),
        (b"bob: [\n", "line 2: no YAML ("),
        (b"- bob\n", "line 1: names with what belongs to each are wanted"),
        (b"# Zo\xeb\n", "line 1: no text in UTF-8"),
    ],
)
def test_a_mistake_in_access_yaml_is_one_clear_line(
    run: Run, tmp_path: Path, words: list[str], text: bytes, says: str
) -> None:
    # given a home in which somebody wrote what names nobody
    run("init")
    path = tmp_path / "home" / "access.yaml"
    path.write_bytes(text)
    # when it is read, then file, line and what is wrong are told, and it is as it was
    code, said, errors = run(*words)
    assert code == MISTAKE
    assert f"{path}, {says}" in said + errors
    assert path.read_bytes() == text


@pytest.mark.parametrize(
    "words",
    [
        ["query", "daily_edits", "--limit", "-1"],
        ["check", "daily_edits", "--examples", "0"],
        ["serve", "--port", "99999"],
        ["speed", "daemon", "--port", "65536"],
    ],
)
def test_numbers_out_of_range_are_refused(run: Run, words: list[str]) -> None:
    code, _, errors = run(*words)
    assert (code, "Invalid value for" in errors) == (2, True)


def test_a_place_that_may_not_be_written_is_one_clear_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a home whose files are another user's
    opened = Path.open

    def refusing(path: Path, *how: Any, **more: Any) -> Any:
        if path.suffix == ".lock":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *how, **more)

    monkeypatch.setattr(Path, "open", refusing)
    # when something is brought in, then it says so
    code, _, errors = run("ingest", "events", tmp_path / "events.ndjson")
    assert code == MISTAKE
    assert f"wikibraid: {tmp_path}/home/.log.lock: not allowed to read or write it" in errors


@pytest.mark.spark
def test_a_java_that_is_not_there_is_one_clear_line(run: Run, tmp_path: Path) -> None:
    # given events, and no Java
    (tmp_path / "events.ndjson").write_bytes(event(1))
    run("ingest", "events", tmp_path / "events.ndjson")
    # when a batch is run
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "batch", "run", "daily_edits", "--home", str(tmp_path / "home")],
        env={**os.environ, "JAVA_HOME": str(tmp_path / "none")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    # then it says so
    assert done.returncode == MISTAKE
    assert (
        "wikibraid: Java doesn't start, which Spark needs; `wikibraid doctor` says what is wrong"
        in done.stderr
    )
    assert "Traceback" not in done.stderr


MISTAKES = {
    "a syntax error": ("yield Fresh(", "yield Fresh)", "SyntaxError: "),
    "a wrong import": ("import Page", "import Pages", "ImportError: cannot import name 'Pages'"),
    "an unknown annotation": ("page: Page", "page: Pages", "Pages"),
    "no partition key": ("Partition[str]", "Clustering[str]", "DefinitionError: "),
    "no return type": (" -> Iterator[Fresh]", "", "DefinitionError: "),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_datasets_module_is_one_clear_line(tmp_path: Path, mistake: str) -> None:
    # given a checkout in which the module of a dataset has a mistake
    for folder in ("shared_logic", "cli", "batch", "serving", "speed", "stack"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / "shared_logic").unlink()
    shutil.copytree(ROOT / "shared_logic", tmp_path / "shared_logic")
    (tmp_path / "cli").unlink()
    shutil.copytree(ROOT / "cli", tmp_path / "cli")
    right, wrong, says = MISTAKES[mistake]
    source = TEMPLATES["entity"].format(name="fresh", table="Fresh")
    assert right in source
    datasets = tmp_path / "shared_logic" / "datasets"
    (datasets / "fresh.py").write_text(source.replace(right, wrong, 1))
    (datasets / "__init__.py").write_text("from shared_logic.datasets import daily_edits, fresh\n")
    # when any command is called
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "datasets"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    # then the mistake is told with its place
    assert (done.returncode, done.stdout) == (MISTAKE, "")
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"wikibraid: {datasets / 'fresh.py'}, line ")
    assert says in line
