"""%warmup in `jupyter console`: a kernel whose outputs a terminal shows as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.terminal.conftest import Terminal


def test_console_shows_text(
    open_terminal: Callable[..., Terminal],
    write_module: Callable[..., str],
    write_gated: Callable[..., tuple[str, Gate]],
) -> None:
    """Where widgets cannot be shown, words and tables stand in for them."""
    write_module(name="warm_module")
    _, gate = write_gated(name="slow_module")
    console = open_terminal(console=True)
    assert console.run("%warmup warm_module slow_module") == [
        "Warming up in the background: warm_module, slow_module",
        "<warmup of 2 modules>",
    ]
    gate.wait_until_reached()
    assert console.run("6 * 7") == ["Out[3]: 42"]
    out, headline, *_, header, warm, slow = console.run("%warmup")
    assert (out, headline) == (
        "Out[4]:",
        "Warmup: 1 of 2 modules completed, 1 running",
    )
    assert header.split() == ["id", "module", "status", "thread", "elapsed", "error"]
    assert warm.split()[:3] == ["1", "warm_module", "completed"]
    assert slow.split()[:3] == ["2", "slow_module", "running"]
    gate.open()
    assert console.run("%warmup wait") == ["Warmup done: 2 of 2 modules completed"]
