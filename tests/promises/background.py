"""Imports in the background of a trial: by a warmup, or as one would without it."""

from __future__ import annotations

import concurrent.futures
import importlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

from tests.promises.experiment import is_installed

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from types import ModuleType

    from tests.promises.experiment import Kind

PLAIN_POOL = "a thread pool that calls `importlib.import_module`"
"""What most experiments are compared with."""

HEAVY = (
    *("torch", "pandas", "sklearn.ensemble", "matplotlib.pyplot", "pyarrow"),
    *("statsmodels.api", "polars", "plotly.express", "scipy.stats", "seaborn", "numpy"),
)
LONGEST = 40.0
"""Seconds that imports are waited for; they take five at most."""


def sample_heavy(chance: random.Random, least: int, most: int) -> list[str]:
    """Return some of the heavy modules that are installed, in any order."""
    found = [name for name in HEAVY if is_installed(name.partition(".")[0])]
    count = chance.randint(min(least, len(found)), min(most, len(found)))
    return chance.sample(found, count)


def describe(error: BaseException | None) -> str | None:
    """Return an exception in one line, as a record does."""
    if error is None:
        return None
    name, message = type(error).__name__, str(error)
    return f"{name}: {message}" if message else name


def patiently(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    """Wait for a condition, and return whether it has come true in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


class PlainPool:
    """One thread that calls `importlib.import_module`."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._futures: dict[str, Future[ModuleType]] = {}

    def submit(self, names: list[str]) -> None:
        """Start importing, or add to what is under way."""
        for name in names:
            if name not in self._futures:
                self._futures[name] = self._pool.submit(importlib.import_module, name)

    def wait(self, seconds: float = LONGEST, names: list[str] | None = None) -> bool:
        """Wait for these, or for all of them, and return whether they have ended."""
        futures = [self._futures[name] for name in names or self._futures]
        return not concurrent.futures.wait(futures, seconds).not_done

    def require(self, name: str) -> ModuleType:
        """Return a module."""
        return self._futures[name].result(LONGEST)

    def errors(self) -> dict[str, str | None]:
        """Return what came of each: the error, or None."""
        return {
            name: describe(future.exception(0))
            if future.done()
            else "has not come to an end"
            for name, future in self._futures.items()
        }

    def left(self) -> list[str]:
        """Return what is still in force though all has ended: it changes nothing."""
        return []


class Warmup:
    """A manager."""

    def __init__(self) -> None:
        from ipywarmup import WarmupManager  # noqa: PLC0415 - not beside the control

        self.manager = WarmupManager(log_to_stderr=False)

    def have_patience(self, seconds: float) -> None:
        """Let an import that stands still make way for others after a while."""
        from ipywarmup.importlock.hooks import hooks  # noqa: PLC0415
        from ipywarmup.pool import WarmupPool  # noqa: PLC0415

        hooks.locks.patience = seconds
        if isinstance(self.manager.pool, WarmupPool):
            self.manager.pool.patience = seconds

    def submit(self, names: list[str]) -> None:
        """Start importing, or add to what is under way."""
        self.manager.extend(names)

    def wait(self, seconds: float = LONGEST, names: list[str] | None = None) -> bool:
        """Wait for these, or for all of them, and return whether they have ended."""
        return self.manager.wait(seconds, names)

    def require(self, name: str) -> ModuleType:
        """Return a module."""
        return self.manager.require(name, LONGEST)

    def errors(self) -> dict[str, str | None]:
        """Return what came of each: the error, or None."""
        return {
            record["module"]: None
            if record["status"] == "completed"
            else record["error"] or str(record["status"])
            for record in self.manager.canaries()
        }

    def left(self) -> list[str]:
        """Return what is still in force though all has ended."""
        from ipywarmup.importlock.hooks import hooks  # noqa: PLC0415
        from ipywarmup.responsiveness.settings import settings  # noqa: PLC0415

        borrowed = {
            "the hooks are still in": lambda: hooks.installed,
            "a package is still locked": lambda: hooks.locks,
            "the settings are still borrowed": lambda: settings.taken,
        }
        # A worker gives back just after its record has ended.
        return [
            what
            for what, is_so in borrowed.items()
            if not patiently(lambda is_so=is_so: not is_so())  # type: ignore[misc]
        ]


Background: TypeAlias = PlainPool | Warmup


def in_background(kind: Kind) -> Background:
    """Return what imports in the background in trials of a kind."""
    return Warmup() if kind == "warmup" else PlainPool()
