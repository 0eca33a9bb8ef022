"""What all DAGs have in common."""

from __future__ import annotations

from datetime import timedelta

import pendulum

RETRIES = {"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True}
"""Every command goes on where it stopped, so that another try is always safe."""
BEGINNING = pendulum.datetime(2024, 1, 1, tz="UTC")
