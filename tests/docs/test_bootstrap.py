"""The environment holds what the lock says, and what `packages.txt` names by now."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, in another checkout, on a machine that is set up for an index of its own."""
    spec = spec_from_file_location("bootstrap", ROOT / "conf" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    # dataclasses look for the module of their annotations
    monkeypatch.setitem(sys.modules, spec.name, made)
    spec.loader.exec_module(made)
    for name, place in (("ROOT", "."), ("TOOLS", "."), ("VENV", "."), ("PACKAGES", "packages.txt")):
        monkeypatch.setattr(made, name, tmp_path / place)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.example/simple")
    for name in ("pyproject.toml", "requirements.txt"):
        (tmp_path / name).touch()
    return made


def test_what_packages_txt_no_longer_names_goes(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap, "run_uv", lambda *words, **_: calls.append(words))

    def is_made_anew() -> bool:
        """Whether the environment is, rather than left as it was."""
        calls.clear()
        bootstrap.ensure_environment([])
        return any(words[0] == "venv" for words in calls)

    packages = tmp_path / "packages.txt"
    packages.write_text("one\nother\n")
    assert [is_made_anew(), is_made_anew()] == [True, False]
    packages.write_text("one\n")
    assert [is_made_anew(), is_made_anew()] == [True, False]
    packages.unlink()
    assert [is_made_anew(), is_made_anew()] == [True, False]


def test_packages_change_nothing_of_any_group_of_the_lock(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap, "run_uv", lambda *words, **_: calls.append(words))
    bootstrap.ensure_packages()
    assert not calls
    (tmp_path / "packages.txt").touch()
    bootstrap.ensure_packages()
    exported, installed = calls
    assert "--all-groups" in exported
    assert installed[installed.index("--constraints") + 1] in exported
