"""A dataset that is dropped is gone wholly, whether or not anybody still knows it; a purge is refused while one is published that it can't compute."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from cli.commands import purge
from cli.drift import Drift, note
from cli.failures import CANNOT_KNOW, MISTAKE, Failure
from cli.home import Home
from cli.main import app
from cli.output import meter
from cli.purges import noted, plan_of
from shared_logic.definition import Dataset
from shared_logic.entities import encode, page
from shared_logic.laws import load_generation
from shared_logic.purge import Hidden
from shared_logic.registry import registry
from shared_logic.states.page_state import PageState
from tests.e2e.commands import ran
from tests.generations import generation

PAGES, SOURCE, DERIVED = registry["page_current"], registry["editor_days"], registry["editor_months"]
GONE = "taken_out_of_the_code"


def published(home: Home, *datasets: Dataset, run: str = "one", offset: int = 0) -> None:
    """A generation of these over a page, published, with its files and what parity found."""
    with home.store() as store:
        for dataset, made in load_generation(
            store, datasets, {page("w", 1): PageState()}, (offset, 0, 0, 0), run
        ):
            store.publish(dataset.name, made.number)
            (home.delta / dataset.name / "files").mkdir(parents=True, exist_ok=True)
            drift = Drift(
                dataset=dataset.name, generation=1, through=(), at="2026-01-01T00:00:00Z", rows=0, columns={}
            )
            note(home.parity, drift)


def published_and_unknown(home: Home) -> None:
    """A dataset that is no longer registered, with a row."""
    with home.store() as store:
        store.add_generation(generation(GONE, cut=(0, 0, 0, 0)))
        store.load(GONE, 1, [(b"key", b"row")])
        store.publish(GONE, 1)
    (home.delta / GONE).mkdir(parents=True)


def refused(home: Home, *words: str) -> Failure:
    done = CliRunner().invoke(app, [*words, "--home", str(home.path)])
    assert isinstance(done.exception, Failure), (done.output, done.exception)
    return done.exception


def test_all_of_a_dataset_is_dropped_and_nothing_of_others(tmp_path: Path) -> None:
    # given two published datasets of runs of their own, and what events said since the first
    home = Home(tmp_path)
    published(home, PAGES, run="pages", offset=10)
    published(home, SOURCE, run="days", offset=30)
    with home.store() as store:
        store.write_tails(0, [("w/1", offset, encode(PageState())) for offset in (15, 35)])
    # when the first is dropped
    told = json.loads(
        ran("generations", "drop", "page_current", "--yes", "--json", "--home", str(home.path)).stdout
    )
    # then nothing is left of it, nor of what only it was made of
    assert told == {"dataset": "page_current", "dropped": [1]}
    with home.store() as store:
        assert (store.datasets(), store.has_states("pages")) == (["editor_days"], False)
        assert len(store.tails_of(0, ["w/1"], 0, 99)["w/1"]) == 1
        assert store.has_states("days")
    assert [path.name for path in home.delta.iterdir()] == ["editor_days"]
    assert [path.name for path in home.parity.iterdir()] == ["editor_days.json"]
    # and readers are told that it is not published
    assert CliRunner().invoke(app, ["query", "page_current", "--home", str(home.path)]).exit_code != 0
    assert refused(home, "generations", "drop", "page_current", "--yes").code == CANNOT_KNOW
    # and nothing is left of the last one's states
    ran("generations", "drop", "editor_days", "--yes", "--home", str(home.path))
    with home.store() as store:
        assert (store.has_states("days"), store.datasets()) == (False, [])


def test_a_dataset_that_nobody_knows_any_more_is_dropped(tmp_path: Path) -> None:
    home = Home(tmp_path)
    published_and_unknown(home)
    ran("generations", "drop", GONE, "--yes", "--home", str(home.path))
    with home.store() as store:
        assert store.datasets() == []
    assert not (home.delta / GONE).exists()


def test_a_name_of_nothing_is_refused_with_what_is_like_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    published_and_unknown(home)
    (home.delta / "entity_states").mkdir()
    for name in (GONE[:-1], "entity_states"):
        assert refused(home, "generations", "drop", name, "--yes").code == MISTAKE
    assert f"did you mean {GONE}?" in str(refused(home, "generations", "drop", GONE[:-1], "--yes"))
    assert (home.delta / "entity_states").exists()


def test_without_yes_it_is_told_what_would_go(tmp_path: Path) -> None:
    home = Home(tmp_path)
    published(home, PAGES)
    said = str(refused(home, "generations", "drop", "page_current"))
    assert "page_current: 1 generation with all rows and files, the one that readers read too" in said
    assert "--yes" in said
    with home.store() as store:
        assert store.published("page_current") is not None


def test_what_others_read_is_not_dropped(tmp_path: Path) -> None:
    # given a table that another reads, and the names that are hidden in a third
    home = Home(tmp_path)
    published(home, *registry.closure(["hidden_names"]), SOURCE, DERIVED)
    # when they are to be dropped, then that is refused, by the names of those who need them
    assert "editor_months reads it" in str(refused(home, "generations", "drop", "editor_days", "--yes"))
    said = str(refused(home, "generations", "drop", "hidden_names", "--yes"))
    assert "user_names" in said
    # until these are gone
    for name in ("editor_months", "editor_days"):
        ran("generations", "drop", name, "--yes", "--home", str(home.path))


def test_no_purge_while_something_is_published_that_nobody_can_compute(tmp_path: Path) -> None:
    # given a dataset that is published and not registered, and a plan of before
    home = Home(tmp_path)
    published_and_unknown(home)
    made = noted(home.purges, plan_of(home.purges, Hidden({("w", "revision", 1): 1})))
    # then neither a plan is made nor one executed, with what to do
    for words in (("plan",), ("execute", made.id)):
        said = str(refused(home, "purge", *words))
        assert said.startswith(f"{GONE}: ")
        assert f"`wikibraid generations drop {GONE}`" in said


def test_a_purge_takes_candidates_away_that_were_never_published(tmp_path: Path) -> None:
    # given a run that was killed between loading its first generation and publishing it, and one of what nobody knows
    home = Home(tmp_path)
    with home.store() as store, home.log() as log, meter("purging") as progress:
        load_generation(store, [PAGES], {page("w", 1): PageState()}, (0, 0, 0, 0), "killed")
        store.add_generation(generation(GONE, cut=(0, 0, 0, 0)))
        # when a purge comes to the tables
        purge._recompute(home, log, store, log.ends(), progress)
        # then nothing of it is held
        assert (store.datasets(), store.has_states("killed")) == ([], False)
