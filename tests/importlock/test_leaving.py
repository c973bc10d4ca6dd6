"""Interpreters that exit in the middle of a warmup."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Leave = Callable[..., subprocess.CompletedProcess[str]]

# Where a script and the modules it warms up tell each other how far they are.
SIGNALS = """
import pathlib, threading
half, gate = threading.Event(), threading.Event()
def mark(name):
    (pathlib.Path(__file__).parent / f"{name}.imported").touch()
"""
HALF = "import signals\nsignals.half.set()\nsignals.gate.wait()\n"
PREAMBLE = """
import atexit, sys
sys.path.insert(0, sys.argv[1])
import signals
import ipywarmup
manager = ipywarmup.get_manager()
"""
HEAVY = [
    name
    for name in (
        *("numpy", "scipy.stats", "sklearn.ensemble", "pandas", "matplotlib.pyplot"),
        *("torch", "pyarrow"),
    )
    if importlib.util.find_spec(name.partition(".")[0]) is not None
]


@pytest.fixture
def leave(tmp_path: Path) -> Leave:
    """Return a function that runs a script beside modules, and checks how it ends."""

    def run(
        script: str, files: dict[str, str] | None = None, stdout: str = ""
    ) -> subprocess.CompletedProcess[str]:
        for name, source in {"signals.py": SIGNALS, **(files or {})}.items():
            file = tmp_path / "modules" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source, encoding="utf-8")
        program = PREAMBLE + textwrap.dedent(script)
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", program, tmp_path / "modules"],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            check=False,
        )
        assert done.stderr == ""
        assert (done.returncode, done.stdout) == (0, stdout)
        return done

    return run


@pytest.mark.parametrize("part", range(5))
def test_an_exit_in_the_middle_of_heavy_packages(leave: Leave, part: int) -> None:
    """However far the warmup is, the status is 0 and nothing is said."""
    leave(f"""
        class Counter:
            # By modules, not by time: the middle is the middle on any machine.
            left = {40 + 250 * part}
            def find_spec(self, *_):
                self.left -= 1
                if not self.left:
                    signals.half.set()
        sys.meta_path.insert(0, Counter())
        manager.on_complete(lambda _: signals.half.set())
        manager.submit({HEAVY!r})
        assert signals.half.wait(60)
    """)


def test_a_worker_stops_at_its_next_import(leave: Leave, tmp_path: Path) -> None:
    """A module whose import would begin after the exit did is not imported."""
    leave(
        """
        def at_exit():
            signals.gate.set()
            while pool.is_busy_elsewhere():
                pass
        class pool:
            @staticmethod
            def is_busy_elsewhere():
                # The import goes on, and ends up where it is parked.
                frame = sys._current_frames()[worker]
                while frame is not None and frame.f_code.co_name != "_park":
                    frame = frame.f_back
                return frame is None
        # Before the hooks' own handler is registered, so that this one comes later.
        atexit.register(at_exit)
        manager.submit(["half", "after"])
        assert signals.half.wait(30)
        worker = manager.canaries()[0]["thread_id"]
        """,
        {
            "half.py": HALF + "signals.mark('half')\nimport marked",
            "marked.py": "import signals\nsignals.mark('marked')",
            "after.py": "import signals\nsignals.mark('after')",
        },
    )
    marks = sorted(path.stem for path in (tmp_path / "modules").glob("*.imported"))
    assert marks == ["half"]


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize(
    ("statement", "finds"),
    [
        ("import json.tool, colorsys", "json.tool.main"),
        ("from half.part import Part", "Part"),
        ("import half", "half.whole"),
        ("import half.other", "half.whole"),
        ("import other_package", "other_package.Part"),
    ],
)
def test_an_exit_handler_that_imports(
    leave: Leave, statement: str, finds: str, order: str
) -> None:
    """It finds all of what it imports, be it under way; else it waits for nothing."""
    # Handlers run last in, first out; so one of the two comes before our own, and
    # finds the warmup going on.
    register = "atexit.register(at_exit)"
    leave(
        f"""
        def at_exit():
            {"signals.gate.set()" if "half" in statement else ""}
            {statement}
            {finds}
            print("imported")
        {register if order == "before" else ""}
        from ipywarmup.importlock.hooks import hooks
        hooks.locks.patience = 3600.0
        manager.submit(["half"])
        assert signals.half.wait(30)
        {register if order == "after" else ""}
        """,
        {
            "half/__init__.py": "import half.part\n" + HALF + "import half.last\n"
            "whole = True",
            "half/part.py": "Part = 'part'",
            "half/other.py": "",
            "half/last.py": "",
            "other_package.py": "from half.part import Part",
        },
        stdout="imported\n",
    )


def test_a_kernel_like_loop_that_is_told_to_exit(leave: Leave) -> None:
    """A SystemExit raised while the main thread waits for the warmup ends it."""
    leave(
        """
        import signal, threading
        def leave(*_):
            raise SystemExit
        signal.signal(signal.SIGTERM, leave)
        manager.submit(["half"])
        assert signals.half.wait(30)
        locks = ipywarmup.importlock.hooks.hooks.locks
        wait = locks._condition.wait
        def wait_and_leave(timeout=None):
            signal.raise_signal(signal.SIGTERM)
            return wait(timeout)
        locks._condition.wait = wait_and_leave
        import half
        """,
        {"half.py": HALF},
    )
