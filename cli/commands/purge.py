"""The commands that take what is hidden on the wikis out of everything that is stored, for good."""

from __future__ import annotations

import shutil
from collections import Counter
from functools import partial
from typing import Annotated

import msgspec
import typer

from batch.bootstrap import STATES
from cli.batch_run import recompute, spark_session, with_relatives
from cli.configuration import kafka_options
from cli.failures import CANNOT_KNOW, Failure
from cli.home import Home
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, known_home
from cli.output import Meter, meter, out, print_json, print_outcome
from cli.purges import Plan, begun, noted, plan_of, planned
from cli.sinks import outputs
from serving.http.query_log import without_names
from serving.reader import through_of
from serving.standing import lag_of
from shared_logic.datasets.user_current import hidden_names
from shared_logic.entities import entity
from shared_logic.keys import decode_key
from shared_logic.merge import merged
from shared_logic.protocols import Cut, Generation, Log, Store
from shared_logic.purge import REVISION, Hidden, left_of, purged_event
from shared_logic.purged_names import Pseudonyms, WikiAndDigest
from shared_logic.registry import registry
from speed.kafka_log import KafkaLog
from speed.kafka_segments import new_segments
from speed.outbox import relay

app = typer.Typer(
    help="Take what is hidden on the wikis out of everything that is stored, for good.", no_args_is_help=True
)
_NAMES_STAY = "  names of hidden accounts stay where they are, since no table tells them: `wikibraid batch run hidden_names` makes it"


@app.command()
def plan(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """Print what is hidden now and what a purge would do about it; nothing is changed."""
    from batch.archive import archive
    from batch.purge import hidden_parts

    place = known_home(home)
    with place.log() as log, place.store() as store, meter("reading what is hidden"):
        _refuse_unregistered(store)
        with place.keeping_archive("purge plan"):
            archive(log, place.archive, log.ends())
        files = [folder / STATES for folder, _ in place.bootstraps_known()]
        parts = hidden_parts(spark_session(place), place.archive, files)
        names = _hidden_names(log, store)
        hidden = Hidden(parts, names or ())
        left = _not_purged(place, hidden)
        letters = sum(bool(letter.value) for letter in place.dead_letters())
    if not (left.parts or left.names or letters):
        _say_nothing_is_left(names is None, json)
        return
    made = plan_of(place.purges, hidden)
    kinds = Counter(kind for _, kind, _, _ in made.hidden)
    if json:
        about = {"plan": made.id, "state": made.state, "revisions": kinds[REVISION], "log_rows": kinds["log"]}
        print_json({**about, "names": None if names is None else len(names), "dead_letters": letters})
        return
    lines = [
        f"plan {made.id} ({made.state}): {kinds[REVISION]:,} revisions and {kinds['log']:,} log rows of which something is hidden",
        _NAMES_STAY
        if names is None
        else f"  {len(names):,} names of hidden accounts, in the place of which pseudonyms are put",
        *_told_of_purged(len(parts) - len(left.parts)),
        "  the archive and the bootstraps are rewritten without it",
        "  every published table is computed again from them; older generations and Delta's older versions are removed",
        "  the log gives up what is archived; what stays in it is rewritten",
        f"  {letters:,} dead letters are emptied: nobody can tell what is in them",
    ]
    lines += [f"  {line}" for line in _left_to_others(place)]
    lines += [
        f"  {output.to} is written by the sink {output.name}: it has no hidden value by now, its own history is its owner's affair"
        for output in outputs(place).values()
    ]
    lines.append(f"`wikibraid purge execute {made.id}` does that, and nothing that was hidden later")
    for line in lines:
        out.print(line, markup=False, highlight=False)


@app.command()
def execute(
    name: Annotated[str, typer.Argument(metavar="PLAN", help="What `purge plan` printed.")],
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Do what the plan says. Killed anywhere and run again, it goes on; readers read the old rows until the new ones are there."""
    place = known_home(home)
    wanted = planned(place.purges, name)
    if wanted.state == "done":
        print_outcome(
            {"plan": name, "emptied": 0, "names": 0}, f"plan {name} was executed already", json=json
        )
        return
    with (
        place.writing_log("purge execute"),
        place.writing_bootstraps("purge execute"),
        place.writing_store("purge execute"),
        place.log() as log,
        place.store() as store,
        meter("purging") as progress,
    ):
        _refuse_unregistered(store)
        place.remove_left_behind()
        if isinstance(log, KafkaLog) and place.has_notes:
            _begin_segments(place, log, wanted)
        cut = log.ends()
        _rewrite(place, log, cut, wanted, progress)
        noted(place.purges, msgspec.structs.replace(wanted, state="begun"))
        _recompute(place, log, store, cut, progress)
        without_names(place.queries, lambda wiki: Pseudonyms(wiki, wanted.taken_out.names))
        progress.say("giving up the log that is archived")
        _purge_log(place, log, cut, wanted)
        noted(place.purges, msgspec.structs.replace(wanted, state="done", through=cut))
    print_outcome(
        {"plan": name, "emptied": len(wanted.hidden), "names": len(wanted.names)},
        f"plan {name} was executed: {len(wanted.hidden):,} revisions and log rows hold nothing hidden any more; pseudonyms stand "
        f"wherever {len(wanted.names):,} names of hidden accounts told who did something or to whom",
        json=json,
    )
    for line in _left_to_others(place) if not json else ():
        out.print(line, markup=False, highlight=False)


def _not_purged(place: Home, hidden: Hidden) -> Hidden:
    """What of it the last purge did not take out; all of it, where what that took out may have been told again."""
    from batch.purge import is_told_again

    folders = [folder for folder, _ in place.bootstraps_known()]
    for last in begun(place.purges):
        gone = last.taken_out
        if last.state == "done" and not is_told_again(place.archive, folders, last.id, last.through, gone):
            return left_of(hidden, gone)
    return hidden


def _told_of_purged(count: int) -> list[str]:
    return (
        [f"  {count:,} of these were purged before, and are taken out wherever they are told again"]
        if count
        else []
    )


def _say_nothing_is_left(names_stay: bool, json: bool) -> None:
    if json:
        about = {"plan": None, "state": "nothing", "revisions": 0, "log_rows": 0}
        print_json({**about, "names": None if names_stay else 0, "dead_letters": 0})
        return
    out.print("nothing is hidden that was not purged")
    if names_stay:
        out.print(_NAMES_STAY, markup=False)


def _left_to_others(place: Home) -> list[str]:
    """What of the bytes is not gone with the purge itself, and who takes it away."""
    lines = []
    if place.topic() is not None:
        lines.append(
            "Kafka drops its files a few minutes later: at its next look (log.retention.check.interval.ms), after log.segment.delete.delay.ms"
        )
    if (address := place.address()) is not None:
        keyspace = address.keyspace
        lines.append(
            f"Cassandra's files are left to you, on every node, after a purge: `nodetool flush {keyspace}`, `nodetool garbagecollect {keyspace}`, "
            f"`nodetool clearsnapshot --all {keyspace}`, then `nodetool drain` and a restart, which empty its commit log; for keys of deleted "
            f"rows `nodetool garbagecollect {keyspace}` once more when gc_grace_seconds have passed"
        )
    return lines


def _hidden_names(log: Log, store: Store) -> list[WikiAndDigest] | None:
    """The names of hidden accounts that readers are not shown; None: no table tells them.

    Raises:
        Failure: the table does not include all that the log holds.
    """
    made = store.published(hidden_names.name)
    if made is None:
        return None
    if lag := lag_of(log.ends(), through_of(store, made)):
        message = f"{lag:,} messages of the log are in no table yet, of which some may hide names; let `wikibraid speed run` or the daemons catch up"
        raise Failure(message, CANNOT_KNOW)
    rows = merged(store, hidden_names, made.lane, b"")
    found = (decode_key(hidden_names.schema, key) for key, _ in rows)
    return [(wiki, digest) for wiki, digest in found]


def _begin_segments(place: Home, log: KafkaLog, wanted: Plan) -> None:
    """Say the last message of each partition once more, which changes nothing, at the beginning of a new segment.

    Kafka drops segments whole, and begins one only with a message: what the last one holds would stay on its disks till then.
    """
    with place.notes() as notes:
        relay(notes, log)
        bounds = enumerate(zip(log.starts(), log.ends(), strict=True))
        last = [log.read(partition, end - 1, 1)[0] for partition, (start, end) in bounds if start < end]
        with new_segments(log.topic, kafka_options()):
            with notes.atomically():
                notes.append(
                    (entity(message.key), purged_event(message.value, wanted.taken_out)) for message in last
                )
            relay(notes, log)


def _rewrite(place: Home, log: Log, cut: Cut, wanted: Plan, progress: Meter) -> None:
    from batch.archive import archive
    from batch.purge import purge_archive, purge_bootstrap, settle

    with place.keeping_archive("purge execute"):
        settle(place.archive)
        archive(log, place.archive, cut)
        progress.say("rewriting the archive")
        purge_archive(place.archive, wanted.taken_out, wanted.id)
    for folder in sorted(path for path in place.bootstraps.glob("*") if (path / STATES).exists()):
        progress.say(f"rewriting bootstrap {folder.name}")
        purge_bootstrap(folder, wanted.taken_out, wanted.id)


def _recompute(place: Home, log: Log, store: Store, cut: Cut, progress: Meter) -> None:
    """Compute what is published again, and remove all that was computed before, candidates that were never published too."""
    published = tuple(dataset for dataset in registry.values() if store.published(dataset.name) is not None)
    # Delta's log of what fails audits holds least and greatest values, which no vacuum removes.
    for folder in (place.delta, place.path / "warehouse"):
        shutil.rmtree(folder, ignore_errors=True)
    made: list[Generation] = []
    if published:
        made = recompute(place, log, store, with_relatives(store, published), cut, progress).generations
    progress.say("removing older generations")
    for generation in made:
        store.expire(generation.dataset, {generation.number})
    for name in store.datasets():
        if store.published(name) is None:
            store.drop(name)
    store.forget({generation.base for generation in made}, cut)
    store.vacuum()


def _refuse_unregistered(store: Store) -> None:
    """Refuse a store in which something is published that can't be computed here: what is hidden would stay in it.

    Raises:
        Failure: it is such.
    """
    unknown = [
        name for name in store.datasets() if name not in registry and store.published(name) is not None
    ]
    if unknown:
        message = (
            f"{', '.join(unknown)}: published, and no dataset that is known here, so that what is hidden could not be taken out of it; "
            f"install the package that it comes from, or give it up by `wikibraid generations drop {unknown[0]}`"
        )
        raise Failure(message)


def _purge_log(place: Home, log: Log, cut: Cut, wanted: Plan) -> None:
    rewrite = partial(purged_event, hidden=wanted.taken_out)
    if isinstance(log, KafkaLog):
        for partition, end in enumerate(cut):
            if end:
                log.forget(partition, end)
    if not place.has_notes:
        return
    with place.notes() as notes:
        # With Kafka it is the outbox, of which all was relayed that is archived.
        notes.purge(cut, rewrite)
