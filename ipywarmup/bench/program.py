"""
One measurement, in this process: ``python -m ipywarmup.bench.program``.

The only argument is JSON: what to do, with which modules, beside which loop. The
answer is JSON too, on a line of standard output that starts with `MARK`.

All that the ways to import need is imported before the clock starts, by every one
of them, so that none finds more of its modules loaded than another.
"""

from __future__ import annotations

import functools
import itertools
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from ipywarmup.bench import ways
from ipywarmup.defaults import SWITCH_INTERVAL
from ipywarmup.importing import describe
from ipywarmup.responsiveness.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = "IPYWARMUP-BENCH "
IDLE = "idle"
"""The kind that imports nothing: what the machine does to a beat."""

_BEAT = 0.001
"""Seconds between the beats of the main thread."""
_ALONE = 0.5
"""Seconds to beat or to loop without imports."""


def measure(
    kind: str,
    modules: list[str],
    loop: str | None = None,
    switch_interval: float = SWITCH_INTERVAL,
) -> dict[str, Any]:
    """
    Measure one way to import.

    Parameters
    ----------
    kind : str
        One of `figures.KINDS`, or `IDLE`.
    modules : list of str
        Absolute dotted names.
    loop : str, optional
        What the main thread does meanwhile, one of `figures.LOOPS`; it beats when
        left out.
    switch_interval : float
        The one that a warmup borrows, in seconds.

    Returns
    -------
    dict
        The arguments of `figures.Idle`, of `figures.Busy` with a loop, else of
        `figures.Measured`.
    """
    settings.switch_interval = switch_interval
    if kind == IDLE:
        return _idle()
    if loop is not None:
        return _beside_loop(_starter(kind), modules, _loop(loop))
    present = [name for name in modules if name in sys.modules]
    foreground = {"plain": _plain, "lazy": _lazy}.get(kind)
    figures = foreground(modules) if foreground else _background(kind, modules)
    began = time.perf_counter()
    failures = ways.import_all(modules)
    figures["later_ms"] = _ms(time.perf_counter() - began)
    figures["failures"] += failures
    figures["failures"] += [f"{name}: what measures needs it" for name in present]
    figures["memory_mb"] = round(peak_memory() / 1e6, 1)
    return figures


def peak_memory() -> int:
    """Return the most bytes of memory that this process has had resident."""
    if sys.platform == "linux":
        # getrusage would count what the parent had when this process was forked.
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
            for line in status:
                if line.startswith("VmHWM:"):
                    return 1024 * int(line.split()[1])
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        import psutil  # type: ignore[import-untyped] # noqa: PLC0415 - of ipykernel's

        return int(psutil.Process().memory_info().peak_wset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _plain(modules: list[str]) -> dict[str, Any]:
    """Import in the foreground, which is one stall."""
    began = time.perf_counter()
    failures = ways.import_all(modules)
    took = _ms(time.perf_counter() - began)
    return {
        "total_ms": took,
        "at_ms": [0.0],
        "stalls_ms": [took],
        "failures": failures,
    }


def _lazy(modules: list[str]) -> dict[str, Any]:
    """Prepare, then use; to prepare is one stall, and so is each first use."""
    times = [time.perf_counter()]
    uses = ways.import_lazily(modules)
    times.append(time.perf_counter())
    failures = []
    for name, use in zip(modules, uses, strict=True):
        try:
            use()
        except Exception as error:
            failures.append(f"{name}: {describe(error)}")
        times.append(time.perf_counter())
    return {
        "total_ms": _ms(times[-1] - times[0]),
        "at_ms": [_ms(began - times[0]) for began in times[:-1]],
        "stalls_ms": [
            _ms(after - before) for before, after in itertools.pairwise(times)
        ],
        "failures": failures,
    }


def _idle() -> dict[str, Any]:
    """Beat, then compute."""
    end = time.perf_counter() + _ALONE
    _, stalls = _beat(lambda: None, lambda: time.perf_counter() > end)
    began, used = time.perf_counter(), time.process_time()
    _turns(_loop("python"), _ALONE)
    used, took = time.process_time() - used, time.perf_counter() - began
    return {"stalls_ms": stalls, "share": round(used / took, 4)}


def _background(kind: str, modules: list[str]) -> dict[str, Any]:
    """Import on other threads while the main thread beats."""
    arrival = ways.Arrival()
    failures: list[Callable[[], list[str]]] = []
    start = _starter(kind)
    began = time.perf_counter()
    at, stalls = _beat(lambda: failures.append(start(modules, arrival)), arrival.told)
    return {
        "total_ms": _ms(arrival.at - began),
        "at_ms": at,
        "stalls_ms": stalls,
        "failures": failures[0](),
    }


def _beat(
    start: Callable[[], object], over: Callable[[], bool]
) -> tuple[list[float], list[float]]:
    """
    Sleep again and again, from before the start until it is over.

    Returns
    -------
    at_ms, stalls_ms : list of float
        When each beat began, and by how much it was late, in milliseconds.
    """
    ends: list[float] = [time.perf_counter()]
    start()
    while True:
        time.sleep(_BEAT)
        # Each beat begins where the last one ended, so that no wait is lost.
        ends.append(time.perf_counter())
        if over():
            break
    at = [_ms(began - ends[0]) for began in ends[:-1]]
    stalls = [_ms(after - before - _BEAT) for before, after in itertools.pairwise(ends)]
    return at, stalls


def _beside_loop(
    start: Callable[[list[str], ways.Arrival], Callable[[], list[str]]],
    modules: list[str],
    turn: Callable[[], object],
) -> dict[str, Any]:
    """Import on other threads while the main thread computes."""
    turn()
    before = _turns(turn, _ALONE)
    arrival = ways.Arrival()
    began = time.perf_counter()
    failures = start(modules, arrival)
    turns = 0
    while not turns or not arrival.told():
        turn()
        turns += 1
    took = time.perf_counter() - began
    after = _turns(turn, _ALONE)
    alone = 2 * _ALONE / (before + after)
    return {
        "import_ms": _ms(arrival.at - began),
        "slowdown": round(took / turns / alone, 4),
        "failures": failures(),
    }


def _turns(turn: Callable[[], object], seconds: float) -> float:
    """Return how many turns a loop does in that time."""
    turns = 0
    began = now = time.perf_counter()
    while now < began + seconds:
        turn()
        turns += 1
        now = time.perf_counter()
    return turns * seconds / (now - began)


def _loop(loop: str) -> Callable[[], object]:
    """Return one turn of a loop, well below a millisecond or about one."""
    if loop == "python":

        def turn() -> int:
            total = 0
            for number in range(2_000):
                total += number
            return total

        return turn

    import numpy as np  # noqa: PLC0415 - only who is asked for it needs it

    matrix = np.ones((300, 300))
    return lambda: matrix @ matrix


def _starter(
    kind: str,
) -> Callable[[list[str], ways.Arrival], Callable[[], list[str]]]:
    if kind == "warmup":
        return ways.start_warmup
    threads = int(kind.removeprefix("naive-"))
    return functools.partial(ways.start_naive, threads=threads)


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 4)


def main() -> None:
    """Measure what is asked for, and answer."""
    measured = measure(**json.loads(sys.argv[1]))
    # What a module printed may have left a line unfinished.
    print(f"\n{MARK}{json.dumps(measured)}")


if __name__ == "__main__":
    main()
