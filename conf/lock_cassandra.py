"""Renew conf/cassandra.lock: the jars of one version of Cassandra as Maven resolves them, each with its SHA-256.

Only who moves to another version runs it, with Maven on the path: ``python conf/lock_cassandra.py 5.0.9``.
Everyone else fetches what the listing names: ``python conf/bootstrap.py cassandra``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bootstrap import CASSANDRA_LOCK, sha256_of

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>wikibraid</groupId><artifactId>cassandra</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.cassandra</groupId><artifactId>cassandra-all</artifactId><version>{version}</version>
    </dependency>
  </dependencies>
</project>
"""
HEADER = """\
# The jars of Cassandra {version}: SHA-256, path below a Maven repository.
# Made by `python conf/lock_cassandra.py {version}`; fetched by `python conf/bootstrap.py cassandra`.
"""


def resolved(version: str) -> str:
    """The listing of that version's jars, in order of path."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pom.xml").write_text(POM.format(version=version), encoding="utf-8")
        copy = ("dependency:copy-dependencies", "-DincludeScope=runtime", "-Dmdep.useRepositoryLayout=true")
        subprocess.run(
            ["mvn", "--quiet", "--batch-mode", *copy, "-DoutputDirectory=jars"], cwd=folder, check=True
        )
        jars = Path(folder, "jars")
        lines = [
            f"{sha256_of(jar)}  {jar.relative_to(jars).as_posix()}\n" for jar in sorted(jars.rglob("*.jar"))
        ]
    return HEADER.format(version=version) + "".join(lines)


def main(arguments: list[str]) -> int:
    """Write the listing; the one argument is the version."""
    if len(arguments) != 1 or not re.fullmatch(r"\d+\.\d+\.\d+", arguments[0]):
        print("usage: python conf/lock_cassandra.py VERSION, such as 5.0.9", file=sys.stderr)
        return 2
    CASSANDRA_LOCK.write_text(resolved(arguments[0]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
