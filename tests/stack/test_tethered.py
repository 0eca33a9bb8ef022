"""A tethered program is never longer there than who started it, nor is what it leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stack import tethered

LEAVES_ONE_BEHIND = """
import os, signal, subprocess, sys, time
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(left.pid, flush=True)
{then}
"""


def is_there(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/status").read_text().partition("State:")[2].split()[0]
    except OSError:
        return False


@pytest.mark.parametrize(
    "then,status",
    [
        ("time.sleep(600)", 128 + signal.SIGTERM),
        ("os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
        ("sys.exit(3)", 3),
    ],
    ids=["stopped", "killed", "ended"],
)
def test_what_a_program_leaves_behind_is_ended(then: str, status: int) -> None:
    # given a program that has a child in a session of its own
    command = [sys.executable, "-c", LEAVES_ONE_BEHIND.format(then=then)]
    with subprocess.Popen(
        [sys.executable, tethered.__file__, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        left = int(process.stdout.readline())
        # when the program ends, or its starter does
        if then.startswith("time"):
            assert is_there(left)
            process.stdin.close()
        # then neither is there any more
        assert process.wait(60) == status
        end = time.monotonic() + 10
        while is_there(left):
            assert time.monotonic() < end
            time.sleep(0.01)
