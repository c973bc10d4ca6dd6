"""
What ipywarmup itself costs, in fresh kernels: ``python -m ipywarmup bench``.

Times on a shared machine move from minute to minute, so each round measures all of
it side by side, and beside a reference: the import of ipywidgets, which the first
panel cannot do without.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import NamedTuple

_MARK = "IPYWARMUP-BENCH "

# Run in a kernel, by IPython, so that magics cost what they cost a user. Every
# name is missing: what is measured is our own work, not that of the modules.
_KERNEL = """
import json, time

def took(magic, line):
    start = time.perf_counter()
    get_ipython().run_line_magic(magic, line)
    return 1000 * (time.perf_counter() - start)

def names(prefix, count):
    return [f"no_{prefix}_{number}" for number in range(count)]

times = {"load": took("load_ext", "ipywarmup")}
times["first"] = took("warmup", " ".join(names("first", 50)))
get_ipython().run_line_magic("warmup", "wait")
times["next"] = took("warmup", " ".join(names("next", 50)))
get_ipython().run_line_magic("warmup", "wait")

from ipywarmup import WarmupManager
for count in (100, 10_000):
    manager = WarmupManager(log_to_stderr=False)
    start = time.perf_counter()
    manager.submit(names("many", count))
    times[f"submit {count}"] = 1e6 * (time.perf_counter() - start) / count
    manager.wait()
    times[f"all {count}"] = 1e6 * (time.perf_counter() - start) / count
print(MARK + json.dumps(times))
"""

_REFERENCE = """
import json, time
start = time.perf_counter()
import ipywidgets
print(MARK + json.dumps({"ipywidgets": 1000 * (time.perf_counter() - start)}))
"""


class Line(NamedTuple):
    """One measured quantity: its key, its words, its unit."""

    key: str
    what: str
    unit: str


LINES = (
    Line("load", "%load_ext ipywarmup", "ms"),
    Line("ipywidgets", "import ipywidgets (reference)", "ms"),
    Line("first", "first %warmup, 50 modules, panel and ipywidgets included", "ms"),
    Line("next", "next %warmup, 50 modules, panel included", "ms"),
    Line("submit 100", "submit of 100 modules, per module", "us"),
    Line("submit 10000", "submit of 10,000 modules, per module", "us"),
    Line("all 100", "100 missing modules until done, per module", "us"),
    Line("all 10000", "10,000 missing modules until done, per module", "us"),
)


def run(*, rounds: int, as_json: bool) -> int:
    """
    Measure in fresh kernels and print a table, or JSON.

    Parameters
    ----------
    rounds : int
        How often to measure, at least once.
    as_json : bool
        Print every round's figures, in the units of `LINES`.

    Returns
    -------
    int
        The exit status.
    """
    measured = [_in_kernel(_REFERENCE) | _in_kernel(_KERNEL) for _ in range(rounds)]
    if as_json:
        print(json.dumps(measured))
        return 0
    print(f"{'':<58}{'median':>8}{'min':>8}{'max':>8}")
    for line in LINES:
        figures = [figures[line.key] for figures in measured]
        middle = statistics.median(figures)
        print(
            f"{line.what:<58}{middle:>8.1f}{min(figures):>8.1f}{max(figures):>8.1f}"
            f" {line.unit}"
        )
    for upper, lower, what in (
        ("first", "ipywidgets", "first %warmup / import ipywidgets"),
        ("submit 10000", "submit 100", "submit, per module: 10,000 / 100"),
        ("all 10000", "all 100", "until done, per module: 10,000 / 100"),
    ):
        ratio = statistics.median(times[upper] / times[lower] for times in measured)
        print(f"{what:<58}{ratio:>8.2f}")
    return 0


def _in_kernel(program: str) -> dict[str, float]:
    """Run a program in a fresh kernel and return the figures that it prints."""
    client = (
        "import sys\n"
        "from jupyter_client.manager import start_new_kernel\n"
        "manager, client = start_new_kernel(kernel_name='python3')\n"
        "client.execute_interactive(sys.stdin.read(), timeout=120)\n"
        "client.stop_channels()\n"
        "manager.shutdown_kernel(now=True)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", client],
        input=f"MARK = {_MARK!r}\n{program}",
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            figures: dict[str, float] = json.loads(line.removeprefix(_MARK))
            return figures
    raise RuntimeError(f"the kernel printed no figures:\n{done.stdout}{done.stderr}")
