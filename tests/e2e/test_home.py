"""A home that another version made says so in one line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from batch.bootstrap import Bootstrap, describe
from batch.fingerprint import taking_fingerprint
from cli.failures import Failure
from cli.home import Home

MADE = Bootstrap(
    id="aaaa", wiki="w", beginning=1, cut=(0,), sources=("page.tsv",), pages=1, revisions=1, problems=0
)


def test_a_bootstrap_of_other_code_is_refused_until_it_is_made_again(tmp_path: Path) -> None:
    # given a bootstrap that other code made
    home = Home(tmp_path)
    (home.bootstraps / "aaaa").mkdir(parents=True)
    describe(home.bootstraps / "aaaa", MADE)
    # then it is refused, with what to do
    with pytest.raises(
        Failure, match=r"bootstrap aaaa of w was made by another version; ingest its files again \(page\.tsv"
    ):
        home.bootstraps_known()
    # until the same files were ingested again
    (home.bootstraps / "bbbb").mkdir()
    describe(home.bootstraps / "bbbb", msgspec.structs.replace(MADE, id="bbbb", reading=taking_fingerprint()))
    assert [made.id for _, made in home.bootstraps_known()] == ["bbbb"]
