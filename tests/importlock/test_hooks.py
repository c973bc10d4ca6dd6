"""Stepping in front of importlib: in, out again, and nothing to be seen of it."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from ipywarmup.importing import import_module
from ipywarmup.importlock.hooks import hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.importlock.conftest import InPlace, Write

    Action = Callable[[], object]

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 10.0

pytestmark = pytest.mark.usefixtures("in_place")


@pytest.fixture
def shared() -> Any:  # noqa: ANN401
    """Return a module in which the modules under test find what they need."""
    module = ModuleType("hooked_shared")
    sys.modules[module.__name__] = module
    return module


class Blocked:
    """An import that is under way on a thread of its own."""

    def __init__(self, write: Write, shared: Any) -> None:  # noqa: ANN401
        self.entered, self.gate = threading.Event(), threading.Event()
        shared.block = self._block
        self.name = write("import hooked_shared\nhooked_shared.block()\nlate = 1")
        self.thread = threading.Thread(target=import_module, args=(self.name,))

    def start(self) -> None:
        """Import until it blocks."""
        self.thread.start()
        assert self.entered.wait(TIMEOUT)

    def finish(self) -> None:
        """Let it go on to its end."""
        self.gate.set()
        if self.thread.ident is not None:
            self.thread.join(TIMEOUT)
            assert not self.thread.is_alive()

    def _block(self) -> None:
        self.entered.set()
        assert self.gate.wait(TIMEOUT)


@pytest.fixture
def blocked(write: Write, shared: Any) -> Iterator[Blocked]:  # noqa: ANN401
    """Return an import that blocks once it is started."""
    blocked = Blocked(write, shared)
    yield blocked
    blocked.finish()


def when(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, action: Action
) -> list[str]:
    """Do something when a method is first called; return who has called it."""
    method, callers = getattr(owner, name), list[str]()

    def acting(*arguments: object, **named: object) -> object:
        callers.append(threading.current_thread().name)
        if len(callers) == 1:
            action()
        return method(*arguments, **named)

    monkeypatch.setattr(owner, name, acting)
    return callers


def test_in_and_out(in_place: InPlace) -> None:
    """The last of several borrowers takes the hooks out, to the very same objects."""
    before = in_place()
    hooks.borrow()
    within = in_place()
    assert not set(before) & set(within)
    with hooks.borrowed(), hooks.borrowed():
        assert in_place() == within
    assert hooks.installed
    hooks.give_back()
    assert in_place() == before


def test_an_import_under_way_keeps_the_hooks_in(
    in_place: InPlace, blocked: Blocked
) -> None:
    """Without a borrower the hooks go out only once the last import has ended."""
    before = in_place()
    hooks.borrow()
    blocked.start()
    hooks.give_back()
    assert hooks.installed
    blocked.finish()
    assert in_place() == before
    assert type(sys.modules[blocked.name]) is ModuleType


def test_out_by_force_and_in_again(
    in_place: InPlace, blocked: Blocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After %unload in the middle of an import the next warmup waits for it."""
    before = in_place()
    hooks.borrow()
    blocked.start()
    hooks.remove()
    hooks.give_back()
    assert in_place() == before
    hooks.borrow()
    assert hooks.installed
    callers = when(monkeypatch, hooks.locks._condition, "wait", blocked.gate.set)
    assert importlib.import_module(blocked.name).late == 1
    assert callers
    blocked.finish()
    hooks.give_back()


def test_out_by_force_for_good(blocked: Blocked) -> None:
    """An import that ends after the hooks went out leaves nothing behind."""
    hooks.borrow()
    blocked.start()
    hooks.remove()
    hooks.give_back()
    blocked.finish()
    assert type(sys.modules[blocked.name]) is ModuleType
    assert not hooks.locks


COMPLETE = [
    "import json",
    "from json import loads",
    "import xml.etree",
    "import os.path",
]


@pytest.mark.parametrize("statement", COMPLETE)
def test_complete_modules_cost_nothing(
    statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import of what is there takes no lock of ours."""
    exec(statement)  # noqa: S102
    hooks.borrow()
    callers = when(monkeypatch, hooks, "acquire", lambda: None)
    exec(statement)  # noqa: S102
    importlib.import_module("json")
    assert not callers
    hooks.give_back()


def test_other_imports_take_a_lock(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import of what is not there yet does, once for all that it imports within."""
    with hooks.borrowed():
        callers = when(monkeypatch, hooks, "acquire", lambda: None)
        importlib.import_module(write("import PACKAGE.part", part=""))
    assert len(callers) == 1


@pytest.mark.parametrize("ask", ["import", "attribute"])
def test_imports_that_began_before(
    blocked: Blocked, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    """What another thread was importing when the hooks went in is waited for."""
    blocked.start()
    hooks.borrow()
    callers = when(monkeypatch, hooks.locks, "wait_for", blocked.gate.set)
    half_built = sys.modules[blocked.name]
    if ask == "import":
        assert importlib.import_module(blocked.name).late == 1
    else:
        assert half_built.late == 1
    assert callers
    blocked.finish()
    hooks.give_back()
    assert type(half_built) is ModuleType


def test_an_own_import_that_began_before(write: Write, shared: Any) -> None:  # noqa: ANN401
    """A module that brings the hooks in itself goes on, and is not waited for."""
    shared.hooks = hooks
    name = write(
        """
        import hooked_shared, PACKAGE
        hooked_shared.hooks.borrow()
        try:
            PACKAGE.late
        except AttributeError as error:
            seen = str(error)
        import PACKAGE.part
        late = 1
        """,
        part="import PACKAGE\nfound = hasattr(PACKAGE, 'late')",
    )
    module = importlib.import_module(name)
    hooks.give_back()
    assert "partially initialized module" in module.seen
    assert module.part.found is False
    assert type(module) is type(module.part) is ModuleType


def test_reload_is_locked(
    write: Write,
    shared: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While a module is reloaded, other threads do not import of its package."""
    entered, gate = threading.Event(), threading.Event()
    shared.block = lambda: None

    def block() -> None:
        entered.set()
        assert gate.wait(TIMEOUT)

    name = write("import hooked_shared\nhooked_shared.block()", part="value = 1")
    with hooks.borrowed():
        module = importlib.import_module(name)
        shared.block = block
        thread = threading.Thread(target=importlib.reload, args=(module,))
        thread.start()
        assert entered.wait(TIMEOUT)
        callers = when(monkeypatch, hooks.locks._condition, "wait", gate.set)
        assert importlib.import_module(f"{name}.part").value == 1
        assert callers
        thread.join(TIMEOUT)
    assert sys.modules[name] is module
    assert type(module) is ModuleType


def test_the_tests_of_python_for_module_locks() -> None:
    """They pass with the hooks in: a lock lives as long as somebody has it."""
    pytest.importorskip(
        "test.test_importlib.test_locks", reason="this Python comes without its tests"
    )
    program = (
        "import sys, unittest; from ipywarmup.importlock.hooks import hooks;"
        " hooks.borrow(); import test.test_importlib.test_locks as tests;"
        " assert hooks.installed;"
        " suite = unittest.defaultTestLoader.loadTestsFromModule(tests);"
        " result = unittest.TextTestRunner().run(suite);"
        " sys.exit(not (result.wasSuccessful() and result.testsRun))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
