"""The commands that read, over a home whose generations are the reference's: formats, as of a cut, SQL."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cli import output
from cli.failures import CANNOT_KNOW, MISTAKE, Failure
from cli.home import Home
from cli.main import app
from cli.reading import replay
from serving.reader import Reader
from shared_logic.fingerprint import fingerprint
from shared_logic.laws import load_generation, states_before
from shared_logic.protocols import Cut
from shared_logic.reference import reference
from shared_logic.registry import registry
from shared_logic.views import views
from speed.ingest import ingest
from tests import sample
from tests.e2e.commands import ran

pytestmark = pytest.mark.e2e
Run = Callable[..., str]
SHAPES = ("page_current", "daily_edits", "active_editors")
"""Entity, rollup, derived."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generations of every dataset but one, the second caught up with all but the last events."""
    path = tmp_path_factory.mktemp("read") / "home"
    place = Home(path)
    datasets = [dataset for dataset in registry.values() if dataset.name != "identity_reverts"]
    events = sample.events()
    with place.log() as log, place.store() as store:
        for number, (start, end) in enumerate(((0, 1_000), (1_000, 2_000))):
            ingest(log, f"events {number}", list(events[start:end]))
            cut = log.ends()
            lanes = load_generation(store, datasets, states_before(log, cut, {}), cut, f"run-{number}")
            for dataset, made in lanes:
                store.add_generation(msgspec.structs.replace(made, fingerprint=fingerprint(dataset)))
                store.publish(dataset.name, made.number)
        ingest(log, "events 2", list(events[2_000:2_500]))
        replay(log, store, lanes)
        ingest(log, "events 3", list(events[2_500:3_000]))
    return path


@pytest.fixture
def run(home: Path) -> Run:
    def command(*words: str) -> str:
        return ran(*words, "--home", str(home)).stdout

    return command


def stderr(home: Path, *words: str) -> str:
    return CliRunner().invoke(app, [*words, "--home", str(home)]).stderr


def cuts(home: Path) -> tuple[Cut, Cut, Cut]:
    """Where the generations end, and the log."""
    with Home(home).log() as log, Home(home).store() as store:
        one, two = (made.cut for made in store.generations("page_current"))
        return one, two, log.ends()


def words(cut: Cut) -> str:
    return ",".join(map(str, cut))


@pytest.mark.parametrize("name", SHAPES)
def test_as_of_offsets(run: Run, home: Path, name: str) -> None:
    one, two, ends = cuts(home)
    between = tuple(a + (b - a) // 2 for a, b in zip(one, two, strict=True))
    late = tuple(a + (b - a) // 3 for a, b in zip(two, ends, strict=True))
    for cut, number in ((one, 1), (between, 1), (two, 2), (late, 2), (ends, 2)):
        # when a table is read as of some offsets
        found = json.loads(run("query", name, "--at", words(cut), "--format", "json"))
        # then it has the reference's rows over the log before them, from the newest generation that is old enough
        with Home(home).log() as log:
            wanted = reference(tuple(registry.values()), states_before(log, cut, {}))[name]
        schema = registry[name].schema
        expected = [schema.record(key, wanted[key]) for key in sorted(wanted)]
        assert found["rows"] == json.loads(msgspec.json.encode(expected))
        assert (found["generation"], found["complete"], found["lag"]) == (number, True, 0)
        assert tuple(found["through"]) == cut
    # and an export of it has the same
    run("export", name, "--at", words(ends), "--out", str(home.parent / "out"))
    lines = (home.parent / "out" / f"{name}.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == json.loads(msgspec.json.encode(expected))


def test_at_takes_a_generation(run: Run) -> None:
    for number in (1, 2):
        found = json.loads(run("query", "daily_edits", "--at", str(number), "--format", "json"))
        assert found["generation"] == number


def test_what_at_can_not_be(run: Run, home: Path) -> None:
    one, _, ends = cuts(home)
    older = words((one[0] - 1, *one[1:]))
    for at, says, code in (
        ("soon", "--at soon: neither a generation's number nor offsets", MISTAKE),
        ("1,2", f"--at 1,2: the log has {len(ends)} partitions", MISTAKE),
        ("a,b,c,d", "give that many offsets", MISTAKE),
        (words((ends[0] + 1, *ends[1:])), "beyond the end of the log", MISTAKE),
        (older, f"can't be read as of {older}: none of its generations", CANNOT_KNOW),
        ("7", "daily_edits has no generation 7", CANNOT_KNOW),
    ):
        with pytest.raises(Failure, match=says) as refused:
            run("query", "daily_edits", "--at", at)
        assert refused.value.code == code


def test_every_format_has_the_same_rows(run: Run, home: Path, tmp_path: Path) -> None:
    rows = json.loads(run("query", "daily_edits", sample.WIKI, "--format", "json"))["rows"]
    assert len(rows) > 50
    delimited = list(csv.DictReader(io.StringIO(run("query", "daily_edits", "--format", "csv"))))
    assert [int(row["edits"]) for row in delimited] == [row["edits"] for row in rows]
    for format_ in ("tsv", "parquet"):
        said = run("export", "daily_edits", "--format", format_, "--out", str(tmp_path))
        assert f"{len(rows):,} rows · generation 2, through" in said
    found = pq.read_table(tmp_path / "daily_edits.parquet").to_pylist()
    assert json.loads(msgspec.json.encode(found)) == rows
    assert len((tmp_path / "daily_edits.tsv").read_text().splitlines()) == len(rows) + 1
    assert not list(tmp_path.glob("*.part"))
    parquet = CliRunner().invoke(app, ["query", "daily_edits", "--format", "parquet", "--home", str(home)])
    assert pq.read_table(io.BytesIO(parquet.stdout_bytes)).num_rows == len(rows)
    assert f"{len(rows):,} rows, 3 of them shown" in stderr(home, "query", "daily_edits", "--limit", "3")


def test_rows_of_a_view_are_those_of_its_tables_to_the_last_digit(run: Run) -> None:
    # given a view with numbers that can be missing, maps and lists
    rows = json.loads(run("query", "page_history", "--format", "json"))["rows"]
    delimited = list(csv.DictReader(io.StringIO(run("query", "page_history", "--format", "csv"))))
    # then CSV has whole numbers as such, and what is no single value as JSON
    assert len(delimited) == len(rows) > 50
    for told, row in zip(delimited, rows, strict=True):
        assert told["page_id"] == ("" if row["page_id"] is None else str(row["page_id"]))


@pytest.mark.parametrize("name", [view.name for view in views.values() if not view.is_internal])
def test_every_view_is_exported_in_every_format(run: Run, tmp_path: Path, name: str) -> None:
    counts = set()
    for format_ in ("jsonl", "tsv", "parquet"):
        said = run("export", name, "--format", format_, "--out", str(tmp_path))
        found = re.search(r": ([\d,]+) rows ·", said)
        assert found is not None
        counts.add(int(found[1].replace(",", "")))
    assert len(counts) == 1
    assert pq.read_metadata(tmp_path / f"{name}.parquet").num_rows in counts


def test_a_file_where_a_folder_is_wanted_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for words in (["daily_edits"], ["mediawiki_history"], ["mediawiki_history", "--format", "dump"]):
        with pytest.raises(Failure, match=r"file: can't be a folder .*; give another one"):
            run("export", *words, "--out", str(tmp_path / "file"))


def test_parity_with_other_columns_can_not_be_known(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a generation that was made before a column was added
    with Home(home).store() as store:
        made = store.published("page_current")
    assert made is not None
    before = msgspec.structs.replace(made, columns=made.columns[:-1])
    monkeypatch.setattr("serving.sqlite_store.SqliteStore.published", lambda *_: before)
    # when it is compared, then that is said
    with pytest.raises(Failure, match="was made with other columns than the code has by now") as failed:
        run("parity", "page_current")
    assert failed.value.code == CANNOT_KNOW


def test_sql_joins_by_names_of_columns(run: Run) -> None:
    # given that no column is known before the tables of a statement are read
    statement = """
        WITH busy AS (SELECT wiki, editor FROM editor_days SEMI JOIN user_current USING (wiki, editor))
        SELECT count(*) AS n FROM user_current NATURAL JOIN (SELECT DISTINCT * FROM busy)
    """
    (found,) = json.loads(run("sql", statement, "--json"))
    assert found["n"] > 0


def test_what_takes_long_shows_its_rate_and_changes_no_output(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = run("query", "daily_edits", "--format", "csv")
    shown: list[int] = []
    monkeypatch.setattr(output.Meter, "at", lambda _, done: shown.append(done))
    assert run("query", "daily_edits", "--format", "csv") == quiet
    assert shown == []
    monkeypatch.setattr(output, "SILENT_SECONDS", -1.0)
    assert run("query", "daily_edits", "--format", "csv") == quiet
    assert shown == [0]
    rows = output.counted(iter(range(5_000)), "numbers")
    assert [next(rows) for _ in range(2_001)][-1] == 2_000
    assert shown == [0, 0, 1_000, 2_000]


def test_sql_says_how_fresh_each_table_is(run: Run, home: Path) -> None:
    with Home(home).log() as log, Home(home).store() as store:
        lag = Reader(store, log.ends).stream(registry["daily_edits"]).lag
    assert lag
    statement = "SELECT count(*) AS n FROM Daily_Edits, (SELECT max(month) FROM active_editors)"
    for flags in ([], ["--json"]):
        said = " ".join(stderr(home, "sql", statement, *flags).split())
        for name in ("daily_edits", "active_editors"):
            assert f"{name}: generation 2, through offsets" in said
        assert said.count(f"incomplete: {lag:,} messages behind") == 2
    (found,) = json.loads(run("sql", "SELECT count(*) AS n FROM daily_edits", "--json"))
    assert found["n"] > 50
    assert stderr(home, "sql", "SELECT 1 AS daily_edits").strip() == ""


@pytest.mark.parametrize(
    "statement, says",
    [
        ("CREATE TABLE t AS FROM daily_edits", "sql reads only: give one SELECT"),
        ("DELETE FROM daily_edits", "sql reads only"),
        ("COPY daily_edits TO '{folder}/stolen.csv'", "sql reads only"),
        ("ATTACH '{folder}/home/store.db' AS s (TYPE sqlite)", "sql reads only"),
        ("SET enable_external_access=true", "sql reads only"),
        ("SELECT 1; DROP VIEW daily_edits", "sql reads only"),
        ("", "sql reads only"),
        ("FROM '{folder}/home/FORMAT'", "does not exist|disabled"),
        ("FROM read_text('{folder}/home/FORMAT')", "disabled by configuration"),
        ("FROM place", "no dataset 'place'"),
        ("SELECT nothing FROM daily_edits", 'Referenced column "nothing" not found'),
        ("SELEC 1", "syntax error"),
    ],
)
def test_sql_only_reads(run: Run, home: Path, statement: str, says: str) -> None:
    with pytest.raises(Failure, match=says):
        run("sql", statement.replace("{folder}", str(home.parent)))
    assert not (home.parent / "stolen.csv").exists()


def test_sql_of_what_is_not_published_can_not_be_known(run: Run) -> None:
    with pytest.raises(Failure, match="identity_reverts is not published yet") as refused:
        run("sql", "FROM identity_reverts")
    assert refused.value.code == CANNOT_KNOW


def test_parts_of_the_history(run: Run, home: Path) -> None:
    # given the whole history of a wiki
    whole = json.loads(run("sql", "FROM mediawiki_history", "--json"))
    revisions = [row for row in whole if row["event_entity"] == "revision"]
    page = revisions[0]["page_id"]
    user = next(row["event_user_id"] for row in revisions if row["event_user_id"])
    month = revisions[0]["event_timestamp"][:7]
    parts: list[tuple[tuple[str, ...], Callable[[dict[str, object]], bool]]] = [
        (("--page", str(page)), lambda row: row["page_id"] == page),
        (("--user", str(user)), lambda row: user in (row["event_user_id"], row["user_id"])),
        (("--period", month), lambda row: str(row["event_timestamp"]).startswith(month)),
    ]
    # when a part is asked for by its key
    for words, holds in parts:
        found = json.loads(run("query", "mediawiki_history", sample.WIKI, *words, "--format", "json"))
        # then it is what the whole holds of it
        assert sorted(map(str, found["rows"])) == sorted(str(row) for row in whole if holds(row))
        assert found["rows"]
    # and so it is of the histories of pages and accounts, by their keys
    for name, key, column in (("page_history", page, "page_id"), ("user_history", user, "user_id")):
        every = json.loads(run("sql", f"FROM {name}", "--json"))
        found = json.loads(run("query", name, sample.WIKI, str(key), "--format", "json"))
        assert sorted(map(str, found["rows"])) == sorted(str(row) for row in every if row[column] == key)
    for words in (("--page", "1", "--user", "1"), ("--period", "soon")):
        with pytest.raises(Failure):
            run("query", "mediawiki_history", sample.WIKI, *words)


def test_changes_of_a_view_are_those_of_its_tables(run: Run) -> None:
    lines = [json.loads(line) for line in run("changes", "page_history").splitlines()]
    *told, mark = lines
    assert {line["table"] for line in told} == {"page_lives", "user_lives", "revision_facts"}
    again = run("changes", "page_history", "--since", mark["mark"]).splitlines()
    assert [json.loads(line) for line in again] == [mark]
    with pytest.raises(Failure, match="is made of"):
        run("changes", "user_history", "--since", mark["mark"].split(";")[0])


def test_instants_are_values_of_a_key(run: Run) -> None:
    wanted = json.loads(run("query", "day_revisions", "--format", "json"))["rows"][0]
    key = [wanted["wiki"], wanted["day"], wanted["event_timestamp"]]
    told = json.loads(run("query", "day_revisions", *key, "--format", "json"))["rows"]
    assert wanted in told
    assert {row["event_timestamp"] for row in told} == {wanted["event_timestamp"]}
    run("explain", "day_revisions", *key, str(wanted["rev_id"]), str(wanted["page_id"]))


@pytest.mark.parametrize(
    "key,told",
    [
        (["page_current", "w", "x"], "'x' is no whole number, which the key column page_id is"),
        (["page_current", "w", "9223372036854775808"], "is no whole number, which the key column page_id is"),
        (["page_current", "\udcff"], "is no text, which the key column wiki is"),
        (["day_revisions", "w", "2022-13-01"], "is no date, as 2026-01-31, which the key column day is"),
        (["day_revisions", "w", "2022-01-01", "soon"], "soon: not an instant; write it as"),
    ],
)
def test_what_no_key_can_hold_is_told(run: Run, key: list[str], told: str) -> None:
    with pytest.raises(Failure, match=told):
        run("query", *key)
