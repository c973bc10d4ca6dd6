"""Where a warmup stands, while a cell keeps the kernel's main thread busy."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.kernel.conftest import Kernel

    WriteModule = Callable[..., str]
    WriteGated = Callable[..., tuple[str, Gate]]


def test_panel_moves_while_a_cell_blocks(
    kernel: Kernel, write_gated: WriteGated, new_gate: Callable[[], Gate]
) -> None:
    """Each import that ends shows on the bar, and the last one turns it into HTML."""
    modules = [write_gated() for _ in range(3)]
    kernel.execute(f"%warmup {' '.join(name for name, _ in modules)}")
    cell_gate = new_gate()
    cell = kernel.start(cell_gate.block)
    cell_gate.wait_until_reached()

    def shows(number: int) -> bool:
        return (number, 3) in kernel.bar_values()

    for number, (_, gate) in enumerate(modules, start=1):
        gate.wait_until_reached()
        gate.open()
        kernel.read_until(functools.partial(shows, number))
    kernel.read_until(kernel.final_tables)
    assert not cell.ended
    cell_gate.open()
    kernel.finish(cell)
    values = [value for value, _ in kernel.bar_values()]
    assert values == sorted(values)
    assert "3 of 3 modules completed" in kernel.final_tables()[-1]["data"]["text/html"]


def test_panel_moves_while_a_cell_computes(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """A loop in pure Python, which never gives the interpreter away, hides nothing."""
    name, gate = write_gated()
    kernel.execute(f"%warmup {name}")
    gate.wait_until_reached()
    cell = kernel.start("print('computing', flush=True)\nwhile True: sum(range(100))")
    kernel.read_until(lambda: "computing" in cell.stdout)
    gate.open()
    kernel.read_until(kernel.final_tables)
    assert not cell.ended
    kernel.manager.interrupt_kernel()
    assert kernel.finish(cell).error == "KeyboardInterrupt"
    assert (1, 1) in kernel.bar_values()


def test_status_from_a_thread(
    kernel: Kernel, write_gated: WriteGated, new_gate: Callable[[], Gate]
) -> None:
    """The manager answers any thread, while the main one is blocked."""
    name, gate = write_gated()
    kernel.execute(f"%warmup {name} nosuch_module")
    cell_gate = new_gate()
    cell = kernel.start(f"""
        import threading
        def report():
            manager = ipywarmup.get_manager()
            print(manager.status(), flush=True)
            manager.wait()
            print(manager.status(), flush=True)
        threading.Thread(target=report).start()
        {cell_gate.block}
    """)
    cell_gate.wait_until_reached()
    pending = {"pending": [name, "nosuch_module"], "completed": [], "failed": []}
    kernel.read_until(lambda: f"{pending}\n" in cell.stdout)
    gate.wait_until_reached()
    gate.open()
    done = {"pending": [], "completed": [name], "failed": ["nosuch_module"]}
    kernel.read_until(lambda: f"{done}\n" in cell.stdout)
    assert not cell.ended
    cell_gate.open()
    kernel.finish(cell)


def test_status_within_the_cell(kernel: Kernel, write_gated: WriteGated) -> None:
    """A cell that runs on sees the state of the moment at each look."""
    name, gate = write_gated()
    kernel.execute(f"%warmup {name}")
    gate.wait_until_reached()
    look = "print(get_ipython().run_line_magic('warmup', 'status'), flush=True)"
    cell = kernel.start(f"{look}\nipywarmup.require({name!r})\n{look}")
    kernel.read_until(lambda: "0 of 1 module completed, 1 running" in cell.stdout)
    gate.open()
    assert "Warmup done: 1 of 1 module completed" in kernel.finish(cell).stdout


def test_status_from_a_subshell(
    kernel: Kernel, write_gated: WriteGated, new_gate: Callable[[], Gate]
) -> None:
    """Where a kernel has subshells, %warmup answers there during a cell."""
    if "kernel subshells" not in kernel.features:
        pytest.skip("this ipykernel has no subshells")
    name, gate = write_gated()
    kernel.execute(f"%warmup {name}")
    cell_gate = new_gate()
    cell = kernel.start(cell_gate.block)
    cell_gate.wait_until_reached()
    with kernel.subshell():
        gate.wait_until_reached()
        bundle = kernel.execute("%warmup status").result
        assert "0 of 1 module completed, 1 running" in bundle["text/plain"]
        gate.open()
        assert "1 of 1 module completed" in kernel.execute("%warmup wait").stdout
    assert not cell.ended
    cell_gate.open()
    kernel.finish(cell)


def test_many_cells_run_during_a_warmup(
    kernel: Kernel, write_module: WriteModule, write_gated: WriteGated
) -> None:
    """Cells go on, one after another, between two imports that go on, too."""
    (first, gate), last = write_gated(), write_module()
    kernel.execute(f"%warmup {first} {last}")
    gate.wait_until_reached()
    cells = [kernel.start(f"print({number})") for number in range(20)]
    assert [kernel.finish(cell).stdout for cell in cells] == [
        f"{number}\n" for number in range(20)
    ]
    ends = [cell.span[1] for cell in cells]
    assert all(before <= after for before, after in itertools.pairwise(ends))
    gate.open()
    assert "2 of 2 modules completed" in kernel.execute("%warmup wait").stdout
