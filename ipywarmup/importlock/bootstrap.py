"""
All that the package knows of importlib's private life.

Whatever importlib does to a module that is not complete (`import`,
`importlib.import_module`, `reload`), it does under a lock that it gets from its
`_get_module_lock`, by that name, at each use; a module that is complete is looked up
without any. A module is given its attributes by `_init_module_attrs`, right before its
body runs, and made by `module_from_spec`. Checked on CPython 3.11.7, 3.12.1 and
3.13.0; `unsupported` tells where it is not so.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util  # so that it has the originals, whenever it is imported
import sys
import threading
from importlib.machinery import ExtensionFileLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

_bootstrap: Any = getattr(importlib, "_bootstrap", None)

_MACHINERY = "<frozen importlib"
FILE = f"{_MACHINERY}._bootstrap>"
"""Where the code is that is on the stack of every thread that imports."""

import_anew: Any = getattr(_bootstrap, "_gcd_import", None)
"""Imports a module as an import statement does, and is no frame of ours."""

# What the package uses, and what of that.
_USED = {
    "_get_module_lock": (),
    "_init_module_attrs": (),
    "module_from_spec": (),
    "_find_and_load": ("__code__",),
    "_find_spec": ("__code__",),
    "_gcd_import": (),
    "_lock_unlock_module": ("__code__",),
    "_ImportLockContext": ("__enter__", "__exit__"),
    "_module_locks": ("items", "pop"),
    "_blocking_on": ("clear",),
    "_DeadlockError": (),
    "_ModuleLock": ("acquire", "release"),
    "_ModuleLockManager": ("__enter__", "__exit__"),
    "_imp": ("lock_held", "acquire_lock", "release_lock"),
}


@functools.cache
def unsupported() -> str | None:
    """
    Return what this Python lacks for safe imports on several threads.

    Returns
    -------
    str or None
        None if it lacks nothing.
    """
    if sys.platform in {"emscripten", "wasi"} and not _starts_threads():
        return "this Python has no threads"
    for name, attributes in _USED.items():
        found = getattr(_bootstrap, name, None)
        if found is None or not all(hasattr(found, method) for method in attributes):
            return f"importlib of this Python has no {name}"
    users = (_bootstrap._ModuleLockManager.__enter__, _bootstrap._lock_unlock_module)
    if not all("_get_module_lock" in user.__code__.co_names for user in users):
        return "importlib of this Python locks modules in a way of its own"
    if _bootstrap._find_and_load.__code__.co_filename != FILE:
        return "importlib of this Python has its code elsewhere"
    return None


def _starts_threads() -> bool:
    try:
        threading.Thread(target=int, name="ipywarmup-trial", daemon=True).start()
    except RuntimeError:
        return False
    return True


class Functions(NamedTuple):
    """
    Those of importlib that others can stand in for.

    Parameters
    ----------
    get_module_lock : callable
        ``get_module_lock(name)``: an object with `acquire` and `release`.
    init_module_attrs : callable
        ``init_module_attrs(spec, module, *, override=False)``: the module.
    module_from_spec : callable
        ``module_from_spec(spec)``: a new module with its attributes.
    """

    get_module_lock: Callable[[str], Any]
    init_module_attrs: Callable[..., ModuleType]
    module_from_spec: Callable[[Any], ModuleType]

    @classmethod
    def now(cls) -> Functions:
        """Return those that importlib uses at this moment."""
        return cls(
            _bootstrap._get_module_lock,
            _bootstrap._init_module_attrs,
            _bootstrap.module_from_spec,
        )

    def put(self) -> None:
        """Have importlib use these."""
        _bootstrap._get_module_lock = self.get_module_lock
        _bootstrap._init_module_attrs = self.init_module_attrs
        _bootstrap.module_from_spec = self.module_from_spec


_find_spec_code: CodeType | None = getattr(
    getattr(_bootstrap, "_find_spec", None), "__code__", None
)
FINDERS = _bootstrap, "_find_spec"
"""What an import asks the finders with, by this name at each use."""
FIND_SPEC = importlib.util, "_find_spec"
"""What `importlib.util.find_spec` asks the finders with, by this name at each use."""


def deadlocks() -> type[Exception]:
    """Return what the lock of a module raises whose owner waits for the caller."""
    error: type[Exception] = _bootstrap._DeadlockError
    return error


def is_look_up(frame: FrameType) -> bool:
    """Whether a frame is that of an import statement which has found a module."""
    return frame.f_code is _bootstrap._lock_unlock_module.__code__


def held_locks() -> list[tuple[str, Any]]:
    """Return the locks of modules that some thread has acquired, by name."""
    held = []
    for name, reference in list(_bootstrap._module_locks.items()):
        module_lock = reference()
        if module_lock is not None and module_lock.owner is not None:
            held.append((name, module_lock))
    return held


def extension_file(spec: Any) -> str | None:  # noqa: ANN401
    """Return the file of an extension module, None if the module is of another kind."""
    if not isinstance(spec.loader, ExtensionFileLoader):
        return None
    file: str = spec.loader.path
    return file


def spec_of(module: object) -> Any:  # noqa: ANN401 - whatever somebody has put there
    """Return the spec of a module, None if it has none."""
    if issubclass(type(module), ModuleType):
        # To ask a lazy one for anything would run its body.
        attributes = ModuleType.__getattribute__(module, "__dict__")
        return attributes.get("__spec__")
    return getattr(module, "__spec__", None)


def is_initializing(module: object) -> bool:
    """Whether the body of a module has not ended yet."""
    spec = spec_of(module)
    # Whatever a spec that somebody watches answers the calling thread.
    noted = getattr(spec, "__dict__", {}).get("_initializing")
    return bool(getattr(spec, "_initializing", False) if noted is None else noted)


_imp: Any = getattr(_bootstrap, "_imp", None)
acquire_import_lock: Any = getattr(_imp, "acquire_lock", None)
"""Keeps other threads from beginning an import, until the release."""
release_import_lock: Any = getattr(_imp, "release_lock", None)


def mend_import_lock() -> None:
    """
    Let the import lock go that Ctrl-C has made importlib keep.

    It may come between the acquisition and the block that would release it. The
    calling thread has the lock where a finder imports, and nowhere else.
    """
    finders = 0
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        finders += frame.f_code is _find_spec_code
        frame = frame.f_back
    with contextlib.suppress(RuntimeError):  # it is nobody's, or another thread's
        while True:
            _bootstrap._imp.release_lock()
    for _ in range(finders):
        _bootstrap._imp.acquire_lock()


@contextlib.contextmanager
def without_import_lock() -> Iterator[None]:
    """
    Let the import lock go during a block, if the calling thread has it.

    It has it where a finder imports, and who else imports then needs it.
    """
    depth = 0
    if _bootstrap._imp.lock_held():
        with contextlib.suppress(RuntimeError):  # it is another thread's
            while True:
                _bootstrap._imp.release_lock()
                depth += 1
    try:
        yield
    finally:
        for _ in range(depth):
            _bootstrap._imp.acquire_lock()


def forget_threads(me: int) -> list[str]:
    """
    Free what other threads held, which are not there after a fork.

    Parameters
    ----------
    me : int
        The thread that is there.

    Returns
    -------
    list of str
        The modules that they had half imported, no longer in `sys.modules`.
    """
    # The import lock: made anew by the interpreter, but not free.
    if _bootstrap._imp.lock_held():
        _bootstrap._imp.release_lock()
    half_built = []
    for name, module_lock in held_locks():
        if module_lock.owner == me:
            continue
        # Whoever imports it next gets a new lock.
        _bootstrap._module_locks.pop(name, None)
        if is_initializing(sys.modules.get(name)):
            del sys.modules[name]
            half_built.append(name)
    # The calling thread runs, so it is none of those that are blocked.
    _bootstrap._blocking_on.clear()
    return half_built


def is_machinery(code: CodeType) -> bool:
    """Whether code is importlib's own."""
    return code.co_filename.startswith(_MACHINERY)
