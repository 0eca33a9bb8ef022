"""Who is let in: told by a file, from one request to the next."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from cli.access import bearers, followed
from cli.failures import Failure
from cli.home import Home
from serving.http.access import admit, revoke
from tests.e2e.commands import ran


def test_who_is_admitted_or_revoked_is_so_at_once(tmp_path: Path) -> None:
    # given a server that has read the file
    path, told = tmp_path / "access.yaml", list[str]()
    known = followed(path, told.append)
    assert known() == {}
    # when somebody is admitted, has a new secret, and is revoked
    admit(path, bearers(path), "alice", ("operator",))
    first = known()["alice"].sha256
    admit(path, bearers(path), "alice", ("operator",))
    assert known()["alice"].sha256 != first
    admit(path, bearers(path), "bob", ("similareditors",))
    revoke(path, bearers(path), "alice")
    # then each counts at the next look, and the file is nobody else's to read
    assert known().keys() == {"bob"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert told == []


@pytest.mark.parametrize("text", ["alice: [", "alice: {sha256: é, roles: [operator]}", "nobody"])
def test_nobody_is_let_in_while_the_file_is_broken(tmp_path: Path, text: str) -> None:
    path, told = tmp_path / "access.yaml", list[str]()
    admit(path, bearers(path), "alice", ("operator",))
    known = followed(path, told.append)
    whole = path.read_bytes()
    path.write_text(text)
    assert known() == known() == {}
    assert len(told) == 1
    assert "nobody is let in until it is mended" in told[0]
    path.write_bytes(whole + b"\n")
    assert known().keys() == {"alice"}


@pytest.mark.parametrize("name", ["", "a:b", "a\nb"])
def test_a_name_that_credentials_cannot_bear_is_refused(tmp_path: Path, name: str) -> None:
    Home(tmp_path)
    with pytest.raises(Failure, match="can't be a name"):
        ran("access", "admit", name, "--role", "operator", "--home", str(tmp_path))


def test_the_commands(tmp_path: Path) -> None:
    # given a home, since none is made for somebody to be let into
    with pytest.raises(Failure, match="is no home of wikibraid"):
        ran("access", "admit", "alice", "--role", "operator", "--home", str(tmp_path / "mistyped"))
    assert not (tmp_path / "mistyped").exists()
    Home(tmp_path)
    ran("access", "admit", "alice", "--role", "operator", "--role", "similareditors", "--home", str(tmp_path))
    listed = json.loads(ran("access", "list", "--json", "--home", str(tmp_path)).stdout)
    assert listed == [{"name": "alice", "roles": ["operator", "similareditors"]}]
    assert "let in no longer" in ran("access", "revoke", "alice", "--home", str(tmp_path)).stdout
    with pytest.raises(Failure, match="nobody is called alice; there are none"):
        ran("access", "revoke", "alice", "--home", str(tmp_path))
