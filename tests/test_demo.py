"""The demo, run as a user would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "01-quickstart.ipynb"

# Stands in for JupyterLab: notes what it was asked to open, and says how it went.
LAB = """
import json, os, pathlib, sys
(path,) = sys.argv[1:]
told = {"path": path, "text": pathlib.Path(path).read_text(encoding="utf-8")}
pathlib.Path(os.environ["TOLD"]).write_text(json.dumps(told))
sys.exit(int(os.environ["STATUS"]))
"""

# Another, which asks on Ctrl-C, and ends with a status of its own on the answer. A
# blocked signal is kept for `sigwait`, however early it comes.
ASKING_LAB = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print("serving", flush=True)
signal.sigwait({signal.SIGINT})
sys.exit(3 if input("Shut down?") == "y" else 4)
"""


def demo(
    cwd: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `python -m ipywarmup demo` in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "ipywarmup", "demo", *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_demo_runs_the_quickstart_and_compares(tmp_path: Path) -> None:
    """The demo shows the cells, the table of canaries, and the foreground's cost."""
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr
    assert ">>> %warmup numpy pandas sklearn.ensemble matplotlib.pyplot" in done.stdout
    assert "Warmup done: 4 of 4 modules completed" in done.stdout
    assert re.search(r" 3  sklearn\.ensemble +completed  ipywarmup-0 ", done.stdout)
    plain = re.search(
        r"plain import, in a fresh interpreter +(\d+\.\d) ms", done.stdout
    )
    warm = re.search(r"the imports that follow +(\d+\.\d) ms", done.stdout)
    assert plain is not None
    assert warm is not None
    # Not a matter of speed: a look-up against the work itself.
    assert float(warm[1]) < float(plain[1])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="/proc is read-only")
def test_demo_needs_no_folder_to_write_to() -> None:
    """The sockets of its kernel are in a folder of their own."""
    done = demo(Path("/proc"))
    assert done.returncode == 0, done.stderr
    assert "Warmup done: 4 of 4 modules completed" in done.stdout


def test_demo_names_what_is_missing(tmp_path: Path) -> None:
    """Without its packages the demo says in one line how to get them."""
    (tmp_path / "nbclient.py").write_text("raise ImportError('no nbclient here')\n")
    done = demo(tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        "demo: no nbclient here; install what it needs with: "
        "pip install 'ipywarmup[demo]'\n"
    )


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Return a folder that hides JupyterLab behind something that tells."""
    package = tmp_path / "lab" / "jupyterlab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(LAB, encoding="utf-8")
    return package.parent


def test_lab_opens_a_copy_of_the_notebook(tmp_path: Path, lab: Path) -> None:
    """`demo --lab` gives JupyterLab a copy, which goes when JupyterLab has ended."""
    told = tmp_path / "told"
    done = demo(tmp_path, "--lab", PYTHONPATH=str(lab), TOLD=str(told), STATUS="0")
    assert (done.returncode, done.stderr) == (0, "")
    opened = json.loads(told.read_text(encoding="utf-8"))
    assert opened["text"] == NOTEBOOK.read_text(encoding="utf-8")
    path = Path(opened["path"])
    assert path.name == NOTEBOOK.name
    assert path.parent != NOTEBOOK.parent
    assert not path.parent.exists()


def test_lab_that_does_not_start_is_told_in_a_line(tmp_path: Path, lab: Path) -> None:
    """Where JupyterLab fails, the demo says so and how to get it."""
    told = tmp_path / "told"
    done = demo(tmp_path, "--lab", PYTHONPATH=str(lab), TOLD=str(told), STATUS="3")
    assert done.returncode == 1
    assert done.stderr == (
        "demo: JupyterLab ended with 3; install what it needs with: "
        "pip install 'ipywarmup[demo]'\n"
    )


def test_interrupt_is_answered_by_jupyterlab(tmp_path: Path, lab: Path) -> None:
    """The first Ctrl-C leaves JupyterLab the time to ask, and the demo waits for it."""
    pexpect = pytest.importorskip("pexpect", reason="Ctrl-C needs a POSIX terminal")
    (lab / "jupyterlab" / "__main__.py").write_text(ASKING_LAB, encoding="utf-8")
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "ipywarmup", "demo", "--lab"],
        cwd=str(tmp_path),
        env=os.environ | {"PYTHONPATH": str(lab)},
        encoding="utf-8",
    )
    terminal.expect_exact("serving")
    terminal.sendintr()
    terminal.expect_exact("Shut down?")
    terminal.sendline("y")
    terminal.expect_exact("demo: JupyterLab ended with 3")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 1
