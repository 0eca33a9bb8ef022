"""What Spark's workers are forked from imports pyspark from where it is installed, and authors' packages from wherever they are."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pyspark

ROOT = Path(__file__).parents[2]


def test_only_sparks_own_archives_are_left_out(tmp_path: Path) -> None:
    # given the path that Spark gives its workers, and an author's package in an archive
    author = tmp_path / "author.zip"
    with zipfile.ZipFile(author, "w") as archive:
        archive.writestr("ofanauthor.py", "NAME = 'mine'")
    own = Path(pyspark.__file__).parent / "python" / "lib"
    path = [str(ROOT), *map(str, own.glob("*.zip")), str(author)]
    assert len(path) == 4
    # when the process is started
    program = "import batch.python_daemon, pyspark, py4j, ofanauthor; print(pyspark.__file__, py4j.__file__, ofanauthor.NAME)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    # then what is installed comes from no archive, and the author's is there
    spark, gateway, name = done.stdout.split()
    assert ".zip" not in spark + gateway
    assert name == "mine"
