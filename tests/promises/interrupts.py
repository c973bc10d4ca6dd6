"""Ctrl-C at random moments, wherever the main thread is."""

from __future__ import annotations

import functools
import importlib
import random
import signal
import sys
import threading
from typing import TYPE_CHECKING

from tests.promises.background import (
    PLAIN_POOL,
    describe,
    in_background,
    patiently,
    sample_heavy,
)
from tests.promises.experiment import Experiment
from tests.promises.program import faults_of
from tests.promises.state import differences, state_of_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from tests.promises.background import Background
    from tests.promises.experiment import Kind

MANY = [f"throwaway_missing_{number}" for number in range(300)]
"""Names that take `submit` some milliseconds; there are no such modules."""

ANOTHER = "xmlrpc.client"
"""What none of the heavy modules imports, and what imports a lot itself."""

_LOADING = ("<module>", "create_module", "exec_module")
"""Functions on the stack of a thread that is in the middle of a module."""


class Interrupt:
    """One Ctrl-C for the main thread."""

    def __init__(self) -> None:
        self.came = self.within_module = False
        # What Python itself had no caller to raise it to.
        self.lost: list[str] = []
        # As SIGINT does; but a timer can send it, and no other thread runs for it.
        signal.signal(signal.SIGALRM, self._raise)
        sys.unraisablehook = lambda lost: self.lost.append(repr(lost.object))

    def _raise(self, _: int, frame: FrameType | None) -> None:
        self.came = True
        while frame is not None and frame.f_globals.get("__name__") != __name__:
            self.within_module |= frame.f_code.co_name in _LOADING
            frame = frame.f_back
        raise KeyboardInterrupt

    def during(self, act: Callable[[], object], delay: float) -> BaseException | None:
        """Do something, interrupt it after seconds, and return what it raised."""
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, delay)
                act()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except BaseException as error:
            return error
        return None


def interrupt_somewhere(kind: Kind, seed: int) -> list[str]:
    """Interrupt the main thread once, and look what came of the imports."""
    chance = random.Random(seed)  # noqa: S311 - a seed is the point
    names = sample_heavy(chance, 2, 4)
    one = chance.choice([names[0], names[-1]])
    delay = chance.uniform(0, 0.8)
    background = in_background(kind)
    before = state_of_interpreter()
    interrupt = Interrupt()
    before["handler of signal 14"] = signal.getsignal(signal.SIGALRM)
    before["sys.unraisablehook"] = sys.unraisablehook
    where = chance.choice(["wait", "import", "require", "submit"])
    if where == "submit":
        names += MANY
        delay /= 50
        raised = interrupt.during(lambda: background.submit(names), delay)
    else:
        background.submit(names)
        acts: dict[str, Callable[[], object]] = {
            "wait": background.wait,
            "import": lambda: importlib.import_module(one),
            "require": lambda: background.require(one),
        }
        raised = interrupt.during(acts[where], delay)
    # What was interrupted may be asked for again.
    background.submit(names)
    faults = faults_of_interrupt(interrupt, raised)
    if not background.wait():
        faults.append("it has not come to an end")
    else:
        if not interrupt.within_module:
            faults += faults_of_imports(background)
        faults += background.left() + faults_of_another()
        if not patiently(lambda: not differences(before, state_of_interpreter())):
            faults += differences(before, state_of_interpreter())
    return [f"{where}, {delay:.3f} s: {fault}" for fault in faults]


def faults_of_interrupt(
    interrupt: Interrupt, raised: BaseException | None
) -> list[str]:
    """Return what is wrong with what came of the interrupted call."""
    if interrupt.within_module:
        return []  # packages catch what they like
    if interrupt.came and not isinstance(raised, KeyboardInterrupt):
        lost = "".join(f" in {function}" for function in interrupt.lost)
        return [f"the interrupt was lost{lost}, and there came {describe(raised)}"]
    if raised is not None and not interrupt.came:
        return [f"without an interrupt there came {describe(raised)}"]
    return []


def faults_of_imports(background: Background) -> list[str]:
    """Return which imports failed that could have succeeded."""
    return [
        f"{name}: {error}"
        for name, error in background.errors().items()
        if error is not None and name not in MANY
    ]


def faults_of_another() -> list[str]:
    """Import on a thread of its own, which nobody may keep out."""
    errors: list[str | None] = []

    def work() -> None:
        try:
            importlib.import_module(ANOTHER)
            errors.append(None)
        except BaseException as error:
            errors.append(describe(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20.0)
    return [] if errors == [None] else [f"another import afterwards: {errors}"]


EXPERIMENTS = (
    Experiment(
        name="interrupts",
        promise="Ctrl-C gets through at any moment, in a wait, in your own import and"
        " in `%warmup` itself; the imports in the background go on, and nothing stays"
        " borrowed.",
        control=PLAIN_POOL,
        trial=functools.partial(faults_of, interrupt_somewhere, limit=60.0),
        trials=40,
        controls=12,
        short=2,
    ),
)
