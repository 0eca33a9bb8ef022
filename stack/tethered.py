"""Runs a program that ends when whoever started it does, however that ends: `python tethered.py PROGRAM ARGUMENTS`.

Standard input is a pipe of which only the starter holds the other end. Its end of file means that the starter has closed it or is
gone, by SIGKILL too; the program is then asked to end, and killed if it doesn't. What a program leaves behind when it ends, such as the
tasks of a scheduler that was killed, is ended after it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

SECONDS_TO_END = 20
_SECONDS_BETWEEN_LOOKS = 0.05
_ADOPT_ORPHANS = 36
"""Linux's PR_SET_CHILD_SUBREAPER: whose parent ends becomes a child of this process."""


def main(command: list[str]) -> int:
    """Run the program to its end; its status, or 128 and the number of the signal that ended it, as shells tell it."""
    ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1)
    # What the starter passed on, such as a lock, is held until the program has ended.
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    threading.Thread(target=_follow_starter, args=(program,), daemon=True).start()
    status = program.wait()
    _end_orphans()
    return status if status >= 0 else 128 - status


def _follow_starter(program: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 1):  # unbuffered: a buffer's lock would hinder the interpreter's end
        pass
    program.terminate()
    try:
        program.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        program.kill()


def _end_orphans() -> None:
    """End what is still there of the program's children, and of theirs; first they are asked to."""
    end = time.monotonic() + SECONDS_TO_END
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # there is none
            return
        if ended:
            continue
        number = signal.SIGTERM if time.monotonic() < end else signal.SIGKILL
        me = os.getpid()
        for child in map(int, Path(f"/proc/self/task/{me}/children").read_text(encoding="ascii").split()):
            os.kill(child, number)
        time.sleep(_SECONDS_BETWEEN_LOOKS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
