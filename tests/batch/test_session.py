"""What is told of a session that doesn't come up."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest
from pyspark import SparkContext
from pyspark.sql import SparkSession

from batch.session import session


def test_a_full_disk_is_not_taken_for_a_missing_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a disk on which Spark can't make its folder, and no session in this process yet
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    monkeypatch.setattr(SparkContext, "_gateway", None)
    monkeypatch.setattr(SparkContext, "_active_spark_context", None)
    monkeypatch.setattr(SparkSession, "_instantiatedSession", None)
    # then that is what is raised, of which the command makes a line of its own
    with pytest.raises(OSError, match="No space left") as found:
        session("test", tmp_path, cores=1)
    assert found.value.errno == errno.ENOSPC
