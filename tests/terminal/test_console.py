"""%warmup in `jupyter console`: a kernel whose outputs a terminal shows as text."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from tests.kernel.conftest import Kernel
from tests.terminal.conftest import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Gate

# Without colours; what is typed is plain `input`.
CONSOLE = ("-m", "jupyter_console", "--no-confirm-exit", "--simple-prompt")
CALLING = "is anybody there?"
# Of no cell, so that each console shows it as soon as it looks.
CALL = f"""
kernel = get_ipython().kernel
content = {{"name": "stdout", "text": {CALLING!r}}}
kernel.session.send(kernel.iopub_socket, "stream", content, ident=b"stream.stdout")
del kernel, content
"""


@pytest.fixture
def kernel(folder: Path) -> Iterator[Kernel]:
    """Return a kernel for a console to connect to."""
    (folder / "modules").rmdir()
    kernel = Kernel(folder)
    yield kernel
    kernel.close()


@pytest.fixture
def console(kernel: Kernel, folder: Path, gates: list[Gate]) -> Iterator[Terminal]:
    """Return a console that is connected to a kernel with the extension loaded.

    One that runs a cell before it hears what the kernel publishes would wait for ever
    for the end of that cell, so the kernel calls until the console has heard it.
    """
    assert importlib.util.find_spec("jupyter_console")
    existing = f"--existing={kernel.manager.connection_file}"
    console = Terminal(folder, 160, [*CONSOLE, existing])
    while CALLING not in console.written:
        kernel.client.execute(CALL, silent=True, reply=True, timeout=30)
        console.flush()
    assert console.run("%load_ext ipywarmup") == []
    yield console
    for gate in gates:
        gate.open()
    console.close()


def test_console_shows_text(
    console: Terminal,
    write_module: Callable[..., str],
    write_gated: Callable[..., tuple[str, Gate]],
) -> None:
    """Where widgets cannot be shown, words and tables stand in for them."""
    write_module(name="warm_module")
    _, gate = write_gated(name="slow_module")
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


def test_console_waits_for_what_is_asked_for(console: Terminal) -> None:
    """`--wait` ends with the headline; nothing else of the panel is written."""
    assert console.run("%warmup json --wait") == [
        "Warming up in the background: json",
        "<warmup of 1 module>",
        "Warmup done: 1 of 1 module completed",
    ]
