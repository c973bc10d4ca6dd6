"""The demo, run as a user would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def demo(
    cwd: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `python -m ipywarmup demo` in a folder."""
    return subprocess.run(
        [sys.executable, *arguments, "-m", "ipywarmup", "demo"],
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


def test_demo_names_what_is_missing(tmp_path: Path) -> None:
    """Without its packages the demo says in one line how to get them."""
    (tmp_path / "nbclient.py").write_text("raise ImportError('no nbclient here')\n")
    done = demo(tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        "demo: no nbclient here; install what it needs with: "
        "pip install 'ipywarmup[demo]'\n"
    )
