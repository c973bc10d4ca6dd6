"""Imports that fail while the hooks are in: their tracebacks show nothing of them."""

from __future__ import annotations

import sys
import threading
import traceback
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from typing import TYPE_CHECKING

import pytest

from ipywarmup.importing import import_module, import_on_worker
from ipywarmup.importlock.hooks import hooks

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.importlock.conftest import Write

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 10.0

pytestmark = pytest.mark.usefixtures("in_place")


class BrokenFinder:
    """Finds modules that cannot be loaded."""

    @classmethod
    def find_spec(cls, name: str, *_: object) -> ModuleSpec | None:
        """Look for a module."""
        if name == "hooked_unfindable":
            raise OSError("the finder is broken")
        if name == "hooked_uncreatable":
            return ModuleSpec(name, cls)  # type: ignore[arg-type]
        if name == "hooked_unloadable":
            # This file is no library.
            return ModuleSpec(
                name, ExtensionFileLoader(name, __file__), origin=__file__
            )
        return None

    @staticmethod
    def create_module(_: ModuleSpec) -> None:
        """Fail before there is a module."""
        raise OSError("the loader is broken")

    @staticmethod
    def exec_module(_: ModuleType) -> None:
        """Never called."""


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
    "loader": "import hooked_uncreatable",
    "extension": "import hooked_unloadable",
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
    kind: str,
    where: str,
    write: Write,
    forget: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
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
