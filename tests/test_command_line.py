"""`python -m ipywarmup`: its commands, its help, its mistakes, its benchmark."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from ipywarmup.bench.own import LINES, RATIOS


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
    ],
)
def test_mistake_is_told_in_one_line(arguments: list[str], words: str) -> None:
    """What cannot be meant ends with status 2, the usage, and a line about it."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    usage, *_, error = done.stderr.splitlines()
    assert usage.startswith("usage: python -m ipywarmup")
    assert words in error


def test_own_bench_prints_every_line_of_its_table() -> None:
    """Each measured quantity has its figures, the ratios theirs."""
    done = run("bench", "--own", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["median", "min", "max"]
    figure = r" +(\d+\.\d)"
    for line, expected in zip(lines, LINES, strict=False):
        assert re.fullmatch(
            f"{re.escape(expected.what)}{3 * figure} {expected.unit}", line
        )
    ratios = lines[len(LINES) :]
    for line, (_, _, what) in zip(ratios, RATIOS, strict=True):
        assert re.fullmatch(rf"{re.escape(what)}(?: +\d+\.\d\d\d){{3}}", line)


def test_own_bench_prints_json() -> None:
    """`--own --json` prints each round's figures by their keys."""
    done = run("bench", "--own", "--json", "--rounds", "2")
    assert done.returncode == 0, done.stderr
    rounds = json.loads(done.stdout)
    assert len(rounds) == 2
    for figures in rounds:
        assert set(figures) == {line.key for line in LINES}
        assert min(figures.values()) > 0
