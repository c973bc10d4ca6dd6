"""
Package locks in front of importlib, while a warmup runs.

Everything that importlib does to a module that is not complete happens under a lock
that it gets from one function. While a warmup runs, that function gives out locks that
take the package's lock first. No frame is added to any traceback so, as a function
around the import would.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import functools
import itertools
import logging
import operator
import os
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from ipywarmup.conditions import Condition
from ipywarmup.importlock import (
    bootstrap,
    filters,
    lazy,
    locks,
    partial,
    threadstate,
    traces,
)
from ipywarmup.importlock.births import Births
from ipywarmup.importlock.failures import forget_orphans
from ipywarmup.importlock.graph import EVERYTHING
from ipywarmup.importlock.lazy import LazyBodies
from ipywarmup.importlock.places import Wariness
from ipywarmup.importlock.replacements import Replacements
from ipywarmup.importlock.stacks import MovedError, caller_of, stacks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, ModuleType

    from ipywarmup.importlock.births import Inheritance

logger = logging.getLogger("ipywarmup")

_IMPORTING = (bootstrap.FILE, __file__, lazy.__file__)
"""Where the code is that is on the stack of every thread that imports, or waits."""

_ASKING = (__file__, locks.__file__)
"""Where the code is that looks after threads."""

_MOMENT = 0.001
"""Seconds between two looks at where other threads are."""

_TO_PARK = 0.3
"""Seconds that an exit waits for the workers to stop; few modules take longer."""

_LOOKS_AT_A_THREAD = 100
"""How often a thread is looked at that moves on before all of its stack was seen."""

_LOCKS_TO_FORK = 2
"""How many locks a thread holds while it forks."""

_WORTH_TELLING = 0.1
"""Seconds from which a wait of a fork is told."""

STANDARD_LIBRARY = "the standard library"
"""Counts as one package."""


@functools.lru_cache(maxsize=4096)
def package_of(module: str) -> str:
    """Return which package a module belongs to: the top level of its name."""
    top = module.partition(".")[0]
    return STANDARD_LIBRARY if top in sys.stdlib_module_names else top


def _is_complete(package: str) -> bool:
    """Whether the module at the top of a package is all there."""
    if package == STANDARD_LIBRARY:
        return True
    module = sys.modules.get(package)
    return module is not None and not bootstrap.is_initializing(module)


# Guarantees
# - From the first `borrow` to the last `give_back`, and until the last import that
#   began in between has ended, every import of a module that is not complete runs
#   under its package's lock, on every thread.
# - Imports under way when the hooks go in are waited for, too.
# - An import statement that waited for a module gets what became of it: the failure,
#   or what has replaced it in `sys.modules`.
# - Without a borrower and without an import under way, importlib is as it was found,
#   once a borrower has given back; after one who is gone without, at the next import.
# - A fork waits until no other thread is in an import, as long as those make progress,
#   and nobody begins one meanwhile. In the child nothing is held by threads that are
#   not there, and what they had half imported all the same is imported anew.
# - On a thread that imports what nobody typed, and on those that it starts meanwhile,
#   no code of the working directory runs.
# - Once the interpreter exits, a worker stops at its next import, for which the exit
#   waits a moment; and no import waits for another.
# This code assumes
# - that a module lock is acquired and released on one thread, as `with` does.


class ImportHooks:
    """
    Stand between importlib and its module locks.

    Parameters
    ----------
    package_locks : PackageLocks, optional
        Those of the tests; otherwise locks that look after real threads.

    Attributes
    ----------
    before_extension : callable
        Called on a worker with the file of an extension module that is about to be
        opened there; must not import.
    """

    def __init__(self, package_locks: locks.PackageLocks | None = None) -> None:
        self.locks = package_locks or locks.PackageLocks(
            apart=(STANDARD_LIBRARY,),
            is_complete=_is_complete,
            pulse=self._pulse,
            is_importing=self._has_foreign,
            on_free=self._on_free,
            report=logger.info,
        )
        # How often each has borrowed; who is gone has given all back.
        self._borrowers = weakref.WeakKeyDictionary[object, int]()
        self._originals: bootstrap.Functions | None = None
        # Who wants imports noted down also while nobody has borrowed the hooks, and
        # what importlib uses without that.
        self._recorders = weakref.WeakSet[object]()
        self._unrecorded: bootstrap.Functions | None = None
        self._births = Births(self._inheritance)
        # By package: the module locks that were held when the hooks went in.
        self._foreign: dict[str, list[weakref.ref[Any]]] = {}
        # The threads that import for a warmup, and those of them that never go on.
        self._workers: set[int] = set()
        self._parked: set[int] = set()
        # What those wait for, and how many threads need them to go on after all.
        self._parking = Condition()
        self._needing = 0
        # Packages of which Ctrl-C has left a part, while the hooks are in.
        self._interrupted: set[str] = set()
        self._wariness = Wariness()
        self._lazy_bodies = LazyBodies(package_of, self._enter_body, self.release)
        self._replaced = Replacements()
        # The threads that let nobody into any package since they fork.
        self._forking: list[int] = []
        # By thread that is in a fork: what releases the locks that it holds for that.
        self._held_to_fork: dict[int, list[Callable[[], object]]] = {}
        self._leaving = False
        self.before_extension: Callable[[str], object] = lambda _: None

    @property
    def installed(self) -> bool:
        """Whether importlib uses our locks at this moment."""
        return self._originals is not None

    def borrow(self, owner: object | None = None) -> None:
        """Put the hooks in, unless they are in, for the calling thread or an object."""
        if owner is None:
            owner = threading.current_thread()
        counted = False
        try:
            with self.locks.frozen:
                self._borrowers[owner] = self._borrowers.get(owner, 0) + 1
                counted = True
                if not self.installed and bootstrap.unsupported() is None:
                    self._install()
        except BaseException:  # Ctrl-C
            if counted:
                self.give_back(owner)
            raise

    def give_back(self, owner: object | None = None) -> None:
        """Take the hooks out if nobody else has borrowed them or imports."""
        if owner is None:
            owner = threading.current_thread()
        with self.locks.frozen:
            times = self._borrowers.pop(owner, 1) - 1
            if times:
                self._borrowers[owner] = times
        self._remove_if_idle()

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[None]:
        """Have the hooks in during a block that a worker imports in."""
        me = threading.get_ident()
        outermost = me not in self._workers
        self.borrow()
        self._workers.add(me)
        try:
            yield
        finally:
            if outermost:
                self._workers.discard(me)
            self.give_back()

    def record(self, owner: object) -> None:
        """
        Have imports noted down that are traced, also without the hooks.

        Nothing else changes: no import takes the lock of a package for it.
        """
        with self.locks.frozen:
            self._recorders.add(owner)
            self._record_if_wanted()

    def stop_recording(self, owner: object) -> None:
        """Have nothing noted down for somebody any longer."""
        with self.locks.frozen:
            self._recorders.discard(owner)
            if not self._recorders:
                self._step_aside()

    def _record_if_wanted(self) -> None:
        """Note imports down where the hooks are not in, which do so themselves."""
        if (
            not self._recorders
            or self.installed
            or self._unrecorded is not None
            or bootstrap.unsupported() is not None
        ):
            return
        self._unrecorded = originals = bootstrap.Functions.now()

        def get_recorded_lock(name: str) -> Any:  # noqa: ANN401
            module_lock = originals.get_module_lock(name)
            lane = traces.lane()
            if lane is None or bootstrap.is_look_up(sys._getframe(1)):  # noqa: SLF001
                return module_lock
            return traces.RecordingLock(name, module_lock, lane)

        originals._replace(get_module_lock=get_recorded_lock).put()

    def _step_aside(self) -> None:
        if self._unrecorded is not None:
            self._unrecorded.put()
            self._unrecorded = None

    def installed_only(self) -> contextlib.AbstractContextManager[None]:
        """
        Import nothing from the working directory during a block.

        Anybody may have put it there. What lies there counts as not found, also for
        what is installed and would import it if it could, and on threads that are
        started meanwhile. The hooks have to be in.
        """
        return self._wariness.during()

    def remove(self) -> None:
        """Take the hooks out, whoever uses them."""
        with self.locks.frozen:
            if self._originals is None:
                return
            self._originals.put()
            self._births.remove()
            self._lazy_bodies.remove()
            self._replaced.remove()
            self._originals = None
            self._foreign.clear()
            self._interrupted.clear()
            filters.remove()
            self._on_free()
            self._record_if_wanted()

    def may_wait(self, module: str) -> bool:
        """Whether the calling thread does not import a half-built module itself."""
        package = package_of(module)
        return not (
            self.locks.is_inside(package)
            or self._leaving
            or threading.get_ident() in self._foreign_owners(package)
        )

    def may_wait_for_whole(self, module: str) -> bool:
        """
        Whether the calling thread is to wait for the package of a complete module.

        Not within an import: others may need what it has imported so far, and would be
        let in half-way, since a thread that they wait for waits for them.
        """
        return self.may_wait(module) and self.locks.parent() is None

    def wait_for(self, module: str) -> bool:
        """
        Wait until the package of a half-built module is complete.

        Returns
        -------
        bool
            False, and at once, if the calling thread must not wait for it.
        """
        package = package_of(module)
        if not self.may_wait(module):
            return False
        try:
            # A finder may look at a module, too.
            with bootstrap.without_import_lock():
                alone = self.locks.acquire(package)
                try:
                    return self._wait_for_foreign(package) and alone
                finally:
                    self.locks.release(package)
        finally:
            self._remove_if_idle()

    def acquire(self, package: str, module_lock: Any) -> bool:  # noqa: ANN401
        """
        Acquire a package's lock, then the lock of a module of it.

        Returns
        -------
        bool
            False if the module's lock was left alone: its owner waits for the
            calling thread, which sees the module as a circular import does.
        """
        with bootstrap.without_import_lock():
            self.enter(package)
            try:
                return self._acquire_module(module_lock)
            except BaseException:
                self.release(package)
                raise

    def enter(self, package: str) -> None:
        """Acquire a package's lock, and wait for what began without it."""
        if self._leaving:
            self._park()
            with self._needing_workers(package):
                self._enter(package)
        else:
            self._enter(package)

    def _enter(self, package: str) -> None:
        try:
            self.locks.acquire(package)
            try:
                if self._foreign:
                    self._wait_for_foreign(package)
                if package in self._interrupted:
                    self._refuse_if_worker(package)
                threadstate.adopt()
            except BaseException:
                self.locks.release(package)
                raise
        except BaseException:
            # The last warmup may have ended while this thread waited.
            self._remove_if_idle()
            raise

    def _enter_body(self, package: str) -> None:
        """Enter a package for a body that a finder, too, may have looked at."""
        with bootstrap.without_import_lock():
            self.enter(package)

    def _refuse_if_worker(self, package: str) -> None:
        """Leave it to the user to import once more what may not bear it."""
        if threading.get_ident() in self._workers and not _is_complete(package):
            raise ImportError(
                f"not imported in the background: an import of {package!r} was"
                " interrupted, and some packages cannot be imported twice; import it"
                " in a cell, or restart the kernel",
                name=package,
            )

    def note_interrupt(self, package: str) -> None:
        """Have no worker import what Ctrl-C has left half-imported on this thread."""
        bootstrap.mend_import_lock()
        if package != STANDARD_LIBRARY and threading.get_ident() not in self._workers:
            self._interrupted.add(package)

    def release(self, package: str) -> None:
        """Release a package."""
        self.locks.release(package)
        if not self._borrowers:
            self._remove_if_idle()

    def _needs_no_guard(self, name: str, module_lock: Any) -> bool:  # noqa: ANN401
        """Whether a thread is inside the package already, and nobody in its way."""
        return (
            self.locks.is_inside(package_of(name))
            and (
                module_lock.owner is None or module_lock.owner == threading.get_ident()
            )
            and not self._foreign
            and not self._interrupted
            and not self._leaving
        )

    def _acquire_module(self, module_lock: Any) -> bool:  # noqa: ANN401
        owner = module_lock.owner
        if owner is None or owner == threading.get_ident():
            module_lock.acquire()
            return True
        if self._leaving and owner in self._workers:
            return False
        name = module_lock.name
        if not self.locks.wait_for(owner, lambda: module_lock.owner is None, name):
            return False
        try:
            module_lock.acquire()
        except bootstrap.deadlocks():
            return False
        return True

    def _wait_for_foreign(self, package: str) -> bool:
        """Wait for imports of a package that began before the hooks went in."""
        complete = True
        for reference in self._foreign.get(package, ()):
            module_lock = reference()
            if module_lock is None or module_lock.owner is None:
                continue
            if module_lock.owner == threading.get_ident():
                complete = False
            elif self._acquire_module(module_lock):
                module_lock.release()
            else:
                complete = False
        if complete:
            self._foreign.pop(package, None)
        return complete

    def _has_foreign(self, thread: int) -> bool:
        """Whether a thread is in an import that began before the hooks went in."""
        return any(
            thread in self._foreign_owners(package) for package in list(self._foreign)
        )

    def _foreign_owners(self, package: str) -> set[int]:
        """Return who is in such an import of a package."""
        references = self._foreign.get(package, ())
        return {
            module_lock.owner
            for module_lock in (reference() for reference in references)
            if module_lock is not None and module_lock.owner is not None
        }

    def _install(self) -> None:
        self._step_aside()
        # From here on `remove` takes out what is in, should this be interrupted.
        self._originals = originals = bootstrap.Functions.now()
        get_module_lock, init_module_attrs, create_module = originals

        def get_guarded_lock(name: str) -> Any:  # noqa: ANN401
            try:
                module_lock = get_module_lock(name)
            except KeyboardInterrupt:
                bootstrap.mend_import_lock()
                raise
            lane = traces.lane()
            if lane is not None and bootstrap.is_look_up(sys._getframe(1)):  # noqa: SLF001
                lane = None
            if not self._needs_no_guard(name, module_lock):
                return _GuardedLock(self, name, module_lock, lane)
            if lane is not None:
                return traces.RecordingLock(name, module_lock, lane)
            return module_lock

        def init_and_mark(
            spec: Any,  # noqa: ANN401
            module: ModuleType,
            *,
            override: bool = False,
        ) -> ModuleType:
            if override:  # `importlib.reload` makes no module
                self._refuse_if_wary(spec)
            init_module_attrs(spec, module, override=override)
            if not override and self.locks.is_inside(package_of(spec.name)):
                partial.mark(package_of(spec.name), module, spec)
            return module

        def module_from_spec(spec: Any) -> ModuleType:  # noqa: ANN401
            self._before_loading(spec)
            new: ModuleType = create_module(spec)
            return new

        partial.HIDDEN.update(
            {
                init_and_mark.__code__,
                module_from_spec.__code__,
                self._before_loading.__code__,
                self._refuse_if_wary.__code__,
                self._refuse_if_worker.__code__,
            }
        )
        _register_process_hooks(self)
        partial.wait_with(self.wait_for, self.may_wait, self.may_wait_for_whole)
        filters.install()
        bootstrap.Functions(get_guarded_lock, init_and_mark, module_from_spec).put()
        self._births.install()
        self._lazy_bodies.install()
        # What `os.forkpty` makes runs another program at once: `!ls` waits for nothing.
        self._replaced.put(os, "fork", self._waiting_first)
        self._replaced.put(*bootstrap.FINDERS, _looking_again)
        self._replaced.put(*bootstrap.FIND_SPEC, self._finding_warily)
        self._note_imports_under_way()

    def _before_loading(self, spec: Any) -> None:  # noqa: ANN401
        """Do what comes before a module is made, which was found."""
        self._refuse_if_wary(spec)
        if lane := traces.lane():
            lane.load(spec.name)
        if threading.get_ident() in self._workers and (
            file := bootstrap.extension_file(spec)
        ):
            # What that imports is our own business.
            with traces.paused():
                self.before_extension(file)

    def _note_imports_under_way(self) -> None:
        """Remember what began without the package locks, to wait for it."""
        for name, module_lock in bootstrap.held_locks():
            package = package_of(name)
            # One that nobody holds any more goes as it would without the hooks.
            self._foreign.setdefault(package, []).append(weakref.ref(module_lock))
            module = sys.modules.get(name)
            if module is not None:
                partial.mark(package, module, bootstrap.spec_of(module))

    def _finding_warily(self, find_spec: Callable[..., Any]) -> Callable[..., Any]:
        """Return what finds nothing that would be refused afterwards."""

        def find(*arguments: object) -> Any:  # noqa: ANN401
            spec = find_spec(*arguments)
            return None if spec is not None and self._is_barred(spec) else spec

        return find

    def _is_barred(self, spec: Any) -> bool:  # noqa: ANN401
        here = self._wariness.directory()
        return here is not None and here.has_code_of(spec)

    def _refuse_if_wary(self, spec: Any) -> None:  # noqa: ANN401
        if self._is_barred(spec):
            raise ModuleNotFoundError(
                f"{spec.name!r} is a file of the working directory, which nobody has"
                " asked to run",
                name=spec.name,
            )

    def _inheritance(self) -> Inheritance | None:
        """Return what gives a new thread what holds for imports of the calling one."""
        wary, branch_off = self._wariness.current, traces.branch()
        parent = self.locks.parent()
        if wary is None and branch_off is None and parent is None:
            return None

        @contextlib.contextmanager
        def come_into(name: str | None) -> Iterator[None]:
            # What is of the thread ends with it.
            self._wariness.current = wary
            if branch_off is not None:
                branch_off(name)
            if parent is None:
                yield
            else:
                with self.locks.child_of(parent):
                    yield

        return come_into

    def _on_free(self) -> None:
        filters.hand_over()
        partial.unmark(self._is_busy)

    def _is_busy(self, package: str) -> bool:
        return self.locks.is_held(package) or bool(self._foreign_owners(package))

    def _remove_if_idle(self) -> None:
        with self.locks.frozen:
            if self._borrowers:
                return
            if self.locks:
                self.locks.forget_gone()
            if not self.locks:
                self.remove()

    def _pulse(self, thread: int) -> object | None:
        """Return where a thread is, None if it is not in an import any more."""
        for _ in range(_LOOKS_AT_A_THREAD):
            with contextlib.suppress(MovedError):
                return self._look_at(thread)
        return None

    def _look_at(self, thread: int) -> object | None:
        with stacks() as tops:
            top: FrameType | None = tops.get(thread)
            if thread == threading.get_ident():
                # What asks is no import.
                top = sys._getframe()  # noqa: SLF001
                while top is not None and top.f_code.co_filename in _ASKING:
                    top = top.f_back
            if top is None:
                return None
            frame: FrameType | None = top
            while frame is not None and thread not in self._workers:
                if frame.f_code.co_filename in _IMPORTING:
                    break
                frame = caller_of(frame)
            return None if frame is None else (id(top), top.f_lasti)

    def leave(self) -> None:
        """
        Let the workers stop at their next import, but for who still needs them.

        What they run may be in native code, without the GIL, and would meet the end of
        the process there.
        """
        self._leaving = True
        self._wait_for_parking()

    def _park(self) -> None:
        """Keep a worker from running on in an interpreter that is taken down."""
        me = threading.get_ident()
        if me in self._workers:
            with self._parking:
                self._parked.add(me)
                self._parking.wait_for(lambda: self._needing > 0)
                self._parked.discard(me)

    @contextlib.contextmanager
    def _needing_workers(self, package: str) -> Iterator[None]:
        """Let the workers go on where an exit handler imports what they do."""
        if threading.get_ident() in self._workers or not self._is_busy(package):
            yield
            return
        with self._parking:
            self._needing += 1
            self._parking.notify_all()
        try:
            yield
        finally:
            with self._parking:
                self._needing -= 1
            self._wait_for_parking()

    def _wait_for_parking(self) -> None:
        """Give the workers a while to come to an import, or to their end."""
        until = time.monotonic() + _TO_PARK
        while not self._workers <= self._parked and time.monotonic() < until:
            time.sleep(_MOMENT)

    def _waiting_first(self, fork: Callable[[], object]) -> Callable[[], object]:
        """Return what waits for the imports under way, and then forks."""

        def wait() -> Callable[[], object]:
            try:
                self._wait_to_fork()
            except BaseException:  # Ctrl-C
                self._stop_forking()
                raise
            else:
                return fork

        # No function in Python calls the original: it would be the one that a warning
        # of the fork names.
        forks = map(operator.call, iter(wait, None))
        return forks.__next__

    def _wait_to_fork(self) -> None:
        """
        Wait until no other thread is in an import, and let nobody begin one.

        Some packages cannot be imported again where half of them is there already:
        torch, for one. So a fork waits for those under way, as an import of them
        would. Who imports cannot wait for others so.
        """
        if self._leaving or self.locks.parent() is not None:
            return
        began = time.monotonic()
        # Once more where a signal handler forks in the middle of such a wait.
        self._forking.append(threading.get_ident())
        self.locks.acquire(EVERYTHING)
        for package in list(self._foreign):
            self._wait_for_foreign(package)
        waited = time.monotonic() - began
        if waited >= _WORTH_TELLING:
            logger.info("a fork waited %.1f s for imports on other threads", waited)

    def _stop_forking(self) -> None:
        me = threading.get_ident()
        if me in self._forking:
            self.release(EVERYTHING)
            self._forking.remove(me)

    # Python drops an exception that a signal handler raises in these two. So each is
    # called once more, and does what is left to do.

    def before_fork(self) -> None:
        """Fork where no other thread begins an import, or is in a change of locks."""
        held = self._held_to_fork.setdefault(threading.get_ident(), [])
        frozen = self.locks.frozen
        try_to_freeze = functools.partial(frozen.acquire, blocking=False)
        while len(held) < _LOCKS_TO_FORK:
            _release_all(held)
            # Who is in a finder has the import lock, and may want the other one.
            _acquire(held, bootstrap.acquire_import_lock, bootstrap.release_import_lock)
            _acquire(held, try_to_freeze, frozen.release)
            if len(held) < _LOCKS_TO_FORK:
                _release_all(held)
                time.sleep(_MOMENT)

    def after_fork_in_parent(self) -> None:
        """Let the other threads go on."""
        me = threading.get_ident()
        if me in self._held_to_fork:
            _release_all(self._held_to_fork[me])
            self._stop_forking()
            del self._held_to_fork[me]

    def after_fork(self) -> None:
        """Forget the threads that are not in this process, and their imports."""
        me = threading.get_ident()
        self.locks.forget_others()
        forget_orphans(bootstrap.forget_threads(me))
        self._foreign.clear()
        self._workers &= {me}
        self._borrowers.clear()
        if self._workers or self._wariness.directory() is not None:
            self._borrowers[threading.current_thread()] = 1
        self._held_to_fork.clear()
        self._parking, self._needing = Condition(), 0
        self._forking = [thread for thread in self._forking if thread == me]
        self._stop_forking()
        self._remove_if_idle()


def _acquire(
    held: list[Callable[[], object]],
    acquire: Callable[[], object],
    release: Callable[[], object],
) -> None:
    """Acquire a lock, unless that returns False, and note what releases it."""
    # In C from end to end, so that no signal handler runs before it is noted.
    acquired = map(operator.is_not, map(operator.call, [acquire]), [False])
    held.extend(itertools.compress([release], acquired))


def _release_all(held: list[Callable[[], object]]) -> None:
    """Release locks, the last one first, and forget them."""
    # In C as well: what is called has been taken out of the list.
    while held:
        collections.deque(map(operator.call, map(held.pop, [-1])), 0)


class _GuardedLock:
    """The lock of a module, behind that of its package."""

    __slots__ = (
        *("_hooks", "_lane", "_module_lock", "_name", "_package", "_taken"),
        "__weakref__",  # as that of the module has
    )

    def __init__(
        self,
        hooks: ImportHooks,
        name: str,
        module_lock: Any,  # noqa: ANN401
        lane: traces.Lane | None,
    ) -> None:
        self._hooks = hooks
        # Where to note the import down; a look-up is none.
        self._lane = lane
        self._name = name
        self._package = package_of(name)
        self._module_lock = module_lock
        self._taken = False

    def acquire(self) -> bool:
        hooks, package = self._hooks, self._package
        if self._lane is not None:
            self._lane.enter(self._name)
            try:
                self._taken = hooks.acquire(package, self._module_lock)
            except BaseException:
                self._lane.leave(failed=True)
                raise
            return True
        if hooks.locks.is_inside(package) or not bootstrap.is_look_up(
            sys._getframe(1)  # noqa: SLF001
        ):
            self._taken = hooks.acquire(package, self._module_lock)
            return True
        looked_up = partial.half_built(package, self._name)
        self._taken = hooks.acquire(package, self._module_lock)
        if looked_up and self._taken:
            # The statement binds what it found before it waited, come what may.
            try:
                if self._name not in sys.modules:
                    bootstrap.import_anew(self._name)
            except BaseException:
                self.release()
                raise
            partial.stand_in(looked_up, self._name)
        return True

    def release(self) -> None:
        try:
            if self._taken:
                self._module_lock.release()
            raised = sys.exception()
            if self._lane is not None:
                self._lane.leave(failed=raised is not None)
            if raised is not None:
                partial.hide_frames(raised)
            if isinstance(raised, KeyboardInterrupt):
                self._hooks.note_interrupt(self._package)
        finally:
            self._hooks.release(self._package)


def _looking_again(find_spec: Callable[..., Any]) -> Callable[..., Any]:
    """
    Return what does not miss a module while another thread changes `sys.meta_path`.

    importlib goes through that list as it is. Whoever takes a finder out, as setuptools
    does whenever somebody imports distutils, makes it pass over the next one.
    """

    def find(*arguments: object) -> Any:  # noqa: ANN401
        before = list(sys.meta_path or ())
        spec = find_spec(*arguments)
        if spec is None and list(sys.meta_path or ()) != before:
            spec = find_spec(*arguments)
        return spec

    partial.HIDDEN.add(find.__code__)
    return find


# What it imports anew reads in a traceback as what importlib itself imports.
_GuardedLock.acquire.__code__ = _GuardedLock.acquire.__code__.replace(
    co_filename=bootstrap.FILE
)


@functools.cache
def _register_process_hooks(hooks: ImportHooks) -> None:
    """Hear of exits and forks, which nobody can stop to listen to later."""
    atexit.register(hooks.leave)
    if hasattr(os, "register_at_fork"):
        for _ in range(2):
            os.register_at_fork(
                before=hooks.before_fork, after_in_parent=hooks.after_fork_in_parent
            )
        os.register_at_fork(after_in_child=hooks.after_fork)


hooks = ImportHooks()
