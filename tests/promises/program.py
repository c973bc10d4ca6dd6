"""A function of an experiment, run in a Python of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.promises.experiment import LIMIT, faults_of_end, run_script

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOT = str(Path(__file__).parents[2])

_SCRIPT = """
import json, sys
from {function.__module__} import {function.__name__} as function
answer = json.dumps(function(*json.loads(sys.argv[1])))
sys.stdout.write("\\n" + answer)
"""


class Answer(NamedTuple):
    """
    What became of a program.

    Parameters
    ----------
    value : object
        What the function returned, None if it did not get so far.
    stdout, stderr : str
        What was written besides.
    end : list of str
        What is wrong with how the process ended.
    """

    value: Any
    stdout: str = ""
    stderr: str = ""
    end: tuple[str, ...] = ()


def answer_of(
    function: Callable[..., object],
    *arguments: object,
    modules: str | None = None,
    cwd: str | None = None,
    limit: float = LIMIT,
) -> Answer:
    """
    Call a function in a Python of its own.

    Parameters
    ----------
    function : callable
        Of the top level of a module; takes and returns what JSON can hold.
    *arguments : object
        For it.
    modules : str, optional
        A folder to find modules in.
    cwd : str, optional
        The working directory.
    limit : float
        Seconds after which it counts as a hang.
    """
    places = [place for place in (_ROOT, modules) if place is not None]
    done = run_script(
        _SCRIPT.format(function=function),
        json.dumps(arguments),
        environment={"PYTHONPATH": os.pathsep.join(places)},
        cwd=cwd,
        limit=limit,
    )
    end = tuple(faults_of_end(done))
    if done is None:
        return Answer(None, end=end)
    stdout, _, value = done.stdout.rpartition("\n")
    if done.returncode:
        return Answer(None, done.stdout, done.stderr, end)
    return Answer(json.loads(value), stdout, done.stderr, end)


def faults_of(
    function: Callable[..., list[str]],
    *arguments: object,
    modules: str | None = None,
    cwd: str | None = None,
    limit: float = LIMIT,
) -> list[str]:
    """Return what a function has found broken, and how its process ended badly."""
    answer = answer_of(function, *arguments, modules=modules, cwd=cwd, limit=limit)
    return [*(answer.value or []), *answer.end]
