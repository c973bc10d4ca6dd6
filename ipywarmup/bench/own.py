"""
What ipywarmup itself costs, in fresh processes: ``python -m ipywarmup bench --own``.

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

from ipywarmup.bench.program import MARK
from ipywarmup.bench.rounds import HEAVY

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


# Run in plain processes: what imports on the main thread cost while the hooks are in,
# which no worker disturbs here.
_FOREGROUND = """
import importlib.util, json, sys, time
from ipywarmup.importlock.hooks import hooks

heavy = [
    name for name in HEAVY if importlib.util.find_spec(name.partition(".")[0])
]
if GUARDED:
    hooks.borrow()
start, used = time.perf_counter(), time.process_time()
for name in heavy:
    __import__(name)
took, used = time.perf_counter() - start, time.process_time() - used

def look_up():
    start = time.perf_counter()
    for _ in range(100_000):
        import json
    return 10 * (time.perf_counter() - start)

kind = "guarded" if GUARDED else "plain"
print(MARK + json.dumps({
    f"{kind} import": 1000 * took,
    f"{kind} import, processor": 1000 * used,
    f"{kind} look-up": 1000 * min(look_up() for _ in range(5)),
}))
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
    Line("plain import", "import of heavy modules in the foreground", "ms"),
    Line("guarded import", "the same with the import hooks in place", "ms"),
    Line("plain import, processor", "the first, processor time", "ms"),
    Line("guarded import, processor", "the second, processor time", "ms"),
    Line("plain look-up", "`import json` once it is imported", "ns"),
    Line("guarded look-up", "the same with the import hooks in place", "ns"),
)

RATIOS = (
    ("first", "ipywidgets", "first %warmup / import ipywidgets"),
    ("submit 10000", "submit 100", "submit, per module: 10,000 / 100"),
    ("all 10000", "all 100", "until done, per module: 10,000 / 100"),
    ("guarded import", "plain import", "heavy import: with hooks / without"),
    (
        "guarded import, processor",
        "plain import, processor",
        "the same, processor time: with hooks / without",
    ),
    ("guarded look-up", "plain look-up", "`import json`: with hooks / without"),
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
    measured = [_measure(guarded_first=bool(number % 2)) for number in range(rounds)]
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
    for upper, lower, what in RATIOS:
        ratios = [figures[upper] / figures[lower] for figures in measured]
        middle = statistics.median(ratios)
        print(f"{what:<58}{middle:>8.3f}{min(ratios):>8.3f}{max(ratios):>8.3f}")
    return 0


def _measure(*, guarded_first: bool) -> dict[str, float]:
    """Measure everything once."""
    figures = _in_kernel(_REFERENCE) | _in_kernel(_KERNEL)
    for guarded in (guarded_first, not guarded_first):
        program = f"GUARDED = {guarded}\nHEAVY = {HEAVY}\n{_FOREGROUND}"
        figures |= _in_process("import sys; exec(sys.stdin.read())", program)
    return figures


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
    return _in_process(client, program)


def _in_process(command: str, program: str) -> dict[str, float]:
    """Run a command in a fresh interpreter, give it the program, return its figures."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", command],
        input=f"MARK = {MARK!r}\n{program}",
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            figures: dict[str, float] = json.loads(line.removeprefix(MARK))
            return figures
    raise RuntimeError(f"no figures were printed:\n{done.stdout}{done.stderr}")
