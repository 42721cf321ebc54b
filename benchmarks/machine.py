"""The machine: its cores, the clocks and the memory of processes, and what it is called. Linux only."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ALL_CORES = sorted(os.sched_getaffinity(0))


@contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """What is started inside runs on ``cores`` only, with all that it starts itself."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cores(workers: int) -> tuple[list[int], list[int]]:
    """
    The cores of a server with so many workers, and those of everything else.

    A core for each worker, and another for the drivers, Redis and the database. Where there are too few, as for two
    workers on two cores, everybody shares all of them: what counts then is the CPU time.
    """
    if workers < len(ALL_CORES):
        return ALL_CORES[:workers], ALL_CORES[workers:]
    return ALL_CORES, ALL_CORES


def family(pid: int) -> list[int]:
    """A process and all that descend from it, as they are now."""
    found = [pid]
    for each in found:
        try:
            tasks = list(Path(f"/proc/{each}/task").iterdir())
            found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """The CPU time of processes, user's and kernel's, in seconds: from their own clocks, to the nanosecond."""
    total = 0
    for pid in pids:
        try:
            # As clock_getcpuclockid(3) makes it of a pid; Python has that for threads only.
            total += time.clock_gettime_ns((~pid << 3) | 2)
        except OSError:
            pass  # it has ended
    return total / 1e9


def rss_bytes(pids: Iterable[int]) -> int:
    """The memory that processes have, what they share counted once in proportion."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def description() -> dict[str, str]:
    """What a reader of figures wants to know of the machine."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": str(len(ALL_CORES)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }
