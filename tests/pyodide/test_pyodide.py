"""The core in Pyodide, where Python has no threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    RunPyodide = Callable[[str], subprocess.CompletedProcess[str]]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TIMEOUT = 120.0
"""A bound on failure only."""


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder from which Node.js finds Pyodide."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        if os.environ.get("IPYWARMUP_REQUIRE_NODE"):
            pytest.fail("Node.js with npm is required, and not there")
        pytest.skip("needs Node.js with npm")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "run.mjs"):
        shutil.copy(HERE / name, folder)
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    subprocess.run([npm, "install", *quiet], cwd=folder, check=True, timeout=TIMEOUT)
    return folder


@pytest.fixture
def run_pyodide(node_folder: Path, tmp_path: Path) -> RunPyodide:
    """Return what runs a program with the package in sight."""

    def run(source: str) -> subprocess.CompletedProcess[str]:
        program = tmp_path / "program.py"
        prelude = "import sys\nsys.path.insert(0, '/package')\n"
        program.write_text(prelude + textwrap.dedent(source), encoding="utf-8")
        return subprocess.run(
            ["node", "run.mjs", str(ROOT), str(program)],
            cwd=node_folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )

    return run


def test_warmup_imports_in_the_foreground(run_pyodide: RunPyodide) -> None:
    """Without threads `submit` returns when all is imported, and nothing is lost."""
    done = run_pyodide("""
        import ipywarmup
        manager = ipywarmup.WarmupManager()
        told = []
        manager.on_canary(lambda record: told.append(record["module"]))
        manager.submit(["colorsys", "nosuch", "xml.dom.minidom"])
        assert manager.is_done()
        assert manager.wait()
        assert manager.status() == {
            "pending": [],
            "completed": ["colorsys", "xml.dom.minidom"],
            "failed": ["nosuch"],
        }
        assert told == 2 * ["colorsys"] + 2 * ["nosuch"] + 2 * ["xml.dom.minidom"]
        assert "xml.dom.minidom" in sys.modules
        manager.on_complete(lambda status: print("complete:", *status["completed"]))
        manager.extend(["wave"])
        print(manager.require("wave").__name__, manager.require("cmd").__name__)
        manager.reset()
        manager.submit([])
        assert manager.is_done()
    """)
    assert (done.returncode, done.stdout) == (
        0,
        "complete: colorsys xml.dom.minidom\nwave cmd\n",
    ), done.stderr[-2000:]
    first, *rest = done.stderr.splitlines()
    assert first.startswith("[warmup 1] colorsys on MainThread")
    assert first.endswith("[MAIN-THREAD]")
    assert any(line.startswith("[warmup WARNING]") for line in rest)


def test_reason_is_said(run_pyodide: RunPyodide) -> None:
    """What keeps imports in the foreground is told in words, and never changes."""
    done = run_pyodide("""
        from ipywarmup.importlock.bootstrap import unsupported
        print(unsupported())
        print(unsupported())
    """)
    assert done.stdout == 2 * "this Python has no threads\n", done.stderr[-2000:]
