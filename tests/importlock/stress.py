"""
Random imports on several threads, each trial in a fresh process.

``python tests/importlock/stress.py --trials 1000``: in each trial a warmup, the main
thread and up to four other threads import random modules at the same time; naively
(threads that call `importlib.import_module`), and with ipywarmup. A seed names a trial:
``--seed 17 --trials 1`` runs that one again.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import importlib
import importlib.util
import json
import random
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = """
    numpy numpy.linalg numpy.fft numpy.random numpy.polynomial numpy.ma numpy.testing
    scipy scipy.stats scipy.optimize scipy.sparse scipy.sparse.linalg scipy.signal
    scipy.ndimage scipy.interpolate scipy.spatial scipy.integrate scipy.special
    scipy.linalg scipy.cluster.hierarchy
    sklearn sklearn.ensemble sklearn.linear_model sklearn.svm sklearn.cluster
    sklearn.pipeline sklearn.model_selection sklearn.preprocessing sklearn.neighbors
    sklearn.manifold sklearn.datasets
    pandas pandas.io.parsers pandas.io.sql pandas.plotting pandas.api.types
    pandas.testing
    matplotlib matplotlib.pyplot matplotlib.animation matplotlib.colors
    mpl_toolkits.mplot3d
    torch torch.nn torch.nn.functional torch.optim torch.utils.data torch.distributed
    torch.fx torch.jit
    statsmodels.api statsmodels.formula.api statsmodels.tsa.api
    sympy sympy.physics.units sympy.plotting sympy.stats
    pyarrow pyarrow.parquet pyarrow.dataset pyarrow.compute pyarrow.csv pyarrow.flight
    seaborn polars
    json asyncio unittest.mock multiprocessing.pool xml.dom.minidom email.message
    http.server sqlite3 logging.config importlib.metadata concurrent.futures.process
    ctypes.util decimal distutils pydoc doctest cProfile
""".split()  # noqa: SIM905 - a list of strings would take a page
LIMIT = 60.0
"""Seconds after which a trial counts as a hang; one takes three or four."""


def available() -> list[str]:
    """Return the modules whose top level is installed."""
    tops = {name.partition(".")[0] for name in MODULES}
    found = {top for top in tops if importlib.util.find_spec(top) is not None}
    return [name for name in MODULES if name.partition(".")[0] in found]


def run_trial(seed: int, modules: list[str], *, guarded: bool) -> dict[str, Any]:
    """Import at random, in this process; return what failed, and what was done."""
    chance = random.Random(seed)  # noqa: S311 - a seed is the point
    warm = chance.sample(modules, chance.randint(2, 6))
    shares = [chance.sample(modules, 2) for _ in range(chance.randint(1, 5))]
    sys.setswitchinterval(chance.choice([0.005, 0.001, 0.0001]))
    failures: list[str] = []
    together = threading.Barrier(len(shares))

    def import_all(names: list[str]) -> None:
        together.wait()
        for name in names:
            try:
                importlib.import_module(name)
            except BaseException as error:
                failures.append(f"{name}: {type(error).__name__}: {error}")

    threads = [
        threading.Thread(target=import_all, args=(share,)) for share in shares[1:]
    ]
    for thread in threads:
        thread.start()
    warm_up = warm_guarded if guarded else warm_naively
    return warm_up(warm, lambda: import_all(shares[0]), threads, failures)


def warm_guarded(
    warm: list[str],
    import_here: Callable[[], None],
    threads: list[threading.Thread],
    failures: list[str],
) -> dict[str, Any]:
    """Warm up with ipywarmup, and look at what it leaves."""
    from ipywarmup import WarmupManager  # noqa: PLC0415
    from ipywarmup.importlock.hooks import hooks  # noqa: PLC0415

    manager = WarmupManager(log_to_stderr=False)
    manager.submit(warm)
    import_here()
    manager.wait()
    for thread in threads:
        thread.join()
    records = manager.canaries()
    failures += [
        f"{record['module']}: {record['error']}"
        for record in records
        if record["status"] != "completed"
    ]
    if hooks.installed or hooks.locks:
        failures.append("the hooks are still in")
    failures += [
        f"{name} is not a plain module"
        for name, module in sys.modules.items()
        if isinstance(module, types.ModuleType)
        and type(module) is not types.ModuleType
        and type(module).__module__ == types.ModuleType.__module__
    ]
    retried = sum(record["attempts"] > 1 for record in records)
    counts = hooks.locks.counts._asdict()
    return {"failures": failures, "retried": retried, **counts}


def warm_naively(
    warm: list[str],
    import_here: Callable[[], None],
    threads: list[threading.Thread],
    failures: list[str],
) -> dict[str, Any]:
    """Import the modules on a thread, as one would."""
    with ThreadPoolExecutor(1) as pool:
        futures = {name: pool.submit(importlib.import_module, name) for name in warm}
        import_here()
        for name, future in futures.items():
            error = future.exception()
            if error is not None:
                failures.append(f"{name}: {type(error).__name__}: {error}")
    for thread in threads:
        thread.join()
    return {"failures": failures}


def start_trial(seed: int, kind: str, modules: list[str]) -> dict[str, Any]:
    """Run a trial in a fresh process, and return what it says of itself."""
    command = [sys.executable, "-X", "faulthandler", __file__]
    command += ["--one", kind, "--seed", str(seed), "--modules", ",".join(modules)]
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return {"seed": seed, "kind": kind, "hung": True, "failures": ["hung"]}
    lines = process.stdout.splitlines()
    if process.returncode or not lines:
        tail = process.stderr.strip().splitlines()[-3:]
        reason = f"exit status {process.returncode}: {' | '.join(tail)}"
        return {"seed": seed, "kind": kind, "failures": [reason]}
    return {"seed": seed, "kind": kind, **json.loads(lines[-1])}


def importable(modules: list[str]) -> list[str]:
    """Return the modules that a fresh interpreter imports."""

    def works(name: str) -> bool:
        command = [sys.executable, "-W", "ignore", "-c", f"import {name}"]
        done = subprocess.run(command, capture_output=True, check=False)
        return done.returncode == 0

    with ThreadPoolExecutor(2) as pool:
        return [
            name
            for name, fine in zip(modules, pool.map(works, modules), strict=True)
            if fine
        ]


def count(totals: dict[str, collections.Counter[str]], result: dict[str, Any]) -> None:
    """Add a trial to the totals of its kind, and tell of what nobody expects."""
    total = totals[result["kind"]]
    total["trials"] += 1
    total["with failures"] += bool(result["failures"])
    total["failed imports"] += len(result["failures"])
    for key in ("hung", "circles", "waits", "opened", "retried"):
        total[key] += result.get(key, 0)
    if result["kind"] == "guarded":
        if result["failures"]:
            print(f"seed {result['seed']}: {result['failures']}", flush=True)
        if total["trials"] % 100 == 0:
            print(f"{total['trials']} guarded trials", flush=True)


def main() -> int:
    """Run the trials and print a table; the status is 1 if a guarded one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="of each kind")
    parser.add_argument("--naive", type=int, help="naive trials, if not as many")
    parser.add_argument("--seed", type=int, default=0, help="of the first trial")
    parser.add_argument("--jobs", type=int, default=3, help="trials side by side")
    parser.add_argument("--kind", choices=["naive", "guarded", "both"], default="both")
    parser.add_argument("--one", choices=["naive", "guarded"], help=argparse.SUPPRESS)
    parser.add_argument("--modules", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.one:
        modules = parsed.modules.split(",")
        guarded = parsed.one == "guarded"
        print(json.dumps(run_trial(parsed.seed, modules, guarded=guarded)))
        return 0

    modules = importable(available())
    kinds = ["naive", "guarded"] if parsed.kind == "both" else [parsed.kind]
    seeds = range(parsed.seed, parsed.seed + parsed.trials)
    print(
        f"{len(modules)} modules, seeds {seeds[0]} to {seeds[-1]},"
        f" Python {sys.version.split()[0]}"
    )
    naive = seeds if parsed.naive is None else seeds[: parsed.naive]
    totals = {kind: collections.Counter[str]() for kind in kinds}
    with concurrent.futures.ThreadPoolExecutor(parsed.jobs) as pool:
        trials = [
            pool.submit(start_trial, seed, kind, modules)
            for seed in seeds
            for kind in kinds
            if kind == "guarded" or seed in naive
        ]
        try:
            for future in concurrent.futures.as_completed(trials):
                count(totals, future.result())
        except KeyboardInterrupt:  # what has been found is shown all the same
            pool.shutdown(cancel_futures=True)
    columns = (
        *("trials", "with failures", "failed imports", "hung"),
        *("circles", "waits", "opened", "retried"),
    )
    print(f"{'':<8}" + "".join(f"{column:>16}" for column in columns))
    for kind in kinds:
        cells = (f"{totals[kind][column]:>16}" for column in columns)
        print(f"{kind:<8}" + "".join(cells))
    return 1 if "guarded" in totals and totals["guarded"]["with failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
