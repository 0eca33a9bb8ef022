"""What Prometheus is told of the datasets as readers see them, whoever keeps them: asked anew at each scrape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from serving.http.operations import Records, state_of
from serving.http.source import Source
from shared_logic.clock import SECOND_MS, from_iso
from shared_logic.definition import Dataset


class StateCollector(Collector):
    """Lag, what is missing, the last audits and comparisons, and dead letters."""

    def __init__(self, source: Source, datasets: Sequence[Dataset], kept: Records) -> None:
        """Ask nothing yet."""
        self._source, self._datasets, self._kept = source, datasets, kept

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: else a registry would ask for all of it when the collector is registered."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics."""
        lag = _gauge("wikibraid_served_lag_messages", "Messages of the log that readers do not see yet")
        missing = _gauge(
            "wikibraid_served_missing_seconds", "Age of the oldest event that readers do not see yet"
        )
        for dataset in self._datasets:
            found = state_of(self._source, dataset)
            if found["generation"] is not None:
                lag.add_metric([dataset.name], found["lag"])
                missing.add_metric([dataset.name], found["missing_seconds"])
        failing = _gauge("wikibraid_audit_failing_rows", "Rows that failed the last audit")
        rows: dict[str, int] = {}
        for check in self._kept.audits():
            rows[check["dataset"]] = rows.get(check["dataset"], 0) + check["failing_rows"]
        for name, count in rows.items():
            failing.add_metric([name], count)
        differing = _gauge(
            "wikibraid_parity_differing_values",
            "Values that differed when merged and recomputed were compared last",
        )
        compared = _gauge("wikibraid_parity_timestamp_seconds", "When they were compared last")
        left_out = _gauge(
            "wikibraid_parity_left_out_rows",
            "Stored rows that were not compared then, for they were just changing",
        )
        for drift in self._kept.drifts():
            differing.add_metric([drift["dataset"]], sum(drift["columns"].values()))
            compared.add_metric([drift["dataset"]], from_iso(drift["at"]) / SECOND_MS)
            left_out.add_metric([drift["dataset"]], drift["left_out"])
        waiting = _gauge(
            "wikibraid_relocations_waiting",
            "History merges and restores that nobody has looked up yet: until then tables show these revisions on the page before",
            "wiki",
        )
        for wiki, number in self._source.waiting().items():
            waiting.add_metric([wiki], number)
        dead = _gauge(
            "wikibraid_dead_letters", "Events that could not be read, and were not replayed since", "reason"
        )
        for reason, number in self._kept.waiting().items():
            dead.add_metric([reason], number)
        yield from (lag, missing, failing, differing, compared, left_out, waiting, dead)


def _gauge(name: str, about: str, label: str = "dataset") -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, labels=[label])
