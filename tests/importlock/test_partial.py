"""Half-built modules: other threads wait for what is missing, their own does not."""

from __future__ import annotations

import importlib
import inspect
import itertools
import sys
import textwrap
import threading
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ipywarmup.importlock import hooks as hooks_module
from ipywarmup.importlock.hooks import hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 10.0
_numbers = itertools.count()


class Package:
    """A package whose import blocks until the test, or its end, lets it go on."""

    def __init__(self, folder: Path, sources: dict[str, str]) -> None:
        self.name = f"halfbuilt_{next(_numbers)}"
        self.entered, self.gate = threading.Event(), threading.Event()
        self.seen: list[Any] = []
        shared: Any = ModuleType(f"{self.name}_shared")
        shared.block, shared.seen = self._block, self.seen
        sys.modules[shared.__name__] = shared
        for file, source in sources.items():
            path = folder / self.name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            text = f"import {shared.__name__} as shared\n{textwrap.dedent(source)}"
            path.write_text(text.replace("PACKAGE", self.name), encoding="utf-8")
        importlib.invalidate_caches()
        self.thread = threading.Thread(target=self._import, daemon=True)
        self.error: BaseException | None = None

    def start(self) -> ModuleType:
        """Import the package on a thread of its own, until it blocks."""
        self.thread.start()
        assert self.entered.wait(TIMEOUT)
        return sys.modules[self.name]

    def finish(self) -> None:
        """Let the import go on to its end."""
        self.gate.set()
        self.thread.join(TIMEOUT)
        assert not self.thread.is_alive()

    def forget(self) -> None:
        """Take the package out of `sys.modules`."""
        for name in list(sys.modules):
            if name.partition(".")[0] == self.name:
                del sys.modules[name]

    def _block(self) -> None:
        self.entered.set()
        assert self.gate.wait(TIMEOUT)

    def _import(self) -> None:
        try:
            importlib.import_module(self.name)
        except BaseException as error:
            self.error = error


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a maker of packages, which are imported with the hooks in."""
    monkeypatch.syspath_prepend(tmp_path)
    packages: list[Package] = []

    def make(source: str, **others: str) -> Package:
        sources = {f"{name}.py": text for name, text in others.items()}
        packages.append(Package(tmp_path, {"__init__.py": source, **sources}))
        return packages[-1]

    hooks.borrow()
    yield make
    for package in packages:
        if package.thread.ident is not None:
            package.finish()
        package.forget()
        sys.modules.pop(f"{package.name}_shared")
    hooks.give_back()
    assert not hooks.installed


@pytest.fixture
def when_asleep(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Callable[[], object]], list[str]]:
    """Return a function that does something once a thread waits for a package.

    It returns the list of the threads that have waited.
    """

    def install(action: Callable[[], object]) -> list[str]:
        asleep: list[str] = []
        wait = hooks.locks._condition.wait

        def acting_wait(timeout: float | None = None) -> bool:
            asleep.append(threading.current_thread().name)
            if len(asleep) == 1:
                action()
            return wait(timeout)

        monkeypatch.setattr(hooks.locks._condition, "wait", acting_wait)
        return asleep

    return install


def from_import(module: Any) -> object:  # noqa: ANN401
    """Look an attribute up as `from module import late` does."""
    found: dict[str, object] = {}
    exec(f"from {module.__name__} import late", found)  # noqa: S102
    return found["late"]


ASKED: dict[str, Callable[[Any], object]] = {
    "attribute": lambda module: module.late,
    "getattr": lambda module: getattr(module, "late", "a default"),
    "hasattr": lambda module: hasattr(module, "late") and module.late,
    "dir": lambda module: "late" in dir(module) and module.late,
    "from": from_import,
    "sys.modules": lambda module: sys.modules[module.__name__].late,
    "import": lambda module: importlib.import_module(module.__name__).late,
    "statement": lambda module: __import__(module.__name__).late,
    "vars": lambda module: inspect.getattr_static(__import__(module.__name__), "late"),
}


@pytest.mark.parametrize("asked", ASKED)
def test_another_thread_gets_what_is_to_come(
    write: Any,  # noqa: ANN401
    when_asleep: Any,  # noqa: ANN401
    asked: str,
) -> None:
    """Whatever way a thread asks for what a body has not defined yet, it waits."""
    package = write("shared.block()\nlate = 'a value'")
    module = package.start()
    asleep = when_asleep(package.gate.set)
    assert ASKED[asked](module) == "a value"
    assert asleep
    package.finish()
    assert package.error is None


def test_what_is_there_is_given_at_once(write: Any, when_asleep: Any) -> None:  # noqa: ANN401
    """What a half-built module has already, it gives to everybody."""
    package = write("early = 1\nshared.block()")
    module = package.start()
    asleep = when_asleep(package.gate.set)
    assert module.early == 1
    assert not asleep


def test_a_submodule_that_is_to_come(write: Any, when_asleep: Any) -> None:  # noqa: ANN401
    """A submodule that the body is about to import is waited for, too."""
    package = write("shared.block()\nfrom . import part", part="late = 'a value'")
    module = package.start()
    when_asleep(package.gate.set)
    assert module.part.late == "a value"


@pytest.mark.parametrize(
    "statement",
    ["from {name}.part import ready", "import {name}.part", "import {name}.part as _"],
)
def test_a_part_that_is_complete_before_the_whole(
    write: Any,  # noqa: ANN401
    when_asleep: Any,  # noqa: ANN401
    statement: str,
) -> None:
    """An import of it waits for the whole, which it may use in turn."""
    package = write(
        "from . import part\nshared.block()\nlate = 'a value'",
        part="ready = 'a part'",
    )
    module = package.start()
    asleep = when_asleep(package.gate.set)
    part = sys.modules[f"{package.name}.part"]
    exec(statement.format(name=package.name), {})  # noqa: S102
    assert asleep
    assert vars(module)["late"] == "a value"
    package.finish()
    assert package.error is None
    assert type(part.__spec__) is type(sys.__spec__) is ModuleSpec


def test_modules_are_plain_ones_afterwards(write: Any) -> None:  # noqa: ANN401
    """Once a package is complete, nothing shows that its modules were ever marked."""
    package = write(
        "from . import part\nshared.block()", part="import PACKAGE\nlate = 1"
    )
    module = package.start()
    assert type(module) is not ModuleType
    assert repr(type(module)) == repr(ModuleType)
    assert isinstance(module, ModuleType)
    package.finish()
    assert type(module) is ModuleType
    assert type(module.part) is ModuleType


OWN = """
    import traceback, PACKAGE
    try:
        PACKAGE.late
    except AttributeError as error:
        shared.seen.append(str(error))
        shared.seen.append(traceback.format_exc())
    try:
        from PACKAGE import late
    except ImportError as error:
        shared.seen.append(traceback.format_exc())
    shared.seen.append(getattr(PACKAGE, "late", "a default"))
    shared.seen.append(hasattr(PACKAGE, "late"))
    shared.seen.append(sorted(dir(PACKAGE)))
    late = 1
"""


def test_the_importing_thread_sees_what_it_always_saw(write: Any) -> None:  # noqa: ANN401
    """On its own thread a half-built module is what it is without a warmup."""
    package = write(OWN)
    importlib.import_module(package.name)
    guarded = package.seen.copy()
    package.forget()
    package.seen.clear()
    hooks.give_back()
    try:
        assert not hooks.installed
        importlib.import_module(package.name)
    finally:
        hooks.borrow()
    assert "partially initialized module" in guarded[0]
    assert guarded == package.seen


def test_a_class_of_its_own(write: Any) -> None:  # noqa: ANN401
    """A module that sets its `__class__` keeps it."""
    package = write("""
        import sys, types
        class Own(types.ModuleType):
            made = "by its class"
        sys.modules[__name__].__class__ = Own
        shared.block()
    """)
    module = package.start()
    assert module.made == "by its class"
    package.finish()
    assert type(module) is module.Own


def test_a_getattr_of_its_own(write: Any, when_asleep: Any) -> None:  # noqa: ANN401
    """A module's `__getattr__` answers at once; what it lacks is waited for."""
    package = write("""
        import PACKAGE
        def __getattr__(name):
            if name == "lazy":
                return "made on demand"
            raise AttributeError(f"no {name} in here")
        shared.seen.append(PACKAGE.lazy)
        try:
            PACKAGE.late
        except AttributeError as error:
            shared.seen.append(str(error))
        shared.block()
        late = "a value"
    """)
    module: Any = package.start()
    asleep = when_asleep(package.gate.set)
    assert package.seen == ["made on demand", "no late in here"]
    assert module.lazy == "made on demand"
    assert not asleep
    assert module.late == "a value"
    assert asleep
    with pytest.raises(AttributeError, match="no other in here"):
        _ = module.other


def test_a_module_that_replaces_itself(write: Any, when_asleep: Any) -> None:  # noqa: ANN401
    """Who waited for a module is answered by what has taken its place."""
    package = write("""
        import sys, types
        shared.block()
        sys.modules[__name__] = types.SimpleNamespace(late="the other's")
    """)
    module: Any = package.start()
    when_asleep(package.gate.set)
    assert module.late == "the other's"
    package.finish()
    replacement: Any = sys.modules[package.name]
    assert type(replacement) is SimpleNamespace
    assert type(module) is ModuleType


def test_a_module_that_deletes_itself(write: Any, when_asleep: Any) -> None:  # noqa: ANN401
    """A module that is gone when its body ends answers for itself."""
    package = write("""
        import sys
        shared.block()
        del sys.modules[__name__]
        late = "a value"
    """)
    module: Any = package.start()
    when_asleep(package.gate.set)
    assert module.late == "a value"
    package.finish()
    assert isinstance(package.error, KeyError)
    assert type(module) is ModuleType


def test_a_failing_import(write: Any, when_asleep: Any) -> None:  # noqa: ANN401
    """Who waited for a module whose import fails gets the plain AttributeError."""
    package = write("shared.block()\nraise OSError('no')")
    module: Any = package.start()
    when_asleep(package.gate.set)
    with pytest.raises(AttributeError) as raised:
        _ = module.late
    plain = ModuleType(package.name)
    with pytest.raises(AttributeError) as expected:
        _ = plain.late
    assert str(raised.value) == str(expected.value)
    package.finish()
    assert isinstance(package.error, OSError)


def test_an_import_that_fails_by_a_wait(write: Any, when_asleep: Any) -> None:  # noqa: ANN401
    """No frame of ours is in its traceback."""
    first = write("shared.block()\nraise OSError('no')")
    second = write("shared.other.late")
    sys.modules[f"{second.name}_shared"].other = first.start()  # type: ignore[attr-defined]
    when_asleep(first.gate.set)
    with pytest.raises(AttributeError) as raised:
        importlib.import_module(second.name)
    ours = str(Path(hooks_module.__file__).parent)
    assert not [entry for entry in raised.traceback if ours in str(entry.path)]
    assert Path(raised.traceback[-1].path).parent.name == second.name


def test_a_wait_that_would_deadlock(write: Any, when_asleep: Any) -> None:  # noqa: ANN401
    """Of two imports that ask each other one gets the plain AttributeError."""
    second = write("""
        first = shared.let_first_wait()
        try:
            first.late
        except AttributeError as error:
            shared.seen.append(str(error))
        late = "a value"
    """)
    first = write(f"shared.block()\nfrom {second.name} import late")
    module = first.start()
    waits = threading.Event()

    def let_first_wait() -> object:
        when_asleep(waits.set)
        first.gate.set()
        assert waits.wait(TIMEOUT)
        return module

    sys.modules[f"{second.name}_shared"].let_first_wait = let_first_wait  # type: ignore[attr-defined]
    importlib.import_module(second.name)
    first.finish()
    assert first.error is None
    assert sys.modules[first.name].late == "a value"
    [message] = second.seen
    assert message.startswith(f"partially initialized module {first.name!r}")


def test_a_look_through_all_modules_does_not_wait(
    write: Any,  # noqa: ANN401
    when_asleep: Any,  # noqa: ANN401
) -> None:
    """`inspect`, which looks at every module there is, does not block."""
    package = write("shared.block()")
    module = package.start()
    asleep = when_asleep(package.gate.set)
    inspect.getmodule(test_a_look_through_all_modules_does_not_wait)
    inspect.unwrap(module)
    inspect.getdoc(module)
    assert not hasattr(module, "__wrapped__")
    assert not hasattr(module, "__warningregistry__")
    assert not asleep
