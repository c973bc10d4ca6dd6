"""What a module prints on import: never on the screen, whatever the prompt does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.terminal.conftest import Terminal

LOUD = """
import sys, warnings
print("stray", flush=True)
print("stray error", file=sys.stderr)
warnings.warn("stray warning")
"""


@pytest.mark.parametrize("simple_prompt", [False, True])
def test_nothing_appears_while_the_prompt_waits(
    open_terminal: Callable[..., Terminal],
    write_gated: Callable[..., tuple[str, Gate]],
    *,
    simple_prompt: bool,
) -> None:
    """A module that began in a cell prints at the prompt, and the screen is clean."""
    loud, gate = write_gated(before=LOUD, after=LOUD)
    other, next_gate = write_gated(before=LOUD)
    terminal = open_terminal(simple_prompt=simple_prompt)
    terminal.run(f"%warmup {loud} {other}")
    gate.wait_until_reached()
    gate.open()
    next_gate.wait_until_reached()
    assert terminal.run("6 * 7") == ["Out[3]: 42"]
    assert "stray" not in terminal.written


def test_nothing_appears_while_a_cell_runs(
    open_terminal: Callable[..., Terminal],
    write_module: Callable[..., str],
    write_gated: Callable[..., tuple[str, Gate]],
) -> None:
    """A module that began at the prompt prints in a cell, and the screen is clean."""
    loud, gate = write_gated(before=LOUD, after=LOUD)
    later, later_gate = write_gated()
    write_module(
        f"""
        import {later}
        from ipywarmup import get_manager
        get_manager().extend(["{loud}"])
        """,
        name="on_a_thread",
    )
    terminal = open_terminal()
    terminal.run("import threading")
    terminal.run(
        "threading.Thread(target=__import__, args=['on_a_thread'], daemon=True).start()"
    )
    later_gate.wait_until_reached()
    later_gate.open()
    gate.wait_until_reached()
    terminal.start("%warmup wait")
    terminal.read_until(lambda: terminal.screen.current.startswith("Warming up: "))
    gate.open()
    assert terminal.wait_for_prompt() == ["Warmup done: 1 of 1 module completed"]
    assert "stray" not in terminal.written
    row = terminal.run("%warmup")[-1]
    assert "[printed: stray\\nstray error\\n" in row


def test_what_the_user_prints_is_shown(
    open_terminal: Callable[..., Terminal], write_gated: Callable[..., tuple[str, Gate]]
) -> None:
    """Cells and threads of the user write as ever while an import is collected."""
    first, gate = write_gated(before=LOUD)
    second, second_gate = write_gated(before=LOUD)
    terminal = open_terminal()
    terminal.run(f"%warmup {first} {second}")
    gate.wait_until_reached()
    assert terminal.run("print('of a cell')") == ["of a cell"]
    terminal.run("import sys, threading; typed = threading.Event()")
    terminal.run("target = lambda: (typed.wait(), print('of a thread'))")
    terminal.run("thread = threading.Thread(target=target); thread.start()")
    # The thread ends within the cell: a prompt could come between its words.
    shown = terminal.run("print('error', file=sys.stderr); typed.set(); thread.join()")
    assert shown == ["error", "of a thread"]
    gate.open()
    second_gate.wait_until_reached()
    assert terminal.run("print('of a later cell')")[-1] == "of a later cell"
    assert "stray" not in terminal.written


def test_cells_without_number_may_run_meanwhile(
    open_terminal: Callable[..., Terminal], write_gated: Callable[..., tuple[str, Gate]]
) -> None:
    """An import that never ends does not make `print` deeper with each cell."""
    name, gate = write_gated()
    terminal = open_terminal()
    terminal.run(f"%warmup {name}")
    gate.wait_until_reached()
    cells = "all(get_ipython().run_cell('pass').success for _ in range(1500))"
    assert terminal.run(f"print('still here', {cells})") == ["still here True"]


def test_streams_are_as_they_were_afterwards(
    open_terminal: Callable[..., Terminal], write_gated: Callable[..., tuple[str, Gate]]
) -> None:
    """Wherever the imports end, sys.stdout, sys.stderr and the prompt are restored."""
    first, gate = write_gated()
    second, second_gate = write_gated()
    terminal = open_terminal()
    terminal.run("import sys; from prompt_toolkit.patch_stdout import StdoutProxy")
    terminal.run("kept = lambda: (sys.stdout, sys.stderr, {**vars(StdoutProxy)})")
    terminal.run("before = kept()")
    terminal.run(f"%warmup {first}")
    gate.wait_until_reached()
    assert terminal.run("before == kept()") == ["Out[6]: False"]
    # One ends in a cell, the other at the prompt.
    gate.open()
    assert terminal.run("%warmup wait")
    assert terminal.run("before == kept()") == ["Out[8]: True"]
    terminal.run(f"%warmup {second}")
    terminal.run("%config WarmupMagics.log_to_stderr = True")
    second_gate.wait_until_reached()
    second_gate.open()
    terminal.read_until(lambda: "[warmup done]" in terminal.written)
    terminal.run("pass")
    assert terminal.run("before == kept()")[-1] == "Out[12]: True"
