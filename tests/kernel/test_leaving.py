"""Kernels that are shut down or restarted in the middle of an import."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from ipywarmup.responsiveness import sharedlibs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.kernel.conftest import Kernel
    from tests.slowlibrary import Events, SlowLibrary

on_glibc = pytest.mark.skipif(
    not sharedlibs._is_supported(), reason="not the loader of glibc on Linux"
)

PACKAGES = "numpy pandas sklearn.ensemble matplotlib.pyplot"


@pytest.fixture
def leaving_kernel(new_kernel: Callable[[], Kernel]) -> Kernel:
    """Return a kernel of the test's own, with the extension loaded."""
    kernel = new_kernel()
    kernel.run("%load_ext ipywarmup")
    return kernel


@pytest.fixture
def importing_kernel(leaving_kernel: Kernel, new_gate: Callable[[], Gate]) -> Kernel:
    """Return a kernel in the middle of an import that never ends, with more to do."""
    gate = new_gate()
    file = leaving_kernel.modules / "never_ends.py"
    file.write_text(gate.source, encoding="utf-8")
    leaving_kernel.run("__import__('importlib').invalidate_caches()")
    many = " ".join(f"missing_{number}" for number in range(500))
    leaving_kernel.execute(f"%warmup never_ends {many}")
    gate.wait_until_reached()
    return leaving_kernel


def test_a_shutdown_in_the_middle_of_an_import(importing_kernel: Kernel) -> None:
    """It waits neither for the import nor for those behind it, and says nothing."""
    assert importing_kernel.shut_down() == 0
    assert importing_kernel.output == ""


def test_a_kernel_that_becomes_another_program(importing_kernel: Kernel) -> None:
    """In the middle of an import; `os.execv` takes down nothing, and is not held up."""
    program = "print('the other one')"
    importing_kernel.start(f"""
        import os, sys
        os.execv(sys.executable, [sys.executable, "-c", {program!r}])
    """)
    assert importing_kernel.wait_for_end() == 0
    assert importing_kernel.output == "the other one\n"


def test_a_restart_in_the_middle_of_an_import(importing_kernel: Kernel) -> None:
    """The old process ends in silence, and the new one answers, and can warm up."""
    assert importing_kernel.restart() == 0
    assert importing_kernel.output == ""
    assert importing_kernel.execute("print(6 * 7)").stdout == "42\n"
    importing_kernel.run("%load_ext ipywarmup")
    cell = importing_kernel.execute("%warmup colorsys --wait")
    assert "1 of 1 module completed" in cell.stdout
    assert importing_kernel.shut_down() == 0
    assert importing_kernel.output == ""


def test_a_shutdown_while_a_cell_waits_for_the_import(
    importing_kernel: Kernel, new_gate: Callable[[], Gate]
) -> None:
    """The interrupt that comes with it ends the wait."""
    waits = new_gate()
    importing_kernel.run(f"""
        from ipywarmup.importlock.hooks import hooks
        hooks.locks.patience = 3600.0
        wait = hooks.locks._condition.wait
        def knock_and_wait(timeout=None):
            {waits.knock}
            return wait(timeout)
        hooks.locks._condition.wait = knock_and_wait
    """)
    importing_kernel.start("import never_ends")
    waits.wait_until_reached()
    # What ipykernel itself says, whose sockets are closed before the cell can
    # reply to anybody, is none of our business.
    assert importing_kernel.shut_down() == 0


def test_the_panel_is_at_rest_before_the_kernel_closes_its_sockets(
    new_kernel: Callable[[], Kernel],
) -> None:
    """Exit handlers of the kernel's, and of its libraries, find nobody who draws."""
    kernel = new_kernel()
    # Handlers run last in, first out: this one after those of the extension.
    kernel.run("""
        import atexit, os, threading
        def report():
            names = [thread.name for thread in threading.enumerate()]
            os.write(1, str("ipywarmup-publisher" in names).encode())
        atexit.register(report)
        %load_ext ipywarmup
    """)
    kernel.execute("%warmup colorsys")
    # A cell, since it has ended only when the kernel ignores interrupts again: one
    # comes with the request to shut down.
    cell = kernel.execute("print([thread.name for thread in threading.enumerate()])")
    assert "'ipywarmup-publisher'" in cell.stdout
    assert kernel.shut_down() == 0
    assert kernel.output == "False"


@pytest.mark.parametrize("action", ["shut_down", "restart"])
@pytest.mark.parametrize("modules", [50, 600])
def test_leaving_amid_heavy_packages(
    leaving_kernel: Kernel, new_gate: Callable[[], Gate], action: str, modules: int
) -> None:
    """However far their import is, the status is 0, and nothing is said."""
    middle = new_gate()
    leaving_kernel.run(f"""
        import sys
        class Counter:
            # By modules, not by time: the middle is the middle on any machine.
            left = {modules}
            def find_spec(self, *_):
                self.left -= 1
                if not self.left:
                    {middle.knock}
        sys.meta_path.insert(0, Counter())
    """)
    leaving_kernel.execute(f"%warmup {PACKAGES}")
    middle.wait_until_reached()
    assert getattr(leaving_kernel, action)() == 0
    assert leaving_kernel.output == ""


@pytest.fixture
def constructing_kernel(
    leaving_kernel: Kernel, slow_library: SlowLibrary, events: Events
) -> Kernel:
    """Return a kernel amid a library's constructors, which last until it leaves."""
    leaving_kernel.run(f"__import__('sys').path.append({str(slow_library.folder)!r})")
    leaving_kernel.run(events.script)
    leaving_kernel.execute("%warmup slowly")
    events.wait_until_reached()
    leaving_kernel.run("""
        import atexit
        atexit.register(tell, "handler")
        go_on_when_leaving()
    """)
    return leaving_kernel


IN_ORDER = ["constructing", "leaving", "constructed", "handler", "destroying"]


@on_glibc
@pytest.mark.parametrize("action", ["shut_down", "restart"])
def test_leaving_amid_constructors(
    constructing_kernel: Kernel, events: Events, action: str
) -> None:
    """Nothing of the process is taken down beside them, and nothing is said."""
    assert getattr(constructing_kernel, action)() == 0
    assert constructing_kernel.output == ""
    assert events.told == IN_ORDER


@on_glibc
def test_a_cell_that_exits_amid_constructors(
    constructing_kernel: Kernel, events: Events
) -> None:
    """It ends the kernel as a shutdown does."""
    constructing_kernel.start("exit()")
    assert constructing_kernel.wait_for_end() == 0
    assert constructing_kernel.output == ""
    assert events.told == IN_ORDER


@on_glibc
def test_a_kernel_that_is_terminated_amid_constructors(
    constructing_kernel: Kernel, events: Events
) -> None:
    """It ends at once, as one without a warmup does: nothing is taken down at all."""
    assert constructing_kernel.terminate() == -signal.SIGTERM
    assert constructing_kernel.output == ""
    assert events.told == ["constructing"]
