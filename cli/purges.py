"""Plans of purges: what each takes out, and how far it is; a file each in the home."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import msgspec

from cli.failures import Failure
from shared_logic.protocols import Cut
from shared_logic.purge import Hidden
from shared_logic.purged_names import WikiAndDigest


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a purge takes out, and nothing else."""

    hidden: tuple[tuple[str, str, int, int], ...]
    """Wiki, "revision" or "log", id, and bits of what is hidden; in order."""
    names: tuple[WikiAndDigest, ...] = ()
    """Wikis and digests of names of hidden accounts, in order."""
    state: str = "planned"
    """planned, begun or done."""
    after: int = 0
    """How many purges were begun before."""
    through: Cut = ()
    """The end of the log when it was executed; empty where it was not, or by a version that did not note it."""

    @property
    def id(self) -> str:
        """12 hex digits over what is taken out, and the purges before it."""
        # A plan without names has the id that it had before plans knew of names.
        taken_out = (self.hidden, self.names) if self.names else (self.hidden,)
        return sha256(msgspec.msgpack.encode((*taken_out, self.after))).hexdigest()[:12]

    @property
    def taken_out(self) -> Hidden:
        """The same, to look things up in."""
        parts = {(wiki, kind, number): bits for wiki, kind, number, bits in self.hidden}
        return Hidden(parts, frozenset(self.names))


def plan_of(folder: Path, hidden: Hidden) -> Plan:
    """Note a plan that takes this out, and nothing else."""
    entries = tuple((*subject, bits) for subject, bits in sorted(hidden.parts.items()))
    made = Plan(hidden=entries, names=tuple(sorted(hidden.names)), after=len(begun(folder)))
    path = folder / f"{made.id}.json"
    return known(path) if path.exists() else noted(folder, made)


def noted(folder: Path, plan: Plan) -> Plan:
    """Write the plan as it is now."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{plan.id}.part"
    unfinished.write_bytes(msgspec.json.encode(plan) + b"\n")
    unfinished.replace(folder / f"{plan.id}.json")
    return plan


def planned(folder: Path, name: str) -> Plan:
    """The plan of that id.

    Raises:
        Failure: there is none.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        there = ", ".join(sorted(path.stem for path in folder.glob("*.json"))) or "none"
        message = f"no plan {name}; there are {there}; `wikibraid purge plan` makes one"
        raise Failure(message)
    return known(path)


def begun(folder: Path) -> list[Plan]:
    """Plans of which at least a part was done, oldest first."""
    plans = (known(path) for path in folder.glob("*.json"))
    return sorted((plan for plan in plans if plan.state != "planned"), key=lambda plan: plan.after)


def known(path: Path) -> Plan:
    """The plan in that file."""
    return msgspec.json.decode(path.read_bytes(), type=Plan)
