"""The command that archives the log."""

from __future__ import annotations

from cli.options import DEFAULT_HOME, HomeOption, JsonOption, known_home
from cli.output import meter, out, print_json


def archive(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """Copy what is new in the log to the archive, which the batch reads; a batch run does it too.

    Run it several times as often as the log's retention demands. Killed anywhere and run again, it goes on.
    """
    from batch.archive import archive as archive_log

    place = known_home(home)
    with place.keeping_archive("archive"), place.log() as log, meter("archiving"):
        starts, upto = log.starts(), log.ends()
        done = archive_log(log, place.archive, upto)
    if json:
        print_json({"added": done.added, "ends": done.ends, "log": {"starts": starts, "ends": upto}})
        return
    out.print(f"{done.added:,} messages archived, through {','.join(map(str, done.ends))}", markup=False)
