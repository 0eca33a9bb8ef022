"""The assets: what consumers in Airflow wait for."""

from __future__ import annotations

from airflow.sdk import Asset


def dataset_asset(name: str) -> Asset:
    """Of a dataset; its events carry dataset, generation, cut, Delta version, run, and how many values differed (0)."""
    return Asset(name=name, uri=f"wikibraid://datasets/{name}", group="wikibraid")


def view_asset(name: str) -> Asset:
    """Of a view; its events carry what the newest event of each dataset carries that it reads, by the dataset's name."""
    return Asset(name=name, uri=f"wikibraid://views/{name}", group="wikibraid")
