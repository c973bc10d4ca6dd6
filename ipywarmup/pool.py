"""The worker threads: daemon, long-lived, named, one lane under the GIL."""

from __future__ import annotations

import atexit
import collections
import contextlib
import threading
import time
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ipywarmup.conditions import Condition, SafeFuture
from ipywarmup.defaults import PATIENCE, default_lanes
from ipywarmup.forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

P = ParamSpec("P")
T = TypeVar("T")


# Guarantees
# - Jobs start in the order in which they were submitted, at most `lanes` at a
#   time; those that one call has put first start before all that were queued then, in
#   the order of that call. To queue a job or to put it first costs the
#   same however many are queued.
# - A job that has run for `patience` seconds gives its lane to the next worker, so
#   that one import that never ends does not hold up the others.
# - Of the idle threads the one with the lowest number takes the next job, so that
#   the same work runs on the same thread each time.
# - Threads are daemons, are named ipywarmup-0, ipywarmup-1, ..., start when
#   there is something to do, and are never retired: pyarrow 25.0.0 crashes
#   later if the thread that imported it has ended.
# - After `shutdown` no job is accepted, and once the interpreter has begun to exit
#   none starts.
# This code assumes
# - that jobs do not raise: whatever a job does is put into its future;
# - that `_condition` is the only lock and that no job runs, and no callback of
#   a future is called, under it.


class WarmupPool(Executor):
    """
    Run jobs on daemon threads that live as long as the process.

    Parameters
    ----------
    lanes : int, optional
        How many jobs may run at the same time, at least 1; `default_lanes`
        when left out.
    patience : float, optional
        Seconds after which a running job no longer occupies its lane.

    Raises
    ------
    ValueError
        If `lanes` is less than 1.
    """

    def __init__(self, lanes: int | None = None, *, patience: float = PATIENCE) -> None:
        self._condition = Condition()
        self._jobs: collections.OrderedDict[
            Future[Any], tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
        ] = collections.OrderedDict()
        self._threads: list[threading.Thread] = []
        self._started_at: dict[int, float] = {}
        self._closed = False
        self._holds = 0
        self.patience = patience
        self._lanes = 1
        self.lanes = default_lanes() if lanes is None else lanes
        in_child(self._forget_threads)

    @property
    def lanes(self) -> int:
        """How many jobs may run at the same time; may be set at any time."""
        return self._lanes

    @lanes.setter
    def lanes(self, lanes: int) -> None:
        if lanes < 1:
            raise ValueError(f"lanes must be 1 or more, not {lanes!r}")
        with self._condition:
            self._lanes = lanes
            self._staff()
            self._condition.notify_all()

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """
        Queue a call.

        Returns
        -------
        concurrent.futures.Future
            Its result or exception.

        Raises
        ------
        RuntimeError
            After `shutdown`.
        """
        future: Future[T] = SafeFuture()
        with self._condition:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._jobs[future] = fn, args, kwargs
            try:
                self._staff()
            except RuntimeError:
                del self._jobs[future]
                raise
            self._condition.notify_all()
        return future

    def put_first(self, futures: Iterable[Future[Any]]) -> None:
        """
        Let queued jobs start before all others, in the order given.

        Parameters
        ----------
        futures : iterable of concurrent.futures.Future
            What `submit` has returned. Jobs that have started are passed over, and
            those of other pools.
        """
        with self._condition:
            for future in reversed(list(futures)):
                if future in self._jobs:
                    self._jobs.move_to_end(future, last=False)

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """
        Start no job before the block ends.

        A thread that submits many jobs is done sooner if none of them competes
        with it for the interpreter meanwhile.
        """
        held = False
        try:
            with self._condition:
                self._holds += 1
                held = True
            yield
        finally:
            with self._condition:
                self._holds -= held
                try:
                    self._staff()
                finally:  # Ctrl-C
                    self._condition.notify_all()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the signature of Executor
        """
        Refuse further jobs; the threads stay, idle.

        Parameters
        ----------
        wait : bool
            Whether to block until the jobs accepted so far have ended.
        cancel_futures : bool
            Whether to drop what has not started.
        """
        dropped: list[Future[Any]] = []
        with self._condition:
            self._closed = True
            if cancel_futures:
                dropped = list(self._jobs)
                self._jobs.clear()
            self._condition.notify_all()
        for future in dropped:
            future.cancel()
        if wait:
            with self._condition:
                self._condition.wait_for(
                    lambda: not self._jobs and not self._started_at
                )

    def _forget_threads(self) -> None:
        """Start over without the threads and jobs of the process forked from."""
        self._condition = Condition()
        self._jobs.clear()
        self._threads.clear()
        self._started_at.clear()
        self._holds = 0

    def _stop_at_exit(self) -> None:
        """Start nothing more; who waited for the rest has already ended."""
        with self._condition:
            self._closed = True
            self._jobs.clear()

    def _staff(self) -> None:
        """Start the workers that the queue calls for; call under the lock."""
        if self._holds:
            return
        wanted = self._lanes + self._overdue(time.monotonic())
        if self._started_at and self._jobs:
            # One more, idle, who takes over if a running job loses its lane.
            wanted += 1
        wanted = min(wanted, len(self._started_at) + len(self._jobs))
        if wanted and not self._threads:
            atexit.register(self._stop_at_exit)
        while len(self._threads) < wanted:
            index = len(self._threads)
            thread = threading.Thread(
                target=self._work,
                args=(index,),
                name=f"ipywarmup-{index}",
                daemon=True,
            )
            try:
                thread.start()
            except RuntimeError:  # no more threads, says the system
                if not self._threads:
                    raise
                return
            self._threads.append(thread)

    def _overdue(self, now: float) -> int:
        """Count the running jobs that have lost their lane."""
        return sum(now - began >= self.patience for began in self._started_at.values())

    def _first_idle(self) -> int:
        """Return the lowest number of a worker without a job; some worker has none."""
        return min(set(range(len(self._threads))).difference(self._started_at))

    def _take(
        self, index: int
    ) -> tuple[Future[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        """Free the lane of worker `index`; wait for a lane and a job for it."""
        with self._condition:
            comes_from_a_job = self._started_at.pop(index, None) is not None
            while True:
                now = time.monotonic()
                occupied = len(self._started_at) - self._overdue(now)
                free = self._jobs and occupied < self._lanes and not self._holds
                if free and index == self._first_idle():
                    future, job = self._jobs.popitem(last=False)
                    self._started_at[index] = now
                    self._staff()
                    if self._jobs and not comes_from_a_job:
                        # Who stood back for this worker may be the first one now,
                        # and has to learn when this job will lose its lane. Nobody
                        # stands back for one that goes from job to job, and who waits
                        # for its lane looks up too early then; to wake them each time
                        # would take as long as a light import.
                        self._condition.notify_all()
                    return future, *job
                if comes_from_a_job:
                    self._condition.notify_all()
                    comes_from_a_job = False
                until_overdue = [
                    self.patience - (now - began)
                    for began in self._started_at.values()
                    if now - began < self.patience
                ]
                waits_for_lane = self._jobs and until_overdue and not self._holds
                self._condition.wait(min(until_overdue) if waits_for_lane else None)

    def _work(self, index: int) -> None:
        with self._condition:
            # Who started this thread may have been interrupted before noting it down;
            # then another one gets its place.
            if threading.current_thread() not in self._threads[index : index + 1]:
                return
        while True:
            future, fn, args, kwargs = self._take(index)
            if future.set_running_or_notify_cancel():
                try:
                    result = fn(*args, **kwargs)
                except BaseException as error:  # the future carries it
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            # A job's arguments live no longer than the job.
            del future, fn, args, kwargs
