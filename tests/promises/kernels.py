"""Real kernels that are ended, or lose the extension, in the middle of a warmup."""

from __future__ import annotations

import functools
import queue
import random
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.kernel.conftest import Kernel
from tests.promises.background import sample_heavy
from tests.promises.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.promises.experiment import Kind

_ROOT = str(Path(__file__).parents[2])
LONGER = 3.0
"""Seconds that a kernel may take longer to end than one that imports nothing."""
_HANGS = 40.0

START = {
    "warmup": "%load_ext ipywarmup\n%warmup {names}",
    "control": """
        import importlib, threading
        def work(names):
            for name in names.split():
                importlib.import_module(name)
        threading.Thread(target=work, args=("{names}",), daemon=True).start()
    """,
}


@contextmanager
def new_kernel() -> Iterator[Kernel]:
    """Have a kernel during a block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        kernel = Kernel(Path(folder), PYTHONPATH=_ROOT)
        try:
            yield kernel
        finally:
            kernel.close()


class End(NamedTuple):
    """How a kernel came to an end."""

    status: int | None
    output: str
    seconds: float


def shut_down(kernel: Kernel) -> int:
    """Ask for it, as a front end does."""
    return kernel.shut_down()


def restart(kernel: Kernel) -> int:
    """Ask for a new process in its place, which has to answer."""
    status = kernel.restart()
    answer = kernel.execute("print(6 * 7)").stdout
    return status if answer == "42\n" else -1000


def terminate(kernel: Kernel) -> int:
    """Send SIGTERM to the process."""
    kernel.manager.signal_kernel(signal.SIGTERM)
    return wait_for_end(kernel)


def run_and_wait(code: str, kernel: Kernel) -> int:
    """Run a cell that ends the kernel."""
    kernel.start(code)
    return wait_for_end(kernel)


def raise_and_shut_down(kernel: Kernel) -> int:
    """Run a cell with `sys.exit`, which a kernel survives; then ask it to end."""
    kernel.execute("import sys\nsys.exit(3)")
    return kernel.shut_down()


def wait_for_end(kernel: Kernel) -> int:
    """Return the status of a process that ends by itself."""
    status: int = kernel._process().wait(_HANGS)
    return status


WAYS: dict[str, Callable[[Kernel], int]] = {
    "shutdown": shut_down,
    "restart": restart,
    "SIGTERM": terminate,
    "exit()": functools.partial(run_and_wait, "exit()"),
    "quit": functools.partial(run_and_wait, "quit"),
    "sys.exit": raise_and_shut_down,
}


def end_of(kernel: Kernel, way: str) -> End:
    """End a kernel, and see how."""
    began = time.monotonic()
    try:
        status = WAYS[way](kernel)
    except (AssertionError, RuntimeError, queue.Empty, subprocess.TimeoutExpired):
        status = None
    return End(status, kernel.output.strip(), time.monotonic() - began)


@functools.cache
def plain_end(way: str) -> End:
    """Return how a kernel ends that has imported nothing."""
    with new_kernel() as kernel:
        return end_of(kernel, way)


def leave_kernel(kind: Kind, seed: int) -> list[str]:
    """End a kernel in the middle of its imports."""
    chance = random.Random(seed)  # noqa: S311 - a seed is the point
    names = sample_heavy(chance, 2, 4)
    way = chance.choice(sorted(WAYS))
    delay = chance.uniform(0, 1.5)
    expected = plain_end(way)
    with new_kernel() as kernel:
        kernel.execute(START[kind].format(names=" ".join(names)))
        time.sleep(delay)
        end = end_of(kernel, way)
    faults = []
    if end.status is None:
        faults.append("does not end, or does not answer afterwards")
    elif end.status != expected.status:
        faults.append(f"status {end.status} in the place of {expected.status}")
    if end.output != expected.output:
        faults.append(f"said {end.output[-200:]!r}")
    if end.seconds > expected.seconds + LONGER:
        faults.append(f"took {end.seconds:.1f} s, not {expected.seconds:.1f} s")
    return [f"{way} after {delay:.2f} s: {fault}" for fault in faults]


LOOK_BEFORE = """
    # What brings extensions makes itself known at its first use.
    get_ipython().find_line_magic("reload_ext")
    %reload_ext IPython.extensions.storemagic
    import time
    from tests.promises.state import differences, state_of_interpreter, state_of_shell
    def look():
        found = state_of_interpreter() | state_of_shell(get_ipython())
        for stream in ("stdout", "stderr"):  # IPython writes through a tee of each cell
            del found[f"sys.{stream}.write"]
        return found
    before = look()
"""
LOOK_AFTERWARDS = """
    until = time.monotonic() + 10
    while (left := differences(before, look())) and time.monotonic() < until:
        time.sleep(0.05)
    print(*left, sep="\\n")
"""


def unload_in_mid_warmup(kind: Kind, seed: int) -> list[str]:
    """Unload the extension at a random moment, and compare with what was before."""
    chance = random.Random(seed)  # noqa: S311
    names = sample_heavy(chance, 2, 4)
    lines = chance.choice(
        [["%unload_ext ipywarmup"], ["%reload_ext ipywarmup", "%unload_ext ipywarmup"]]
    )
    delay = chance.uniform(0, 1.5)
    with new_kernel() as kernel:
        kernel.run(LOOK_BEFORE)
        kernel.execute(START[kind].format(names=" ".join(names)))
        time.sleep(delay)
        faults = []
        for line in lines if kind == "warmup" else ():
            cell = kernel.execute(line)
            if cell.shown.strip("[]"):
                faults.append(f"{line} shows {cell.shown[-200:]}")
        imports = kernel.execute(f"import {', '.join(names)}\n{USES}")
        if imports.shown.strip("[]"):
            faults.append(f"import afterwards: {imports.shown[-200:]}")
        cell = kernel.execute(LOOK_AFTERWARDS)
        faults += [f"left: {line}" for line in cell.stdout.split("\n") if line]
        faults += [f"cannot look: {cell.error}"] if cell.error else []
    return [f"{' '.join(names)}, {delay:.2f} s: {fault}" for fault in faults]


USES = """
import sys
if "torch" in sys.modules:
    import torch
    assert torch.ones(2, 2).sum().item() == 4
if "pandas" in sys.modules:
    import pandas
    assert pandas.DataFrame({"a": [1, 2]}).a.sum() == 3
"""
"""A cell that computes with what was imported."""


EXPERIMENTS = (
    Experiment(
        name="kernels",
        promise="A kernel that is shut down, restarted, terminated or left by `exit` in"
        " the middle of a warmup ends as it does without one: at once, with the same"
        " status, and in silence.",
        control="a daemon thread that calls `importlib.import_module`",
        trial=leave_kernel,
        trials=20,
        short=1,
        needs=("ipykernel",),
    ),
    Experiment(
        name="unload",
        promise="`%unload_ext` and `%reload_ext` in the middle of a warmup leave no"
        " magic, callback, patched function or changed setting; the import under way"
        " comes to its end.",
        control="a daemon thread that calls `importlib.import_module`",
        trial=unload_in_mid_warmup,
        trials=12,
        short=1,
        needs=("ipykernel",),
    ),
)
