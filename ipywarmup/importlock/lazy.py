"""
Modules whose body runs when an attribute is first looked up.

`importlib.util.LazyLoader` makes them. Their body runs under none of importlib's
locks, so that two threads can meet in it: up to CPython 3.12.2 the second one finds a
plain module without attributes, later it waits for a lock that nobody else knows of.
While a warmup runs, the look-up takes the lock of the package first. Checked on CPython
3.11.7, 3.12.1 and 3.13.0; where `importlib.util` has no `_LazyModule`, nothing changes.
"""

from __future__ import annotations

import importlib.util
import types
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from ipywarmup.importlock import partial
from ipywarmup.importlock.replacements import Replacements

if TYPE_CHECKING:
    from collections.abc import Callable

_LAZY: Any = getattr(importlib.util, "_LazyModule", None)


class LazyBodies:
    """
    Have the bodies of lazy modules run under the lock of their package.

    Parameters
    ----------
    package_of : callable
        Returns the package of a module; both are names.
    enter, leave : callable
        Called with the name of a package, before and after a body of it runs; `enter`
        returns once nobody else is inside.
    """

    def __init__(
        self,
        package_of: Callable[[str], str],
        enter: Callable[[str], object],
        leave: Callable[[str], object],
    ) -> None:
        self._package_of = package_of
        self._enter = enter
        self._leave = leave
        self._replaced = Replacements()

    def install(self) -> None:
        """Do so from now on."""
        if _LAZY is not None and isinstance(_LAZY.__getattribute__, FunctionType):
            self._replaced.put(_LAZY, "__getattribute__", self._guarding)

    def remove(self) -> None:
        """Do so no longer."""
        self._replaced.remove()

    def _guarding(self, look_up: FunctionType) -> Callable[[ModuleType, str], Any]:
        # Up to 3.12.2 this makes the module a plain one, and runs its body then.
        plain = types.SimpleNamespace(ModuleType=partial.HalfBuilt)
        run_and_look_up = FunctionType(
            look_up.__code__, {**look_up.__globals__, "types": plain}
        )

        def __getattribute__(module: ModuleType, attribute: str) -> Any:  # noqa: ANN401, N807
            spec: Any = object.__getattribute__(module, "__spec__")
            package = self._package_of(spec.name)
            self._enter(package)
            try:
                # Else somebody has run it meanwhile.
                if type(module) is _LAZY:
                    partial.expect(package, module)
                    return _alone(run_and_look_up, spec, module, attribute)
            except BaseException as error:
                # Without the frames of this file, which nobody expects there.
                partial.hide_frames(error)
                traceback = error.__traceback__
                error.__traceback__ = traceback and traceback.tb_next
                raise
            finally:
                self._leave(package)
            return getattr(module, attribute)

        return __getattribute__


def _alone(
    run_and_look_up: Callable[..., Any],
    spec: Any,  # noqa: ANN401
    module: ModuleType,
    attribute: str,
) -> Any:  # noqa: ANN401
    """Run a body and look an attribute up, or just look if another thread runs it."""
    lock = spec.loader_state.get("lock")
    if lock is None:
        return run_and_look_up(module, attribute)
    if not lock.acquire(blocking=False):
        # That one waits for this one, which sees what a circular import sees.
        return ModuleType.__getattribute__(module, attribute)
    try:
        return run_and_look_up(module, attribute)
    finally:
        lock.release()


partial.HIDDEN.add(_alone.__code__)
