"""Measure one kind after the other, each in a fresh process, round by round."""

from __future__ import annotations

import compileall
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipywarmup.bench.figures import (
    KINDS,
    LOOPS,
    NAIVE,
    PLAIN,
    WARMUP,
    Busy,
    Idle,
    Measured,
    Results,
)
from ipywarmup.bench.program import IDLE, MARK
from ipywarmup.defaults import SWITCH_INTERVAL

if TYPE_CHECKING:
    from collections.abc import Callable

HEAVY = (
    *("torch", "pandas", "sklearn.ensemble", "matplotlib.pyplot", "pyarrow"),
    *("polars", "statsmodels.api", "seaborn", "sympy"),
)
"""Modules that take long to import; those that are installed are."""
_BUSY = 3
"""How many modules to import beside a busy main thread, which takes naive ages."""
_LIMIT = 300.0
"""Seconds after which a process has failed; the slowest ought to take forty."""


class ModuleError(Exception):
    """What keeps a module from being measured, and what to do about it."""


class ProcessError(Exception):
    """Why a process left no figures."""


def installed() -> list[str]:
    """
    Return the heavy modules that there are.

    Raises
    ------
    ModuleError
        If there are none.
    """
    found = [name for name in HEAVY if is_installed(name.partition(".")[0])]
    if not found:
        raise ModuleError(
            f"none of {', '.join(HEAVY)} is installed; name the modules to import"
        )
    return found


def is_installed(top_level: str) -> bool:
    """Tell whether there is a module of this name, without importing it."""
    return importlib.util.find_spec(top_level) is not None


def compile_bytecode(folder: Path) -> None:
    """Write what bytecode is missing in a folder, as an installation does."""
    compileall.compile_dir(folder, quiet=2)


def measure(
    modules: list[str],
    *,
    rounds: int,
    busy_rounds: int,
    say: Callable[[str], object],
    switch_interval: float = SWITCH_INTERVAL,
) -> Results:
    """
    Measure all kinds in turn.

    Parameters
    ----------
    modules : list of str
        Absolute dotted names; when empty, what is installed of `HEAVY` and can be
        imported.
    rounds : int
        How often to measure with an idle main thread, at least once.
    busy_rounds : int
        How often with a busy one.
    say : callable
        Is told what is being measured.
    switch_interval : float
        The one that warmups borrow, in seconds.

    Raises
    ------
    ModuleError
        If a module cannot be measured at all.
    """
    say("reading the modules for the first time")
    # Ours as an installation leaves it, also where it is run from a checkout.
    compile_bytecode(Path(__file__).parent.parent)
    asked_for, modules = modules, modules or installed()
    left_out = _read(modules)
    modules = [name for name in modules if name not in left_out]
    if left_out and (asked_for or not modules):
        name, words = next(iter(left_out.items()))
        raise ModuleError(f"{name!r} cannot be measured: {words}".splitlines()[0])
    results = Results(
        modules, modules[:_BUSY], [], [], [], [], left_out, switch_interval
    )
    for number in range(rounds):
        idle = _ask(results, IDLE, [])
        if idle is not None:
            results.idle.append(Idle(**idle))
        part: dict[str, Measured] = {}
        results.rounds.append(part)
        # Each kind comes first, last and in between.
        turn = number % len(KINDS)
        for kind in KINDS[turn:] + KINDS[:turn]:
            say(f"round {number + 1} of {rounds}: {kind}")
            figures = _ask(results, kind, modules)
            if figures is not None:
                part[kind] = Measured(**figures)
    loops = [loop for loop in LOOPS if loop == "python" or is_installed(loop)]
    for number in range(busy_rounds):
        beside: dict[str, Busy] = {}
        results.busy.append(beside)
        for loop in loops:
            for kind in (NAIVE, WARMUP)[:: -1 if number % 2 else 1]:
                say(f"busy round {number + 1} of {busy_rounds}: {kind}, a {loop} loop")
                figures = _ask(results, kind, results.busy_modules, loop)
                if figures is not None:
                    beside[f"{loop} {kind}"] = Busy(**figures)
    return results


def _read(modules: list[str]) -> dict[str, str]:
    """
    Import once without measuring, so that files are cached and bytecode written.

    Returns
    -------
    dict of str to str
        What is wrong with the modules that cannot be measured.

    Raises
    ------
    ModuleError
        If the process dies of all of them together, and of none alone.
    """
    try:
        failures = _run(PLAIN, modules)["failures"]
    except ProcessError as error:
        wrong = {}
        for name in modules:
            try:
                failures = _run(PLAIN, [name])["failures"]
            except ProcessError as of_this_one:
                wrong[name] = f"the process that imports it: {of_this_one}"
            else:
                wrong |= _by_name(failures)
        if not wrong:
            raise ModuleError(f"importing all of the modules: {error}") from None
        return wrong
    return _by_name(failures)


def _by_name(failures: list[str]) -> dict[str, str]:
    return {
        name: words for name, _, words in (line.partition(": ") for line in failures)
    }


def _ask(
    results: Results, kind: str, modules: list[str], loop: str | None = None
) -> dict[str, Any] | None:
    """Return a process's figures; note that it died, and return None, if it did."""
    try:
        return _run(kind, modules, loop, results.switch_interval)
    except ProcessError as error:
        results.deaths.append(f"{kind}{f', {loop} loop' if loop else ''}: {error}")
        return None


def _run(
    kind: str,
    modules: list[str],
    loop: str | None = None,
    switch_interval: float = SWITCH_INTERVAL,
) -> dict[str, Any]:
    """Run the measuring program in a fresh interpreter, return its figures."""
    task = json.dumps(
        {
            "kind": kind,
            "modules": modules,
            "loop": loop,
            "switch_interval": switch_interval,
        }
    )
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "ipywarmup.bench.program", task],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise ProcessError(f"not done after {_LIMIT:.0f} s") from None
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            figures: dict[str, Any] = json.loads(line.removeprefix(MARK))
            return figures
    said = done.stderr.strip().splitlines()
    raise ProcessError(said[-1] if said else f"ended with status {done.returncode}")
