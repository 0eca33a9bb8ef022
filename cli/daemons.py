"""What commands that run until a signal have in common."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from cli.failures import Failure
from cli.output import tell

if TYPE_CHECKING:
    from speed.daemon_http import Watched


def on_signal(stop: Callable[[], None]) -> None:
    """Let SIGTERM and Ctrl-C end the daemon in good order."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


@contextmanager
def answering(daemon: Watched, host: str, port: int) -> Iterator[None]:
    """Answer /health and /metrics while inside.

    Raises:
        Failure: the port is taken.
    """
    from speed.daemon_http import served

    with ExitStack() as stack:
        try:
            stack.enter_context(served(daemon, host, port))
        except OSError as error:
            message = f"port {port} of {host} can't be had ({error.strerror}); give another --port"
            raise Failure(message) from error
        tell(f"health and metrics at http://{host}:{port}")
        yield
