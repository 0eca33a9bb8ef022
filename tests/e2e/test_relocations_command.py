"""History merges and restores as a user meets them: followed by `speed run`, or by `ingest relocations` where that could not."""

from __future__ import annotations

import csv
import gzip
import json
import uuid
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from cli import relocations
from cli.commands.doctor import findings
from cli.failures import CANNOT_KNOW, MISTAKE, Failure
from cli.home import Home
from cli.main import app
from serving.reader import Reader
from shared_logic.fingerprint import fingerprint
from shared_logic.laws import load_generation
from shared_logic.registry import registry
from speed.ingest import ingest
from stack.cassandra_node import CassandraNode
from stack.kafka_broker import KafkaBroker
from tests import sample
from tests.e2e.commands import ran
from tests.faults.installation import alive, begin
from tests.faults.processes import Service, daemon, eventually
from tests.speed.event_service import EventService

pytestmark = pytest.mark.e2e
DATASETS = tuple(registry.values())
MERGED_INTO = "30"
REVISIONS = f"FROM revision_facts SELECT count(*) AS revisions WHERE page_id = {MERGED_INTO}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A generation of every dataset from before all events of the sample, none of which is applied."""
    place = Home(tmp_path / "home")
    with place.log() as log, place.store() as store:
        lanes = load_generation(store, DATASETS, {}, (0,) * log.partitions, "run")
        for dataset, made in lanes:
            store.add_generation(msgspec.structs.replace(made, fingerprint=fingerprint(dataset)))
            store.publish(dataset.name, made.number)
        ingest(log, "events", sample.events())
    return place.path


@pytest.fixture
def on_servers(tmp_path: Path, broker: KafkaBroker, node: CassandraNode) -> Path:
    """The same in Kafka and Cassandra, of the datasets that tell where revisions are."""
    folder, name = tmp_path / "home", f"relocations_{uuid.uuid4().hex}"
    store_at = f"cassandra://127.0.0.1:{node.settings.port}/{name}"
    ran("init", "--log", f"kafka://{broker.address}/{name}", "--store", store_at, "--home", str(folder))
    place = Home(folder)
    begin(place, {}, ("page_titles", "revision_facts", "site_namespaces", "hidden_names"))
    with place.intake() as intake:
        ingest(intake.notes, "events", sample.events())
        intake.relay()
    return place.path


def revisions(home: Path) -> int:
    rows = json.loads(ran("sql", REVISIONS, "--json", "--home", str(home)).stdout)
    return rows["rows"][0]["revisions"] if isinstance(rows, dict) else rows[0]["revisions"]


def test_speed_run_follows_them(home: Path) -> None:
    # when all events are applied
    ran("speed", "run", "--engine", "loop", "--home", str(home))
    # then the page that a merge reached has the revisions of both, and nothing waits
    assert revisions(home) == len(revisions_held()) > 0
    done = json.loads(ran("ingest", "relocations", "--json", "--home", str(home)).stdout)
    assert (done["revisions"], done["unresolved"]) == (0, 0)


@pytest.mark.cassandra
@pytest.mark.kafka
def test_speed_run_follows_them_on_servers(on_servers: Path) -> None:
    # when all events are applied
    ran("speed", "run", "--engine", "loop", "--home", str(on_servers))
    # then the page that a merge reached has the revisions of both
    assert revisions_kept(Home(on_servers)) == revisions_held() != set()
    # and nothing waits
    done = json.loads(ran("ingest", "relocations", "--json", "--home", str(on_servers)).stdout)
    assert (done["revisions"], done["unresolved"]) == (0, 0)


@pytest.mark.slow
@pytest.mark.bytewax
def test_a_live_source_and_a_daemon_follow_them(tmp_path: Path) -> None:
    # given a generation from before all events
    place = Home(tmp_path / "home")
    begin(place, {}, ("page_titles", "revision_facts", "site_namespaces", "hidden_names"))
    service = EventService(sample.events())
    with service.served() as url:
        live = ("ingest", "live", "mediawiki.page_change", "--url", url, "--home", str(place.path))
        source = Service("live", place.path, "cli.main", *live)
        keeper = daemon(
            place.path, "1/1", ("page_titles", "revision_facts", "site_namespaces", "hidden_names")
        )
        # when one process brings them in, and another one applies them
        with alive(source, keeper):
            # then the page that a merge reached has the revisions of both, a little later
            eventually(lambda: revisions_kept(place) == revisions_held(), source.said, 180)
            eventually(lambda: all_are_looked_up(place), source.said, 120)
            assert source.stop() == 0


def all_are_looked_up(place: Home) -> bool:
    """Whether nothing that was noted waits."""
    with place.notes() as notes:
        return all(one.looked_up and not one.why for one in notes.relocations.unsettled())


def revisions_kept(place: Home) -> set[int]:
    """The revisions that the merged table has of the page that a merge reached."""
    with place.store() as store:
        rows = Reader(store).scan(registry["revision_facts"], (sample.WIKI, int(MERGED_INTO))).rows
        return {row["rev_id"] for row in rows}


def revisions_held() -> set[int]:
    """Those that the wiki's own table has in the end."""
    with gzip.open(sample.FINAL / "revision.tsv.gz", "rt") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {int(row["rev_id"]) for row in rows if row["rev_page"] == MERGED_INTO}


def test_they_wait_for_whoever_brings_input_in(home: Path) -> None:
    form = ("--format", "json")
    # given somebody who brings events in
    with Home(home).writing_log("ingest live"):
        # when all events are applied meanwhile
        done = ran("speed", "run", "--engine", "loop", "--home", str(home))
    # then one line says what waits, and for whom
    assert "history merges or restores wait to be followed" in done.stderr
    assert "`wikibraid ingest live`" in done.stderr
    assert "`wikibraid ingest relocations` does it later" in done.stderr
    # and readers of the wiki's pages are told that it is not complete; those of its accounts that it is
    told = json.loads(ran("query", "revision_facts", sample.WIKI, *form, "--home", str(home)).stdout)
    waiting = told["waiting"]
    assert (told["complete"], told["lag"], waiting > 0) == (False, 0, True)
    other = json.loads(ran("query", "revision_facts", "otherwiki", *form, "--home", str(home)).stdout)
    names = json.loads(ran("query", "hidden_names", *form, "--home", str(home)).stdout)
    assert (other["complete"], names["complete"]) == (True, True)
    what = f"{waiting} history merges or restores wait to be followed"
    assert what in ran("sql", "FROM revision_facts", "--home", str(home)).stderr
    assert what in next(row["found"] for row in findings(home) if row["check"] == "relocations")
    # and that command does it
    before = revisions(home)
    assert "followed" in ran("ingest", "relocations", "--home", str(home)).stdout
    ran("speed", "run", "--engine", "loop", "--home", str(home))
    assert revisions(home) > before
    after = json.loads(ran("query", "revision_facts", sample.WIKI, *form, "--home", str(home)).stdout)
    assert (after["complete"], after["waiting"]) == (True, 0)


def test_tables_that_are_behind_are_not_asked(home: Path) -> None:
    # when events are not applied yet
    done = CliRunner().invoke(app, ["ingest", "relocations", "--home", str(home)])
    # then nothing is looked up
    assert isinstance(done.exception, Failure)
    assert done.exception.code == CANNOT_KNOW
    assert "behind the log" in str(done.exception)


def test_what_cant_be_followed_is_told(tmp_path: Path) -> None:
    # given a merge of pages that nothing tells of
    place = Home(tmp_path / "home")
    merge = next(event for event in sample.events() if b'"log_type": "merge"' in event)
    with place.log() as log, place.store() as store:
        lanes = load_generation(store, DATASETS, {}, (0,) * log.partitions, "run")
        for dataset, made in lanes:
            store.add_generation(msgspec.structs.replace(made, fingerprint=fingerprint(dataset)))
            store.publish(dataset.name, made.number)
        ingest(log, "events", [merge])
    ran("speed", "run", "--engine", "loop", "--home", str(place.path))
    # when somebody asks for it
    done = CliRunner().invoke(app, ["ingest", "relocations", "--home", str(place.path)])
    # then the log row, both titles and the reason are told, with what to do
    assert isinstance(done.exception, Failure)
    assert done.exception.code == MISTAKE
    assert (
        "log row 80: the merge of Atlantic_Ocean into Demographics of Angola can't be followed" in done.stderr
    )
    assert "a bootstrap of those pages tells" in str(done.exception)
    # and it is forgotten on request
    assert "followed" in ran("ingest", "relocations", "--give-up", "--home", str(place.path)).stdout
    assert "0 merges" in ran("ingest", "relocations", "--home", str(place.path)).stdout


def test_whoever_brings_events_in_looks_them_up_as_soon_as_they_are_applied(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a source that is followed, and tables that are behind
    monkeypatch.setattr(relocations, "SECONDS_BETWEEN", 0)
    place = Home(home)
    with place.intake() as intake:
        look = relocations.LookingUp(place, intake)
        waiting = intake.notes.relocations.unsettled()
        # when it is time to look
        look()
        look()
        # then it is told once that they wait
        assert intake.notes.relocations.unsettled() == waiting
        assert capsys.readouterr().err.count("the merged tables are behind") == 1
        # and when the tables include what had come, if not what has come since
        with place.writing_log("ingest live"):
            ran("speed", "run", "--engine", "loop", "--home", str(home))
        ingest(intake.notes, "more", [sample.events()[-1].replace(b'"rev_id"', b'"new_field": 1, "rev_id"')])
        end = intake.notes.ends()
        for _ in waiting[:: relocations.AT_ONCE]:
            look()
            with place.writing_log("ingest live"):
                ran("speed", "run", "--engine", "loop", "--home", str(home))
        # then the log says which revisions went where, a few at a time, and nothing is due for an hour
        assert all(one.looked_up and not one.why for one in intake.notes.relocations.unsettled())
        assert intake.notes.ends() > end
        after = intake.notes.ends()
        look()
        assert intake.notes.ends() == after


def test_a_home_where_nothing_was_brought_in_stays_so(home: Path, tmp_path: Path) -> None:
    # given a home in which only the tables are kept
    (home / "log.db").rename(tmp_path / "elsewhere.db")
    # when what waits is asked for
    with Home(home).store() as store:
        assert not relocations.followed(Home(home), store, "speed run")
    # then no log is made, whose partitions would bind the home
    assert not (home / "log.db").exists()
