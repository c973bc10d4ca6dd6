"""
One program, run plainly, naively or guarded.

``trial.py KIND`` with a description on stdin: modules to warm up, and code for the main
thread. "plain" runs the code alone; "naive" while a thread pool calls
`importlib.import_module` for each module; "guarded" while a `WarmupManager` imports
them. What became of it is the last line of stdout, as JSON.
"""

from __future__ import annotations

import _thread
import faulthandler
import importlib.util
import json
import os
import sys
import threading
import traceback
import types
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

STARTERS = "_start_new_thread", "_start_joinable_thread"
"""What threads are started with; see `births.py`."""

LIMIT = 30.0
"""Seconds after which a program counts as stuck, and shows where."""

PASSED = "second thread"
"""Told once a second thread has entered a package, or has been made to wait for it."""


def patched() -> tuple[object, ...]:
    """Return what a warmup puts something else in the place of, for a while."""
    bootstrap: Any = importlib._bootstrap
    return (
        bootstrap._get_module_lock,
        bootstrap._init_module_attrs,
        bootstrap.module_from_spec,
        _thread.start_new_thread,
        importlib.util._LazyModule.__getattribute__,  # type: ignore[attr-defined]
        getattr(os, "fork", None),
        *(vars(threading)[name] for name in STARTERS if name in vars(threading)),
        sys.stdout,
        sys.stderr,
    )


class Signals(types.ModuleType):
    """What the modules of a trial and its main thread tell each other."""

    def __init__(self, kind: str) -> None:
        super().__init__("signals")
        self.kind = kind
        self.loaded: set[str] = set()
        # What the main thread and a module may want both.
        self.lock = threading.Lock()
        self.originals = patched()
        self.patched = patched
        self._condition = threading.Condition()
        self._told: dict[str, int] = {}
        self._open = kind == "plain"
        # A thread that is not there in a forked child may have been telling.
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self._condition = threading.Condition()

    def tell(self, name: str = PASSED) -> None:
        """Let those go on who wait for a name."""
        with self._condition:
            self._told[name] = self._told.get(name, 0) + 1
            self._condition.notify_all()

    def hear(self, name: str = PASSED, times: int = 1) -> None:
        """Wait until a name has been told so many times."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._open or self._told.get(name, 0) >= times
            )

    def hear_blocked(self, module: str) -> None:
        """Wait until a second thread is blocked on its way into a module."""
        self.hear()
        bootstrap: Any = importlib._bootstrap
        # It has told just before; that it is counted cannot be waited for.
        while self.kind == "naive" and not bootstrap._module_locks[module]().waiters:
            pass

    def told(self, name: str = PASSED) -> bool:
        """Whether a name has been told."""
        return name in self._told

    def meet(self) -> None:
        """Wait for a second thread to meet here, or to be held up on its way."""
        self.tell("entered")
        with self._condition:
            self._condition.wait_for(
                lambda: self._open or self._told["entered"] >= 2 or PASSED in self._told
            )

    def open(self) -> None:
        """Let nobody wait any more."""
        with self._condition:
            self._open = True
            self._condition.notify_all()

    @staticmethod
    def be_windows() -> None:
        """Refuse here what is refused on Windows."""
        from ipywarmup.importlock import failures  # noqa: PLC0415

        # The standard library would not survive another `sys.platform`.
        known: Any = failures
        known.MAIN_THREAD_MODULES = tuple(
            entry._replace(platform=sys.platform)
            for entry in failures.MAIN_THREAD_MODULES
        )

    def once(self, name: str) -> None:
        """Fail, as some extension modules do, if called twice by a module."""
        if name in self.loaded:
            raise ImportError("cannot load module more than once per process")
        self.loaded.add(name)


def describe(error: BaseException | None) -> str | None:
    """Return an exception in one line."""
    return None if error is None else f"{type(error).__name__}: {error}"


def import_at_once(report: dict[str, Any], code: str) -> None:
    """Run the code of the main thread."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    try:
        exec(compile(code, "<main>", "exec"), namespace)  # noqa: S102
    except BaseException as error:
        report["main"] = describe(error)
        frames = error.__traceback__ and error.__traceback__.tb_next
        report["traceback"] = "".join(
            traceback.format_exception(type(error), error, frames)
        )
    report["result"] = repr(namespace.get("result", "nothing"))


def run_naive(report: dict[str, Any], signals: Signals, trial: dict[str, Any]) -> None:
    """Run it beside threads that import."""
    bootstrap: Any = importlib._bootstrap
    wait_for_module = bootstrap._lock_unlock_module

    def tell_and_wait(name: str) -> None:
        # An import statement has found a half-built module, and goes on with it.
        if threading.current_thread() is threading.main_thread():
            signals.tell()
        wait_for_module(name)

    bootstrap._lock_unlock_module = tell_and_wait
    with ThreadPoolExecutor(1) as pool:
        futures = {
            name: pool.submit(importlib.import_module, name) for name in trial["warm"]
        }
        for future in futures.values():
            future.add_done_callback(lambda _: signals.tell("ended"))
        import_at_once(report, trial["main"])
        signals.open()
        report["warm"] = {
            name: describe(future.exception()) for name, future in futures.items()
        }


def run_guarded(
    report: dict[str, Any], signals: Signals, trial: dict[str, Any]
) -> None:
    """Run it beside a warmup, and look at what that leaves."""
    from ipywarmup import get_manager  # noqa: PLC0415
    from ipywarmup.importlock.hooks import hooks  # noqa: PLC0415

    wait: Callable[[float | None], bool] = hooks.locks._condition.wait

    def tell_and_wait(timeout: float | None = None) -> bool:
        # Once: who hears it again makes progress, in the eyes of who waits.
        if not signals.told():
            signals.tell()
        return wait(timeout)

    hooks.locks._condition.wait = tell_and_wait  # type: ignore[method-assign]
    manager = get_manager()

    def tell_end(record: dict[str, Any]) -> None:
        if record["end_ts"] is not None:
            signals.tell("ended")

    manager.on_canary(tell_end)
    manager.submit(trial["warm"])
    import_at_once(report, trial["main"])
    signals.open()
    manager.wait()
    report["records"] = {record["module"]: record for record in manager.canaries()}
    report["warm"] = {
        name: record["error"] for name, record in report["records"].items()
    }
    # The last import of a thread that goes on by itself takes the hooks out.
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    report["left"] = [
        name
        for name, module in sys.modules.items()
        if type(module).__name__ == "module" and type(module) is not types.ModuleType
    ]
    report["counts"] = hooks.locks.counts._asdict()
    if hooks.installed or hooks.locks:
        report["left"].append("the hooks")


def main() -> None:
    """Run one trial."""
    kind = sys.argv[1]
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    trial = json.load(sys.stdin)
    sys.path[0] = trial["folder"]
    signals = sys.modules["signals"] = Signals(kind)
    report: dict[str, Any] = {"warm": {}, "main": None, "left": []}
    if kind == "plain":
        import_at_once(report, trial["main"])
    elif kind == "naive":
        run_naive(report, signals, trial)
    else:
        run_guarded(report, signals, trial)
    sys.stdout.write(f"\n{json.dumps(report)}\n")


if __name__ == "__main__":
    main()
