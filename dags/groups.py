"""Which datasets are recomputed together: those that read one another's tables, and those of one module, of one run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from shared_logic.definition import Dataset
from shared_logic.installed import register_datasets
from shared_logic.registry import registry
from shared_logic.views import View, views

register_datasets()


@dataclass(frozen=True, slots=True)
class Group:
    """Datasets of one DAG."""

    name: str
    """That of the module of the first of them, or of the view that reads them."""
    datasets: tuple[Dataset, ...]

    @property
    def doc(self) -> str:
        """What the DAG makes, in Markdown."""
        lines = [f"* `{dataset.name}`: {dataset.doc.splitlines()[0]}" for dataset in self.datasets]
        return "\n".join(("Recomputes from all of history, and publishes:", "", *lines))


def groups() -> tuple[Group, ...]:
    """Every dataset in exactly one group, in order of definition."""
    found: list[set[str]] = []
    for dataset in registry.values():
        near = {member.name for member in registry.family(dataset)}
        near |= {other.name for other in registry.values() if _module(other) == _module(dataset)}
        touched = [group for group in found if group & near]
        found = [group for group in found if group not in touched]
        found.append(reduce(set.union, touched, near))
    members = [tuple(dataset for dataset in registry.values() if dataset.name in group) for group in found]
    order = list(registry)
    return tuple(
        Group(_module(group[0]), group)
        for group in sorted(members, key=lambda group: order.index(group[0].name))
    )


def readable_views() -> tuple[View, ...]:
    """The views that are more than a step of others."""
    return tuple(view for view in views.values() if not view.is_internal)


def of_view(view: View) -> Group:
    """What a batch run of the view publishes: its datasets and companions, each with its family, and the group of its name."""
    wanted = (*view.datasets, *view.companions)
    members = {member.name for name in wanted for member in registry.family(registry[name])}
    members |= {dataset.name for group in groups() if group.name == view.name for dataset in group.datasets}
    return Group(view.name, tuple(dataset for dataset in registry.values() if dataset.name in members))


def _module(dataset: Dataset) -> str:
    return dataset.function.__module__.rpartition(".")[2]
