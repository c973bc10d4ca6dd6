"""`python -m ipywarmup`: its commands, its help, its mistakes, its benchmark."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ipywarmup.bench import own, start

if TYPE_CHECKING:
    from types import ModuleType


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-m", "ipywarmup", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_the_commands() -> None:
    """`--help` says what each command does."""
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^ +demo +run the quickstart", done.stdout, re.MULTILINE)
    assert re.search(r"^ +bench +measure", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: command"),
        (["dmeo"], "invalid choice: 'dmeo'"),
        (["demo", "--lap"], "unrecognized arguments: --lap"),
        (["bench", "--rounds", "0"], "'0' is not 1 or more"),
        (["bench", "--rounds", "many"], "'many' is not 1 or more"),
        (["bench", "--switch-interval", "0"], "'0' is not between 0.001 and 1000"),
        (["bench", "--switch-interval", "x"], "'x' is not between 0.001 and 1000"),
        (["bench", "--own", "json"], "--own takes no modules"),
        (["bench", "--own", "--start"], "--start: not allowed with argument --own"),
        (["bench", "--start", "--plot", "x.png"], "--start draws no plot"),
    ],
)
def test_mistake_is_told_in_one_line(arguments: list[str], words: str) -> None:
    """What cannot be meant ends with status 2, the usage, and a line about it."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    usage, *_, error = done.stderr.splitlines()
    assert usage.startswith("usage: python -m ipywarmup")
    assert words in error


def test_start_bench_names_what_is_missing() -> None:
    """A notebook that cannot import what it should is not measured."""
    done = run("bench", "--start", "nosuch")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "bench: 'nosuch' is not installed\n"


TABLES = pytest.mark.parametrize(
    ("arguments", "table"),
    [(["--own"], own), (["--start", "colorsys"], start)],
    ids=["own", "start"],
)


@TABLES
def test_bench_prints_every_line_of_its_table(
    arguments: list[str], table: ModuleType
) -> None:
    """Each measured quantity has its figures, the ratios theirs."""
    done = run("bench", *arguments, "--rounds", "1")
    assert done.returncode == 0, done.stderr
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["median", "min", "max"]
    figure = r" +(\d+\.\d)"
    for line, expected in zip(lines, table.LINES, strict=False):
        assert re.fullmatch(
            f"{re.escape(expected.what)}{3 * figure} {expected.unit}", line
        )
    ratios = lines[len(table.LINES) :]
    for line, (_, _, what) in zip(ratios, table.RATIOS, strict=True):
        assert re.fullmatch(rf"{re.escape(what)}(?: +\d+\.\d\d\d){{3}}", line)


@TABLES
def test_bench_prints_json(arguments: list[str], table: ModuleType) -> None:
    """`--json` prints each round's figures by their keys."""
    done = run("bench", *arguments, "--json", "--rounds", "2")
    assert done.returncode == 0, done.stderr
    rounds = json.loads(done.stdout)
    assert len(rounds) == 2
    for figures in rounds:
        assert set(figures) == {line.key for line in table.LINES}
        assert min(figures.values()) > 0
