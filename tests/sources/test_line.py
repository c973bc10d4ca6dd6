"""parse: what a %warmup line asks for, and what it says of a wrong one."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipywarmup.sources.line import (
    SUBCOMMANDS,
    LineError,
    Request,
    parse,
    parse_above_cell,
)

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

NAMES = ("numpy", "sklearn.ensemble")
FLAGS = ("--wait", "--quiet", "--timeout")


def refusal(line: str) -> str:
    """Return what parse says of a wrong line."""
    with pytest.raises(LineError) as caught:
        parse(line)
    return str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "numpy sklearn.ensemble",
        "numpy, sklearn.ensemble",
        "numpy,sklearn.ensemble",
        ",numpy ,, sklearn.ensemble,",
        "\tnumpy\t sklearn.ensemble  ",
        "numpy sklearn.ensemble  # the heavy ones",
        "numpy sklearn.ensemble# the heavy ones, --wait",
        "numpy -- sklearn.ensemble",
        "-- numpy sklearn.ensemble",
        "numpy sklearn.ensemble --",
    ],
)
def test_names_are_separated_by_blanks_or_commas(line: str) -> None:
    """Blanks, commas, comments and `--` are not part of any name."""
    assert parse(line) == Request("warm", NAMES)


@pytest.mark.parametrize("line", ["", "   ", ",", "# numpy", "--", "status", "status,"])
def test_a_line_without_a_name_asks_for_the_status(line: str) -> None:
    """An empty line, or one with nothing but a comment, is `status`."""
    assert parse(line) == Request("status")


@pytest.mark.parametrize(
    "command", sorted({*SUBCOMMANDS} - {"wait", "notebook", "file", "report"})
)
def test_a_subcommand_stands_alone(command: str) -> None:
    """A subcommand is understood without arguments, and refuses any."""
    assert parse(f" {command}  # please") == Request(command)
    for extra in ("numpy", "--quiet", "-- numpy"):
        message = refusal(f"{command} {extra}")
        assert message.startswith(f"{command} takes no arguments, but got '")
        assert message.endswith(f"a module named {command!r} goes after --")


@pytest.mark.parametrize("line", ["help", "-h", "--help", "--help numpy"])
def test_help_has_the_usual_flags_too(line: str) -> None:
    """`-h` and `--help` in front are `help`."""
    assert parse(line) == Request("help")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("wait", Request("wait")),
        ("wait numpy", Request("wait", ("numpy",))),
        ("wait numpy, sklearn.ensemble", Request("wait", NAMES)),
        ("wait -- status", Request("wait", ("status",))),
        ("wait --timeout 2", Request("wait", wait=True, timeout=2.0)),
        (
            "wait numpy --timeout 2.5 sklearn.ensemble",
            Request("wait", NAMES, wait=True, timeout=2.5),
        ),
    ],
)
def test_wait_takes_modules_and_a_timeout(line: str, expected: Request) -> None:
    """`wait` is for all modules or for these, and may end early."""
    assert parse(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "--wait --quiet numpy sklearn.ensemble",
        "numpy --wait sklearn.ensemble --quiet",
        "numpy sklearn.ensemble --quiet --wait",
        "--quiet numpy --wait -- sklearn.ensemble",
        "numpy,--wait,sklearn.ensemble,--quiet",
    ],
)
def test_flags_stand_anywhere(line: str) -> None:
    """Flags go in front of, between and after the names."""
    assert parse(line) == Request("warm", NAMES, wait=True, quiet=True)


@pytest.mark.parametrize("value", ["3", "3.0", "+3", "3e0"])
@pytest.mark.parametrize(
    "form", ["--timeout {}", "--timeout={}", "--wait --timeout {}"]
)
def test_timeout_means_to_wait(form: str, value: str) -> None:
    """A number of seconds comes after a blank or an equals sign, and waits."""
    flag = form.format(value)
    expected = Request("warm", NAMES, wait=True, timeout=3.0)
    for line in (
        f"{flag} numpy sklearn.ensemble",
        f"numpy {flag} sklearn.ensemble",
        f"numpy sklearn.ensemble {flag}",
    ):
        assert parse(line) == expected


def test_no_time_at_all_is_a_timeout() -> None:
    """Zero seconds are a way to ask whether a module is warm."""
    assert parse("wait numpy --timeout 0").timeout == 0.0


def test_the_last_of_several_timeouts_counts() -> None:
    """A flag given twice is not an error, as in other commands."""
    assert parse("numpy --timeout 1 --timeout 2").timeout == 2.0


@pytest.mark.parametrize("command", ["", "wait "])
@pytest.mark.parametrize(
    "value", ["x", "nan", "inf", "1e999", "-1", "3s", "0x10", "''", "1e10", "1e300"]
)
def test_a_timeout_that_is_no_number_of_seconds_is_refused(
    command: str, value: str
) -> None:
    """What no wait can last is named, with its flag."""
    for flag in (f"--timeout {value}", f"--timeout={value}"):
        message = refusal(f"{command}numpy {flag}")
        assert message == f"--timeout: {value!r} is not a number of seconds"


def test_the_longest_timeout_can_be_waited_for() -> None:
    """What parse lets through, a condition accepts."""
    timeout = parse(f"wait --timeout {threading.TIMEOUT_MAX!r}").timeout
    condition = threading.Condition()
    with condition:
        assert condition.wait_for(lambda: True, timeout)


@pytest.mark.parametrize("line", ["numpy --timeout", "wait --timeout", "--timeout"])
def test_a_timeout_without_seconds_is_refused(line: str) -> None:
    """The flag is named when its value is missing."""
    assert refusal(line) == "--timeout: expected one argument"


@pytest.mark.parametrize(
    ("flag", "meant"),
    [
        ("--wiat", "--wait"),
        ("--waits", "--wait"),
        ("--WAIT", "--wait"),
        ("-wait", "--wait"),
        ("--quite", "--quiet"),
        ("--quet", "--quiet"),
        ("--timout", "--timeout"),
        ("--time-out", "--timeout"),
        ("--timout=3", "--timeout"),
    ],
)
def test_a_misspelt_flag_is_named_with_the_one_meant(flag: str, meant: str) -> None:
    """A flag that differs by a letter or two is not guessed, but suggested."""
    for line in (f"numpy {flag}", f"{flag} numpy"):
        assert refusal(line) == f"unknown flag {flag!r}; did you mean {meant}?"


@pytest.mark.parametrize("flag", ["--silent", "-q", "--wa", "--timeou=3", "--no-panel"])
def test_an_unknown_flag_is_named_with_those_there_are(flag: str) -> None:
    """A flag is never a module, and never an abbreviation."""
    message = refusal(f"numpy {flag}")
    assert message.startswith(f"unknown flag {flag!r}; ")
    assert all(known in message for known in FLAGS) or "did you mean" in message


def test_wait_has_flags_of_its_own() -> None:
    """`wait --quiet` is refused, as `wait` is there to say something."""
    assert refusal("wait --quiet") == "unknown flag '--quiet'; there are --timeout"


@pytest.mark.parametrize("flag", ["--wait", "--quiet"])
def test_a_switch_takes_no_value(flag: str) -> None:
    """`--wait=5` is refused; it was probably meant as a timeout."""
    assert refusal(f"numpy {flag}=5").startswith(f"{flag}: ")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("statsu", "status"),
        ("Status", "status"),
        ("wiat", "wait"),
        ("canaris", "canaries"),
        ("cancle", "cancel"),
        ("retyr", "retry"),
        ("rest", "reset"),
        ("hlep", "help"),
    ],
)
def test_a_misspelt_subcommand_is_named_with_the_one_meant(
    word: str, meant: str
) -> None:
    """A first word that is nearly a subcommand and no module starts nothing."""
    for line in (word, f"{word} numpy", f"--quiet {word}"):
        assert refusal(line) == (
            f"no subcommand and no module is called {word!r}; did you mean"
            f" %warmup {meant}?"
        )


def test_a_name_that_pip_knows_is_understood() -> None:
    """What to import of it is told."""
    assert refusal("scikit-learn") == (
        "'scikit-learn' is not an absolute dotted module name; did you mean 'sklearn'"
        " (of scikit-learn)?"
    )


def test_a_module_that_is_nearly_called_like_a_subcommand_is_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that can be imported is not taken for a misspelt subcommand."""
    (tmp_path / "statuss.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert parse("statuss") == Request("warm", ("statuss",))
    assert "statuss" not in sys.modules
    assert parse("numpy wiat").modules == ("numpy", "wiat")
    assert parse("-- wiat").modules == ("wiat",)


def test_looking_for_a_module_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dotted name that looks like a subcommand does not import its package."""
    package = tmp_path / "rese"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert parse("rese.t").modules == ("rese.t",)
    assert "rese" not in sys.modules


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_a_module_called_like_a_subcommand_goes_after_dashes(command: str) -> None:
    """After `--` every word is a module; elsewhere, a subcommand stands alone."""
    assert parse(f"-- {command}") == Request("warm", (command,))
    assert parse(f"numpy -- {command}") == Request("warm", ("numpy", command))
    assert parse(f"--wait -- {command}") == Request("warm", (command,), wait=True)
    assert refusal(f"numpy {command}") == (
        f"{command!r} is a subcommand and stands alone; a module of that name goes"
        " after --"
    )


@pytest.mark.parametrize("line", ["--wait", "--quiet", "--timeout 3", "--wait -- #"])
def test_flags_alone_start_nothing(line: str) -> None:
    """Flags need a module, and the error shows one."""
    assert refusal(line) == "name a module to import, as in %warmup numpy"


@pytest.mark.parametrize(
    "name",
    [
        *(".relative", "..", ".", "trailing.", "two..dots"),
        *("my-module", "1st", "numpy;", "a/b.py", "'numpy'", "torch[all]", "nu\0mpy"),
        *("-1", "-", "x" * 10_240 + "!"),
    ],
)
def test_what_cannot_name_a_module_is_named(name: str) -> None:
    """A name that is not absolute and dotted is refused, wherever it stands."""
    for line in (name, f"numpy {name}", f"numpy -- {name}", f"wait {name}"):
        assert refusal(line).startswith(f"{name!r} is not an absolute dotted module")


def test_a_flag_after_dashes_is_no_name() -> None:
    """Dashes make a module of every word, so a flag there is refused."""
    assert refusal("numpy -- --wait").startswith("'--wait' is not an absolute dotted")


def test_a_very_long_name_is_a_name() -> None:
    """Ten kilobytes of letters are looked for like any other module."""
    name = "x" * 10_240
    assert parse(name) == Request("warm", (name,))


def test_a_name_given_twice_is_kept_once() -> None:
    """Names stand in the order in which they came first."""
    assert parse("b, a b -- a c").modules == ("b", "a", "c")


def test_a_line_is_parsed_the_same_again() -> None:
    """A refused line leaves nothing behind for the next one."""
    refusal("numpy --timeout")
    refusal("numpy --wiat --quiet")
    assert parse("numpy") == Request("warm", ("numpy",))


WORDS = st.one_of(
    st.sampled_from([*SUBCOMMANDS, *FLAGS, *NAMES, "--", "-", ",", "#", "=", "-h"]),
    st.sampled_from(["--timeout=1", "--wait=1", "--timeout=", "-t", "-1", "1"]),
    st.text(max_size=8),
    st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp"]), max_size=3),
)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=8).map(" ".join) | st.text())
def test_a_wrong_line_raises_nothing_but_one_line(line: str) -> None:
    """Any text is a request or a LineError whose message is one line."""
    message = "one line"
    try:
        request = parse(line)
    except LineError as error:
        message = str(error)
    else:
        assert request.command in {*SUBCOMMANDS, "warm"}
        assert len(set(request.modules)) == len(request.modules)
        assert request.command != "warm" or request.modules
    assert len(message.splitlines()) == 1


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b.c", "-- ", "d_1"]).map(str.strip), min_size=1),
    st.data(),
)
def test_where_flags_stand_does_not_matter(
    words: list[str], data: st.DataObject
) -> None:
    """A flag moved to another place in front of `--` changes nothing."""
    names = [word for word in words if word != "--"] or ["a"]
    place = data.draw(st.integers(0, len(names)))
    line = " ".join([*names[:place], "--quiet", *names[place:]])
    assert parse(line) == Request("warm", tuple(dict.fromkeys(names)), quiet=True)


@pytest.mark.parametrize(
    ("line", "word"),
    [("import numpy", "import"), ("numpy as np", "as"), ("from numpy", "from")],
)
def test_an_import_statement_is_refused(line: str, word: str) -> None:
    """Words that cannot name a module are pointed out, and nothing is imported."""
    with pytest.raises(LineError, match=f"'{word}' is a keyword of Python; name the"):
        parse(line)
    assert parse(f"-- {word}").modules == (word,)


def test_files_are_named_in_quotes_or_without() -> None:
    """A path may have blanks and commas; the flags are those of a warmup."""
    assert parse("notebook") == Request("notebook")
    assert parse("notebook 'my, work.ipynb' --wait  # now") == Request(
        "notebook", wait=True, path="my, work.ipynb"
    )
    assert parse("file --timeout 2 train.py --quiet") == Request(
        "file", wait=True, timeout=2.0, quiet=True, path="train.py"
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("file", "name the script, as in %warmup file train.py"),
        ("file ''", "name the script, as in %warmup file train.py"),
        ("notebook ''", "name the notebook, as in %warmup notebook analysis.ipynb"),
        ("file a.py b.py", "file takes one file, but got 'b.py', too"),
        ("notebook 'a b", 'no closing quotation in "notebook \'a b"'),
        ("notebook --quite", "did you mean --quiet?"),
    ],
)
def test_a_line_that_names_no_file_is_refused(line: str, words: str) -> None:
    """One line says what is wrong with it."""
    assert words in refusal(line)


@pytest.mark.parametrize("line", ["json", "wait", "file x", "report"])
def test_a_line_has_each_flag_once_or_so(line: str) -> None:
    """A hundred thousand, which argparse would take minutes for, are refused."""
    flags = "--timeout 1 " * 10**5
    assert "there are 100000 flags; give each once" in refusal(f"{line} {flags}")


def test_an_interrupted_line_leaves_the_next_one_alone() -> None:
    """Wherever Ctrl-C comes while a line is parsed, another is understood."""
    changing = argparse.ArgumentParser.parse_known_intermixed_args.__code__
    for moment in itertools.count():
        left = itertools.count(moment, -1)

        def interrupt(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401
            if frame.f_code is changing and event == "line" and next(left) == 0:  # noqa: B023
                raise KeyboardInterrupt
            return interrupt

        before = sys.gettrace()
        sys.settrace(interrupt)
        try:
            # Some moments make argparse itself raise something else.
            with contextlib.suppress(KeyboardInterrupt, AttributeError, NameError):
                parse("json --wait")
        finally:
            sys.settrace(before)
        assert parse("json --wait") == Request("warm", ("json",), wait=True)
        if next(left) > 0:
            break


def test_the_line_above_a_cell_has_no_subcommands() -> None:
    """It may be empty, has flags, and adds modules; what else it says is refused."""
    assert parse_above_cell("") == Request("warm")
    assert parse_above_cell("numpy --wait") == Request("warm", ("numpy",), wait=True)
    for line in ("status", "--wiat", "no-name"):
        with pytest.raises(LineError):
            parse_above_cell(line)


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("report", Request("report")),
        ("report pandas.core  # where", Request("report", ("pandas.core",))),
        ("report --trace out.json", Request("report", trace="out.json")),
        (
            "report --json 'my file.json' pandas --trace=b",
            Request("report", ("pandas",), trace="b", json="my file.json"),
        ),
    ],
)
def test_a_report_is_of_one_module_or_all(line: str, request_: Request) -> None:
    """Files to write it to can have blanks in their names."""
    assert parse(line) == request_


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("report pandas numpy", "report takes one module, but got 'numpy', too"),
        ("report 3d", "'3d' is not an absolute dotted module name"),
        ("report --tarce x", "unknown flag '--tarce'; did you mean --trace?"),
        ("report --trace", "--trace: expected one argument"),
        ("report --json ''", "--json: '' is no file; name one, as in report.json"),
        (
            "report --trace t.json --json ./t.json",
            "--trace and --json both name './t.json'; name a file for each",
        ),
        ("report 'x", "no closing quotation in"),
        ("reprot", "did you mean %warmup report?"),
        ("sugest", "did you mean %warmup suggest?"),
    ],
)
def test_a_report_that_cannot_be_meant(line: str, words: str) -> None:
    """One line names the culprit."""
    assert words in refusal(line)
