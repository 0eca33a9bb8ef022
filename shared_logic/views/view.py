"""What a view is, and the register of them."""

from __future__ import annotations

from dataclasses import dataclass

from shared_logic.registry import registry
from shared_logic.tables import DefinitionError


@dataclass(frozen=True, slots=True)
class View:
    """A table that SQL makes of datasets and other views when it is read."""

    name: str
    doc: str
    reads: tuple[str, ...]
    """Datasets and views, by name."""
    sql: str
    """One SELECT."""
    keys: tuple[str, ...] = ()
    """Columns by which a reader may choose rows, in order."""
    companions: tuple[str, ...] = ()
    """Datasets that a batch run of the view computes as well, though it does not read them."""
    is_internal: bool = False
    """Whether it is only a step of other views."""

    @property
    def datasets(self) -> tuple[str, ...]:
        """Every dataset that it reads, directly or through other views."""
        found: dict[str, None] = {}
        for name in self.reads:
            found |= dict.fromkeys(views[name].datasets if name in views else (name,))
        return tuple(found)

    def no_table(self, do: str) -> str:
        """What to say to who takes it for a table; `do` is what to do to the tables that it is made of."""
        tables = ", ".join(self.datasets)
        return f"{self.name} is a view, which is joined when it is read; {do} the tables that it is made of: {tables}"

    @property
    def chain(self) -> tuple[View, ...]:
        """The views that it reads, those before that are read by others, itself last."""
        found = {view.name: view for name in self.reads if name in views for view in views[name].chain}
        return (*found.values(), self)


class Views(dict[str, View]):
    """Views by name; what a view reads stands before it."""

    def add(self, view: View) -> View:
        """Register a view.

        Raises:
            DefinitionError: it reads what is neither a dataset nor a view before it.
        """
        for name in view.reads:
            if name not in self and name not in registry:
                message = f"view {view.name}: it reads {name}, which is neither a dataset nor a view defined before it"
                raise DefinitionError(message)
        self[view.name] = view
        return view


views = Views()
"""Every view that this process knows."""
