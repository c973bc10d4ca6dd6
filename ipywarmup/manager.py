"""WarmupManager: what is being imported, and who is told."""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
import sys
import threading
import time
from typing import TYPE_CHECKING

from ipywarmup import log
from ipywarmup.canary import Canary, CanaryStatus
from ipywarmup.conditions import Condition
from ipywarmup.forks import in_child
from ipywarmup.importing import Outcome, import_module, import_on_worker
from ipywarmup.importlock.bootstrap import unsupported
from ipywarmup.importlock.hooks import hooks
from ipywarmup.importlock.threadstate import adopt
from ipywarmup.kernel import keep_builtins
from ipywarmup.names import check_names, parents_first
from ipywarmup.pool import WarmupPool
from ipywarmup.responsiveness.settings import settings
from ipywarmup.run import FollowUp, Notice, Record, Run, Status, Totals, call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor, Future
    from types import ModuleType

    from ipywarmup.responsiveness.stalls import Stall

# Guarantees
# - Every change of state happens under `_condition`, and is complete when it is
#   let go: a reader sees a moment that really was.
# - Pools, imports, callbacks and stderr are only touched with `_condition` free,
#   so all of them may call back in.
# - A record that has ended never changes again, and a run that was reset never
#   tells anybody anything: a late worker finds its record ended, and goes.
# - Each event costs a constant number of steps, whatever the number of modules.
# This code assumes
# - that a pool runs each job at most once, or cancels its future.


class WarmupManager:
    """
    Import modules on a background pool.

    Parameters
    ----------
    pool : concurrent.futures.Executor, optional
        Lent: the manager never shuts it down. Without one, the manager uses a
        `WarmupPool` of its own, whose daemon threads live as long as the process.
    log_to_stderr : bool
        Whether to write a line to `sys.stderr` for each module and each run.
    main_thread : int, optional
        Identifier of the thread that counts as the main thread; of the calling one
        when left out.

    Attributes
    ----------
    log_to_stderr : bool
        As above.
    refuse_unsafe : bool
        Whether to fail what is known to hang on a worker, instead of importing it.
    """

    def __init__(
        self,
        pool: Executor | None = None,
        *,
        log_to_stderr: bool = True,
        main_thread: int | None = None,
    ) -> None:
        self.log_to_stderr = log_to_stderr
        self.refuse_unsafe = True
        self._pool = WarmupPool() if pool is None else pool
        self._main_thread_id = main_thread or threading.get_ident()
        self._condition = Condition()
        self._canaries: list[Canary] = []
        # The threads on which a module of ours is being imported.
        self._importers: set[int] = set()
        # By record: its job, while that is in the queue of a pool of our kind.
        self._jobs: dict[int, Future[None]] = {}
        self._run = Run()
        in_child(self._forget_threads)

    @property
    def pool(self) -> Executor:
        """The executor that the imports run on."""
        return self._pool

    def submit(self, modules: Iterable[str]) -> None:
        """
        Start a warmup.

        Parameters
        ----------
        modules : iterable of str
            Absolute dotted names. They are imported in this order, but parents
            before children. A name given twice is imported once; with no names the
            warmup is done at once.

        Raises
        ------
        TypeError
            If `modules` is one string, or holds anything but strings.
        ValueError
            If a name is not an absolute dotted name.
        RuntimeError
            If there is a warmup already; `reset` forgets it, `extend` adds to it.
        """
        self._enlist(check_names(modules), first=True, installed_only=False)()

    def extend(self, modules: Iterable[str]) -> None:
        """
        Add modules to the warmup, or start one if there is none.

        Modules that this warmup has been asked for already are passed over,
        unless they were cancelled.

        Raises
        ------
        TypeError, ValueError
            As `submit` does.
        """
        self.prepare(modules)()

    def prepare(
        self,
        modules: Iterable[str],
        *,
        again: bool = False,
        installed_only: bool = False,
        follow_up: FollowUp | None = None,
    ) -> Callable[[], None]:
        """
        Do the first half of `extend`: make the records, hand nothing to the pool.

        What is drawn between the halves does not compete with an import for the
        interpreter. A warmup of no modules is done with the first half.

        Parameters
        ----------
        modules : iterable of str
            Absolute dotted names.
        again : bool
            Whether those are imported again that have failed, and those that somebody
            has taken out of `sys.modules` since.
        installed_only : bool
            Whether code of the working directory counts as not found for as long as
            their imports last. For names that nobody typed: what is installed may
            import what merely lies there under the name of something optional, and
            takes it for missing then.
        follow_up : callable, optional
            `follow_up(module, outcome)` is called for each of them that has not ended
            yet, once its import has, on the thread that imports it, and before a `wait`
            for it returns. What is cancelled before it starts is never imported.

        Returns
        -------
        callable
            The second half; to be called once, whatever happens in between.

        Raises
        ------
        TypeError, ValueError
            As `submit` does.
        """
        names = check_names(modules)
        return self._enlist(
            names,
            first=False,
            again=again,
            installed_only=installed_only,
            follow_up=follow_up,
        )

    def retry(self) -> list[str]:
        """
        Submit again what has failed.

        Modules that were installed meanwhile are found.

        Returns
        -------
        list of str
            The modules, in the order in which they failed.
        """
        with self._condition:
            run = self._run
            names = list(run.failed)
        if names:
            self._enlist(names, first=False, again=True)()
        return names

    def status(self) -> Status:
        """
        Tell where the modules of this warmup stand.

        Returns
        -------
        dict of str to list of str
            "pending" in submission order, "completed" and "failed" in the order in
            which they ended. The lists are the caller's own.
        """
        with self._condition:
            return self._run.status()

    def is_done(self) -> bool:
        """Tell whether there is a warmup, and nothing of it is pending."""
        with self._condition:
            return self._run.done

    def wait(
        self, timeout: float | None = None, modules: Iterable[str] | None = None
    ) -> bool:
        """
        Block until the warmup is done; Ctrl-C gets through.

        Parameters
        ----------
        timeout : float, optional
            Seconds; for ever when left out.
        modules : iterable of str, optional
            Wait for these only. Those that are queued go before all others that
            are, unless the pool was lent and is no `WarmupPool`.

        Returns
        -------
        bool
            False on timeout, or when `reset` ends the warmup meanwhile.

        Raises
        ------
        TypeError
            If `modules` is one string, or holds anything but strings; if `timeout` is
            not a number.
        ValueError
            If one of `modules` was not submitted.
        """
        names = None if modules is None else check_names(modules)
        timeout = _check_timeout(timeout)
        with self._condition:
            run = self._run
            for name in names or ():
                if name not in run.ids:
                    raise ValueError(
                        f"{name!r} is not part of this warmup; submit it first"
                    )
        if names:
            self._put_first(run, names)
        with self._condition:

            def over() -> bool:
                if run is not self._run:
                    return True
                if names is None:
                    return run.done and not run.unlogged
                while names and not (
                    names[-1] in run.pending or names[-1] in run.unlogged
                ):
                    names.pop()
                return not names

            wait_for = run.times.waiting(self._condition.wait_for)
            done = wait_for(over, timeout) and run is self._run
        adopt()
        return done

    def on_complete(self, callback: Callable[[Status], object]) -> None:
        """
        Call `callback(status)` once, when the warmup is done.

        At once, and on the calling thread, if it is done already; otherwise on the
        thread that ends the last module.
        """
        _check_callback(callback)
        with self._condition:
            run = self._run
            if not run.done:
                run.on_complete.append(callback)
                return
            status = run.status()
        call(callback, status)

    def on_canary(self, callback: Callable[[Record], object]) -> Callable[[], None]:
        """
        Call `callback(record)` each time a record starts or ends, until `reset`.

        Returns
        -------
        callable
            Ends the subscription; may be called more than once.
        """
        _check_callback(callback)
        token = object()
        with self._condition:
            run = self._run
            run.on_canary[token] = callback

        def unsubscribe() -> None:
            with self._condition:
                run.on_canary.pop(token, None)

        return unsubscribe

    def canaries(self) -> list[Record]:
        """
        Return a copy of every record, oldest first, over the manager's whole life.

        Returns
        -------
        list of dict
            Keys: canary_id, module, status, thread_name, thread_id, submit_ts,
            start_ts and end_ts (seconds since the epoch), elapsed_ms
            (milliseconds), error, hint, traceback, output, attempts, worst_stall_ms
            (milliseconds).
        """
        return [canary.to_dict() for canary in self.snapshot()]

    def totals(self, run: Run | None = None) -> Totals:
        """
        Tell what this warmup has saved the main thread, and what it has cost it.

        What is still going on counts as far as it has come.

        Parameters
        ----------
        run : Run, optional
            Another warmup than the current one.

        Returns
        -------
        dict
            worst_stall_ms : float or None
                The longest that other threads had to wait for the interpreter at a
                time while a worker imported, in milliseconds; None while no import
                has ended that it was measured for.
            waited_ms : float
                Milliseconds that the main thread waited for this warmup: in `wait`,
                in `require`, and in imports and look-ups of modules that a worker was
                importing.
            hidden_ms : float
                Milliseconds of waiting that the warmup has saved: what other threads
                than the main one spent on its imports, without their waits for each
                other and for the main thread, less `waited_ms`; at least 0.
        """
        with self._condition:
            return (run or self._run).totals(self._main_thread_id)

    def stalls(self, run: Run | None = None) -> list[Stall]:
        """
        Tell when other threads had to wait for the interpreter in this warmup.

        Parameters
        ----------
        run : Run, optional
            Another warmup than the current one.

        Returns
        -------
        list of dict
            The longest 256, in the order in which they began, each of 10 ms or more:
            `start_ts` (seconds since the epoch) and `duration_ms` (milliseconds).
        """
        with self._condition:
            run = run or self._run
        return run.stalls()

    @property
    def run(self) -> Run:
        """The current warmup, to name it in `snapshot` after a `reset`, too."""
        with self._condition:
            return self._run

    def snapshot(self, run: Run | None = None) -> list[Canary]:
        """
        Return records as they stand at one moment, in submission order.

        Parameters
        ----------
        run : Run, optional
            Only the records of this warmup, the latest one for each module.

        Returns
        -------
        list of Canary
            The records themselves, which are frozen.
        """
        with self._condition:
            if run is None:
                return self._canaries.copy()
            return [self._canaries[canary_id - 1] for canary_id in run.ids.values()]

    def require(self, name: str, timeout: float | None = None) -> ModuleType:
        """
        Return a module: at once if warm, else as soon as it can be had.

        A module under way is waited for. One that is queued or was never submitted
        is imported here and now, which `timeout` cannot cut short.

        Parameters
        ----------
        name : str
            Absolute dotted name.
        timeout : float, optional
            Seconds to wait for an import under way; for ever when left out.

        Returns
        -------
        types.ModuleType

        Raises
        ------
        BaseException
            Whatever the import raised.
        TimeoutError
            If the import under way does not end in time.
        TypeError, ValueError
            As `submit` does.
        """
        check_names([name])
        timeout = _check_timeout(timeout)
        with self._condition:
            run = self._run
            canary_id = run.ids.get(name)
            queued = canary_id is not None and self._canaries[canary_id - 1].queued
        if canary_id is None:
            return import_module(name).result()
        if queued:
            outcome = self._import(run, canary_id, import_module)
            if outcome is not None:
                return outcome.result()
        with self._condition:
            # Imports that require themselves or each other would wait for ever: let
            # Python decide.
            own = self._canaries[canary_id - 1].thread_id == threading.get_ident()
            nested = timeout is None and threading.get_ident() in self._importers
            wait_for = run.times.waiting(self._condition.wait_for)
            if not (own or nested) and not wait_for(
                lambda: self._canaries[canary_id - 1].ended, timeout
            ):
                raise TimeoutError(
                    f"{name!r} is still being imported after {timeout!r} seconds"
                )
            failure = run.failed.get(name)
        adopt()
        if failure is not None and name not in sys.modules:
            return failure.result()
        return import_module(name).result()

    def cancel(self) -> list[str]:
        """
        Drop what has not started; an import that runs cannot be stopped.

        Returns
        -------
        list of str
            The modules dropped, in submission order.
        """
        with self._condition:
            run = self._run
            notice = Notice(run)
            dropped = [
                self._canaries[canary_id - 1]
                for canary_id in run.pending.values()
                if self._canaries[canary_id - 1].queued
            ]
            for canary in dropped:
                self._finish(
                    notice,
                    canary.finished(CanaryStatus.CANCELLED, at=time.time()),
                )
            if dropped:
                self._conclude(notice)
        self._announce(notice)
        return [canary.module for canary in dropped]

    def reset(self) -> None:
        """
        Forget the warmup and its callbacks, so that `submit` may be called again.

        Records stay, and those still running become "cancelled". Worker threads
        stay alive; an import under way goes on, unseen.
        """
        with self._condition:
            run, self._run = self._run, Run()
            notice = Notice(run)
            for canary_id in list(run.pending.values()):
                canary = self._canaries[canary_id - 1]
                self._finish(
                    notice, canary.finished(CanaryStatus.CANCELLED, at=time.time())
                )
            notice.on_canary = list(run.on_canary.values())
            run.on_canary.clear()
            run.on_complete.clear()
            self._condition.notify_all()
        notice.call()

    def _enlist(
        self,
        names: list[str],
        *,
        first: bool,
        again: bool = False,
        installed_only: bool | None = None,
        follow_up: FollowUp | None = None,
    ) -> Callable[[], None]:
        """Enter names into the run; return what hands them to the pool."""
        keep_builtins()
        run = self._run
        entered: dict[str, int] = {}
        try:
            with self._condition:
                run = self._run
                if first and run.submitted:
                    raise RuntimeError(  # noqa: TRY301 - under this lock
                        "there is a warmup already; call reset() first, or extend() to"
                        " add to it"
                    )
                ids, notice = self._enter(run, names, entered, again=again)
                # Whatever is tried again stays what it was.
                if installed_only:
                    run.untyped.update(entered)
                elif installed_only is not None:
                    run.untyped.difference_update(names)
                for name in names:
                    if follow_up is not None and name in run.pending:
                        run.follow_ups.setdefault(name, []).append(follow_up)
            self._announce(notice)
            return functools.partial(self._start, run, ids)
        except BaseException as interrupt:  # Ctrl-C: nobody will start these
            if entered:
                self._refuse(run, list(entered.values()), interrupt)
            raise

    def _enter(
        self,
        run: Run,
        names: list[str],
        ids: dict[str, int],
        *,
        again: bool = False,
    ) -> tuple[list[int], Notice]:
        """
        Make a record for each name not asked for yet; call under the lock.

        Each is noted down in `ids` at once, for who is interrupted in the middle.

        Returns
        -------
        tuple of list of int and Notice
            The records in the order in which they are to be imported, and what there
            is to tell.
        """
        notice = Notice(run)
        if again:
            if not run.failed.keys().isdisjoint(names):
                # What has been installed meanwhile is to be found.
                importlib.invalidate_caches()
            for name in names:
                run.failed.pop(name, None)
                if name not in sys.modules:
                    run.completed.pop(name, None)
        starts = not run.submitted
        run.submitted = True
        submitted_at = time.time()
        for name in dict.fromkeys(names):
            if name in run.pending or name in run.completed or name in run.failed:
                continue
            canary = Canary(len(self._canaries) + 1, name, submitted_at)
            self._canaries.append(canary)
            hooks.borrow(self)
            ids[name] = run.ids[name] = run.pending[name] = canary.canary_id
        if ids and len(ids) == len(run.pending):
            settings.borrow(self)
        if starts:
            self._conclude(notice)
        return [ids[name] for name in parents_first(ids, ids)], notice

    def _put_first(self, run: Run, names: list[str]) -> None:
        """Let the queued ones of some modules start next."""
        pool = self._pool
        if not isinstance(pool, WarmupPool):
            return
        with self._condition:
            ids = [run.ids[name] for name in parents_first(names, run.pending)]
            jobs = [job for each in ids if (job := self._jobs.get(each)) is not None]
        pool.put_first(jobs)

    def _start(self, run: Run, ids: list[int]) -> None:
        """Hand records to the pool, which may refuse them."""
        accepted = 0
        try:
            if unsupported() is not None:
                # Safe rather than fast: no second thread imports.
                for canary_id in ids:
                    self._work(run, canary_id)
                    accepted += 1
                return
            pool = self._pool
            own = pool.holding() if isinstance(pool, WarmupPool) else None
            with own or contextlib.nullcontext():
                for canary_id in ids:
                    future = pool.submit(self._work, run, canary_id)
                    accepted += 1
                    if own is not None:
                        self._jobs[canary_id] = future
                    future.add_done_callback(
                        functools.partial(self._settle, run, canary_id)
                    )
        except BaseException as refusal:  # whatever a lent pool raises, or Ctrl-C
            # A pool of our own that cannot start a thread says so at the end.
            self._refuse(run, ids[accepted:] or ids, refusal)
            if not isinstance(refusal, Exception):
                raise

    def _settle(self, run: Run, canary_id: int, future: Future[None]) -> None:
        """Fail a module whose job the pool accepted and then did not run."""
        self._jobs.pop(canary_id, None)
        if future.cancelled():
            self._refuse(
                run, [canary_id], RuntimeError("the pool dropped the job unstarted")
            )
        elif (exception := future.exception()) is not None:
            self._refuse(run, [canary_id], exception)

    def _refuse(self, run: Run, ids: list[int], reason: BaseException) -> None:
        """End what the pool will not run: as cancelled after Ctrl-C, else as failed."""
        outcome = Outcome(exception=reason)
        with self._condition:
            notice = Notice(run)
            for canary_id in ids:
                canary = self._canaries[canary_id - 1]
                # What another thread requires meanwhile ends as that import does.
                elsewhere = canary.thread_id not in {None, threading.get_ident()}
                if canary.ended or elsewhere:
                    continue
                if canary.queued and isinstance(reason, KeyboardInterrupt):
                    # Who has interrupted the call may ask for them again.
                    status, error = CanaryStatus.CANCELLED, None
                else:
                    status, error = CanaryStatus.FAILED, outcome.error
                    run.failed[canary.module] = None
                self._finish(
                    notice, canary.finished(status, at=time.time(), error=error)
                )
            self._conclude(notice)
        self._announce(notice)

    def _work(self, run: Run, canary_id: int) -> None:
        """Do one job of the pool."""

        def importer(name: str) -> Outcome:
            return import_on_worker(
                name,
                refuse=self.refuse_unsafe,
                installed_only=name in run.untyped,
                trace=run.trace,
                follow_up=functools.partial(self._follow_up, run, name),
                on_stall=run.note_stall,
            )

        self._import(run, canary_id, importer)

    def _follow_up(self, run: Run, name: str, outcome: Outcome) -> None:
        """Call who goes on with a module, each once."""
        with self._condition:
            follow_ups = run.follow_ups.pop(name, ())
        for follow_up in follow_ups:
            call(follow_up, name, outcome)

    def _import(
        self, run: Run, canary_id: int, importer: Callable[[str], Outcome]
    ) -> Outcome | None:
        """Import a queued module on this thread; None if it is not queued any more."""
        thread_id = threading.get_ident()
        outermost = thread_id not in self._importers
        try:
            return self._import_and_end(run, canary_id, importer)
        except BaseException as interrupt:  # Ctrl-C, in between
            self._refuse(run, [canary_id], interrupt)
            with self._condition:
                run.unlogged.discard(self._canaries[canary_id - 1].module)
                self._condition.notify_all()
            raise
        finally:
            if outermost:
                self._importers.discard(thread_id)

    def _import_and_end(
        self, run: Run, canary_id: int, importer: Callable[[str], Outcome]
    ) -> Outcome | None:
        with self._condition:
            canary = self._canaries[canary_id - 1]
            if not canary.queued:
                return None
            started_at = time.time()
            canary = self._canaries[canary_id - 1] = canary.started(
                at=started_at,
                thread_name=threading.current_thread().name,
                thread_id=threading.get_ident(),
            )
            notice = Notice(run)
            notice.records.append(canary)
            notice.on_canary = list(run.on_canary.values())
        notice.call()
        self._importers.add(threading.get_ident())
        began = time.perf_counter()
        outcome = run.times.importing(importer)(canary.module)
        # The wall clock may be set back meanwhile; a duration comes from the other.
        ended_at = (canary.start_ts or started_at) + time.perf_counter() - began
        hint, traceback = outcome.hint(canary.module), outcome.printed_traceback
        with self._condition:
            notice = Notice(run)
            if self._canaries[canary_id - 1].ended:
                return outcome
            if outcome.exception is None:
                run.completed[canary.module] = None
                status = CanaryStatus.COMPLETED
            else:
                run.failed[canary.module] = outcome
                status = CanaryStatus.FAILED
            ended = canary.finished(
                status,
                at=ended_at,
                error=outcome.error,
                hint=hint,
                traceback=traceback,
                output=outcome.output,
                attempts=outcome.attempts,
                worst_stall_ms=outcome.worst_stall_ms,
            )
            self._finish(notice, ended)
            self._conclude(notice)
        try:
            self._follow_up(run, canary.module, outcome)
        finally:
            self._announce(notice)
        return outcome

    def _finish(self, notice: Notice, canary: Canary) -> None:
        """Give a record its last state; call under the lock."""
        self._canaries[canary.canary_id - 1] = canary
        run = notice.run
        del run.pending[canary.module]
        try:
            if not run.pending:
                settings.give_back(self)
        finally:  # Ctrl-C
            hooks.give_back(self)
        if canary.worst_stall_ms is not None:
            run.note_worst(canary.worst_stall_ms)
        run.unlogged.add(canary.module)
        notice.records.append(canary)

    def _conclude(self, notice: Notice) -> None:
        """Note down what there is to tell; call under the lock."""
        run = notice.run
        notice.on_canary = list(run.on_canary.values())
        if self.log_to_stderr:
            notice.lines = [
                log.module_line(canary, self._main_thread_id)
                for canary in notice.records
                if canary.status is not CanaryStatus.CANCELLED
            ]
        if run.done and (notice.records or not run.ids):
            if self.log_to_stderr:
                notice.lines += log.summary_lines(
                    [self._canaries[canary_id - 1] for canary_id in run.ids.values()],
                    self._main_thread_id,
                )
            notice.on_complete, run.on_complete = run.on_complete, []
            notice.status = run.status() if notice.on_complete else {}

    def _forget_threads(self) -> None:
        """Give up, without a word, what only the process forked from will end."""
        self._condition = Condition()
        self._importers &= {threading.get_ident()}
        self._jobs.clear()
        run = self._run
        run.times.stop_others()
        for canary_id in run.pending.values():
            canary = self._canaries[canary_id - 1]
            self._canaries[canary_id - 1] = canary.finished(
                CanaryStatus.CANCELLED, at=time.time()
            )
        run.pending.clear()
        run.unlogged.clear()

    def _announce(self, notice: Notice) -> None:
        """Write the log, let those go who wait, call the callbacks."""
        try:
            log.write(notice.lines)
        finally:
            with self._condition:
                notice.run.unlogged.difference_update(
                    canary.module for canary in notice.records
                )
                self._condition.notify_all()
        notice.call()


def _check_timeout(timeout: float | None) -> float | None:
    """Return a timeout that every lock can take."""
    if timeout is None:
        return None
    if not isinstance(timeout, int | float):
        raise TypeError(f"a timeout is a number of seconds, not {timeout!r}")
    if math.isnan(timeout):
        raise ValueError(f"a timeout is a number of seconds, not {timeout!r}")
    return None if timeout > threading.TIMEOUT_MAX else timeout


def _check_callback(callback: object) -> None:
    if not callable(callback):
        raise TypeError(f"a callback is a function, not {callback!r}")


_manager: WarmupManager | None = None
_manager_lock = threading.Lock()


def _forget_lock() -> None:
    global _manager_lock  # noqa: PLW0603 - the old one may be held for ever
    _manager_lock = threading.Lock()


in_child(_forget_lock)


def get_manager(main_thread: int | None = None) -> WarmupManager:
    """
    Return the manager that the extension uses; it writes no log lines.

    Parameters
    ----------
    main_thread : int, optional
        What `WarmupManager` takes, for who asks first, and on another thread.
    """
    global _manager  # noqa: PLW0603 - one for the process
    with _manager_lock:
        if _manager is None:
            _manager = WarmupManager(log_to_stderr=False, main_thread=main_thread)
        return _manager


def require(name: str, timeout: float | None = None) -> ModuleType:
    """Return a module: `WarmupManager.require` of `get_manager()`."""
    return get_manager().require(name, timeout)
