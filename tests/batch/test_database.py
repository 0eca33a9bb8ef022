"""Tables out of a database are those of one instant, whatever is written meanwhile, and hold no secret."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from typer.testing import CliRunner

from batch import database as module
from batch.bootstrap import STATES
from batch.compressed import InputError
from batch.database import copy_out, database
from batch.table_files import read_table_folder
from cli.failures import Failure
from cli.main import app
from tests import sample
from tests.servers import free_ports

SECRETS = {"user_password": "hash", "user_email": "alice@example.org", "user_token": "t0ken"}
PASSWORD = "not 1 word"
FETCHED = Path(__file__).parents[2] / ".tools" / "mariadb"
"""Where `make test` puts a MariaDB."""


@dataclass(frozen=True)
class Wiki:
    """A database with the sample's tables."""

    address: str
    password: str
    execute: Callable[[str], None]
    """Write to it, by another connection."""


def rows_of(table: str) -> list[Mapping[str, str | None]]:
    rows = list(read_table_folder(sample.SNAPSHOT)[table])
    return [{**row, **SECRETS} for row in rows] if table == "user" else rows


def fill(run: Callable[[str, Sequence[Sequence[Any]]], None], blob: str, mark: str) -> None:
    """Make the sample's tables, as MediaWiki has them: texts are bytes."""
    for table in read_table_folder(sample.SNAPSHOT):
        rows = rows_of(table)
        names = list(rows[0]) if rows else ["nothing"]
        run(f"CREATE TABLE `{table}` ({', '.join(f'`{name}` {blob}' for name in names)})", [])
        values = [[None if value is None else value.encode() for value in row.values()] for row in rows]
        if values:
            run(f"INSERT INTO `{table}` VALUES ({', '.join([mark] * len(names))})", values)


@pytest.fixture
def sqlite_wiki(tmp_path: Path) -> Wiki:
    path = tmp_path / "gtbwiki.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=WAL")
        fill(
            lambda statement, rows: db.executemany(statement, rows) if rows else db.execute(statement),
            "BLOB",
            "?",
        )  # type: ignore[arg-type,func-returns-value]

    def execute(statement: str) -> None:
        with sqlite3.connect(path, timeout=5) as other:
            other.execute(statement)

    return Wiki(f"sqlite:///{path}", "", execute)


def programs(folder: Path) -> tuple[str, str]:
    """MariaDB's server and what makes its data; what `make test` has fetched is unpacked into the folder."""
    server, installer = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if server is not None and installer is not None:
        return server, installer
    for jar in FETCHED.glob("*.jar"):
        with zipfile.ZipFile(jar) as packed:
            names = [name for name in packed.namelist() if "/linux/" in name and "/libs/" not in name]
            packed.extractall(folder, names)
        (root,) = folder.glob("**/linux")
        for program in (*(root / "bin").iterdir(), *(root / "scripts").iterdir()):
            program.chmod(0o755)
        unpacked = root / "bin" / "mariadbd"
        if subprocess.run([unpacked, "--version"], check=False, capture_output=True).returncode == 0:
            return str(unpacked), str(root / "scripts" / "mariadb-install-db")
    pytest.skip("no MariaDB runs here: `python conf/bootstrap.py mariadb` or apt-get install mariadb-server")


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wiki]:
    """A real MariaDB, of this machine or of `make test`, if it runs here."""
    folder = tmp_path_factory.mktemp("mariadb")
    server, installer = programs(folder)
    (port,) = free_ports(1)
    data = folder / "data"
    subprocess.run(
        [
            installer,
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--user=root",
        ],
        check=True,
        capture_output=True,
    )
    process = subprocess.Popen(
        [
            *(server, "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={folder}/socket"),
            *(f"--port={port}", "--bind-address=127.0.0.1", f"--pid-file={folder}/pid"),
            *("--character-set-server=binary", "--collation-server=binary", "--innodb-buffer-pool-size=64M"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
    )
    root = create_engine(f"mysql+pymysql://root@127.0.0.1:{port}/", isolation_level="AUTOCOMMIT")
    try:
        end = time.monotonic() + 60
        while True:
            try:
                connection = root.connect()
                break
            except Exception:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        with connection:
            connection.exec_driver_sql("CREATE DATABASE gtbwiki")
            connection.exec_driver_sql(f"CREATE USER reader@localhost IDENTIFIED BY '{PASSWORD}'")
            connection.exec_driver_sql("GRANT SELECT ON gtbwiki.* TO reader@localhost")
            connection.exec_driver_sql("USE gtbwiki")
            fill(
                lambda statement, rows: connection.exec_driver_sql(
                    statement, [tuple(row) for row in rows] or None
                ),  # type: ignore[arg-type,func-returns-value]
                "LONGBLOB",
                "%s",
            )

        def execute(statement: str) -> None:
            with root.connect() as other:
                other.exec_driver_sql("USE gtbwiki")
                other.exec_driver_sql(statement)

        yield Wiki(f"mariadb://reader@127.0.0.1:{port}/gtbwiki", PASSWORD, execute)
    finally:
        root.dispose()
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture(params=["sqlite_wiki", "mariadb"])
def wiki(request: pytest.FixtureRequest) -> Wiki:
    found: Wiki = request.getfixturevalue(request.param)
    return found


def ordered(rows: Any) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def test_all_tables_are_of_one_instant(wiki: Wiki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a wiki to which somebody writes as soon as the first table was read
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 100)
    written: list[str] = []

    def told(table: str, _: int) -> None:
        if not written:
            written.append(table)
            wiki.execute("DELETE FROM revision")
            wiki.execute("UPDATE page SET page_title = 'Vandalised'")

    try:
        counts = copy_out(database(wiki.address, wiki.password), tmp_path / "copy", progress=told)
    finally:
        restore(wiki)
    # then every table is as it was in the beginning, without what nobody needs of accounts
    found = read_table_folder(tmp_path / "copy")
    assert counts["revision"] == len(rows_of("revision")) > 0
    for table, rows in found.items():
        wanted = [
            {name: value for name, value in row.items() if name not in SECRETS} for row in rows_of(table)
        ]
        if table == "user":
            wanted = [{name: row[name] for name in next(iter(found["user"]))} for row in wanted]
        assert ordered(rows) == ordered(wanted), table
    assert not {"user_password", "user_email", "user_token"} & set(next(iter(found["user"])))


def restore(wiki: Wiki) -> None:
    """Make what the vandal did undone."""
    for table in ("revision", "page"):
        wiki.execute(f"DROP TABLE {table}")
        rows = rows_of(table)
        blob = "BLOB" if wiki.address.startswith("sqlite") else "LONGBLOB"
        wiki.execute(f"CREATE TABLE {table} ({', '.join(f'{name} {blob}' for name in rows[0])})")
        for row in rows:
            values = ", ".join(
                "NULL" if value is None else f"x'{value.encode().hex()}'" for value in row.values()
            )
            wiki.execute(f"INSERT INTO {table} VALUES ({values})")


@pytest.mark.e2e
def test_a_database_and_its_exported_tables_say_the_same(
    wiki: Wiki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    secret = tmp_path / "secret"
    secret.write_text(wiki.password + "\n")
    monkeypatch.setenv("WIKIBRAID_DATABASE_PASSWORD", str(secret))
    states = []
    for words in (["tables", str(sample.SNAPSHOT), "--wiki", "gtbwiki"], ["database", wiki.address]):
        home = tmp_path / words[0]
        done = CliRunner().invoke(app, ["ingest", *words, "--home", str(home), "--json"])
        assert done.exit_code == 0, done.exception
        (taken,) = json.loads(done.stdout)
        made = taken["bootstrap"]
        table = pq.read_table(home / "bootstraps" / made["id"] / STATES).to_pylist()
        states.append((made["wiki"], made["beginning"], sorted(map(repr, table))))
        assert [path for path in home.glob("temporary/*") if path.is_dir()] == []
        assert PASSWORD not in done.stdout + done.stderr
    assert states[0] == states[1]


@pytest.mark.parametrize(
    "address,why",
    [
        ("mysql://a:secret@h/x", "holds a password"),
        ("oracle://h/x", "no address of a database"),
        ("nonsense", "no address of a database"),
        ("sqlite:////nowhere/x.sqlite", "there is no file"),
    ],
)
def test_what_is_no_database(address: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=why):
        database(address, "")
    done = CliRunner().invoke(app, ["ingest", "database", address, "--home", str(tmp_path / "home")])
    assert isinstance(done.exception, Failure)
    assert "secret" not in str(done.exception)


def test_a_database_that_is_none_of_mediawikis(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    sqlite3.connect(path).execute("CREATE TABLE page (x)")
    with pytest.raises(InputError, match="no table revision; it is none of MediaWiki's"):
        copy_out(database(f"sqlite:///{path}", ""), tmp_path / "copy")
    (port,) = free_ports(1)
    with pytest.raises(InputError, match=r"Can't connect .*check the address"):
        copy_out(database(f"mysql://x@127.0.0.1:{port}/x", "geheim"), tmp_path / "copy")
