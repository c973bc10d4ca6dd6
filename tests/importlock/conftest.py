"""What the tests of the import locks share: programs, packages, threads that obey."""

from __future__ import annotations

import _thread
import importlib
import itertools
import json
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pytest

from ipywarmup.importlock.hooks import hooks
from tests.importlock.crew import Crew, Steered
from tests.importlock.trial import STARTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    InPlace: TypeAlias = Callable[[], tuple[object, ...]]
    Write: TypeAlias = Callable[..., str]

# A bound on failure; a program that is stuck ends by itself and shows where.
TIMEOUT = 30.0

WAITING = """
from ipywarmup.importlock.hooks import hooks
import signals
def watch():
    wait = hooks.locks._condition.wait
    def watched_wait(timeout=None):
        signals.tell("waiting")
        return wait(timeout)
    hooks.locks._condition.wait = watched_wait
"""
"""A module of trials: tells once somebody waits for a package."""
TRIAL = Path(__file__).with_name("trial.py")
_numbers = itertools.count()


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


@pytest.fixture
def compare(run_trial: Callable[..., Report]) -> Callable[..., tuple[Report, Report]]:
    """
    Return a function that runs a program naively and guarded, side by side.

    It checks that the guarded one comes to what the program comes to without a warmup.
    """

    def run(
        files: dict[str, str], *, warm: list[str], main: str
    ) -> tuple[Report, Report]:
        plain, naive, guarded = (
            run_trial(kind, files, warm=warm, main=main)
            for kind in ("plain", "naive", "guarded")
        )
        assert plain.errors == []
        assert guarded.main is None
        assert guarded.result == plain.result
        return naive, guarded

    return run


@pytest.fixture
def agree(run_trial: Callable[..., Report]) -> Callable[..., Report]:
    """
    Return a function that runs a program without and with a warmup.

    It checks that the two come to the same, that each module has its record, and that
    no circle, no lack of progress and no retry was needed.
    """

    def run(
        files: dict[str, str], *, warm: list[str], main: str, opened: int = 0
    ) -> Report:
        plain, guarded = (
            run_trial(kind, files, warm=warm, main=main)
            for kind in ("plain", "guarded")
        )
        assert guarded.main == plain.main
        assert guarded.traceback == plain.traceback
        assert guarded.result == plain.result
        assert guarded.stderr == plain.stderr
        assert set(guarded.records) >= set(warm)
        assert {record["status"] for record in guarded.records.values()} <= {
            "completed",
            "failed",
        }
        assert guarded.counts["opened"] == opened
        return guarded

    return run


@pytest.fixture
def in_place() -> Iterator[InPlace]:
    """
    Return a function that returns what importlib and threading use at this moment.

    It checks that the test leaves importlib as it found it.
    """

    def look() -> tuple[object, ...]:
        bootstrap: Any = importlib._bootstrap
        return (
            bootstrap._get_module_lock,
            bootstrap._init_module_attrs,
            _thread.start_new_thread,
            *(vars(threading)[name] for name in STARTERS if name in vars(threading)),
        )

    before = look()
    yield look
    assert not hooks.locks
    assert not hooks.installed
    assert look() == before


@pytest.fixture(scope="session")
def forget() -> Callable[[str], None]:
    """Return a function that takes a package out of `sys.modules`."""

    def take_out(name: str) -> None:
        for module in list(sys.modules):
            if module.partition(".")[0] == name:
                del sys.modules[module]

    return take_out


@pytest.fixture
def write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget: Callable[[str], None]
) -> Iterator[Write]:
    """Return a function that writes the files of a package, and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    names: list[str] = []

    def make(source: str | None = "", **others: str) -> str:
        name = f"hooked_{next(_numbers)}"
        names.append(name)
        sources = others if source is None else {"__init__": source, **others}
        for file, text in sources.items():
            path = tmp_path / name / f"{file}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(
                textwrap.dedent(text).replace("PACKAGE", name), encoding="utf-8"
            )
        importlib.invalidate_caches()
        return name

    yield make
    for name in (*names, "hooked_shared"):
        forget(name)


@pytest.fixture
def steered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steered]:
    """Return locks that the test steers; nothing is held in the end."""
    steered = Steered(monkeypatch)
    yield steered
    for child in list(steered.births):
        steered.end(child)
    steered.crew.close()
    assert not steered.locks


@pytest.fixture(scope="session")
def new_crew() -> type[Crew]:
    """Return a maker of crews."""
    return Crew
