"""A real IPython in a pseudo-terminal, and what its screen shows."""

from __future__ import annotations

import itertools
import os
import re
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.conftest import Gate

pexpect = pytest.importorskip("pexpect", reason="pseudo-terminals need a POSIX system")

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 30.0
_numbers = itertools.count()

# Without a banner, colours and a title, which are beside the point.
COMMAND = (
    *("-m", "IPython", "--no-banner", "--no-confirm-exit", "--no-term-title"),
    "--colors=NoColor",
)

# What changes the look of text, or what the keyboard sends, and where lines go not.
# A second screen, to which curses switches in order to measure it, shows nothing.
IGNORED = re.compile(
    r"\x1b\[\?1049h.*?\x1b\[\?1049l"
    r"|\x1b\[[?>][\d;]*[hlm]"
    r"|\x1b\[[\d;]*[mt]"
    r"|\x1b\][^\a]*\a"
    r"|\x1b[=>78]|\x1b\([B0]|\a",
    re.DOTALL,
)
INCOMPLETE = re.compile(
    r"(?:\x1b\[\?1049h(?!.*\x1b\[\?1049l).*|\x1b(?:\[[?>]?[\d;]*|\][^\a]*|\()?)\Z",
    re.DOTALL,
)
CONTROL = re.compile(r"\x1b\[(?P<count>\d*)(?P<final>[A-Z])|(?P<plain>[\r\n\b])")
MOVES = {
    "A": (-1, 0),
    "B": (1, 0),
    "C": (0, 1),
    "D": (0, -1),
    "\n": (1, 0),
    "\b": (0, -1),
}


class Screen:
    """
    The lines that a terminal shows, scrolled ones included.

    Parameters
    ----------
    columns : int
        How many characters fit into a line.
    """

    def __init__(self, columns: int) -> None:
        self.lines = [""]
        self.columns = columns
        self._row = 0
        self._column = 0
        self._rest = ""

    def __str__(self) -> str:
        """Return all lines."""
        return "\n".join(self.lines)

    @property
    def current(self) -> str:
        """The line that the cursor is on."""
        return self.lines[self._row].rstrip()

    def feed(self, text: str) -> None:
        """Show what a program writes."""
        text = self._rest + text
        cut = INCOMPLETE.search(text)
        text, self._rest = (text[: cut.start()], cut[0]) if cut else (text, "")
        text = IGNORED.sub("", text)
        position = 0
        for control in CONTROL.finditer(text):
            self._print(text[position : control.start()])
            self._obey(control["final"] or control["plain"], control["count"])
            position = control.end()
        self._print(text[position:])

    def _print(self, text: str) -> None:
        for character in text:
            assert character.isprintable(), f"{character!r} is not understood"
            if self._column == self.columns:
                self._move_to(self._row + 1, 0)
            line = self.lines[self._row].ljust(self._column)
            self.lines[self._row] = (
                line[: self._column] + character + line[self._column + 1 :]
            )
            self._column += 1

    def _obey(self, control: str, count: str | None) -> None:
        if control in MOVES:
            down, right = MOVES[control]
            steps = int(count or 1)
            self._move_to(self._row + down * steps, self._column + right * steps)
        elif control == "\r":
            self._column = 0
        else:
            assert (control, count) in {("J", ""), ("K", ""), ("K", "2")}
            kept = "" if count == "2" else self.lines[self._row][: self._column]
            self.lines[self._row] = kept
            if control == "J":
                del self.lines[self._row + 1 :]

    def _move_to(self, row: int, column: int) -> None:
        self._row = max(0, row)
        self._column = min(max(0, column), self.columns)
        while len(self.lines) <= row:
            self.lines.append("")


class Terminal:
    """
    An IPython process, and the screen that it writes to.

    Parameters
    ----------
    folder : path
        Where its profile and its modules are.
    columns : int
        The width of the window.
    arguments : sequence of str
        What the interpreter is started with.
    """

    def __init__(self, folder: Path, columns: int, arguments: Sequence[str]) -> None:
        environment = os.environ | {
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "PYTHONPATH": str(folder / "modules"),
            "TERM": "xterm",
            "PAGER": "cat",
            # The screen answers no questions.
            "PROMPT_TOOLKIT_NO_CPR": "1",
        }
        # Of a shell that has activated another environment than that of the tests:
        # IPython would import from there.
        environment.pop("VIRTUAL_ENV", None)
        self.process = pexpect.spawn(
            sys.executable,
            list(arguments),
            cwd=str(folder),
            env=environment,
            dimensions=(40, columns),
            encoding="utf-8",
        )
        self.process.delaybeforesend = None
        self.screen = Screen(columns)
        self.written = ""
        self.count = 1
        self._prompt_row = 0
        self.wait_for_prompt()

    @property
    def prompt(self) -> str:
        """The prompt for the next line."""
        return f"In [{self.count}]:"

    def start(self, line: str) -> None:
        """Type a line, or several, and return without waiting for their end."""
        # Meta and Enter together run what is more than a line.
        end = "\x1b\r" if "\n" in line else "\r"
        self.process.send(line.replace("\n", "\r") + end)
        self.count += 1

    def run(self, line: str) -> list[str]:
        """Type a line, wait for the next prompt; return what is between the two."""
        self.start(line)
        return self.wait_for_prompt()

    def wait_for_prompt(self) -> list[str]:
        """Wait for a prompt; return what is between it and the one before."""
        self.read_until(lambda: self.screen.current == self.prompt)
        (row,) = (
            index
            for index, line in enumerate(self.screen.lines)
            if line.startswith(self.prompt)
        )
        begin, self._prompt_row = self._prompt_row, row
        # What comes while a prompt waits is shown above it.
        former = f"In [{self.count - 1}]:"
        return [
            line.rstrip()
            for line in self.screen.lines[begin:row]
            if line.strip() and not line.lstrip().startswith((former, "...:"))
        ]

    def flush(self) -> None:
        """Enter a blank, which runs nothing, and wait for the same prompt again."""
        before = self.written.count(self.prompt)
        self.process.send(" \r")
        self.read_until(lambda: self.written.count(self.prompt) > before)
        self.screen = Screen(self.screen.columns)
        self.screen.feed(self.prompt)

    def read_until(self, condition: Callable[[], object]) -> None:
        """Read until a condition holds."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert self._read(deadline), f"IPython has ended:\n{self.screen}"

    def read_until_end(self) -> int | None:
        """Read until the process has ended; return its exit status."""
        deadline = time.monotonic() + TIMEOUT
        while self._read(deadline):
            pass
        self.process.wait()
        status: int | None = self.process.exitstatus
        return status

    def close(self) -> None:
        """End the process if it has not ended."""
        self.process.close(force=True)

    def _read(self, deadline: float) -> bool:
        """Read what there is; False at the end of the process."""
        try:
            left = max(0.0, deadline - time.monotonic())
            text = self.process.read_nonblocking(65536, left)
        except pexpect.EOF:
            return False
        except pexpect.TIMEOUT:
            pytest.fail(f"the terminal did not show what was expected:\n{self.screen}")
        self.written += text
        self.screen.feed(text)
        return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a terminal's profile and modules."""
    (tmp_path / "modules").mkdir()
    return tmp_path


@pytest.fixture
def open_terminal(folder: Path) -> Iterator[Callable[..., Terminal]]:
    """Return a function that starts IPython in a terminal; all are ended later.

    With a `simple_prompt`, that is plain `input`, as where IPython meets a dumb
    terminal.
    """
    terminals: list[Terminal] = []

    def start(
        *, load: bool = True, columns: int = 160, simple_prompt: bool = False
    ) -> Terminal:
        plain = ["--simple-prompt"] if simple_prompt else []
        terminal = Terminal(folder, columns, [*COMMAND, *plain])
        terminals.append(terminal)
        if load:
            assert terminal.run("%load_ext ipywarmup") == []
        return terminal

    yield start
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def write_module(folder: Path) -> Callable[..., str]:
    """Return a function that writes a module and returns its name."""

    def write(source: str = "", *, name: str = "") -> str:
        name = name or f"throwaway_{next(_numbers)}"
        file = folder / "modules" / f"{name}.py"
        file.write_text(textwrap.dedent(source), encoding="utf-8")
        return name

    return write


@pytest.fixture
def write_gated(
    write_module: Callable[..., str], new_gate: Callable[[], Gate]
) -> Callable[..., tuple[str, Gate]]:
    """Return a function that writes a module that blocks on a gate.

    It returns both. `before` and `after` are what the module does besides.
    """

    def write(*, before: str = "", after: str = "", name: str = "") -> tuple[str, Gate]:
        gate = new_gate()
        parts = (textwrap.dedent(before), gate.source, textwrap.dedent(after))
        return write_module("\n".join(parts), name=name), gate

    return write
