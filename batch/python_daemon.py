"""What Spark forks its Python workers from: a process that has imported what they need, so that none does so by itself."""

from __future__ import annotations

import pandas as pd  # noqa: F401  which Arrow looks for at its first array
from pyspark.daemon import manager

import batch.lowering  # noqa: F401  for the workers
import shared_logic.datasets  # noqa: F401  for the workers

if __name__ == "__main__":
    manager()  # type: ignore[no-untyped-call]
