"""What commands that run until a signal have in common."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from cli.configuration import SPEED_MEMORY
from cli.failures import Failure
from cli.output import tell
from speed.held_entities import HELD_BYTES

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


def speed_memory() -> int:
    """Bytes of entities that a daemon holds in memory: what the environment says, as in 4GB, else 512 MB.

    Raises:
        Failure: it is no amount of memory.
    """
    from pydantic import ByteSize, TypeAdapter, ValidationError

    text = os.environ.get(SPEED_MEMORY)
    if text is None:
        return HELD_BYTES
    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError as error:
        message = f"{SPEED_MEMORY}={text}: no amount of memory; write one as in 4GB"
        raise Failure(message) from error
