"""%warmup in a terminal: what each line shows there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.terminal.conftest import Terminal


@pytest.mark.parametrize("simple_prompt", [False, True])
def test_prompt_returns_while_the_import_is_under_way(
    open_terminal: Callable[..., Terminal],
    write_gated: Callable[..., tuple[str, Gate]],
    *,
    simple_prompt: bool,
) -> None:
    """%warmup shows one short line, and the next lines run meanwhile."""
    name, gate = write_gated()
    terminal = open_terminal(simple_prompt=simple_prompt)
    assert terminal.run(f"%warmup {name}, queued") == [
        f"Warming up in the background: {name}, queued"
    ]
    gate.wait_until_reached()
    assert terminal.run("6 * 7") == ["Out[3]: 42"]
    assert terminal.run("%warmup")[1] == (
        "Warmup: 0 of 2 modules completed, 1 running, 1 queued"
    )


def test_status_is_a_table_of_text(
    open_terminal: Callable[..., Terminal],
    write_module: Callable[..., str],
    write_gated: Callable[..., tuple[str, Gate]],
) -> None:
    """Each module has a row that tells its state, its thread, its time, its error."""
    write_module(name="warm_module")
    write_module("raise OSError('no disk')", name="sour_module")
    _, gate = write_gated(name="slow_module")
    terminal = open_terminal()
    terminal.run("%warmup warm_module sour_module slow_module late_module")
    gate.wait_until_reached()
    for line in ("%warmup", "%warmup status", "%warmup canaries"):
        out, headline, *savings = terminal.run(line)
        header, *rows = savings[-5:]
        del savings[-5:]
        told = line != "%warmup canaries"
        assert len(savings) == told
        assert all(words.startswith("Saved ") for words in savings)
        assert out.startswith("Out[")
        assert headline == (
            "Warmup: 1 of 4 modules completed, 1 failed, 1 running, 1 queued"
        )
        assert header == "id  module       status     thread         elapsed  error"
        expected = (
            r" 1  warm_module  completed  ipywarmup-0 +\d+\.\d ms",
            r" 2  sour_module  failed     ipywarmup-0 +\d+\.\d ms  OSError: no disk",
            r" 3  slow_module  running    ipywarmup-0 +\d+\.\d+ m?s",
            r" 4  late_module  queued",
        )
        assert len(rows) == len(expected)
        for row, pattern in zip(rows, expected, strict=True):
            assert re.fullmatch(pattern, row)


def test_subcommands_answer_in_words(
    open_terminal: Callable[..., Terminal],
    write_module: Callable[..., str],
    write_gated: Callable[..., tuple[str, Gate]],
) -> None:
    """Each subcommand says what it has done, or that there was nothing to do."""
    write_module("raise OSError('not yet')", name="sour_module")
    _, gate = write_gated(name="slow_module")
    terminal = open_terminal()
    assert terminal.run("%warmup cancel") == ["Nothing to cancel."]
    assert terminal.run("%warmup retry") == ["Nothing has failed."]
    terminal.run("%warmup sour_module slow_module late_module")
    gate.wait_until_reached()
    assert terminal.run("%warmup cancel") == ["Cancelled: late_module"]
    gate.open()
    outcome = "Warmup done: 1 of 3 modules completed, 1 failed, 1 cancelled"
    assert terminal.run("%warmup wait") == [outcome, "sour_module: OSError: not yet"]
    write_module("answer = 42", name="sour_module")
    assert terminal.run("%warmup retry") == ["Trying again: sour_module"]
    assert terminal.run("%warmup wait sour_module") == [
        "Warmup done: 2 of 3 modules completed, 1 cancelled"
    ]
    assert terminal.run("import sour_module; sour_module.answer")[-1].endswith(": 42")
    assert terminal.run("%warmup reset") == [
        "Warmup forgotten; the next %warmup starts a new one."
    ]
    assert terminal.run("%warmup")[-1].endswith("Warmup: no modules yet")


def test_wrong_line_is_one_line_of_error(
    open_terminal: Callable[..., Terminal], write_module: Callable[..., str]
) -> None:
    """It names the culprit, shows no traceback, and starts nothing."""
    name = write_module()
    terminal = open_terminal()
    for arguments, words in (
        (f"{name} --wiat", "unknown flag '--wiat'; did you mean --wait?"),
        (f"{name} --timeout soon", "'soon' is not a number of seconds"),
        (f"{name} ..relative", "'..relative' is not an absolute dotted module name"),
        (f"{name} status", "'status' is a subcommand and stands alone"),
        ("statsu", "did you mean %warmup status?"),
        ("wait", "there is nothing to wait for yet"),
        ("--wait", "name a module to import"),
        ("cancel now", "'now'"),
    ):
        (line,) = terminal.run(f"%warmup {arguments}")
        assert line.startswith("UsageError: %warmup")
        assert words in line
    assert terminal.run("%warmup")[-1].endswith("Warmup: no modules yet")


def test_ipywidgets_is_never_imported(
    open_terminal: Callable[..., Terminal], write_module: Callable[..., str]
) -> None:
    """No line brings the widgets, which no terminal can show."""
    names = [write_module(), write_module("raise OSError")]
    terminal = open_terminal()
    for line in (
        f"%warmup {' '.join(names)}",
        "%warmup wait",
        "%warmup retry",
        "%warmup wait",
        "%warmup status",
        "%warmup canaries",
        "%warmup cancel",
        "%warmup reset",
    ):
        terminal.run(line)
    terminal.run("import sys")
    (line,) = terminal.run("sorted({'ipywarmup', 'ipywidgets'} & {*sys.modules})")
    assert line.endswith(": ['ipywarmup']")


def test_question_mark_shows_the_manual(open_terminal: Callable[..., Terminal]) -> None:
    """`%warmup?` and `%warmup help` show the same page, `--help` too."""
    terminal = open_terminal()
    page = terminal.run("%warmup help")
    assert (
        page[0] == "Import heavy modules in the background, while the next cells run."
    )
    for line in ("%warmup status", "wait", "canaries", "cancel", "retry", "reset"):
        assert any(entry.startswith("%warmup") and line in entry for entry in page)
    assert {"Usage", "Examples", "Settings"} <= set(page)
    assert terminal.run("%warmup --help") == page
    shown = terminal.run("%warmup?")
    start = shown.index(page[0])
    assert shown[start : start + len(page)] == page


def test_settings_explain_themselves(open_terminal: Callable[..., Terminal]) -> None:
    """`%config WarmupMagics` lists each setting with a word about it."""
    terminal = open_terminal()
    shown = "\n".join(terminal.run("%config WarmupMagics"))
    for setting, words in (
        ("panel=<Bool>", "Show a live panel"),
        ("log_to_stderr=<Bool>", "Write a line for each module to stderr"),
        ("lanes=<Int>", "How many modules are imported at the same time"),
    ):
        assert re.search(f"WarmupMagics.{setting}.*?{words}", shown, re.DOTALL)
    # A value that makes no sense is refused.
    (line,) = terminal.run("%config WarmupMagics.lanes = 0")
    assert "should not be less than 1" in line


def test_log_lines_appear_above_the_prompt(
    open_terminal: Callable[..., Terminal], write_gated: Callable[..., tuple[str, Gate]]
) -> None:
    """With log_to_stderr a line for each module comes, and the prompt stays whole."""
    _, gate = write_gated(name="slow_module")
    terminal = open_terminal()
    assert terminal.run("%config WarmupMagics.log_to_stderr = True") == []
    terminal.run("%warmup slow_module nosuchmodule")
    gate.wait_until_reached()
    gate.open()
    terminal.read_until(lambda: "[warmup done]" in terminal.written)
    terminal.read_until(lambda: terminal.screen.current == terminal.prompt)
    lines = terminal.run("pass")
    expected = (
        r"\[warmup 1\] slow_module on ipywarmup-0 \(id=\d+\): \d+\.\dms",
        r"\[warmup 2\] FAILED nosuchmodule on ipywarmup-0 \(id=\d+\): Module.*'",
        r"\[warmup done\] 2 modules: 1 completed, 1 failed \(sum .*: \d+\.\dms\)",
    )
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line)


def test_heavy_packages_are_usable_afterwards(
    open_terminal: Callable[..., Terminal],
) -> None:
    """What was imported in the background is what `import` finds, and it works."""
    terminal = open_terminal()
    terminal.run("%warmup numpy pandas sklearn.ensemble")
    assert terminal.run("%warmup wait") == ["Warmup done: 3 of 3 modules completed"]
    terminal.run("import sys; known = {*sys.modules}")
    terminal.run("import pandas as pd; from sklearn.ensemble import IsolationForest")
    assert terminal.run("{*sys.modules} - known") == ["Out[6]: set()"]
    assert terminal.run("pd.Series([1, 2, 3]).sum()") == ["Out[7]: np.int64(6)"]
