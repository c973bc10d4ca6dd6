"""WarmupManager against a simple model, one random step after the other.

An import does nothing here but wait for the step that ends it. It runs on a thread of
its own, yet only ever while the test waits for that thread, so that the same steps
always give the same result.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import sys
import threading
import types
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ipywarmup.importing import Outcome
from ipywarmup.importlock.times import Times
from ipywarmup.manager import WarmupManager
from ipywarmup.run import logger
from tests.core.warmup_model import ANSWERS, Model, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.core.warmup_model import Entry

TIMEOUT = 10.0
MODULES = ["imaginary_a", "imaginary_a.part", "imaginary_b"]


class _Worker(threading.Thread):
    """A thread that pauses in its import, if it gets there."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.fails = False
        self.importing = False
        self._call = call
        self._halted = threading.Event()
        self._resumed = threading.Event()

    def run(self) -> None:
        """Make the call; the import of another step's may fail."""
        with contextlib.suppress(OSError):
            self._call()
        self._halted.set()

    def pause(self) -> None:
        """Wait, within the import, for the step that ends it."""
        self.importing = True
        self._halted.set()
        assert self._resumed.wait(TIMEOUT * 3)

    def begin(self) -> bool:
        """Start; return whether it is in its import now, not at its end."""
        self.start()
        assert self._halted.wait(TIMEOUT)
        if not self.importing:
            self.join(TIMEOUT)
        return self.importing

    def finish(self, *, fails: bool) -> None:
        """End the import, and wait for the end of the thread."""
        self.fails = fails
        self._resumed.set()
        self.join(TIMEOUT)
        assert not self.is_alive()


class _Importer:
    """Import what the steps say."""

    def __init__(self) -> None:
        self.fails = False
        self._failures = 0

    def __call__(self, name: str, **_: object) -> Outcome:
        worker = threading.current_thread()
        fails = self.fails
        if isinstance(worker, _Worker):
            worker.pause()
            fails = worker.fails
            if fails:
                sys.modules.pop(name, None)
        if fails and name not in sys.modules:
            self._failures += 1
            return Outcome(exception=OSError(f"{name} {self._failures}"))
        return Outcome(module=sys.modules.setdefault(name, types.ModuleType(name)))


class _Pool(Executor):
    """Do with each job what the next answer says; without one, keep it."""

    def __init__(self, importer: _Importer) -> None:
        self.answers: collections.deque[str] = collections.deque()
        self.jobs: list[tuple[Future[None], Callable[[], None]]] = []
        self._importer = importer

    def submit(  # type: ignore[override]
        self, fn: Callable[..., object], /, *args: object, **kwargs: object
    ) -> Future[None]:
        """Take a job, or refuse it."""
        answer = self.answers.popleft() if self.answers else "keep"
        if answer == "refuse":
            raise RuntimeError("no room")
        future: Future[None] = Future()

        def job() -> None:
            if future.set_running_or_notify_cancel():
                fn(*args, **kwargs)
                future.set_result(None)

        if answer == "keep":
            self.jobs.append((future, job))
        else:
            self._importer.fails = answer == "fail"
            job()
        return future


names = st.lists(st.sampled_from(MODULES), max_size=5)
index = st.integers(min_value=0, max_value=30)


class WarmupMachine(RuleBasedStateMachine):
    """Do each step to a manager and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.importer = _Importer()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(
            "ipywarmup.run.Times", lambda: Times(lambda: self.model.performance)
        )
        self.pool = _Pool(self.importer)
        self.manager = WarmupManager(self.pool, log_to_stderr=False)
        self.jobs: list[Entry] = []  # those that the pool keeps, in its order
        self.halves: list[tuple[Callable[[], None], list[Entry]]] = []
        self.workers: list[tuple[_Worker, Entry]] = []
        self.told: list[tuple[int, object]] = []
        self.unsubscribers: list[tuple[Callable[[], None], Run, int]] = []
        self.labels = 0
        self.ended: dict[int, dict[str, Any]] = {}
        clock = types.SimpleNamespace(
            time=lambda: self.model.wall, perf_counter=lambda: self.model.performance
        )
        self.patch.setattr(logger, "disabled", True)  # callbacks raise a lot here
        self.patch.setattr("ipywarmup.manager.time", clock)
        self.patch.setattr("ipywarmup.manager.import_module", self.importer)
        self.patch.setattr("ipywarmup.manager.import_on_worker", self.importer)

    def teardown(self) -> None:
        """Leave no thread and no module behind."""
        for worker, _ in self.workers:
            worker.finish(fails=False)
        self.manager.reset()
        self.patch.undo()
        for name in MODULES:
            sys.modules.pop(name, None)

    @rule(wall=st.integers(-100, 100), performance=st.integers(0, 100))
    def let_time_pass(self, wall: int, performance: int) -> None:
        """Set the wall clock forth or back; the other one only goes forward."""
        self.model.wall += wall
        self.model.performance += performance

    @rule(answers=st.lists(st.sampled_from(ANSWERS), max_size=6))
    def steer_the_pool(self, answers: list[str]) -> None:
        """Tell the pool what to do with the jobs to come."""
        self.pool.answers = collections.deque(answers)

    @rule(name=st.sampled_from(MODULES), loaded=st.booleans())
    def interfere(self, name: str, *, loaded: bool) -> None:
        """Load a module behind the manager's back, or take it away again."""
        if loaded:
            sys.modules.setdefault(name, types.ModuleType(name))
            self.model.loaded.add(name)
        else:
            sys.modules.pop(name, None)
            self.model.loaded.discard(name)

    @rule(names=names)
    def submit(self, names: list[str]) -> None:
        """Start a warmup, if there is none."""
        answers = list(self.pool.answers)
        if self.model.run.submitted:
            with pytest.raises(RuntimeError, match="already"):
                self.manager.submit(names)
        else:
            self.manager.submit(names)
            self._hand_over(self.model.enlist(names), answers)

    @rule(names=names)
    def extend(self, names: list[str]) -> None:
        """Add to the warmup."""
        answers = list(self.pool.answers)
        self.manager.extend(names)
        self._hand_over(self.model.enlist(names), answers)

    @rule(names=names)
    def prepare(self, names: list[str]) -> None:
        """Do the first half of an extension."""
        self.halves.append((self.manager.prepare(names), self.model.enlist(names)))

    @precondition(lambda self: self.halves)
    @rule(index=index)
    def hand_over(self, index: int) -> None:
        """Do the second half of one of them."""
        answers = list(self.pool.answers)
        half, entries = self.halves.pop(index % len(self.halves))
        half()
        self._hand_over(entries, answers)

    def _hand_over(self, entries: list[Entry], answers: list[str]) -> None:
        thread = threading.current_thread()
        self.jobs += self.model.hand_over(entries, answers, thread)

    @rule()
    def retry(self) -> None:
        """Submit again what failed."""
        answers, run = list(self.pool.answers), self.model.run
        failed = run.failed.copy()
        assert self.manager.retry() == failed
        run.failed.clear()
        if failed:
            self._hand_over(self.model.enlist(failed), answers)

    @rule()
    def cancel(self) -> None:
        """Drop what is queued."""
        queued = [entry for entry in self.model.run.open if entry.queued]
        assert self.manager.cancel() == [entry.module for entry in queued]
        self.model.end(queued, "cancelled")

    @rule()
    def reset(self) -> None:
        """Forget the warmup."""
        self.manager.reset()
        run, self.model.run = self.model.run, Run()
        run.completers.clear()
        self.model.end(run.open, "cancelled")
        run.subscribers.clear()

    @precondition(lambda self: self.jobs)
    @rule(index=index)
    def start_a_job(self, index: int) -> None:
        """Let a worker take a job, until it is within the import."""
        index %= len(self.jobs)
        _, job = self.pool.jobs.pop(index)
        self._begin(self.jobs.pop(index), job)

    @rule(name=st.sampled_from(MODULES))
    def require_elsewhere(self, name: str) -> None:
        """Let another thread require a queued module."""
        entry = self.model.run.latest.get(name)
        if entry is not None and entry.queued:
            self._begin(entry, functools.partial(self.manager.require, name))

    def _begin(self, entry: Entry, call: Callable[[], object]) -> None:
        worker = _Worker(call)
        assert worker.begin() is entry.queued
        if worker.importing:
            self.workers.append((worker, entry))
            self.model.start(entry, worker)

    @precondition(lambda self: self.workers)
    @rule(index=index, fails=st.booleans())
    def finish_an_import(self, index: int, *, fails: bool) -> None:
        """End an import under way, of this run or of an old one."""
        worker, entry = self.workers.pop(index % len(self.workers))
        worker.finish(fails=fails)
        if fails:
            self.model.loaded.discard(entry.module)
        self.model.finish(entry, fails=fails)

    @precondition(lambda self: self.jobs)
    @rule(index=index)
    def cancel_a_future(self, index: int) -> None:
        """Drop a job behind the manager's back."""
        index %= len(self.jobs)
        future, _ = self.pool.jobs.pop(index)
        entry = self.jobs.pop(index)
        assert future.cancel()
        if entry.queued:
            error = "RuntimeError: the pool dropped the job unstarted"
            self.model.end([entry], "failed", error=error)

    @rule(name=st.sampled_from(MODULES), fails=st.booleans())
    def require(self, name: str, *, fails: bool) -> None:
        """Ask for a module here and now."""
        self.importer.fails = fails
        entry = self.model.run.latest.get(name)
        raised: BaseException | None = None
        try:
            module = self.manager.require(name, timeout=0)
        except OSError as error:  # TimeoutError included
            raised = error
        else:
            assert module is sys.modules[name]
        if entry is not None and entry.open and not entry.queued:
            assert isinstance(raised, TimeoutError)
            return
        if entry is not None and entry.queued:
            self.model.start(entry, threading.current_thread())
            self.model.finish(entry, fails=fails)
            expected = entry.exception
        elif entry is not None and entry.exception and name not in self.model.loaded:
            expected = entry.exception
        else:
            expected = self.model.load(name, fails=fails)
        assert (raised and str(raised)) == expected

    @rule(names=names)
    def wait(self, names: list[str]) -> None:
        """Ask whether some modules are done."""
        latest = self.model.run.latest
        if all(name in latest for name in names):
            done = not any(latest[name].open for name in names)
            assert self.manager.wait(0, names) is done
        else:
            with pytest.raises(ValueError, match="not part"):
                self.manager.wait(0, names)

    def _callback(self, *, raises: bool) -> tuple[int, Callable[[Any], None]]:
        self.labels += 1
        label = self.labels

        def callback(argument: Any) -> None:  # noqa: ANN401 - a status or a record
            self.told.append((label, argument))
            if raises:
                raise LookupError(label)

        return label, callback

    @rule(raises=st.booleans())
    def subscribe(self, *, raises: bool) -> None:
        """Ask to hear of each record."""
        label, callback = self._callback(raises=raises)
        run = self.model.run
        self.unsubscribers.append((self.manager.on_canary(callback), run, label))
        run.subscribers.append(label)

    @precondition(lambda self: self.unsubscribers)
    @rule(index=index)
    def unsubscribe(self, index: int) -> None:
        """End a subscription, perhaps for the second time, or after reset."""
        unsubscribe, run, label = self.unsubscribers[index % len(self.unsubscribers)]
        unsubscribe()
        if label in run.subscribers:
            run.subscribers.remove(label)

    @rule(raises=st.booleans())
    def on_complete(self, *, raises: bool) -> None:
        """Ask to hear of the end."""
        label, callback = self._callback(raises=raises)
        self.manager.on_complete(callback)
        if self.model.run.done:
            self.model.told.append((label, self.model.run.status()))
        else:
            self.model.run.completers.append(label)

    @invariant()
    def the_manager_says_what_the_model_says(self) -> None:
        """Status, end, records and callbacks are those of the model."""
        run = self.model.run
        assert self.manager.status() == run.status()
        assert self.manager.is_done() is self.manager.wait(0) is run.done
        assert self.manager.canaries() == [entry.record for entry in self.model.entries]
        assert self.told == self.model.told
        assert self.manager.totals() == {
            "worst_stall_ms": None,
            "hidden_ms": 1000 * self.model.hidden(threading.get_ident()),
            "waited_ms": 0,
        }

    @invariant()
    def the_records_are_sound(self) -> None:
        """Whatever the model says: ids, times, lists, and no record of the past."""
        records = self.manager.canaries()
        assert [record["canary_id"] for record in records] == [
            number + 1 for number in range(len(records))
        ]
        for record in records:
            assert (record["end_ts"] is None) is (record["status"] == "running")
            assert record["elapsed_ms"] is None or record["elapsed_ms"] >= 0
            if record["status"] != "running":
                assert self.ended.setdefault(record["canary_id"], record) == record
        listed = [name for names in self.manager.status().values() for name in names]
        assert len(listed) == len(set(listed))


def test_the_manager_does_what_the_model_does() -> None:
    """Any sequence of calls, jobs, clocks and refusals gives what the model gives."""
    run_state_machine_as_test(
        WarmupMachine,
        settings=settings(max_examples=300, stateful_step_count=40, deadline=None),
    )
