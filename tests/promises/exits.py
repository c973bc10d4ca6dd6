"""Interpreters that leave in the middle of the heaviest imports."""

from __future__ import annotations

import atexit
import importlib
import random
import re
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.promises.experiment import (
    Experiment,
    Outcome,
    faults_of_end,
    is_installed,
    run_script,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.promises.experiment import Kind

PLAIN_THREAD = "a plain daemon thread"
MODULES = ("torch", "pyarrow", "sklearn.ensemble", "statsmodels.api", "pandas")
SCRIPT = """
import sys
from tests.promises.exits import leave_in_the_middle
leave_in_the_middle(sys.argv[1], int(sys.argv[2]))
"""
LIMIT = 60.0
"""Seconds after which an exit counts as a hang."""

_ALIVE: list[Any] = []
"""What is under way at the exit, as the names of a script would be."""
_IGNORED = re.compile(
    r"Exception ignored in atexit callback.*\n(Traceback.*\n( .*\n)+)?SystemExit: 0\n"
)
"""What Python says of an exit handler that raises SystemExit."""


def tell_and_return() -> None:
    """Leave at the end of the script."""
    tell()


def exit_here() -> None:
    """Leave by `sys.exit`."""
    tell()
    sys.exit(0)


def exit_elsewhere() -> None:
    """Leave at the end, after `sys.exit` has ended another thread."""
    thread = threading.Thread(target=sys.exit, args=(0,))
    thread.start()
    thread.join()
    tell()


def exit_in_handler() -> None:
    """Leave at the end, and have an exit handler raise SystemExit."""
    atexit.register(sys.exit, 0)
    tell()


WAYS: tuple[Callable[[], None], ...] = (
    *(tell_and_return, exit_here, exit_elsewhere, exit_in_handler),
)


def tell() -> None:
    """Tell who started this when it leaves."""
    sys.stdout.write(f"{time.time()}\n")
    sys.stdout.flush()


def way_of(chance: random.Random) -> Callable[[], None]:
    """Return how to leave: the first that a seed decides."""
    return chance.choice(WAYS)


def leave_in_the_middle(kind: Kind, seed: int) -> None:
    """Import in the background, and leave at a random moment."""
    chance = random.Random(seed)  # noqa: S311 - a seed is the point
    leave = way_of(chance)
    names = [name for name in MODULES if is_installed(name.partition(".")[0])]
    if kind == "warmup":
        from ipywarmup import WarmupManager  # noqa: PLC0415 - not beside the control

        manager = WarmupManager(log_to_stderr=False)
        _ALIVE.append(manager)
        manager.submit(names)
    else:
        thread = threading.Thread(target=import_all, args=(names,), daemon=True)
        thread.start()
    # Any moment of the imports.
    time.sleep(chance.uniform(0.1, 0.8))
    leave()


def import_all(names: list[str]) -> None:
    """Import one after the other."""
    for name in names:
        importlib.import_module(name)


def try_exit(kind: Kind, seed: int) -> Outcome:
    """Run a trial, and measure how long the process took to end."""
    root = str(Path(__file__).parents[2])
    environment = {"PYTHONPATH": root}
    done = run_script(SCRIPT, kind, seed, environment=environment, limit=LIMIT)
    ended = time.time()
    if done is None:
        return Outcome(["hung"])
    way = way_of(random.Random(seed))  # noqa: S311
    if way is exit_in_handler:
        done.stderr = _IGNORED.sub("", done.stderr, count=1)
    faults = [f"{way.__name__}: {fault}" for fault in faults_of_end(done)]
    try:
        left = float(done.stdout)
    except ValueError:
        return Outcome([*faults, f"said on stdout: {done.stdout[-200:]!r}"])
    return Outcome(faults, longest={"latest exit": ended - left})


EXPERIMENTS = (
    Experiment(
        name="exits",
        promise="Leaving the interpreter in the middle of an import works, at once: its"
        " status is 0, and nothing is said on stderr.",
        control=PLAIN_THREAD,
        trial=try_exit,
        trials=80,
        short=4,
        needs=("pandas",),
    ),
)
