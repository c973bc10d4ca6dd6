"""%warmup wait in a terminal: a line of progress, and what Ctrl-C does to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.terminal.conftest import Terminal


def start_waiting(terminal: Terminal, line: str = "%warmup wait") -> None:
    """Type a line that waits, and see it show two lines of progress."""
    before = terminal.written.count("Warming up: ")
    terminal.start(line)
    terminal.read_until(
        lambda: (
            terminal.written.count("Warming up: ") >= before + 2
            and terminal.screen.current.startswith("Warming up: ")
        )
    )


@pytest.mark.parametrize("simple_prompt", [False, True])
def test_progress_is_one_line_that_is_gone_at_the_end(
    open_terminal: Callable[..., Terminal],
    write_gated: Callable[..., tuple[str, Gate]],
    *,
    simple_prompt: bool,
) -> None:
    """The line is overwritten in place; the next prompt stands where it should."""
    name, gate = write_gated()
    terminal = open_terminal(simple_prompt=simple_prompt)
    terminal.run(f"%warmup {name} json")
    gate.wait_until_reached()
    start_waiting(terminal)
    shown = terminal.screen.current
    assert shown.startswith(f"Warming up: 0 of 2 done, {name} (")
    assert sum("Warming up: " in line for line in terminal.screen.lines) == 1
    gate.open()
    assert terminal.wait_for_prompt() == ["Warmup done: 2 of 2 modules completed"]
    assert not any("Warming up: " in line for line in terminal.screen.lines)
    assert terminal.run("6 * 7") == ["Out[4]: 42"]


def test_progress_fits_a_narrow_window(
    open_terminal: Callable[..., Terminal], write_gated: Callable[..., tuple[str, Gate]]
) -> None:
    """A line that is too long is cut; none of it stays."""
    name, gate = write_gated(name="a_module_with_a_very_long_name" * 2)
    terminal = open_terminal(columns=44)
    terminal.run(f"%warmup {name}")
    gate.wait_until_reached()
    start_waiting(terminal)
    assert len(terminal.screen.current) == 43
    assert sum("Warming up: " in line for line in terminal.screen.lines) == 1
    gate.open()
    assert terminal.wait_for_prompt() == ["Warmup done: 1 of 1 module completed"]
    assert not any("Warming up: " in line for line in terminal.screen.lines)


@pytest.mark.parametrize("simple_prompt", [False, True])
def test_interrupt_ends_the_wait_and_not_the_import(
    open_terminal: Callable[..., Terminal],
    write_gated: Callable[..., tuple[str, Gate]],
    *,
    simple_prompt: bool,
) -> None:
    """Ctrl-C ends the cell in one line, in place of the other; the import goes on."""
    name, gate = write_gated()
    terminal = open_terminal(simple_prompt=simple_prompt)
    terminal.run(f"%warmup {name}")
    gate.wait_until_reached()
    start_waiting(terminal)
    terminal.process.sendintr()
    assert terminal.wait_for_prompt() == [
        "KeyboardInterrupt: the warmup goes on; see %warmup status, or %warmup cancel"
    ]
    assert not any("Warming up: " in line for line in terminal.screen.lines)
    assert terminal.run("%warmup")[1] == "Warmup: 0 of 1 module completed, 1 running"
    gate.open()
    assert terminal.run("%warmup wait") == ["Warmup done: 1 of 1 module completed"]


def test_interrupt_at_the_prompt_leaves_the_import_alone(
    open_terminal: Callable[..., Terminal], write_gated: Callable[..., tuple[str, Gate]]
) -> None:
    """Ctrl-C while one types only drops what was typed."""
    name, gate = write_gated()
    terminal = open_terminal()
    terminal.run(f"%warmup {name}")
    gate.wait_until_reached()
    terminal.process.send("half a line")
    terminal.read_until(lambda: terminal.screen.current.endswith("half a line"))
    terminal.process.sendintr()
    terminal.read_until(lambda: terminal.screen.current == terminal.prompt)
    gate.open()
    shown = terminal.run("%warmup wait")
    assert shown[-1] == "Warmup done: 1 of 1 module completed"
    assert not any("Error" in line for line in shown)


def test_timeout_says_what_is_not_warm(
    open_terminal: Callable[..., Terminal], write_gated: Callable[..., tuple[str, Gate]]
) -> None:
    """When the time is up, the prompt returns and names what is still missing."""
    name, gate = write_gated()
    terminal = open_terminal()
    terminal.run(f"%warmup json {name} queued")
    gate.wait_until_reached()
    headline = "Warmup: 1 of 3 modules completed, 1 running, 1 queued"
    assert terminal.run("%warmup wait --timeout 0.2") == [
        headline,
        f"Not warm after 0.2 s: {name}, queued",
    ]
    assert terminal.run("%warmup wait json") == [headline]
    assert terminal.run("%warmup csv --timeout 0")[1:] == [
        "Warmup: 1 of 4 modules completed, 1 running, 2 queued",
        "Not warm after 0 s: csv",
    ]
