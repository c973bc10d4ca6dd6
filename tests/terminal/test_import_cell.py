"""%%warmup above import statements, typed into a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.terminal.conftest import Terminal

CELL = re.compile(r"In ?\[(\d+)\], line")
WAITS = "Warming up: 0 of 1 done, "


def read_until_it_waits(terminal: Terminal, name: str) -> None:
    """See a line of progress that tells what a cell waits for."""
    terminal.read_until(lambda: terminal.screen.current.startswith(f"{WAITS}{name}"))


def test_names_appear_and_are_waited_for(
    open_terminal: Callable[..., Terminal],
    write_gated: Callable[..., tuple[str, Gate]],
) -> None:
    """The prompt comes at once; a line that uses a name waits, others do not."""
    name, gate = write_gated(after="A = 7")
    terminal = open_terminal()
    cell = f"%%warmup\nimport {name} as slow\nfrom {name} import (A)  # one more"
    assert terminal.run(cell) == [f"Warming up in the background: {name}"]
    gate.wait_until_reached()
    assert terminal.run("6 * 7") == ["Out[3]: 42"]
    terminal.start("slow.A + A")
    read_until_it_waits(terminal, name)
    gate.open()
    assert terminal.wait_for_prompt() == ["Out[4]: 14"]
    assert not any(WAITS in line for line in terminal.screen.lines)


def test_wait_for_a_name_can_be_interrupted(
    open_terminal: Callable[..., Terminal],
    write_gated: Callable[..., tuple[str, Gate]],
) -> None:
    """Ctrl-C ends the line that waits; the import goes on, and the name comes."""
    name, gate = write_gated(after="A = 7")
    terminal = open_terminal()
    terminal.run(f"%%warmup\nimport {name} as slow")
    gate.wait_until_reached()
    terminal.start("slow.A")
    read_until_it_waits(terminal, name)
    terminal.process.sendintr()
    shown = terminal.wait_for_prompt()
    assert shown[-1].rstrip(" :") == "KeyboardInterrupt"
    assert "----> 1 slow.A" in shown
    assert not any("ipywarmup" in line for line in shown)
    gate.open()
    assert terminal.run("slow.A") == ["Out[4]: 7"]


def test_failed_import_shows_its_own_lines(
    open_terminal: Callable[..., Terminal], write_module: Callable[..., str]
) -> None:
    """The line that uses the name, that of the import, and that of the module."""
    name = write_module("1 / 0")
    terminal = open_terminal()
    terminal.run(f"%%warmup --wait\nimport {name} as sour")
    terminal.run("1 + 1")
    shown = terminal.run("sour.A")
    assert CELL.findall("\n".join(shown)) == ["4", "2"]
    assert shown[-1] == "ZeroDivisionError: division by zero"
    assert "----> 1 sour.A" in shown
    assert f"----> 2 import {name} as sour" in shown
    assert "----> 1 1 / 0" in shown
    assert not any("ipywarmup" in line for line in shown)


def test_what_needs_an_import_waits_with_all_below(
    open_terminal: Callable[..., Terminal],
    write_gated: Callable[..., tuple[str, Gate]],
) -> None:
    """It runs once its cell's imports are there, before the next cell's own output."""
    name, gate = write_gated(after="A = 7")
    terminal = open_terminal()
    terminal.run(f"%%warmup --quiet\nimport {name} as slow\nprint(slow.A)\nx = 5")
    assert terminal.run("1 + 1") == ["Out[3]: 2"]
    gate.open()
    assert terminal.run("print('x is', x)")[-2:] == ["7", "x is 5"]
