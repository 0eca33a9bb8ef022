"""An audit that fails stops the publish and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from cli.failures import AUDIT_FAILED, Failure
from cli.home import Home
from cli.http_server import kept
from cli.main import app
from shared_logic.registry import registry
from tests import sample
from tests.faults.installation import Run, alive, assert_whole, bootstrap
from tests.faults.processes import daemon, eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.spark,
    pytest.mark.bytewax,
    pytest.mark.cassandra,
    pytest.mark.kafka,
]


def test_a_failing_audit_keeps_the_old_generation_and_the_daemon_goes_on(
    run: Run, tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a published generation that a daemon keeps
    home, name = Home(tmp_path / "home"), "page_current"
    keeper = daemon(home.path, "1/1", [name])
    early, late = tmp_path / "early.ndjson", tmp_path / "late.ndjson"
    early.write_bytes(b"\n".join(sample.events()[:2_000]))
    late.write_bytes(b"\n".join(sample.events()[2_000:]))
    run("ingest", "events", str(early))
    with alive(keeper):
        # when a batch makes rows that Great Expectations refuses
        monkeypatch.setattr(registry[name].schema, "expectations", ("revisions < 3",))
        done = CliRunner().invoke(app, ["batch", "run", name, "--home", str(home.path)])
        assert isinstance(done.exception, Failure)
        assert done.exception.code == AUDIT_FAILED
        # then the old generation is served, and operators see which rows are to blame
        with home.store() as store:
            found = store.published(name)
            assert found is not None
            assert found.number == 1
        told = kept(home)
        (failed,) = [check for check in told.audits() if not check["success"]]
        assert (failed["expectation"], failed["failing_rows"] > 0) == ("revisions < 3", True)
        assert all('"revisions":' in row["row"] for row in told.failing(name))
        # and the daemon keeps it current with what comes
        run("ingest", "events", str(late))
        with home.log() as log, home.store() as store:
            assert_whole(log, store, bootstrap(), [name])
        eventually(lambda: keeper.answers("/health/ready"))
        # and once the rows are as they should be, the next batch is published, and its audit is the last
        monkeypatch.undo()
        run("batch", "run", name)
        assert all(check["success"] for check in told.audits() if check["dataset"] == name)
