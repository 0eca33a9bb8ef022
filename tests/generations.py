"""Generations for tests: each says what its test is about, all else is of no account."""

from __future__ import annotations

from shared_logic.protocols import Cut, Generation


def generation(
    dataset: str,
    number: int = 1,
    *,
    cut: Cut = (10, 20),
    base: str = "",
    fingerprint: str = "",
    run: str | None = None,
    columns: tuple[str, ...] = (),
) -> Generation:
    """That generation of a dataset, without a bootstrap; where a test names no run, it is of one that bears its number."""
    return Generation(
        dataset=dataset,
        number=number,
        cut=cut,
        bootstrap="",
        base=base,
        fingerprint=fingerprint,
        delta_version=0,
        run=f"run-{number}" if run is None else run,
        columns=columns,
    )
