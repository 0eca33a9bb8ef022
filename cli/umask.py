"""Who may read what commands write: nobody but the user who runs them, except what is made for others."""

from __future__ import annotations

import os

import typer

_NOBODY_ELSE = 0o077


def keep_others_out(context: typer.Context) -> None:
    """Until the command ends, files that it and the processes it starts make are the user's alone: hidden values are among them."""
    own = os.umask(_NOBODY_ELSE)
    context.obj = own
    context.call_on_close(lambda: os.umask(own))


def let_others_read(context: typer.Context) -> None:
    """From here on files follow the umask that the user has set, as what is made for others must; a home's folder keeps them out."""
    os.umask(context.find_root().obj)
