"""What a module prints while it is imported: in its record, and in nobody's cell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ipywarmup.output import LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.kernel.conftest import Kernel

    WriteModule = Callable[..., str]
    WriteGated = Callable[..., tuple[str, Gate]]

# Ways to say `STRAY` on import that the record can keep.
KEPT = {
    "print": "print('STRAY')",
    "print without a newline": "print('STRAY', end='')",
    "print with a flush": "print('STRAY', flush=True)",
    "stdout": "import sys; sys.stdout.write('STRAY')",
    "writelines": "import sys; sys.stdout.writelines(['STRAY'])",
    "stderr": "import sys; sys.stderr.write('STRAY')",
    "warning": "import warnings; warnings.warn('STRAY')",
    "logging": "import logging; logging.warning('STRAY')",
    "clear": "from IPython.display import clear_output; print('STRAY'); clear_output()",
}
# Those of what is displayed.
DISPLAYED = {
    "display": "from IPython.display import display; display('STRAY')",
    "html": "from IPython.display import HTML, display; display(HTML('STRAY'))",
    "update": "from IPython.display import display\n"
    "display('STRAY', display_id='x').update('STRAY again')",
}


@pytest.mark.parametrize("way", [*KEPT, *DISPLAYED])
def test_output_of_an_import_lands_in_no_cell(
    kernel: Kernel,
    write_module: WriteModule,
    new_gate: Callable[[], Gate],
    way: str,
) -> None:
    """Not in the starting, the running or the next cell, which all print their own."""
    source = (KEPT | DISPLAYED)[way]
    before_cell, during_cell, after_prints = new_gate(), new_gate(), new_gate()
    name = write_module(
        f"{before_cell.source}\n{source}\n{during_cell.source}\n{source}\n"
        f"{after_prints.source}\n"
    )
    kernel.run("%config WarmupMagics.panel = False")
    own = "import sys; print('own', flush=True); sys.stderr.write('mine')"
    starting = kernel.execute(f"%warmup {name}\n{own}")
    before_cell.wait_until_reached()
    between = kernel.execute(own)
    before_cell.open()
    during_cell.wait_until_reached()
    cell_gate = new_gate()
    running = kernel.start(f"{own}\n{cell_gate.block}\n{own}")
    cell_gate.wait_until_reached()
    during_cell.open()
    after_prints.wait_until_reached()
    cell_gate.open()
    kernel.finish(running)
    after_prints.open()
    kernel.execute("%warmup wait")
    last = kernel.execute(own)

    assert starting.stdout == f"Warming up in the background: {name}\nown\n"
    assert (between.stdout, running.stdout, last.stdout) == (
        "own\n",
        "own\n" * 2,
        "own\n",
    )
    assert (starting.stderr, between.stderr) == ("mine", "mine")
    assert (running.stderr, last.stderr) == ("mine" * 2, "mine")
    assert not kernel.shown_anywhere("STRAY")
    assert not [
        message
        for message in kernel.of_type("clear_output")
        if message["parent_header"]
    ]
    output = kernel.canary(name)["output"] or ""
    assert output.count("STRAY") >= 2
    assert "<IPython" not in output


def test_a_widget_of_an_import_is_shown_on_demand(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """It is alive, in `%warmup status` only, and gone with the warmup."""
    name = write_module("""
        import ipywidgets
        from IPython.display import display
        slider = ipywidgets.IntSlider(7)
        display(slider)
    """)
    assert not kernel.execute(f"%warmup {name} --wait --quiet").displays
    assert "a widget; %warmup status shows it" in kernel.canary(name)["output"]
    (shown,) = kernel.execute("%warmup status").displays
    view = shown["data"]["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == kernel.value(f"__import__({name!r}).slider.model_id")
    kernel.execute("%warmup reset")
    assert not kernel.execute("%warmup status").displays


def test_output_is_in_the_record_and_in_the_table(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """In the order in which it was written, with markup as text."""
    name = write_module("""
        import sys
        print("one <b>")
        sys.stderr.write("two\\n")
        print("three", "four")
    """)
    kernel.execute(f"%warmup {name} --wait")
    assert kernel.canary(name)["output"] == "one <b>\ntwo\nthree four\n"
    bundle = kernel.execute("%warmup status").result
    assert "[printed: one <b>" in bundle["text/plain"]
    assert "one &lt;b&gt;\ntwo\nthree four" in bundle["text/html"]
    (table,) = kernel.final_tables()
    assert "one &lt;b&gt;\ntwo\nthree four" in table["data"]["text/html"]


@pytest.mark.parametrize("error", ["RuntimeError", "SystemExit", "KeyboardInterrupt"])
def test_output_of_a_failing_import_is_kept(
    kernel: Kernel, write_module: WriteModule, error: str
) -> None:
    """What was printed before the error helps to find its reason."""
    name = write_module(f"print('licence has expired')\nraise {error}('no')")
    kernel.execute(f"%warmup {name} --wait")
    canary = kernel.canary(name)
    assert canary["output"] == "licence has expired\n"
    assert canary["error"] == f"{error}: no"


def test_silent_import_has_no_output(kernel: Kernel, write_module: WriteModule) -> None:
    """The key is None where nothing was printed."""
    name = write_module()
    kernel.execute(f"%warmup {name} --wait")
    assert kernel.canary(name)["output"] is None


def test_megabytes_are_cut(kernel: Kernel, write_module: WriteModule) -> None:
    """The record keeps a beginning and says what it left out; the table, less."""
    name = write_module("for _ in range(5000): print('x' * 999)")
    cell = kernel.execute(f"%warmup {name} --wait")
    output = kernel.canary(name)["output"]
    kept, _, note = output.rpartition("\n")
    assert len(kept) == LIMIT
    assert note == f"[{5_000_000 - LIMIT} more characters were not kept]"
    assert kernel.canary(name)["status"] == "completed"
    (table,) = kernel.final_tables()
    assert len(json.dumps(table)) < 10_000
    bundle = kernel.execute("%warmup canaries").result
    assert max(map(len, bundle["text/plain"].splitlines())) < 300
    kernel.execute("import sys; sys.stdout.flush()")
    assert not kernel.shown_anywhere("x" * 2001)
    assert "1 of 1 module completed" in cell.stdout


def test_other_threads_write_as_they_did(
    kernel: Kernel, write_gated: WriteGated, new_gate: Callable[[], Gate]
) -> None:
    """A thread of a cell prints into that cell, while an import is collected."""
    name, gate = write_gated("print('STRAY')", before="print('STRAY')")
    kernel.execute(f"%warmup {name}")
    gate.wait_until_reached()
    cell_gate = new_gate()
    cell = kernel.start(f"""
        import threading
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
        {cell_gate.block}
    """)
    cell_gate.wait_until_reached()
    gate.open()
    cell_gate.open()
    assert kernel.finish(cell).stdout == "from a thread\n"
    kernel.execute("%warmup wait")
    assert kernel.canary(name)["output"] == "STRAY\nSTRAY\n"


def test_import_statement_shows_what_the_module_prints(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """A module that nobody warms prints into the cell that imports it."""
    warmed, plain = write_module("print('STRAY')"), write_module("print('shown')")
    cell = kernel.execute(f"%warmup {warmed} --wait --quiet\nimport {plain}, {warmed}")
    assert cell.stdout == "shown\n"
    required = write_module("print('shown too')")
    cell = kernel.execute(f"ipywarmup.require({required!r});")
    assert cell.stdout == "shown too\n"


def test_capture_of_a_cell_gets_what_the_cell_prints(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """%%capture and redirect_stdout work during an import."""
    name, gate = write_gated()
    kernel.execute(f"%warmup {name}")
    gate.wait_until_reached()
    kernel.run("%%capture captured\nprint('own')")
    assert kernel.value("captured.stdout") == "own\n"
    kernel.run("""
        import contextlib, io
        with contextlib.redirect_stdout(io.StringIO()) as text: print('own')
    """)
    assert kernel.value("text.getvalue()") == "own\n"
    gate.open()
    kernel.execute("%warmup wait")
    assert kernel.execute("print('own')").stdout == "own\n"


def test_log_goes_to_stderr_outside_of_all_cells(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """With `log_to_stderr` there are lines for modules, and no cell shows them."""
    kernel.run("%config WarmupMagics.log_to_stderr = True")
    name = write_module("print('STRAY')")
    cell = kernel.execute(f"%warmup {name} --wait")
    kernel.execute("import sys; sys.stderr.flush()")
    assert not cell.stderr
    assert not kernel.shown_anywhere(f"{name} on ipywarmup-")
    assert not kernel.shown_anywhere("[warmup done]")
    lines = "".join(
        message["content"]["text"]
        for message in kernel.of_type("stream")
        if not message["parent_header"]
    ).splitlines()
    assert f"{name} on ipywarmup-" in "".join(lines)
    assert [line for line in lines if line.startswith("[warmup done] 1 modules: 1 ")]


def test_an_import_that_began_during_a_capture(
    kernel: Kernel, write_gated: WriteGated, new_gate: Callable[[], Gate]
) -> None:
    """What it prints once that is over lands in no cell, either."""
    (one, first), (two, second) = write_gated(), write_gated("print('STRAY')")
    held = new_gate()
    capturing = kernel.start(f"%%capture captured\n%warmup {one} {two}\n{held.block}")
    held.wait_until_reached()
    first.wait_until_reached()
    first.open()
    second.wait_until_reached()
    held.open()
    kernel.finish(capturing)
    cell = kernel.start("print('own'); ipywarmup.get_manager().wait(30)")
    second.open()
    assert kernel.finish(cell).stdout == "own\n"
    assert kernel.value("'STRAY' in captured.stdout") is False
    assert kernel.canary(two)["output"] == "STRAY\n"
