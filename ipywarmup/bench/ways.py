"""The ways to import that are compared: plain, naive, lazy, and a warmup."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ipywarmup.importing import describe
from ipywarmup.manager import WarmupManager

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from types import ModuleType


class Arrival:
    """The end of the last import, told by whichever thread it ends on."""

    def __init__(self) -> None:
        self.at = 0.0
        self._event = threading.Event()

    def tell(self) -> None:
        """Take the time."""
        self.at = time.perf_counter()
        self._event.set()

    def told(self) -> bool:
        """Tell whether all has been imported."""
        return self._event.is_set()


def start_naive(
    names: list[str], arrival: Arrival, *, threads: int
) -> Callable[[], list[str]]:
    """
    Hand the imports to a thread pool.

    Returns
    -------
    callable
        What failed; to be called after the arrival.
    """
    pool = ThreadPoolExecutor(threads)
    pending = list(names)

    def ended(_: Future[ModuleType]) -> None:
        pending.pop()
        if not pending:
            arrival.tell()

    futures = {name: pool.submit(importlib.import_module, name) for name in names}
    for future in futures.values():
        future.add_done_callback(ended)

    def failures() -> list[str]:
        errors = {name: future.exception() for name, future in futures.items()}
        return [f"{name}: {describe(error)}" for name, error in errors.items() if error]

    return failures


def start_warmup(names: list[str], arrival: Arrival) -> Callable[[], list[str]]:
    """Hand the imports to a manager; otherwise as `start_naive`."""
    manager = WarmupManager(log_to_stderr=False)
    manager.submit(names)
    manager.on_complete(lambda _: arrival.tell())
    return lambda: [
        f"{canary.module}: {canary.error}"
        for canary in manager.snapshot()
        if canary.error is not None
    ]


def import_all(names: list[str]) -> list[str]:
    """Import here and now, and return what failed."""
    failures = []
    for name in names:
        try:
            exec(f"import {name}", {})  # noqa: S102 - a statement, of a checked name
        except Exception as error:
            failures.append(f"{name}: {describe(error)}")
    return failures


def import_lazily(names: list[str]) -> list[Callable[[], object]]:
    """
    Put a lazy module into place for each name.

    As importlib's own recipe does it; the package around a module is imported at
    once, which is how specifications are found.

    Returns
    -------
    list of callable
        The first use of each module, which imports it.
    """
    return [_import_lazily(name) for name in names]


def _import_lazily(name: str) -> Callable[[], object]:
    if name not in sys.modules:
        spec = importlib.util.find_spec(name)
        # A namespace package has nothing to load.
        if spec is not None and spec.loader is not None:
            spec.loader = loader = importlib.util.LazyLoader(spec.loader)
            sys.modules[name] = module = importlib.util.module_from_spec(spec)
            loader.exec_module(module)

    def use() -> object:
        importlib.import_module(name)
        return sys.modules[name].__doc__

    return use
