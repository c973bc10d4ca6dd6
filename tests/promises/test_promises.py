"""The promises of the README, kept in a short form of `nox -s promises`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises.__main__ import EXPERIMENTS

ROOT = Path(__file__).parents[2]


def promises_of(markdown: str) -> list[str]:
    """Return the first column of a table."""
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [row.split(" | ")[0].removeprefix("| ") for row in rows[1:]]


# Two minutes on a machine that has nothing else to do.
@pytest.mark.timeout(600)
def test_each_promise_is_kept() -> None:
    """Each is tried with the packages that are installed, and its row is printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.promises", "--short"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert promises_of(done.stdout) == [each.promise for each in EXPERIMENTS]


def test_the_readme_promises_what_is_tried() -> None:
    """Its table has the promises of the command, in the same order."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, rest = readme.partition("\n## Guarantees\n")
    guarantees, _, _ = rest.partition("\n## ")
    tables = [part for part in guarantees.split("\n\n") if "| promise |" in part]
    promises = [promise for table in tables for promise in promises_of(table)]
    assert promises == [each.promise for each in EXPERIMENTS]


def test_experiments_have_names_of_their_own() -> None:
    """One word, which `--only` takes."""
    names = [each.name for each in EXPERIMENTS]
    assert len(set(names)) == len(names)
    assert [name for name in names if " " in name] == []
