"""``python -m tests.promises`` itself, with experiments that are none."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.promises.command import main
from tests.promises.experiment import Experiment, Outcome, run_script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.promises.experiment import Kind


def keep(_kind: Kind, _seed: int) -> list[str]:
    """Break nothing."""
    return []


def break_control(kind: Kind, seed: int) -> list[str]:
    """Break the promise without ipywarmup."""
    return [f"fault {seed}", "another"] if kind == "control" else []


def break_at_18(kind: Kind, seed: int) -> list[str]:
    """Break the promise in one trial."""
    return ["it broke,\nat last"] if (kind, seed) == ("warmup", 18) else []


def be_wrong(_kind: Kind, _seed: int) -> list[str]:
    """Be a trial with a fault of its own."""
    raise RuntimeError("no such thing")


def tell_more(_kind: Kind, seed: int) -> Outcome:
    """Count and measure."""
    return Outcome([], {"waits": seed}, {"latest exit": seed / 10})


def interrupt_at_1(_kind: Kind, seed: int) -> list[str]:
    """Be interrupted."""
    if seed == 1:
        raise KeyboardInterrupt
    return []


KEPT = Experiment(
    name="kept",
    promise="It is kept.",
    control="nothing",
    trial=keep,
    trials=4,
    short=1,
)


def table_of(text: str) -> list[str]:
    """Return the rows of the table that was printed."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[:2] == [
        "| promise | trials | broken | control | trials | broken |",
        "|---|---|---|---|---|---|",
    ]
    return rows[2:]


@pytest.mark.parametrize(
    ("arguments", "warmup", "control"),
    [
        ([], 4, 4),
        (["--short"], 1, 1),
        (["--trials", "3"], 3, 3),
        (["--trials", "3", "--control", "2"], 3, 2),
        (["--control", "0"], 4, 0),
        (["--control", "6"], 4, 6),
    ],
)
def test_as_many_trials_as_asked_for(
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    warmup: int,
    control: int,
) -> None:
    """Both kinds are counted, and what was kept is no failure."""
    assert main([KEPT], arguments) == 0
    row = f"| It is kept. | {warmup} | 0 | nothing | {control} | 0 |"
    assert table_of(capsys.readouterr().out) == [row]


def test_controls_that_take_long_are_fewer(capsys: pytest.CaptureFixture[str]) -> None:
    """They are not as many as the trials, unless somebody asks for them."""
    few = replace(KEPT, controls=2)
    for arguments, control in ([], 2), (["--trials", "9"], 2), (["--control", "3"], 3):
        assert main([few], arguments) == 0
        assert f"| nothing | {control} | 0 |" in capsys.readouterr().out


def test_a_control_that_breaks_is_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its faults are counted by trial, and told in short."""
    broken = replace(KEPT, trial=break_control)
    assert main([broken], ["--trials", "2", "--jobs", "1"]) == 0
    told = capsys.readouterr().out
    assert table_of(told) == ["| It is kept. | 2 | 0 | nothing | 2 | 2 |"]
    assert "kept, control, seed 1: fault 1\nkept, control, seed 1: and 1 more" in told


def test_a_warmup_that_breaks_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """The line of the fault has what repeats it, and that does."""
    broken = replace(KEPT, trial=break_at_18)
    for arguments in ["--seed", "17"], ["--seed", "18", "--trials", "1"]:
        assert main([KEPT, broken], ["--only", "kept", *arguments]) == 1
        told = capsys.readouterr().out
        assert "kept, warmup, seed 18: it broke, at last\n" in told
    assert main([broken], ["--seed", "17", "--trials", "1"]) == 0


def test_a_trial_that_fails_itself_is_broken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A promise is not kept because nobody could look."""
    assert main([replace(KEPT, trial=be_wrong)], []) == 1
    assert "RuntimeError: no such thing" in capsys.readouterr().out


def test_missing_packages_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """What was not tried has a row that says so."""
    missing = replace(KEPT, trial=be_wrong, needs=("sys", "throwaway_missing"))
    assert main([missing], []) == 0
    told = "not tried: needs throwaway_missing"
    out = capsys.readouterr().out
    assert table_of(out) == [f"| It is kept. | {told} |  | nothing |  |  |"]
    assert f"kept: {told}" in out


def test_counts_are_added_up_and_the_longest_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What trials tell besides stands below the table, by kind."""
    measured = replace(KEPT, trial=tell_more)
    assert main([measured], ["--seed", "1", "--control", "2"]) == 0
    told = capsys.readouterr().out
    assert "kept, warmup: waits 10\n" in told
    assert "kept, control: waits 3\n" in told
    longest = "warmup 0.40 s (seed 4), control 0.20 s (seed 2)"
    assert f"kept: latest exit: {longest}\n" in told


def test_kinds_take_turns() -> None:
    """A seed is tried with a warmup and without it before the next one is."""
    order: list[tuple[str, Kind, int]] = []

    def note(name: str) -> Experiment:
        def trial(kind: Kind, seed: int) -> list[str]:
            order.append((name, kind, seed))
            return []

        return replace(KEPT, name=name, trial=trial)

    arguments = ["--jobs", "1", "--seed", "5", "--trials", "2"]
    assert main([note("first"), note("second")], arguments) == 0
    assert order == [
        (name, kind, seed)
        for name in ("first", "second")
        for seed in (5, 6)
        for kind in ("warmup", "control")
    ]


def test_nothing_runs_beside_what_runs_alone() -> None:
    """Other trials are side by side, as many as there are jobs."""
    together = threading.Barrier(2)
    running: list[int] = []

    def meet(_kind: Kind, seed: int) -> list[str]:
        running.append(seed)
        together.wait(30)
        running.remove(seed)
        return []

    def look(_kind: Kind, seed: int) -> list[str]:
        found = [f"beside {other}" for other in running]
        running.append(seed)
        running.remove(seed)
        return found

    experiments = [replace(KEPT, trial=look, alone=True), replace(KEPT, trial=meet)]
    assert main(experiments, ["--jobs", "2"]) == 0


def test_an_interrupt_shows_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    """The table has the trials that have ended."""
    assert main([replace(KEPT, trial=interrupt_at_1)], ["--jobs", "1"]) == 130
    told = capsys.readouterr().out
    assert len(table_of(told)) == 1
    assert "Interrupted" in told


def test_experiments_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its promise beside its name, and nothing is tried."""
    assert main([replace(KEPT, trial=be_wrong)], ["--list"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("kept ")
    assert told.endswith("It is kept.\n")


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--only", "kept", "unkept"], "'unkept'"),
        (["--trials", "0"], "'0'"),
        (["--control", "-1"], "-1"),
        (["--jobs", "two"], "'two'"),
        (["--seed", "1.5"], "'1.5'"),
        (["--trial", "1"], "--trial"),
        (["exits"], "exits"),
    ],
)
def test_a_bad_argument_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], culprit: str
) -> None:
    """It names the culprit, and nothing is tried."""
    with pytest.raises(SystemExit) as caught:
        main([replace(KEPT, trial=be_wrong)], arguments)
    told = capsys.readouterr()
    assert caught.value.code == 2
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert culprit in told.err


@pytest.mark.skipif(sys.platform == "win32", reason="processes have no groups there")
def test_children_of_what_hung_are_ended_too(tmp_path: Path) -> None:
    """No process of a trial outlives it."""
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    reading = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    hang = """
        import os, signal, sys
        writing = os.open(sys.argv[1], os.O_WRONLY)
        os.write(writing, b"here")
        os.fork()
        signal.pause()
    """
    assert run_script(hang, alive, limit=1.0) is None
    os.set_blocking(reading, True)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"here"  # and then the end: nobody has it open
