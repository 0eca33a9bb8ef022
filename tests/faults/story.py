"""What happens on the wikis while processes die: the sample's events, of several wikis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests import sample


def events(wikis: int) -> Iterator[bytes]:
    """The sample's events as of so many wikis, whose names begin with the sample's, taking turns; with some copies among them."""
    for number, event in enumerate(sample.events()):
        for wiki in range(wikis):
            of_wiki = event.replace(b"gtb", b"gtb%d" % wiki) if wiki else event
            yield of_wiki
            if number % 50 == 0:
                yield of_wiki


def written(folder: Path, wikis: int) -> Path:
    """A file of those events, one a line."""
    path = folder / "story.ndjson"
    path.write_bytes(b"\n".join(events(wikis)) + b"\n")
    return path
