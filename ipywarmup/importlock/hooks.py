"""
Package locks in front of importlib, while a warmup runs.

Everything that importlib does to a module (`import`, `importlib.import_module`,
`reload`) happens under a lock that it gets from its `_get_module_lock`, by that name,
at each use; a module that is complete is looked up without any. While a
warmup runs, that function gives out locks that take the package's lock first. No
frame is added to any traceback so, as a function around `_find_and_load` would.

This file holds all that the package knows of importlib's private life; it was checked
on CPython 3.11.7, 3.12.1 and 3.13.0. Without it, `unsupported` says why, and imports
run on the thread that asks for them.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import logging
import os
import sys
import threading
import time
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from typing import TYPE_CHECKING, Any

from ipywarmup.importlock import filters, partial
from ipywarmup.importlock.locks import PackageLocks
from ipywarmup.importlock.stacks import is_loading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, ModuleType

logger = logging.getLogger("ipywarmup")

_bootstrap: Any = importlib._bootstrap
_IMPORTING = (_bootstrap._find_and_load.__code__.co_filename, __file__)
"""Where the code is that is on the stack of every thread that imports."""

_LOOK_UP = _bootstrap._lock_unlock_module.__code__
"""What an import statement calls that has found a half-built module."""

_MOMENT = 0.001
"""Seconds between two looks of a fork at where the imports are."""

_SOURCE_LOADERS = (SourceFileLoader, SourcelessFileLoader)
"""Those that let importlib create the module."""

STANDARD_LIBRARY = "the standard library"
"""Counts as one package."""


@functools.cache
def unsupported() -> str | None:
    """
    Return what this Python lacks for safe imports on several threads.

    Returns
    -------
    str or None
        None if it lacks nothing.
    """
    for name, attributes in (
        ("_get_module_lock", ()),
        ("_init_module_attrs", ()),
        ("module_from_spec", ()),
        ("_ImportLockContext", ("__enter__", "__exit__")),
        ("_module_locks", ()),
        ("_blocking_on", ("clear",)),
        ("_DeadlockError", ()),
        ("_ModuleLock", ("acquire", "release")),
        ("_ModuleLockManager", ("__enter__", "__exit__")),
    ):
        found = getattr(_bootstrap, name, None)
        if found is None or not all(hasattr(found, method) for method in attributes):
            return f"importlib of this Python has no {name}"
    users = (_bootstrap._ModuleLockManager.__enter__, _bootstrap._lock_unlock_module)
    if not all("_get_module_lock" in user.__code__.co_names for user in users):
        return "importlib of this Python locks modules in a way of its own"
    return None


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
    spec = getattr(module, "__spec__", None)
    return module is not None and not getattr(spec, "_initializing", False)


# Guarantees
# - From the first `borrow` to the last `give_back`, and until the last import that
#   began in between has ended, every import of a module that is not complete runs
#   under its package's lock, on every thread.
# - Imports under way when the hooks go in are waited for, too.
# - An import statement that waited for a module gets what became of it: the failure,
#   or what has replaced it in `sys.modules`.
# - Without a borrower and without an import under way, importlib is as it was found.
# - In a forked child nothing is held by threads that are not there, and what they had
#   half imported is imported anew; until all of that has been, the hooks stay in. A
#   fork waits until no other thread is in the middle of an extension module.
# - Once the interpreter exits, a worker stops at its next import, and nobody waits.
# This code assumes
# - that a module lock is acquired and released on one thread, as `with` does.


class ImportHooks:
    """
    Stand between importlib and its module locks.

    Parameters
    ----------
    locks : PackageLocks, optional
        Those of the tests; otherwise locks that look after real threads.
    """

    def __init__(self, locks: PackageLocks | None = None) -> None:
        self.locks = locks or PackageLocks(
            apart=(STANDARD_LIBRARY,),
            is_complete=_is_complete,
            pulse=self._pulse,
            on_free=self._on_free,
            report=logger.info,
        )
        self._mutex = threading.RLock()
        self._borrowers = 0
        self._originals: tuple[Any, Any, Any, Any] | None = None
        # By package: the module locks that were held when the hooks went in.
        self._foreign: dict[str, list[Any]] = {}
        self._workers: set[int] = set()
        # In a forked child, by name: the modules that its parent was importing. What
        # is complete by then, and holds them, stays, since some modules cannot be
        # loaded twice; so it is these same modules that are to be completed.
        self._unfinished: dict[str, ModuleType] = {}
        self._thaw: Callable[[], None] = lambda: None
        self._leaving = False

    @property
    def installed(self) -> bool:
        """Whether importlib uses our locks at this moment."""
        return self._originals is not None

    def borrow(self) -> None:
        """Put the hooks in, unless they are in."""
        with self._mutex:
            self._borrowers += 1
            if not self.installed and unsupported() is None:
                self._install()

    def give_back(self) -> None:
        """Take the hooks out if nobody else has borrowed them or imports."""
        with self._mutex:
            self._borrowers -= 1
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

    def remove(self) -> None:
        """Take the hooks out, whoever uses them."""
        with self._mutex:
            if self._originals is None:
                return
            get_module_lock, init_module_attrs, create_module, start = self._originals
            _bootstrap._get_module_lock = get_module_lock
            _bootstrap._init_module_attrs = init_module_attrs
            _bootstrap.module_from_spec = create_module
            threading.Thread.start = start  # type: ignore[method-assign]
            self._originals = None
            self._foreign.clear()
            self._unfinished.clear()
            filters.remove()
        with self.locks.frozen():
            self._on_free()

    def may_wait(self, module: str) -> bool:
        """Whether the calling thread does not import a half-built module itself."""
        package = package_of(module)
        return not (
            self._leaving
            or self.locks.is_inside(package)
            or any(
                module_lock.owner == threading.get_ident()
                for module_lock in self._foreign.get(package, ())
            )
        )

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
            alone = self.locks.acquire(package)
            try:
                return self._wait_for_foreign(package) and alone
            finally:
                self.locks.release(package)
        finally:
            self._remove_if_idle()

    def acquire(self, name: str, module_lock: Any) -> bool:  # noqa: ANN401
        """
        Acquire a package's lock, then the lock of a module of it.

        Returns
        -------
        bool
            False if the module's lock was left alone: its owner waits for the
            calling thread, which sees the module as a circular import does.
        """
        if self._leaving:
            self._park()
        package = package_of(name)
        try:
            self.locks.acquire(package)
            try:
                if self._foreign:
                    self._wait_for_foreign(package)
                return self._acquire_module(module_lock)
            except BaseException:
                self.locks.release(package)
                raise
        except BaseException:
            # The last warmup may have ended while this thread waited.
            self._remove_if_idle()
            raise

    def release(self, name: str) -> None:
        """Release the package of a module."""
        self.locks.release(package_of(name))
        if not self._borrowers:
            self._remove_if_idle()

    def _acquire_module(self, module_lock: Any) -> bool:  # noqa: ANN401
        owner = module_lock.owner
        if owner in {None, threading.get_ident()}:
            module_lock.acquire()
            return True
        if self._leaving and owner in self._workers:
            return False
        with self.locks.waiting_for(owner) as may_wait:
            if not may_wait:
                return False
            try:
                module_lock.acquire()
            except _bootstrap._DeadlockError:
                return False
            return True

    def _wait_for_foreign(self, package: str) -> bool:
        """Wait for imports of a package that began before the hooks went in."""
        complete = True
        for module_lock in self._foreign.get(package, ()):
            if module_lock.owner is None:
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

    def _install(self) -> None:
        originals = (
            _bootstrap._get_module_lock,
            _bootstrap._init_module_attrs,
            _bootstrap.module_from_spec,
            threading.Thread.start,
        )
        get_module_lock, init_module_attrs, create_module, start = originals

        def get_guarded_lock(name: str) -> _GuardedLock:
            return _GuardedLock(self, name, get_module_lock(name))

        def init_and_mark(
            spec: Any,  # noqa: ANN401
            module: ModuleType,
            *,
            override: bool = False,
        ) -> ModuleType:
            init_module_attrs(spec, module, override=override)
            if not override and self.locks.is_inside(package_of(spec.name)):
                partial.mark(package_of(spec.name), module)
            return module

        def module_from_spec(spec: Any) -> ModuleType:  # noqa: ANN401
            unfinished = self._unfinished.pop(spec.name, None)
            if unfinished is None or type(spec.loader) not in _SOURCE_LOADERS:
                new: ModuleType = create_module(spec)
                return new
            _empty(unfinished, spec.name)
            return init_and_mark(spec, unfinished)

        @functools.wraps(start)
        def start_and_tell(thread: threading.Thread) -> None:
            start(thread)
            if thread.ident is not None:
                self.locks.started(thread.ident)

        _register_process_hooks(self)
        partial.wait_with(self.wait_for, self.may_wait)
        filters.install()
        _bootstrap._get_module_lock = get_guarded_lock
        _bootstrap._init_module_attrs = init_and_mark
        _bootstrap.module_from_spec = module_from_spec
        threading.Thread.start = start_and_tell  # type: ignore[assignment,method-assign]
        self._originals = originals
        self._note_imports_under_way()

    def _note_imports_under_way(self) -> None:
        """Remember what began without the package locks, to wait for it."""
        for name, reference in list(_bootstrap._module_locks.items()):
            module_lock = reference()
            if module_lock is not None and module_lock.owner is not None:
                package = package_of(name)
                self._foreign.setdefault(package, []).append(module_lock)
                module = sys.modules.get(name)
                if module is not None:
                    partial.mark(package, module)

    def _on_free(self) -> None:
        partial.unmark(self._is_busy)

    def _is_busy(self, package: str) -> bool:
        return self.locks.is_held(package) or any(
            module_lock.owner is not None
            for module_lock in self._foreign.get(package, ())
        )

    def _remove_if_idle(self) -> None:
        with self._mutex, self.locks.frozen():
            if not self._borrowers and not self.locks and not self._unfinished:
                self.remove()

    def _pulse(self, thread: int) -> object | None:
        """Return where a thread is, None if it is not in an import any more."""
        top: FrameType | None = sys._current_frames().get(thread)
        if top is None:
            return None
        frame: FrameType | None = top
        while frame is not None and thread not in self._workers:
            file = frame.f_code.co_filename
            if file in _IMPORTING:
                break
            frame = frame.f_back
        return None if frame is None else (id(top), top.f_lasti)

    def _park(self) -> None:
        """Keep a worker from running on in an interpreter that is taken down."""
        if threading.get_ident() in self._workers:
            threading.Event().wait()

    def _leave(self) -> None:
        """Let nobody wait for an import that will never end."""
        self._leaving = True
        self.locks.open()

    def _before_fork(self) -> None:
        """Fork where no import is at a point that a child could not go back to."""
        me = threading.get_ident()
        seen: object = None
        since = time.monotonic()
        while True:
            stack = contextlib.ExitStack()
            stack.enter_context(self.locks.frozen())
            # Whoever has it keeps other threads from beginning an import.
            stack.enter_context(_bootstrap._ImportLockContext())
            loading = {
                thread: (id(frame), frame.f_lasti)
                for thread, frame in sys._current_frames().items()
                if thread != me
                and is_loading(frame)
                and not self.locks.is_waiting(thread)
            }
            now = time.monotonic()
            if loading != seen:
                seen, since = loading, now
            patient = self.installed and not self._leaving
            if not loading or not patient or now - since >= self.locks.patience:
                self._thaw = stack.close
                return
            stack.close()
            time.sleep(_MOMENT)

    def _after_fork_in_parent(self) -> None:
        """Let the other threads go on."""
        thaw, self._thaw = self._thaw, lambda: None
        thaw()

    def _after_fork(self) -> None:
        """Forget the threads that are not in this process, and their imports."""
        me = threading.get_ident()
        self._mutex = threading.RLock()
        self._thaw = lambda: None
        # The lock of `_before_fork`, which the interpreter has made anew, but not free.
        if _bootstrap._imp.lock_held():
            _bootstrap._imp.release_lock()
        self.locks.forget_others()
        unfinished: dict[str, ModuleType] = {}
        for name, reference in list(_bootstrap._module_locks.items()):
            module_lock = reference()
            if module_lock is None or module_lock.owner in {None, me}:
                continue
            # Whoever imports it next gets a new lock.
            _bootstrap._module_locks.pop(name, None)
            module = sys.modules.get(name)
            if getattr(getattr(module, "__spec__", None), "_initializing", False):
                unfinished[name] = sys.modules.pop(name)
        # The calling thread runs, so it is none of those that are blocked.
        _bootstrap._blocking_on.clear()
        self._foreign.clear()
        self._workers &= {me}
        self._borrowers = len(self._workers)
        if self.installed:
            self._unfinished = unfinished
        self._remove_if_idle()


def _empty(module: ModuleType, name: str) -> None:
    """Take out of a module all that its body is about to define, submodules aside."""
    attributes = vars(module)
    for attribute, value in list(attributes.items()):
        if sys.modules.get(f"{name}.{attribute}") is not value:
            del attributes[attribute]


class _GuardedLock:
    """The lock of a module, behind that of its package."""

    __slots__ = ("_hooks", "_module_lock", "_name", "_taken")

    def __init__(self, hooks: ImportHooks, name: str, module_lock: Any) -> None:  # noqa: ANN401
        self._hooks = hooks
        self._name = name
        self._module_lock = module_lock
        self._taken = False

    def acquire(self) -> bool:
        name = self._name
        caller = sys._getframe(1).f_code
        looked_up: list[ModuleType] = []
        if caller is _LOOK_UP and not self._hooks.locks.is_inside(package_of(name)):
            looked_up = partial.half_built(package_of(name), name)
        self._taken = self._hooks.acquire(name, self._module_lock)
        if looked_up and self._taken:
            # The statement binds what it found before it waited, come what may.
            try:
                if name not in sys.modules:
                    _bootstrap._find_and_load(name, _bootstrap._gcd_import)
            except BaseException:
                self.release()
                raise
            partial.stand_in(looked_up, name)
        return True

    def release(self) -> None:
        if self._taken:
            self._module_lock.release()
        partial.hide_frames(sys.exception())
        self._hooks.release(self._name)


# What it imports anew reads in a traceback as what importlib itself imports.
_GuardedLock.acquire.__code__ = _GuardedLock.acquire.__code__.replace(
    co_filename=_IMPORTING[0]
)


@functools.cache
def _register_process_hooks(hooks: ImportHooks) -> None:
    """Hear of exits and forks, which nobody can stop to listen to later."""
    atexit.register(hooks._leave)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=hooks._before_fork,
            after_in_parent=hooks._after_fork_in_parent,
            after_in_child=hooks._after_fork,
        )


hooks = ImportHooks()
