"""One batch run of a family of datasets: archive, compute, audit, load, prepare, flip."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from batch.bootstrap import STATES
from cli.catching_up import EngineName, catch_up
from cli.failures import AUDIT_FAILED, Failure
from cli.home import Home
from cli.output import Meter, tell
from cli.purges import begun as purges_begun
from cli.temporary import temporary
from shared_logic.datasets.user_current import hidden_names
from shared_logic.definition import Dataset, names_accounts
from shared_logic.fingerprint import fingerprint
from shared_logic.generations import DatasetGeneration, next_number
from shared_logic.protocols import Cut, Generation, Log, Store
from shared_logic.registry import registry

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from batch.candidates import View
    from batch.run import Result


@dataclass(frozen=True, slots=True)
class Published:
    """What a batch run published."""

    generations: list[Generation]
    largest_groups: Mapping[str, int]
    """See `batch.run.Result`."""
    raised: Mapping[str, int]
    """By dataset, for how many things its function raised, so that they have no rows."""


def recompute(
    home: Home,
    log: Log,
    store: Store,
    datasets: tuple[Dataset, ...],
    cut: Cut,
    progress: Meter,
    *,
    despite_growth: bool = False,
    full: bool = False,
) -> Published:
    """One batch run of a family of datasets: archive, compute, audit, load, prepare, flip.

    `despite_growth` publishes what grew or shrank too much; the audit says so nevertheless. `full` takes nothing from earlier runs.

    Raises:
        Failure: an audit failed; nothing of the run is published.
    """
    from batch.archive import archive
    from batch.audit import get_ready
    from batch.fingerprint import computing_fingerprint
    from batch.run import Inputs, compute

    bootstraps = {made.id: folder / STATES for folder, made in home.bootstraps_known()}
    code = {dataset.name: fingerprint(dataset) for dataset in datasets}
    purges = tuple(plan.id for plan in purges_begun(home.purges))
    given = [log.identity, *bootstraps, *purges, *(["full"] if full else []), computing_fingerprint()]
    computed = _with_hidden_names(store, datasets)
    run = _Run(
        run_id(cut, given, code),
        cut,
        (*bootstraps, *purges),
        {dataset.name: fingerprint(dataset) for dataset in computed},
    )
    progress.say("archiving the log")
    with home.keeping_archive("batch run"):
        archive(log, home.archive, cut)
    inputs = Inputs(bootstraps, home.archive, cut, purges, _runs_to_go_on_from(store, computed, cut), full)
    get_ready()
    with temporary(home.temporary) as folder:
        result = compute(
            spark_session(home), computed, inputs, home.path, folder, run.id, run.code, progress.say
        )
        _refuse_failed(
            result, despite_growth_command(home, datasets, cut, full=full), despite_growth=despite_growth
        )
        for line in told_of_raised(result):
            tell(line)
        progress.say("loading entity states")
        _load_states(store, result)
        result.release()
    lanes: list[DatasetGeneration] = []
    for dataset in computed:
        progress.say(f"loading {dataset.name}")
        made = _candidate(store, dataset, run, result)
        _load(home, store, made, result.views[dataset.name])
        lanes.append(DatasetGeneration(dataset, made))
    return _published(log, store, lanes, result, progress)


@dataclass(frozen=True, slots=True)
class _Run:
    """What is noted of a run with the generations that it makes."""

    id: str
    cut: Cut
    sources: tuple[str, ...]
    """Ids of bootstraps and purges."""
    code: Mapping[str, str]
    """Fingerprints by dataset."""


def _load(home: Home, store: Store, made: Generation, view: View) -> None:
    """Load a candidate with the rows of its view."""
    with temporary(home.temporary) as spill, store.atomically():
        store.add_generation(made)
        store.load(made.dataset, made.number, view.rows(spill))


def _published(
    log: Log, store: Store, lanes: list[DatasetGeneration], result: Result, progress: Meter
) -> Published:
    """Let speed bring the candidates to the end of the log, and flip to all of them."""
    progress.say("catching up with the log")
    catch_up(log, store, lanes, EngineName.LOOP)
    with store.atomically():
        for dataset, made in lanes:
            store.publish(dataset.name, made.number)
    raised = {name: view.audit.raised.times for name, view in result.views.items()}
    return Published([made for _, made in lanes], result.largest_groups, raised)


def _runs_to_go_on_from(store: Store, datasets: tuple[Dataset, ...], cut: Cut) -> dict[str, str]:
    """By dataset the run that made what readers read, where that ends before the cut."""
    return {
        dataset.name: made.run
        for dataset in datasets
        if (made := store.published(dataset.name)) and _goes_on(made.cut, cut)
    }


def _load_states(store: Store, result: Result) -> None:
    """Load the entity states and what is hidden, if that was not done before."""
    if store.has_states(result.base):
        return
    with store.atomically():
        for hiding in result.hidden():
            store.redact(*hiding)
        store.load_states(result.base, result.entity_states())


def _candidate(store: Store, dataset: Dataset, run: _Run, result: Result) -> Generation:
    """The generation that this run, by this code, made of the dataset before it was killed; else a new one."""
    code = run.code[dataset.name]
    known = store.generations(dataset.name)
    made_before = (made for made in known if (made.run, made.fingerprint) == (run.id, code))
    return next(made_before, None) or Generation(
        dataset=dataset.name,
        number=next_number(store, dataset.name),
        cut=run.cut,
        bootstrap=",".join(run.sources),
        base=result.base,
        fingerprint=code,
        delta_version=result.views[dataset.name].version,
        run=run.id,
        columns=dataset.schema.signature,
    )


def _refuse_failed(result: Result, command: str, *, despite_growth: bool) -> None:
    """End a run of which an audit failed; `command` publishes what only grew or shrank.

    Raises:
        Failure: one did.
    """
    from batch.audit import GROWTH

    failed = [
        (view, check)
        for view in result.views.values()
        for check in view.audit.checks
        if not check.success and not (despite_growth and check.expectation.startswith(GROWTH))
    ]
    if failed:
        only_grown = all(check.expectation.startswith(GROWTH) for _, check in failed)
        message = (
            "the audit failed, nothing is published: "
            + "; ".join(f"{view.dataset.name}: {check.expectation}" for view, check in failed)
            + "; the rows are in delta/quarantine"
            + "".join(f"; {line}" for line in told_of_raised(result))
            + (
                f". What only grew or shrank is published, without computing it again, by `{command}`"
                * only_grown
            )
        )
        raise Failure(message, AUDIT_FAILED)


def told_of_raised(result: Result) -> Iterator[str]:
    """A line for each dataset whose function raised."""
    for name, view in result.views.items():
        for place, error in view.audit.raised.examples[:1]:
            yield f"{name} has no rows of {view.audit.raised.times:,} of what it reads, for which its function raised, as {place}: {error}"


def despite_growth_command(home: Home, datasets: tuple[Dataset, ...], cut: Cut, *, full: bool) -> str:
    """The command that publishes what this run has made; with another cut it would be another run."""
    names = [] if len(datasets) == len(registry) else [dataset.name for dataset in datasets]
    where = ["--cut", ",".join(map(str, cut)), *(["--full"] if full else []), "--despite-growth"]
    where += ["--home", str(home.path)]
    return shlex.join(["wikibraid", "batch", "run", *names, *where])


def _goes_on(before: Cut, cut: Cut) -> bool:
    """Whether all that lies before the one cut lies before the other: of less than that nothing has to have grown."""
    return len(before) == len(cut) and all(one <= other for one, other in zip(before, cut, strict=True))


def with_relatives(store: Store, datasets: tuple[Dataset, ...]) -> tuple[Dataset, ...]:
    """The datasets, and what is published of those that read the same tables: a family is of one run, or it can't be kept."""
    wanted = {dataset.name for dataset in datasets}
    related = {member.name for dataset in datasets for member in registry.family(dataset)}
    wanted |= {name for name in related if store.published(name) is not None}
    return registry.closure(sorted(wanted))


def _with_hidden_names(store: Store, datasets: tuple[Dataset, ...]) -> tuple[Dataset, ...]:
    """Tables that name accounts come with `hidden_names`, if it is not there: readers could not know whose names are hidden.

    It is no part of what identifies the run.
    """
    if store.published(hidden_names.name) is not None or not any(map(names_accounts, datasets)):
        return datasets
    return with_relatives(
        store, registry.closure(sorted({*(dataset.name for dataset in datasets), hidden_names.name}))
    )


def spark_session(home: Home) -> SparkSession:
    """The session of this process, started at its first use."""
    from batch.session import session

    return session("wikibraid", home.path / "warehouse")


def run_id(cut: Cut, given: list[str], code: dict[str, str]) -> str:
    """The same input and code give the same run, so that a run that was killed is gone on with."""
    parts = [
        ",".join(map(str, cut)),
        *given,
        *(f"{name} {hash_}" for name, hash_ in sorted(code.items())),
    ]
    return sha256("\n".join(parts).encode()).hexdigest()[:12]
