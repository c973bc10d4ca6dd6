"""The benchmark run for real, with light modules, in fresh processes."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from ipywarmup.bench import command, figures, picture, program, rounds, ways
from ipywarmup.bench.report import FAILED, ROWS, TITLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TIMEOUT = 30.0
"""A bound on failure only."""
LIGHT = ("cmd", "xml.dom.minidom")
ONLY_ON_MAIN = """
    import threading
    if threading.current_thread() is not threading.main_thread():
        {consequence}
    print("an unfinished line", end="")
"""


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "ipywarmup", "bench", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def new_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    """Return a maker of modules that this process and its children can import."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")

    def make(name: str, source: str) -> str:
        lines = [line.removeprefix("    ") for line in source.splitlines()]
        (tmp_path / f"{name}.py").write_text("\n".join(lines))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return make


def test_table_has_every_kind_and_every_quantity() -> None:
    """All kinds have a figure for all quantities, and the ratios theirs."""
    done = bench("--rounds", "1", *LIGHT)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"Imports of {', '.join(LIGHT)}"
    assert re.split(" {2,}", lines[4].strip()) == list(TITLES.values())
    figure = r" +\d+(?:\.\d+)?"
    for line, label in zip(lines[5:], ROWS, strict=False):
        assert re.fullmatch(f"{re.escape(label)}(?:{figure}){{5}}", line)
    assert lines[5 + len(ROWS)].split() == [*FAILED.split(), *["0", "of", "2"] * 5]
    nothing = figures.Results([], [], [], [], [], [], {}, 0.001)
    for label in figures.ratios(nothing, figures.WARMUP):
        pattern = re.compile(f"{re.escape(label)}(?:{figure}){{2}}")
        assert sum(bool(pattern.fullmatch(line)) for line in lines) == 1


def test_json_has_every_figure_of_every_round(tmp_path: Path) -> None:
    """`--json` prints the raw figures, and `--plot` leaves an image beside it."""
    image = tmp_path / "stalls.png"
    done = bench(
        *("--json", "--rounds", "2", "--no-busy", "--plot", str(image)), *LIGHT
    )
    drawn = f"bench: the stalls are drawn in {image}\n"
    assert (done.returncode, done.stderr) == (0, drawn)
    results = json.loads(done.stdout)
    assert results["modules"] == list(LIGHT)
    assert (results["busy"], results["deaths"]) == ([], [])
    assert [set(part) for part in results["rounds"]] == 2 * [set(figures.KINDS)]
    assert [set(idle) for idle in results["idle"]] == 2 * [{"stalls_ms", "share"}]
    for part in results["rounds"]:
        for measured in part.values():
            assert measured["failures"] == []
            assert measured["memory_mb"] > 0
            assert len(measured["at_ms"]) == len(measured["stalls_ms"])
        assert part["plain"]["stalls_ms"] == [part["plain"]["total_ms"]]
        assert len(part["lazy"]["stalls_ms"]) == 1 + len(LIGHT)
    for kind in ("naive-1", "warmup"):
        assert set(results["ratios"][kind]["total / plain"]) == {
            "median",
            "low",
            "high",
        }
    with Image.open(image) as opened:
        opened.load()
        assert opened.format == "PNG"
        assert len(opened.convert("L").getcolors() or ()) > 2


class Clock:
    """A clock that only sleep and `pass_` move."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        """Return the seconds that have passed."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Wake up at once, as late as an idle machine would."""
        self.now += seconds

    def pass_(self, seconds: float) -> None:
        """Let time go by."""
        self.now += seconds


def test_first_beat_counts_from_before_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What handing the imports over takes is a stall, and so is each late beat."""
    clock = Clock()
    monkeypatch.setattr(program, "time", clock)
    late = iter([0.02, 0.0])

    def over() -> bool:
        clock.pass_(next(late, 0.0))
        return clock.now > 0.523

    at, stalls = program._beat(lambda: clock.pass_(0.5), over)
    assert at == pytest.approx([0, 501, 522, 523])
    assert stalls == pytest.approx([500, 20, 0, 0], abs=0.001)


@pytest.mark.parametrize("kind", ["naive-1", "naive-8", "warmup"])
def test_heartbeat_covers_the_whole_import(kind: str) -> None:
    """Beats follow each other from before the first import to after the last one."""
    measured = program.measure(kind, list(LIGHT))
    ends = [
        at + stall + 1
        for at, stall in zip(measured["at_ms"], measured["stalls_ms"], strict=True)
    ]
    assert [0, *ends[:-1]] == pytest.approx(measured["at_ms"], abs=0.001)
    assert ends[-1] >= measured["total_ms"]


def test_plot_can_be_svg(tmp_path: Path) -> None:
    """The suffix says what is drawn, and each kind has its stalls in its strip."""
    image = tmp_path / "stalls.svg"
    results = rounds.measure([*LIGHT], rounds=1, busy_rounds=0, say=lambda _: None)
    picture.draw(results, str(image))
    root = ET.parse(image).getroot()  # noqa: S314 - our own file
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    strips = [group for group in root.iter() if group.get("id", "").startswith("axes_")]
    assert len(strips) == len(figures.KINDS)
    for strip in strips:
        drawn = [group.get("id", "") for group in strip.iter()]
        assert any("PolyCollection" in name for name in drawn)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cmd", "no_such_module"], "'no_such_module' cannot be measured"),
        (["json"], "'json' cannot be measured: what measures needs it"),
        (["no such"], "'no such' is not an absolute dotted module name"),
        (
            ["--plot", "stalls.doc", "cmd"],
            "a .png or .svg file, not to 'stalls.doc'",
        ),
        (
            ["--plot", "no/such/s.png", "cmd"],
            "no folder for the plot 'no/such/s.png'",
        ),
    ],
)
def test_bad_input_is_told_in_one_line(arguments: list[str], words: str) -> None:
    """What cannot be measured or drawn ends with status 2, before anything is run."""
    done = bench(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("bench: ")
    assert words in line


def test_plot_without_matplotlib_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without matplotlib the command ends at once, with one line."""
    monkeypatch.setattr(picture, "is_installed", lambda _: False)
    status = command.run(
        ["cmd"], count=1, busy_count=0, as_json=False, plot="stalls.png"
    )
    out, error = capsys.readouterr()
    assert (status, out) == (2, "")
    assert error == (
        "bench: a plot needs matplotlib; install it with: pip install matplotlib\n"
    )


def test_plot_that_cannot_be_written_is_told_below_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The figures are not lost if the picture is."""
    (tmp_path / "folder.png").mkdir()
    status = command.run(
        ["cmd"],
        count=1,
        busy_count=0,
        as_json=False,
        plot=str(tmp_path / "folder.png"),
    )
    out, error = capsys.readouterr()
    assert status == 2
    assert out.startswith("Imports of cmd\n")
    assert error.startswith("bench: the plot cannot be written: ")
    assert len(error.splitlines()) == 1


def test_nothing_installed_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without any of the default modules, one is asked to name some."""
    monkeypatch.setattr(rounds, "is_installed", lambda _: False)
    assert command.run([], count=1, busy_count=0, as_json=False, plot=None) == 2
    assert capsys.readouterr().err.endswith("name the modules to import\n")


def test_broken_default_module_is_left_out(
    new_module: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is installed but cannot be measured is named; the others are measured."""
    new_module("broken_by_default", "raise ImportError('half installed')")
    monkeypatch.setattr(rounds, "HEAVY", ("broken_by_default", "cmd"))
    assert command.run([], count=1, busy_count=0, as_json=False, plot=None) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Imports of cmd"
    assert "Left out broken_by_default: ImportError: half installed" in lines
    monkeypatch.setattr(rounds, "HEAVY", ("broken_by_default",))
    assert command.run([], count=1, busy_count=0, as_json=False, plot=None) == 2
    assert "'broken_by_default' cannot be measured" in capsys.readouterr().err


def test_module_that_ends_the_process_is_named(
    new_module: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also among others, and it is left out if nobody has asked for it."""
    deadly = new_module("deadly", "import os; os._exit(3)")
    modules = ["cmd", deadly]
    assert command.run(modules, count=1, busy_count=0, as_json=False, plot=None) == 2
    why = "the process that imports it: ended with status 3"
    assert f"'deadly' cannot be measured: {why}\n" in capsys.readouterr().err
    monkeypatch.setattr(rounds, "HEAVY", tuple(modules))
    assert command.run([], count=1, busy_count=0, as_json=False, plot=None) == 0
    assert f"Left out deadly: {why}" in capsys.readouterr().out.splitlines()


def test_noisy_machine_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The figures are printed all the same, with a remark, and the status is 0."""
    monkeypatch.setattr(figures, "LONGEST_IDLE_STALL_MS", -1.0)
    assert command.run(["cmd"], count=1, busy_count=0, as_json=False, plot=None) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "Imports of cmd"
    assert table[-1].startswith("This machine is too noisy")


def test_failed_imports_are_counted(new_module: Any) -> None:  # noqa: ANN401
    """An import that fails on a thread is a failure of that kind alone."""
    name = new_module(
        "shy", ONLY_ON_MAIN.format(consequence="raise ImportError('not here')")
    )
    results = rounds.measure([name], rounds=1, busy_rounds=1, say=lambda _: None)
    (part,) = results.rounds
    failures = {kind: measured.failures for kind, measured in part.items()}
    assert failures == {
        "plain": [],
        "naive-1": ["shy: ImportError: not here"],
        "naive-8": ["shy: ImportError: not here"],
        "lazy": [],
        "warmup": ["shy: ImportError: not here"],
    }
    assert results.busy[0]["python naive-1"].failures == ["shy: ImportError: not here"]


def test_process_that_dies_leaves_the_others_their_figures(new_module: Any) -> None:  # noqa: ANN401
    """A crash is told in one line and takes only its own figures along."""
    name = new_module(
        "fatal", ONLY_ON_MAIN.format(consequence="__import__('os')._exit(7)")
    )
    results = rounds.measure([name], rounds=1, busy_rounds=0, say=lambda _: None)
    assert set(results.rounds[0]) == {"plain", "lazy"}
    assert results.deaths == [
        f"{kind}: ended with status 7" for kind in ("naive-1", "naive-8", "warmup")
    ]


def test_process_that_never_ends_is_ended(
    new_module: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An import that hangs costs a bounded time."""
    name = new_module(
        "endless", ONLY_ON_MAIN.format(consequence="threading.Event().wait()")
    )
    monkeypatch.setattr(rounds, "_LIMIT", 0.1)
    with pytest.raises(rounds.ProcessError, match="not done after"):
        rounds._run("naive-1", [name])


@pytest.mark.parametrize(
    "start", [functools.partial(ways.start_naive, threads=1), ways.start_warmup]
)
def test_arrival_is_told_once_all_has_been_imported(
    start: Callable[[list[str], ways.Arrival], object],
    new_module: Any,  # noqa: ANN401
) -> None:
    """The time that counts is that of the last import."""
    names = [new_module(name, "") for name in ("early", "between", "last")]
    told: list[bool] = []
    ended = threading.Event()

    class Noted(ways.Arrival):
        def tell(self) -> None:
            super().tell()
            told.append(all(name in sys.modules for name in names))
            ended.set()

    start(names, Noted())
    assert ended.wait(TIMEOUT)
    assert told == [True]


def test_lazy_import_waits_for_the_first_use(new_module: Any) -> None:  # noqa: ANN401
    """A lazily imported module runs when it is first used, and once."""
    name = new_module("idler", "    import sys\n    sys.argv.append('idler ran')\n")
    (use,) = ways.import_lazily([name])
    assert "idler ran" not in sys.argv
    use()
    use()
    assert sys.argv.count("idler ran") == 1
    sys.argv.remove("idler ran")


def test_memory_is_in_bytes() -> None:
    """A process that has filled 100 MB has had at least that much, and not 20 times."""
    source = (
        "from ipywarmup.bench.program import peak_memory\n"
        "filled = b'x' * 100_000_000\n"
        "del filled\n"
        "print(peak_memory())"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert 100_000_000 < int(done.stdout) < 2_000_000_000
