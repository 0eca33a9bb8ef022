"""What Spark forks its Python workers from: a process that has imported what they need, so that none does so by itself.

Of each task Spark's workers look again for modules in every archive that they import from, which takes longer than a small task.
So pyspark is imported from where it is installed, and not from the archive that Spark puts before it.
"""

from __future__ import annotations

import gc
import re
import sys
from pathlib import Path

_SPARKS = re.compile(r"(pyspark|py4j-.*-src)\.zip|spark-core_.*\.jar")
sys.path[:] = [place for place in sys.path if not _SPARKS.fullmatch(Path(place).name)]
sys.path_importer_cache.clear()

import pandas as pd  # noqa: E402, F401  which Arrow looks for at its first array
from pyspark.daemon import manager  # noqa: E402

import batch.lowering  # noqa: E402, F401  for the workers
import shared_logic.datasets  # noqa: E402, F401  for the workers

if __name__ == "__main__":
    # Of what is there by now nothing is garbage; a worker that looked for it would copy every page that it shares.
    gc.freeze()
    manager()  # type: ignore[no-untyped-call]
