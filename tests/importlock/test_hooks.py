"""Stepping in front of importlib: in, out again, and nothing to be seen of it."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
import textwrap
import threading
import traceback
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from ipywarmup.importing import import_module, import_on_worker
from ipywarmup.importlock.hooks import hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Action = Callable[[], object]
    Write = Callable[..., str]

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 10.0
_numbers = itertools.count()


def in_place() -> tuple[object, ...]:
    """Return what importlib and threading use at this moment."""
    bootstrap: Any = importlib._bootstrap
    return (
        bootstrap._get_module_lock,
        bootstrap._init_module_attrs,
        threading.Thread.start,
    )


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Check that each test leaves importlib as it found it."""
    before = in_place()
    yield
    assert not hooks.locks
    assert not hooks.installed
    assert in_place() == before


def forget(name: str) -> None:
    """Take a package out of `sys.modules`."""
    for module in list(sys.modules):
        if module.partition(".")[0] == name:
            del sys.modules[module]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Return a function that writes the files of a package, and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    names: list[str] = []

    def make(source: str | None = "", **others: str) -> str:
        name = f"hooked_{next(_numbers)}"
        names.append(name)
        sources = others if source is None else {"__init__": source, **others}
        for file, text in sources.items():
            path = tmp_path / name / f"{file}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(
                textwrap.dedent(text).replace("PACKAGE", name), encoding="utf-8"
            )
        importlib.invalidate_caches()
        return name

    yield make
    for name in (*names, "hooked_shared"):
        forget(name)


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


def test_in_and_out() -> None:
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


def test_an_import_under_way_keeps_the_hooks_in(blocked: Blocked) -> None:
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
    blocked: Blocked, monkeypatch: pytest.MonkeyPatch
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
    """An import of what is not there yet does."""
    with hooks.borrowed():
        callers = when(monkeypatch, hooks, "acquire", lambda: None)
        importlib.import_module(write("import PACKAGE.part", part=""))
    assert len(callers) >= 2


@pytest.mark.parametrize("ask", ["import", "attribute"])
def test_imports_that_began_before(
    blocked: Blocked, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    """What another thread was importing when the hooks went in is waited for."""
    blocked.start()
    hooks.borrow()
    callers = when(monkeypatch, hooks.locks, "waiting_for", blocked.gate.set)
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


def test_lazy_modules(write: Write) -> None:
    """A module of `importlib.util.LazyLoader` is loaded by its first use."""
    name = write("late = 1")
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    with hooks.borrowed():
        spec.loader = importlib.util.LazyLoader(spec.loader)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        assert type(module) is not ModuleType
        assert importlib.import_module(name) is module
        assert module.late == 1
    assert type(module) is ModuleType


def test_namespace_packages(write: Write) -> None:
    """A package without an `__init__` is imported, and its modules with it."""
    name = write(None, part="import PACKAGE\nvalue = 1")
    with hooks.borrowed():
        module = importlib.import_module(f"{name}.part")
    assert module.value == 1
    assert sys.modules[name].part is module
    assert type(sys.modules[name]) is ModuleType


class BrokenFinder:
    """Raises for one name."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """Look for a module."""
        if name == "hooked_unfindable":
            raise OSError("the finder is broken")


FAILING = {
    "missing": "import hooked_missing",
    "missing part": "import PACKAGE.missing",
    "missing parent": "import hooked_missing.part.of_it",
    "not a package": "import json.missing",
    "raises": "import PACKAGE.raises",
    "chain": "import PACKAGE.chain",
    "syntax error": "import PACKAGE.wrong",
    "missing attribute": "import PACKAGE.takes",
    "missing in the cell": "from PACKAGE import nothing",
    "circle": "import PACKAGE.circle",
    "finder": "import hooked_unfindable",
    "gone parent": "import PACKAGE.leaves.part",
    "dynamic": "import importlib; importlib.import_module('PACKAGE.raises')",
}


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        (kind, where)
        for kind in FAILING
        for where in ("main", "thread", "worker")
        # A worker imports modules only.
        if (kind, where) != ("missing in the cell", "worker")
    ],
)
def test_tracebacks(
    kind: str, where: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing import reads as it always did, byte for byte, on any thread."""
    monkeypatch.setattr(sys, "meta_path", [BrokenFinder, *sys.meta_path])
    name = write(
        raises="def fail():\n    raise OSError('no')\nfail()",
        chain="try:\n    import PACKAGE.raises\nexcept OSError:\n    1 / 0",
        takes="from PACKAGE import nothing",
        wrong="def (:",
        circle="from PACKAGE.circle import nothing",
        leaves="import sys\ndel sys.modules[__name__]",
    )
    statement = FAILING[kind].replace("PACKAGE", name)
    target = statement.split()[1]

    def fail() -> str:
        forget(name)
        if where == "worker":
            importer = import_on_worker if hooks.installed else import_module
            outcome = importer(target)
            error = outcome.exception
            assert error is not None
            trace = outcome.traceback
        else:
            with pytest.raises(BaseException) as raised:  # noqa: PT011
                exec(compile(statement, "<cell>", "exec"), {})  # noqa: S102
            error, trace = raised.value, raised.tb
            while trace is not None and trace.tb_frame.f_code.co_filename != "<cell>":
                trace = trace.tb_next
        return "".join(traceback.format_exception(type(error), error, trace))

    def fail_there() -> str:
        texts: list[str] = []
        if where == "main":
            return fail()
        thread = threading.Thread(target=lambda: texts.append(fail()))
        thread.start()
        thread.join(TIMEOUT)
        return texts[0]

    expected = fail_there()
    hooks.borrow()
    try:
        found = fail_there()
    finally:
        hooks.give_back()
    assert found == expected
    assert where == "worker" or "Error: " in found
