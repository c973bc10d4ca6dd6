"""Leaving IPython in the middle of an import."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ipywarmup.responsiveness import sharedlibs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.slowlibrary import Events, SlowLibrary
    from tests.terminal.conftest import Terminal

COMPLAINTS = ("Traceback", "Exception", "Fatal", "Error", "terminate")


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


@pytest.mark.skipif(
    not sharedlibs._is_supported(), reason="not the loader of glibc on Linux"
)
@pytest.mark.parametrize("line", ["quit", "exit()"])
def test_leaving_amid_constructors(
    open_terminal: Callable[..., Terminal],
    write_module: Callable[..., str],
    slow_library: SlowLibrary,
    events: Events,
    line: str,
) -> None:
    """The end waits for those of a library that is on its way into the process."""
    terminal = open_terminal()
    terminal.run(f"__import__('sys').path.append({str(slow_library.folder)!r})")
    terminal.run(f"from {write_module(events.script)} import *")
    terminal.run("%warmup slowly")
    events.wait_until_reached()
    terminal.run("go_on_when_leaving()")
    terminal.run("__import__('atexit').register(tell, 'handler');")
    before = len(terminal.written)
    terminal.start(line)
    assert terminal.read_until_end() == 0
    ending = terminal.written[before:]
    assert not [word for word in COMPLAINTS if word in ending]
    assert events.told == [
        *("constructing", "leaving", "constructed", "handler", "destroying"),
    ]
