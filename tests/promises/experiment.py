"""What an experiment is: a promise, tried in fresh processes beside its control."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Kind: TypeAlias = Literal["warmup", "control"]
"""With ipywarmup, or beside it in the way that the experiment names."""

LIMIT = 120.0
"""Seconds after which a trial counts as a hang: many times what any takes."""


class Outcome(NamedTuple):
    """
    What a trial returns that has more to tell than what was broken.

    Parameters
    ----------
    faults : list of str
        What was broken, a line each.
    counts : dict
        What is added up over the trials of a kind, by its name.
    longest : dict
        Seconds of which the longest of all trials is shown, by their name.
    """

    faults: list[str]
    counts: dict[str, int] = {}  # noqa: RUF012 - nobody writes into it
    longest: dict[str, float] = {}  # noqa: RUF012


@dataclass(frozen=True)
class Experiment:
    """
    One promise, and how it is tried.

    Parameters
    ----------
    name : str
        What the command line calls it.
    promise : str
        A row of the README's table, in its words.
    control : str
        What the same is done with where ipywarmup is not, in the table's words.
    trial : callable
        ``trial(kind, seed)`` runs one trial, in processes of its own, and returns what
        was broken, a line each; nothing if the promise was kept. All chance comes from
        the seed, so that the two name a trial.
    trials : int
        How many of each kind the full form runs.
    short : int
        How many the short form runs.
    controls : int, optional
        How many trials of the control the full form runs, if not as many: those that
        hang take long.
    needs : tuple of str
        Packages without which there is nothing to try.
    alone : bool
        Whether no other trial may run beside it.
    """

    name: str
    promise: str
    control: str
    trial: Callable[[Kind, int], list[str] | Outcome]
    trials: int
    short: int
    controls: int | None = None
    needs: tuple[str, ...] = ()
    alone: bool = False

    def lacking(self) -> list[str]:
        """Return the packages that are not installed."""
        return [name for name in self.needs if not is_installed(name)]


def is_installed(name: str) -> bool:
    """Whether a package can be found, importing nothing."""
    return importlib.util.find_spec(name) is not None


def run_script(
    script: str,
    *arguments: object,
    environment: Mapping[str, str] | None = None,
    cwd: str | None = None,
    limit: float = LIMIT,
) -> subprocess.CompletedProcess[str] | None:
    """
    Run a script in a Python of its own.

    Returns
    -------
    subprocess.CompletedProcess or None
        None if it hung.
    """
    command = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(script)]
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        # Its children go with it; and Ctrl-C is for who started the experiments.
        start_new_session=True,
    )
    with process:
        try:
            stdout, stderr = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _kill_all(process)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _kill_all(process: subprocess.Popen[str]) -> None:
    """End a process, and those that it has started, if there are any left."""
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def faults_of_end(done: subprocess.CompletedProcess[str] | None) -> list[str]:
    """Return what is wrong with how a process ended: it hung, died, or complained."""
    if done is None:
        return ["hung"]
    lines = done.stderr.strip().splitlines()
    # faulthandler lists hundreds of them.
    told = [line for line in lines if not line.startswith("Extension modules:")]
    # What a crash is called stands first, where an exception came from last.
    words = " | ".join(told if len(told) <= 5 else [*told[:2], "...", *told[-3:]])
    if done.returncode:
        return [f"exit status {done.returncode}: {words}"]
    return [f"said on stderr: {words}"] if done.stderr else []
