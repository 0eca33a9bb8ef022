"""What a purge took out is asked for again only where something came since that tells it again."""

from __future__ import annotations

import json
from pathlib import Path

from batch.archive import archive
from batch.purge import is_told_again, purge_archive, purge_bootstrap
from shared_logic.purge import Hidden, left_of
from speed.memory_log import MemoryLog

GONE = Hidden({("w", "revision", 1): 2})


def said(log: MemoryLog, page: int, rev_id: int) -> None:
    log.append(f"w/{page}", json.dumps({"database": "w", "rev_id": rev_id, "comment": "told"}).encode())


def test_what_was_purged_is_told_again_by_what_came_since_alone(tmp_path: Path) -> None:
    # given an archive and a bootstrap out of which a comment was taken
    log, folder, bootstrap = MemoryLog(2), tmp_path / "archive", tmp_path / "bootstrap"
    (bootstrap / "states").mkdir(parents=True)
    for page in range(1, 9):
        said(log, page, page)
    archive(log, folder, through := log.ends())
    assert purge_archive(folder, GONE, "purge") == 1
    purge_bootstrap(bootstrap, GONE, "purge")

    def again() -> bool:
        archive(log, folder, log.ends())
        return is_told_again(folder, [bootstrap], "purge", through, GONE)

    # then it is not told again, by nothing and by what is about others
    assert not again()
    for page in range(1, 9):
        said(log, page, 100)
    assert not again()
    # but of another purge, and of a bootstrap that came since, nobody knows
    assert is_told_again(folder, [bootstrap], "another", through, GONE)
    (tmp_path / "newer").mkdir()
    assert is_told_again(folder, [bootstrap, tmp_path / "newer"], "purge", through, GONE)
    # and it is by a copy of what told it
    said(log, 1, 1)
    assert again()


def test_what_is_left_is_what_was_hidden_since() -> None:
    hidden = Hidden(GONE.parts | {("w", "revision", 2): 1}, {("w", "digest")})
    assert left_of(hidden, GONE) == Hidden({("w", "revision", 2): 1}, frozenset({("w", "digest")}))
    assert left_of(hidden, hidden) == Hidden({}, frozenset())
    assert left_of(Hidden({("w", "revision", 1): 3}), GONE).parts == {("w", "revision", 1): 3}
