"""Renew conf/cassandra.lock or conf/kafka.lock: the jars of one version as Maven resolves them, each with its SHA-256.

Only who moves to another version runs it, with Maven on the path: ``python conf/lock_jars.py cassandra 5.0.9``.
Everyone else fetches what the listing names: ``python conf/bootstrap.py cassandra``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bootstrap import lock_of, sha256_of

ARTIFACTS = {
    "cassandra": ("org.apache.cassandra", "cassandra-all"),
    "kafka": ("org.apache.kafka", "kafka_2.13"),
}
BESIDE = {
    # Kafka writes its log by SLF4J 1, and names no jar that brings that to its Log4j, whose version this is.
    "kafka": (("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.5"),),
}
DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>wikibraid</groupId><artifactId>server</artifactId><version>1</version>
  <dependencies>
    {dependencies}
  </dependencies>
</project>
"""
HEADER = """\
# The jars of {server} {version}: SHA-256, path below a Maven repository.
# Made by `python conf/lock_jars.py {server} {version}`; fetched by `python conf/bootstrap.py {server}`.
"""


def resolved(server: str, version: str) -> str:
    """The listing of that version's jars, in order of path."""
    wanted = ((*ARTIFACTS[server], version), *BESIDE.get(server, ()))
    with tempfile.TemporaryDirectory() as folder:
        pom = POM.format(dependencies="".join(DEPENDENCY.format(*one) for one in wanted))
        Path(folder, "pom.xml").write_text(pom, encoding="utf-8")
        copy = ("dependency:copy-dependencies", "-DincludeScope=runtime", "-Dmdep.useRepositoryLayout=true")
        subprocess.run(
            ["mvn", "--quiet", "--batch-mode", *copy, "-DoutputDirectory=jars"], cwd=folder, check=True
        )
        jars = Path(folder, "jars")
        lines = [
            f"{sha256_of(jar)}  {jar.relative_to(jars).as_posix()}\n" for jar in sorted(jars.rglob("*.jar"))
        ]
    return HEADER.format(server=server, version=version) + "".join(lines)


def main(arguments: list[str]) -> int:
    """Write the listing; the arguments are the server and its version."""
    server, version = arguments if len(arguments) == 2 else ("", "")  # noqa: PLR2004
    if server not in ARTIFACTS or not re.fullmatch(r"\d+\.\d+\.\d+", version):
        print("usage: python conf/lock_jars.py SERVER VERSION, such as kafka 4.4.0", file=sys.stderr)
        return 2
    lock_of(server).write_text(resolved(server, version), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
