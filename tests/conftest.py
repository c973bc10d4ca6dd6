"""What several folders of tests share: a gate for imports, and a slow library."""

from __future__ import annotations

import socket
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests import slowlibrary
from tests.slowlibrary import Events, SlowLibrary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 30.0


class Gate:
    """What an import or a cell in another process blocks on until it is opened."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TIMEOUT)
        self._importer: socket.socket | None = None

    @property
    def source(self) -> str:
        """The source of a module that blocks here."""
        address = self._listener.getsockname()
        return textwrap.dedent(f"""
            import contextlib, socket
            # A gate that was opened before anybody came refuses or resets.
            with contextlib.suppress(OSError):
                with socket.create_connection({address!r}) as gate:
                    gate.recv(1)
        """)

    @property
    def block(self) -> str:
        """A statement that blocks here, for the code of a cell."""
        return f"exec({self.source!r}, {{}})"

    @property
    def knock(self) -> str:
        """A statement that shows that it was reached, and does not block."""
        address = self._listener.getsockname()
        return f"__import__('socket').create_connection({address!r}).close()"

    def wait_until_reached(self) -> None:
        """Return once an import or a cell blocks here."""
        self._importer, _ = self._listener.accept()

    def open(self) -> None:
        """Let it go on."""
        if self._importer is not None:
            self._importer.close()
        self._importer = None
        self._listener.close()


@pytest.fixture
def gates() -> Iterator[list[Gate]]:
    """Hold the gates that imports are blocked on; all are open in the end."""
    gates: list[Gate] = []
    yield gates
    for gate in gates:
        gate.open()


@pytest.fixture
def new_gate(gates: list[Gate]) -> Callable[[], Gate]:
    """Return a maker of gates."""

    def make() -> Gate:
        gates.append(Gate())
        return gates[-1]

    return make


@pytest.fixture(scope="session")
def slow_library(tmp_path_factory: pytest.TempPathFactory) -> SlowLibrary:
    """Return a library with slow constructors, and an extension module with it."""
    reason = slowlibrary.reason_to_skip()
    if reason is not None:
        pytest.skip(reason)
    return SlowLibrary(tmp_path_factory.mktemp("slowly"))


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    """Return what a process with the library tells."""
    folder = tmp_path / "events"
    folder.mkdir()
    events = Events(folder)
    yield events
    events.close()
