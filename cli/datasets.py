"""Registers the project's datasets before anything else needs them: a mistake in a module of theirs is one clear line, not a traceback."""

from __future__ import annotations

import sys
from pathlib import Path
from traceback import extract_tb

from cli.failures import MISTAKE
from cli.output import err

FOLDER = Path(__file__).parents[1] / "shared_logic" / "datasets"


def place_of(error: BaseException) -> str | None:
    """The file and line of a dataset's module from which the error comes; None: of none."""
    if isinstance(error, SyntaxError) and error.filename:
        places = [(error.filename, error.lineno)]
    else:
        places = [(frame.filename, frame.lineno) for frame in extract_tb(error.__traceback__)]
    ours = [(file, line) for file, line in places if Path(file).parent == FOLDER]
    return f"{ours[-1][0]}, line {ours[-1][1]}" if ours else None


try:
    import shared_logic.datasets  # noqa: F401
except Exception as error:
    place = place_of(error)
    if place is None:
        raise
    what = error.msg if isinstance(error, SyntaxError) else str(error)
    err.print(
        f"wikibraid: {place}: {type(error).__name__}: {what}; mend the module",
        style="red",
        markup=False,
        soft_wrap=True,
    )
    sys.exit(MISTAKE)
