"""
Half-built modules that make other threads wait.

`sys.modules` has a module long before it has what its body defines. While the body
runs, such a module is of a class of its own, whose `__getattr__` is asked for what
is missing: it sends the threads that do not import the module to wait for those who
do. Once its package is complete, every module is a plain one again.
"""

from __future__ import annotations

import contextlib
import copyreg
import importlib
import sys
import threading
import types
from importlib.machinery import ModuleSpec
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    WaitFor: TypeAlias = Callable[[str], bool]
    MayWait: TypeAlias = Callable[[str], bool]

# Set before the body runs, or by whoever looks through all modules. Where they are
# missing, no body is about to bring them.
_NEVER_LATER = frozenset(
    {
        "__builtins__",
        "__cached__",
        "__doc__",
        "__file__",
        "__loader__",
        "__name__",
        "__package__",
        "__path__",
        "__spec__",
        "__warningregistry__",
        "__wrapped__",
    }
)

_wait_for: WaitFor = lambda _name: False  # noqa: E731 - set by `wait_with`
_may_wait: MayWait = lambda _name: False  # noqa: E731 - same
_may_wait_for_whole: MayWait = lambda _name: False  # noqa: E731 - same


def wait_with(
    wait_for: WaitFor, may_wait: MayWait, may_wait_for_whole: MayWait
) -> None:
    """
    Say how to wait for a module.

    Parameters
    ----------
    wait_for : callable
        ``wait_for(name)`` returns once the package of the module `name` is complete;
        False, and at once, if the calling thread must not wait for it.
    may_wait : callable
        ``may_wait(name)``: False if it is clear already that the thread must not.
    may_wait_for_whole : callable
        ``may_wait_for_whole(name)``: the same for a module that is complete itself.
    """
    global _wait_for, _may_wait, _may_wait_for_whole
    _wait_for, _may_wait, _may_wait_for_whole = wait_for, may_wait, may_wait_for_whole


def _look_up(half_built: ModuleType, name: str) -> Any:  # noqa: ANN401 - of any module
    # What the module has never gets here.
    __tracebackhide__ = True
    if "__getattr__" in vars(half_built):
        with contextlib.suppress(AttributeError):
            return ModuleType.__getattribute__(half_built, name)
    if name not in _NEVER_LATER and _wait_for(_name_of(half_built)):
        # Whatever it has become meanwhile answers for itself.
        module = sys.modules.get(_name_of(half_built))
        if module is None:
            module = half_built
        if type(module) is not HalfBuilt:
            return getattr(module, name)
    # Raises what a plain module raises, in its words.
    return ModuleType.__getattribute__(half_built, name)


_as_a_plain_one = ModuleType.__getattribute__


class _Lacking(ModuleType):
    """Lacks what a module lacks, and says so in its words."""

    __slots__ = ("__lacking",)

    def __init__(self, name: str, module: ModuleType) -> None:
        super().__init__(name)
        self.__spec__ = vars(module).get("__spec__")
        self.__lacking = module

    def __dir__(self) -> list[str]:
        # Whoever looks for a name that was meant looks here.
        return list(ModuleType.__dir__(self.__lacking))


class _LookUp:
    """What a half-built module is asked with for what it does not have."""

    def __get__(self, half_built: ModuleType | None, _: object = None) -> MethodType:
        if half_built is None:
            # Of the class; that of a plain module has none.
            raise AttributeError("__getattr__")
        # On the importing thread nothing of ours is on the stack when it raises.
        name = _name_of(half_built)
        if _may_wait(name):
            return MethodType(_look_up, half_built)
        if "__getattr__" in vars(half_built):
            return MethodType(_as_a_plain_one, half_built)
        # A module may fetch this, to be asked by a `__getattr__` that it defines next.
        return MethodType(_as_a_plain_one, _Lacking(name, half_built))


class _LikeModuleType(type):
    """Makes plain subclasses: a class outlives the import that it is made in."""

    def __new__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        **named: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 - mostly not of this class
        plain = tuple(
            ModuleType if isinstance(base, _LikeModuleType) else base for base in bases
        )
        if plain == bases:
            return super().__new__(cls, name, bases, namespace)
        return types.new_class(name, plain, named, lambda body: body.update(namespace))


class HalfBuilt(ModuleType, metaclass=_LikeModuleType):
    """A module whose body still runs."""

    # For speed: that of a plain module would be called as a function each time. What
    # it does in addition when something is missing, `__getattr__` has it do.
    __getattribute__ = object.__getattribute__
    # No function: what it gives is bound to the module already.
    __getattr__ = _LookUp()  # type: ignore[misc]

    def __dir__(self) -> list[str]:
        """Return the names in it once its body has run."""
        _wait_for(_name_of(self))
        return list(ModuleType.__dir__(self))


HalfBuilt.__name__ = HalfBuilt.__qualname__ = ModuleType.__name__
HalfBuilt.__module__ = ModuleType.__module__
_LikeModuleType.__name__ = _LikeModuleType.__qualname__ = type.__name__


class _WatchedSpec(ModuleSpec):
    """
    The spec of a module whose package is not complete.

    An import statement asks it whether the body of the module still runs, and waits if
    so. It is to wait for a part that has ended as well, if the whole has not: what is
    in there may use the rest. Within an import nothing changes.
    """

    @property
    def _initializing(self) -> bool:
        noted = self.__dict__["_initializing"]
        return bool(noted) or _may_wait_for_whole(self.name)

    @_initializing.setter
    def _initializing(self, initializing: object) -> None:
        self.__dict__["_initializing"] = initializing


_WatchedSpec.__name__ = _WatchedSpec.__qualname__ = ModuleSpec.__name__
_WatchedSpec.__module__ = ModuleSpec.__module__

# By package.
_marked: dict[str, list[Any]] = {}
_watched: dict[str, list[Any]] = {}


def mark(package: str, module: ModuleType, spec: object = None) -> None:
    """Make others wait for its package who import a module, or ask it for anything."""
    if type(spec) is ModuleSpec:
        spec.__class__ = _WatchedSpec
        _watched.setdefault(package, []).append(spec)
    if type(module) is ModuleType:  # not of a class of its own
        module.__class__ = HalfBuilt
        _marked.setdefault(package, []).append(module)


def expect(package: str, module: ModuleType) -> None:
    """Have a module made plain with its package that is yet to become half-built."""
    _marked.setdefault(package, []).append(module)


def unmark(is_held: Callable[[str], bool]) -> None:
    """Make the modules of the packages that nobody holds plain again."""
    # Other threads mark modules of other packages meanwhile.
    packages = {**_watched, **_marked}
    for package in [package for package in packages if not is_held(package)]:
        for spec in _watched.pop(package, ()):
            if type(spec) is _WatchedSpec:
                spec.__class__ = ModuleSpec  # type: ignore[assignment]
        for module in _marked.pop(package, ()):
            if type(module) is HalfBuilt:
                module.__class__ = ModuleType  # type: ignore[assignment]
            # What a lazy one becomes in the end.
            spec = ModuleType.__getattribute__(module, "__dict__").get("__spec__")
            state = getattr(spec, "loader_state", None)
            if isinstance(state, dict) and state.get("__class__") is HalfBuilt:
                state["__class__"] = ModuleType


# Who looks for something else meanwhile, by thread and module.
_forwarding: set[tuple[int, int]] = set()


class _StandIn(ModuleType, metaclass=_LikeModuleType):
    """A module that was looked up half-built, and is not the one that came of it."""

    # A thread that arrives here again comes from the module itself, which asks the
    # one that it has replaced.

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - of any module
        __tracebackhide__ = True
        with _forwarded(self) as module:
            if module is not None:
                return getattr(module, name)
        return ModuleType.__getattribute__(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        with _forwarded(self) as module:
            if module is not None:
                setattr(module, name, value)
                return
        ModuleType.__setattr__(self, name, value)


_StandIn.__name__ = _StandIn.__qualname__ = ModuleType.__name__
_StandIn.__module__ = ModuleType.__module__


@contextlib.contextmanager
def _forwarded(stand_in: ModuleType) -> Iterator[Any]:
    """Look up the module that a stand-in stands for; None while that asks back."""
    key = (threading.get_ident(), id(stand_in))
    module = sys.modules.get(_name_of(stand_in))
    if module is stand_in or key in _forwarding:
        yield None
        return
    _forwarding.add(key)
    try:
        yield module
    finally:
        _forwarding.discard(key)


def half_built(package: str, name: str) -> list[ModuleType]:
    """Return the modules of a name that are not complete, mostly one or none."""
    return [module for module in _marked.get(package, ()) if _name_of(module) == name]


def stand_in(modules: list[ModuleType], name: str) -> None:
    """Make modules that somebody holds pass for the one that is imported now."""
    for module in modules:
        if module is not sys.modules.get(name) and type(module) in {
            ModuleType,
            HalfBuilt,
        }:
            module.__class__ = _StandIn


HIDDEN = {_look_up.__code__}
"""Code that stands between a user's and importlib's, and is no part of either."""


def hide_frames(exception: BaseException) -> None:
    """Take the frames of hidden code out of a traceback."""
    traceback = exception.__traceback__
    while traceback is not None and (following := traceback.tb_next) is not None:
        if following.tb_frame.f_code in HIDDEN:
            traceback.tb_next = following.tb_next
        else:
            traceback = following


def _name_of(module: ModuleType) -> str:
    """Return the name that a module is imported by, whatever it calls itself."""
    attributes = ModuleType.__getattribute__(module, "__dict__")
    spec = attributes.get("__spec__")
    return str(getattr(spec, "name", None) or attributes.get("__name__", ""))


def by_name(module: ModuleType) -> tuple[Callable[..., Any], tuple[str]]:
    """Reduce a module to its name, as those do who pickle plain modules so."""
    return importlib.import_module, (_name_of(module),)


for _class in (HalfBuilt, _StandIn):
    copyreg.pickle(_class, by_name)
