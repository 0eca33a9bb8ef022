"""What the lock may not hold."""

from __future__ import annotations

import importlib.util
import tomllib
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_lock", ROOT / "conf" / "check_lock.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def lock() -> dict[str, Any]:
    return deepcopy(tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8")))


def test_the_lock_is_of_the_public_index_with_digests(check: ModuleType, lock: dict[str, Any]) -> None:
    assert list(check.faults(lock)) == []


@pytest.mark.parametrize(
    "change,told",
    [
        ({"source": {"git": "https://github.com/a/b"}}, "is not of https://pypi.org/simple"),
        (
            {"wheels": [{"url": "https://mirror.example/a.whl", "hash": "sha256:" + 64 * "0"}]},
            "of another host",
        ),
        ({"wheels": [{"url": "https://files.pythonhosted.org/a.whl"}]}, "has no SHA-256"),
        ({"wheels": [], "sdist": None}, "has no files"),
    ],
)
def test_what_is_not_so_is_told(
    check: ModuleType, lock: dict[str, Any], change: dict[str, Any], told: str
) -> None:
    lock["package"][0] |= change
    (fault,) = list(check.faults(lock))
    assert told in fault
    assert fault.startswith(lock["package"][0]["name"])
