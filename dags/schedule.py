"""What all DAGs have in common."""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum

RETRIES = {"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True}
"""Every command goes on where it stopped, so that another try is always safe."""
SCHEDULE = os.environ.get("WIKIBRAID_SCHEDULE", "@monthly") or None
"""How often everything is recomputed, as cron or one of Airflow's presets; set it empty for runs by hand only."""
WAITS = "WIKIBRAID_SCHEDULE" not in os.environ
"""Whether scheduled recomputations are paused until somebody unpauses them: they cost hours, so that somebody must have asked."""
POOL = "wikibraid"
"""Airflow's pool of one slot for what writes to a home, which has one writer: without it, DAGs that are due at once would only find
the home busy until their tries are used up."""
BEGINNING = pendulum.datetime(2024, 1, 1, tz="UTC")
