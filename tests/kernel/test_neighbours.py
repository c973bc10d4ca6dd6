"""Other magics of IPython beside a warmup under way, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.kernel.conftest import Kernel

    WriteGated = Callable[..., tuple[str, Gate]]


def open_when_waiting(kernel: Kernel, code: str, gate: Gate) -> str:
    """Run a cell that has to wait; let the module go once it does; return its shown."""
    cell = kernel.start(code)
    kernel.read_until(lambda: "Waiting for" in cell.stdout)
    gate.open()
    kernel.finish(cell)
    assert not cell.error, cell.shown
    return cell.stdout.split("\n", 1)[1]


def begin(kernel: Kernel, name: str, gate: Gate) -> None:
    """Start an import cell, and return once its module is under way."""
    cell = kernel.execute(f"%%warmup --quiet\nimport {name} as module")
    assert not cell.shown.strip("[]"), cell.shown
    gate.wait_until_reached()


@pytest.mark.parametrize(
    ("code", "out"),
    [
        ("%%time\nprint(module.VALUE)", "42\n"),
        ("%time print(module.VALUE)", "42\n"),
        ("%timeit -n1 -r1 print(module.VALUE)", "42\n"),
        ("%%timeit -n1 -r1\nprint(module.VALUE)", "42\n"),
        ("%%capture\nprint(module.VALUE)", ""),
        ("%prun -q print(module.VALUE)", "42\n"),
        ("import asyncio\nawait asyncio.sleep(0)\nprint(module.VALUE)", "42\n"),
        ("async def f():\n    return module.VALUE\nprint(await f())", "42\n"),
        ("!echo {module.VALUE}", "42"),
        ("x = %timeit -o -q -n1 -r1 module.VALUE\nprint(type(x).__name__)", "Timeit"),
    ],
)
def test_code_within_other_magics_waits_for_its_names(
    kernel: Kernel, write_gated: WriteGated, code: str, out: str
) -> None:
    """A name counts as used wherever the code of a cell goes."""
    name, gate = write_gated("VALUE = 42")
    begin(kernel, name, gate)
    assert open_when_waiting(kernel, code, gate).startswith(out)


@pytest.mark.parametrize("code", ["!echo {6 * 7}", "%%bash\necho 42"])
def test_another_program_waits_for_no_import(
    kernel: Kernel, write_gated: WriteGated, code: str
) -> None:
    """A command runs in the middle of one, unlike a fork that goes on in Python."""
    name, gate = write_gated("VALUE = 42")
    begin(kernel, name, gate)
    assert kernel.execute(code).stdout.split() == ["42"]
    gate.open()


def test_warmup_in_the_middle_of_a_cell(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """A `%warmup` line among others starts its modules; the lines after it run on."""
    name, gate = write_gated()
    cell = kernel.execute(f"""
        x = 1
        for x in range(3):
            %warmup {name} --quiet
        y = x + 1
        print(y)
    """)
    assert cell.stdout == "3\n"
    gate.open()
    assert kernel.value("ipywarmup.get_manager().wait(30)")
    assert kernel.canary(name)["status"] == "completed"


def test_autoreload_reloads_what_was_warmed(
    kernel: Kernel, write_module: Callable[..., str]
) -> None:
    """With `%autoreload 2` a warmed module's new code is there in the next cell."""
    name = write_module("def value():\n    return 1")
    kernel.execute("%load_ext autoreload")
    kernel.run("%autoreload 2")
    try:
        kernel.run(f"%%warmup --quiet --wait\nfrom {name} import value")
        assert kernel.execute("print(value())").stdout == "1\n"
        file = kernel.modules / f"{name}.py"
        write_module("def value():\n    return 'another'", name=name)
        kernel.run(f"import os; os.utime({str(file)!r}, (2e9, 2e9))")
        assert kernel.execute("print(value())").stdout == "another\n"
    finally:
        kernel.run("%autoreload 0")


def test_autoreload_leaves_what_is_under_way_alone(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """With `%autoreload 2` a cell neither waits for imports nor reloads half of one."""
    name, gate = write_gated("VALUE = 42")
    kernel.execute("%load_ext autoreload")
    kernel.run("%autoreload 2")
    try:
        begin(kernel, name, gate)
        assert kernel.execute("print(1)").stdout == "1\n"
        gate.open()
        assert kernel.execute("print(module.VALUE)").stdout.endswith("42\n")
    finally:
        kernel.run("%autoreload 0")


def test_matplotlib_magic_while_pyplot_is_imported(
    new_kernel: Callable[[], Kernel],
) -> None:
    """`%matplotlib inline` beside a warmup of pyplot ends in a plot in the cell."""
    kernel = new_kernel()
    kernel.run("%load_ext ipywarmup")
    kernel.run("%%warmup --quiet\nimport matplotlib.pyplot as plt")
    assert not kernel.execute("%matplotlib inline").error
    cell = kernel.execute("plt.plot([1, 2]);")
    assert not cell.error
    assert "image/png" in cell.displays[-1]["data"]


def test_reset_forgets_names_under_way(kernel: Kernel, write_gated: WriteGated) -> None:
    """After `%reset` a name on its way does not appear any more."""
    name, gate = write_gated()
    begin(kernel, name, gate)
    kernel.run("%reset -f")
    gate.open()
    assert kernel.value("__import__('ipywarmup').get_manager().wait(30)")
    assert kernel.value("'module' in globals()") is False
    assert kernel.execute("module").error == "NameError"


def test_loading_twice_keeps_what_is_under_way(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """A second `%load_ext` changes nothing."""
    name, gate = write_gated("VALUE = 42")
    begin(kernel, name, gate)
    cell = kernel.execute("%load_ext ipywarmup")
    assert "already loaded" in cell.stdout
    assert open_when_waiting(kernel, "print(module.VALUE)", gate) == "42\n"


def test_reloading_gives_names_back(kernel: Kernel, write_gated: WriteGated) -> None:
    """`%reload_ext` lets go of names on their way; they are what they were before."""
    kernel.run("module = 'mine'")
    name, gate = write_gated()
    begin(kernel, name, gate)
    kernel.run("%reload_ext ipywarmup")
    assert kernel.value("module") == "mine"
    gate.open()
    kernel.run(f"import {name}")
    assert kernel.value("module") == "mine"
    assert not kernel.execute("%warmup json --quiet --wait").error


def test_pdb_stops_at_an_error_of_an_import(
    kernel: Kernel, write_module: Callable[..., str]
) -> None:
    """With `%pdb` on, a failed import ends the cell that uses it as any error does."""
    name = write_module("1 / 0")
    kernel.execute("%pdb on")
    try:
        kernel.run(f"%%warmup --quiet --wait\nimport {name}")
        cell = kernel.execute(f"{name}.VALUE")
        # The debugger starts, and ends at once, since nobody can type here.
        assert cell.error.startswith("ZeroDivisionErrorStdinNotImplementedError")
        assert f"{name}.py" in cell.shown
    finally:
        kernel.execute("%pdb off")
