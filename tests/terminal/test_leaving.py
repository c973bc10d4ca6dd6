"""Leaving IPython in the middle of an import."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.terminal.conftest import Terminal

COMPLAINTS = ("Traceback", "Exception", "Fatal", "Error")


@pytest.mark.parametrize("simple_prompt", [False, True])
@pytest.mark.parametrize("key", ["exit\r", "\x04"], ids=["exit", "Ctrl-D"])
def test_leaving_does_not_wait_for_the_imports(
    open_terminal: Callable[..., Terminal],
    write_gated: Callable[..., tuple[str, Gate]],
    *,
    key: str,
    simple_prompt: bool,
) -> None:
    """Amid an import, in front of a long queue, IPython ends in silence, status 0."""
    name, gate = write_gated()
    terminal = open_terminal(simple_prompt=simple_prompt)
    terminal.run(f"%warmup {name}")
    many = "[f'no_{number}' for number in range(5000)]"
    terminal.run(f"__import__('ipywarmup').get_manager().extend({many})")
    gate.wait_until_reached()
    before = len(terminal.written)
    terminal.process.send(key)
    # The gate is still closed: had anything waited for it, this would not end.
    assert terminal.read_until_end() == 0
    ending = terminal.written[before:]
    assert not [word for word in COMPLAINTS if word in ending]


def test_leaving_amid_heavy_packages(open_terminal: Callable[..., Terminal]) -> None:
    """Native code on its way into the process does not disturb the end of it."""
    terminal = open_terminal()
    terminal.run("%warmup numpy pandas sklearn.ensemble matplotlib.pyplot")
    before = len(terminal.written)
    terminal.start("exit")
    assert terminal.read_until_end() == 0
    ending = terminal.written[before:]
    assert not [word for word in COMPLAINTS if word in ending]
