"""A network that is slow, silent or cut between the speed layer and its servers: it falls behind, holds little, and recovers by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from cli.home import Home
from shared_logic.protocols import Log, Store
from stack.cassandra_node import CassandraNode
from stack.kafka_broker import KafkaBroker
from tests import sample
from tests.faults.installation import DATASETS, alive, assert_whole, begin, published, running
from tests.faults.processes import Service, daemon, eventually
from tests.faults.proxy import Proxy
from tests.servers import broker_settings, free_ports

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.bytewax,
    pytest.mark.cassandra,
    pytest.mark.kafka,
]
ROWS = f"/v1/page_current/{sample.WIKI}?limit=1"
MIB_MORE = 96
"""That a daemon may hold more than before the network was bad: what is fetched ahead, and entities of what came."""


@pytest.fixture
def far_broker(tmp_path: Path) -> Iterator[tuple[KafkaBroker, Proxy]]:
    """A broker with a second listener, which clients reach through a proxy only."""
    plain = broker_settings(tmp_path / "kafka")
    (port,) = free_ports(1)
    with Proxy(port) as proxy:
        host = plain.host
        listeners = f"PLAINTEXT://{host}:{plain.port},FAR://{host}:{port}"
        properties = {
            "listeners": f"{listeners},CONTROLLER://{host}:{plain.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{host}:{plain.port},FAR://{host}:{proxy.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,FAR:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }
        with KafkaBroker(replace(plain, properties=properties)) as broker:
            yield broker, proxy


def lag(log: Log, store: Store) -> int:
    """Messages that are not in the tables."""
    return max(
        sum(end - at for end, at in zip(log.ends(), parts.through, strict=True))
        for dataset, made in published(store)
        if (parts := store.parts(dataset.name, b"", made.number)) is not None
    )


def resident_mib(process: int) -> int:
    """Memory that a process holds."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) >> 10


def test_a_bad_network_costs_time_only(
    far_broker: tuple[KafkaBroker, Proxy], node: CassandraNode, tmp_path: Path
) -> None:
    # given a daemon that reaches Kafka and Cassandra over a network, and others who are near
    broker, to_kafka = far_broker
    run, near, far = running(tmp_path / "near"), tmp_path / "near", tmp_path / "far"
    pieces = sample.events()
    size = -(-len(pieces) // 4)
    with ExitStack() as stack:
        to_cassandra = stack.enter_context(Proxy(node.settings.port))
        store_at = f"cassandra://127.0.0.1:{node.settings.port}/bad_network"
        run("init", "--log", f"kafka://{broker.address}/log", "--store", store_at)
        far.mkdir()
        (far / "wikibraid.yaml").write_text(
            f"log: kafka://127.0.0.1:{to_kafka.port}/log\n"
            f"store: cassandra://127.0.0.1:{to_cassandra.port}/bad_network\n"
        )
        home = Home(near)
        begin(home, {})
        log, store = stack.enter_context(home.log()), stack.enter_context(home.store())
        Home(far)
        keeper = daemon(far, "1/1", DATASETS)
        api = Service("api", far, "cli.main", "serve", "--home", str(far))
        stack.enter_context(alive(keeper, api))

        def bring(number: int) -> None:
            piece = tmp_path / f"piece-{number}.ndjson"
            piece.write_bytes(b"\n".join(pieces[number * size : (number + 1) * size]))
            run("ingest", "events", str(piece))

        bring(0)
        eventually(lambda: lag(log, store) == 0)
        eventually(lambda: api.answers(ROWS))
        assert keeper.process is not None
        before = resident_mib(keeper.process.pid)
        # when it is slow while events come, it keeps up, later
        to_kafka.slow(0.3)
        to_cassandra.slow(0.02)
        bring(1)
        eventually(lambda: lag(log, store) == 0)
        # when it is silent, or cut
        for number, worsen in enumerate((Proxy.stall, Proxy.cut), 2):
            for proxy in (to_kafka, to_cassandra):
                proxy.heal()
                worsen(proxy)
            bring(number)
            # then what comes is not in the tables, and who asks is told soon that nobody can know
            assert lag(log, store) > 0
            assert api.asked(ROWS, seconds=15)[0] == 503
            # until it is well again: the same process catches up
            for proxy in (to_kafka, to_cassandra):
                proxy.heal()
            eventually(lambda: lag(log, store) == 0)
            eventually(lambda: api.answers(ROWS))
        assert keeper.answers("/health/live")
        assert resident_mib(keeper.process.pid) < before + MIB_MORE
        # and nothing is lost or there twice
        assert_whole(log, store, {})
        assert keeper.stop() == 0
