"""What the command starts with, before anything that takes time to import: so that Ctrl-C is one line from the beginning."""

from __future__ import annotations

import sys

from cli.failures import INTERRUPTED


def run() -> None:
    """Run the command line (see `cli.main`)."""
    try:
        from cli.main import run as run_command
    except KeyboardInterrupt:
        print("wikibraid: interrupted before anything was done", file=sys.stderr)  # noqa: T201  Rich is not there yet
        sys.exit(INTERRUPTED)
    run_command()


if __name__ == "__main__":
    run()
