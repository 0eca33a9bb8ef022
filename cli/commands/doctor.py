"""Whether this machine can run everything, and how to mend what it can't."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import httpx

from cli.commands import ingest_events, serve, sinks, speed
from cli.failures import Failure
from cli.home import Home
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, home_at, is_home
from cli.output import print_json, print_records
from serving.sqlite_file import BUSY_SECONDS
from serving.sqlite_readonly import WrittenMeanwhileError, connected_readonly
from speed.relocations import SECONDS_UNTIL_SETTLED

JARS = ("delta-spark_4.1_2.13-4.4.0.jar", "delta-storage-4.4.0.jar")
FREE_GIB = 2
MENDING = {
    "log.db": "make a new home of what is archived: put a copy of log.db in its place, which tells where sources stood (with no copy remove it, then "
    "`wikibraid init --partitions N --home OLD`), then `wikibraid ingest home OLD --home NEW --archive-only`. Don't go on with a copy: it is older "
    "than archive and tables",
    "store.db": "remove it, then `wikibraid batch run`: all of it is computed again",
}
"""What to do where a database of the home is damaged."""
PORTS = {
    "wikibraid serve": serve.PORT,
    "wikibraid speed daemon": speed.PORT,
    "wikibraid sinks daemon": sinks.PORT,
    "wikibraid ingest live or kafka": ingest_events.PORT,
}
"""At which commands listen, unless --port says another one."""
SECONDS_FOR_AN_ANSWER = 2.0
LEAST_JAVA = 17
LEAST_MEMORY_GIB = 3


def doctor(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """Check Python, Java, jars, disk, memory, ports, the home and its versions; each fault with its mending."""
    rows = list(findings(home))
    if json:
        print_json(rows)
    else:
        print_records(rows)
    faults = [row for row in rows if row["fix"]]
    if faults:
        message = f"{len(faults)} of {len(rows)} checks failed"
        raise Failure(message)


def findings(home: Path) -> Iterator[dict[str, str]]:
    """What was found, one check each; an empty `fix` means that it is well."""
    python = ".".join(map(str, sys.version_info[:3]))
    right = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield _row("python", python, "" if right else "use Python 3.11 or 3.12: Bytewax has no wheels for others")
    java = _java()
    yield _row(
        "java",
        java or "none",
        ""
        if _major(java) >= LEAST_JAVA
        else f"Spark wants Java {LEAST_JAVA} or newer: apt-get install openjdk-17-jre-headless, or set JAVA_HOME to one",
    )
    folder = Path(os.environ.get("WIKIBRAID_JARS") or Path(__file__).parents[2] / ".tools" / "jars")
    missing = [name for name in JARS if not (folder / name).exists()]
    yield _row("jars", str(folder), f"make setup (missing: {', '.join(missing)})" if missing else "")
    for name in ("pyspark", "delta-spark", "bytewax", "great-expectations", "duckdb"):
        yield _row(name, version(name), "")
    yield _row("sqlite", sqlite3.sqlite_version, "")
    path = home.expanduser().resolve()
    free = shutil.disk_usage(next(folder for folder in (path, *path.parents) if folder.exists())).free / 2**30
    yield _row(
        "disk",
        f"{free:,.1f} GiB free at {path}",
        "" if free > FREE_GIB else "free some space or move --home",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield _row(
        "memory", f"{memory:,.1f} GiB", "" if memory > LEAST_MEMORY_GIB else "Spark wants 3 GiB at least"
    )
    yield from (_row(f"port {port}", *_port(port, what)) for what, port in PORTS.items())
    if not is_home(home):
        yield _row("home", f"none at {path} yet: `wikibraid init` or `ingest` makes it", "")
        return
    place = home_at(home)  # which refuses one that another version made
    may_enter = path.stat().st_mode & stat.S_IRWXO
    yield _row(
        "home",
        str(path),
        f"others may enter it, and what is hidden lies there as it came: chmod 700 {shlex.quote(str(path))}"
        if may_enter
        else "",
    )
    for name, mending in MENDING.items():
        if (path / name).exists():
            found, fix = _wholeness(path / name, mending)
            yield _row(name, found, fix)
            if name == "log.db" and not fix:
                yield _row("relocations", *_relocations(place))


def _relocations(place: Home) -> tuple[str, str]:
    """What is noted of revisions that went to another page, and what to do where that does not pass by itself."""
    with place.notes() as notes:
        noted = notes.relocations.unsettled()
    waiting = [one for one in noted if not one.looked_up]
    vain = [one for one in noted if one.why]
    late = any(time.time() - one.noted > SECONDS_UNTIL_SETTLED for one in waiting)
    return (
        f"{len(waiting):,} history merges or restores wait to be followed, {len(vain):,} can't be",
        "`wikibraid ingest relocations` follows them, or tells why it can't" if late or vain else "",
    )


def _wholeness(path: Path, mending: str) -> tuple[str, str]:
    """What an SQLite file is, and what to do about it; `mending` where it is damaged."""
    try:
        with closing(connected_readonly(path, BUSY_SECONDS)) as db:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except (sqlite3.OperationalError, OSError, WrittenMeanwhileError) as error:
        # Of a file that is damaged SQLite says something else.
        return f"not known ({error})", "run this as a user who may read it, or once more when nobody uses it"
    except sqlite3.Error as error:
        return str(error), mending
    return ("whole", "") if found == "ok" else (str(found), mending)


def _port(port: int, command: str) -> tuple[str, str]:
    """Who is at a port of this machine, and what to do where that is somebody else."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError:
            pass
        else:
            return f"free, for {command}", ""
    try:
        said = httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=SECONDS_FOR_AN_ANSWER).text
    except httpx.HTTPError:
        said = ""
    if said.startswith(_SAID):
        return "taken, by a process of wikibraid", ""
    return f"taken, by another program than {command}", f"give {command} another --port, or end that program"


_SAID = ("live", "nothing was done for", "a partition has stood still for")
"""How begins what our processes say of themselves."""


def _java() -> str:
    executable = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if "JAVA_HOME" in os.environ else Path("java")
    try:
        done = subprocess.run([str(executable), "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return next(iter(done.stderr.splitlines()), "")


def _major(java: str) -> int:
    """The version in what Java says of itself, as `openjdk version "17.0.9"`; 0: none. Before 9 they began with 1."""
    found = re.search(r'version "(?:1\.)?(\d+)', java)
    return int(found[1]) if found else 0


def _row(check: str, found: str, fix: str) -> dict[str, str]:
    return {"check": check, "found": found, "fix": fix}
