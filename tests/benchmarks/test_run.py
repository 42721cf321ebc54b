"""A whole run, of a second: the bare loop, through real drivers."""

import sys

import pytest

from benchmarks.systems import BY_NAME, ROOT

if sys.platform != "linux":
    pytest.skip("The benchmarks read Linux' clocks of processes.", allow_module_level=True)

from benchmarks.bench import Bench


@pytest.fixture
def bench():
    bench = Bench(is_quick=True, names=["asgi"])
    yield bench
    bench.close()


def test_every_member_gets_every_message_of_a_closed_and_an_open_loop(bench):
    if lack := BY_NAME["asgi"].lacks():
        pytest.skip(lack)
    if not (ROOT / ".bench/driver/bin/python").exists():
        pytest.skip("The drivers are not installed; scripts/bench-install does that.")
    with bench.start("asgi") as server, bench.fleet(server) as fleet:
        fleet.open("room", 10)
        closed = fleet.post("room", size=60, in_flight=3, seconds=0.2)
        paced = fleet.pace("room", size=1024, rate=100.0, seconds=0.3)

    for run in (closed, paced):
        assert not run.faults
        assert run.deliveries == run.posts * 10
        assert run.server_s > 0
    assert closed.posts >= 3
    assert len(paced.latencies_ms) == paced.deliveries
