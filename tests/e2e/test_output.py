"""What commands print."""

from __future__ import annotations

import pytest

from cli.output import print_records


def test_what_goes_to_a_file_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    # given values that no screen has room for beside one another
    record = {"fingerprint": "f" * 120, "run": "r" * 90}
    # when they are printed into a file
    print_records([record])
    # then each stands there to its last character
    printed = capsys.readouterr().out
    assert all(value in printed for value in record.values())


def test_more_columns_than_there_is_room_for_stand_below_one_another(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # given a record of as many columns as MediaWiki History has
    print_records([{f"column_{number}": number for number in range(79)}])
    # then each has a line of its own, with its name
    lines = [line for line in capsys.readouterr().out.splitlines() if "column_" in line]
    assert len(lines) == 79
