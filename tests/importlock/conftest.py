"""What the tests of the import locks share: programs that run in several ways."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A bound on failure; a program that is stuck ends by itself and shows where.
TIMEOUT = 30.0
TRIAL = Path(__file__).with_name("trial.py")


class Report(NamedTuple):
    """What became of a trial; see `trial.py`."""

    warm: dict[str, str | None]
    main: str | None
    result: str
    left: list[str]
    traceback: str = ""
    records: Mapping[str, dict[str, Any]] = {}
    counts: Mapping[str, int] = {}
    stderr: str = ""

    @property
    def errors(self) -> list[str]:
        """What went wrong, on whichever thread."""
        return [error for error in (self.main, *self.warm.values()) if error]


@pytest.fixture
def run_trial(tmp_path: Path) -> Callable[..., Report]:
    """
    Return a function that runs one program in one way, in a fresh process.

    It takes the way ("plain", "naive" or "guarded"), the sources of throwaway modules
    by file, the modules to warm up, and the code of the main thread, which leaves its
    `result`. The modules, and the code, find each other through `signals`.
    """

    def run(
        kind: str, files: Mapping[str, str], *, warm: list[str], main: str
    ) -> Report:
        folder = tmp_path / kind
        for name, source in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(source), encoding="utf-8")
        trial = {"folder": str(folder), "warm": warm, "main": textwrap.dedent(main)}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-X", "faulthandler", str(TRIAL), kind],
            input=json.dumps(trial),
            capture_output=True,
            text=True,
            timeout=TIMEOUT * 2,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        # Where a program was is no part of what it did, and which of importlib's
        # functions were under way no part of what its own code did.
        last_line = done.stdout.splitlines()[-1].replace(str(folder), "")
        report = Report(**json.loads(last_line), stderr=done.stderr)
        assert report.left == []
        text = re.sub(r'  File "<frozen importlib.*\n', "", report.traceback)
        return report._replace(traceback=text)

    return run
