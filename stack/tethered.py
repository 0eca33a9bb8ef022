"""Runs a program that ends when whoever started it does, however that ends: `python tethered.py PROGRAM ARGUMENTS`.

Standard input is a pipe of which only the starter holds the other end. Its end of file means that the starter has closed it or is
gone, by SIGKILL too; the program is then asked to end, and killed if it doesn't.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

SECONDS_TO_END = 20


def main(command: list[str]) -> int:
    """Run the program to its end; its status, or 128 and the number of the signal that ended it, as shells tell it."""
    # What the starter passed on, such as a lock, is held until the program has ended.
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    threading.Thread(target=_follow_starter, args=(program,), daemon=True).start()
    status = program.wait()
    return status if status >= 0 else 128 - status


def _follow_starter(program: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 1):  # unbuffered: a buffer's lock would hinder the interpreter's end
        pass
    program.terminate()
    try:
        program.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        program.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
