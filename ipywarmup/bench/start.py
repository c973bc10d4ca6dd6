"""
What a start with a warmup costs and saves: ``python -m ipywarmup bench --start``.

Kernels of two profiles, one for which `python -m ipywarmup enable` was run, are started
in turn, and asked what a frontend asks.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager

from ipywarmup import profiles
from ipywarmup.bench.rounds import compile_bytecode
from ipywarmup.bench.table import Line, Ratio, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_client.blocking.client import BlockingKernelClient

_LIMIT = 120.0
"""Seconds in which a kernel has to answer."""
PAUSES = (0, 3)
"""Seconds between the start of a kernel and the run of its notebook."""
_WAYS = ("without", "with")

_WHAT = (
    ("info", "from the start of a kernel to its kernel_info, {way}"),
    ("first", "from then to the reply to `1 + 1`, {way}"),
    *(
        (
            f"run {pause}",
            f"{pause} s later: until the first cell with no import, {{way}}",
        )
        for pause in PAUSES
    ),
)
LINES = tuple(
    Line(f"{key} {way}", what.format(way=way), "ms")
    for key, what in _WHAT
    for way in _WAYS
)
RATIOS = tuple(
    Ratio(f"{key} with", f"{key} without", what.format(way="with / without"))
    for key, what in _WHAT
)


def run(modules: list[str], *, rounds: int, as_json: bool) -> int:
    """
    Measure in fresh kernels and print a table, or JSON.

    Parameters
    ----------
    modules : list of str
        What the notebook imports.
    rounds : int
        How often to measure, at least once.
    as_json : bool
        Print every round's figures, in milliseconds.

    Returns
    -------
    int
        The exit status.
    """
    compile_bytecode(Path(__file__).parent.parent)
    with tempfile.TemporaryDirectory() as folder:
        notebook = _write_notebook(Path(folder), modules)
        measured = [
            _measure(notebook, modules, ours_first=bool(number % 2))
            for number in range(rounds)
        ]
    show(LINES, RATIOS, measured, as_json=as_json)
    return 0


def _write_notebook(folder: Path, modules: list[str]) -> Path:
    cells = [
        {"cell_type": "code", "source": source, "outputs": [], "metadata": {}}
        for source in _imports(modules)
    ]
    made = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path = folder / "notebook.ipynb"
    path.write_text(json.dumps(made), encoding="utf-8")
    for way in _WAYS:
        (folder / way).mkdir()
    with _ipython_folder(folder / "with"):
        profiles.find().enable()
    return path


def _imports(modules: list[str]) -> list[str]:
    """Return the cells of a notebook up to the first that imports nothing."""
    return [*(f"import {module}" for module in modules), "6 * 7"]


@contextlib.contextmanager
def _ipython_folder(folder: Path) -> Iterator[None]:
    former = os.environ.get("IPYTHONDIR")
    os.environ["IPYTHONDIR"] = str(folder)
    try:
        yield
    finally:
        if former is None:
            del os.environ["IPYTHONDIR"]
        else:
            os.environ["IPYTHONDIR"] = former


def _measure(
    notebook: Path, modules: list[str], *, ours_first: bool
) -> dict[str, float]:
    """Measure everything once."""
    figures = {}
    ways = _WAYS[::-1] if ours_first else _WAYS
    for way in ways:
        with _kernel(notebook, way) as (client, started):
            answered = time.perf_counter()
            figures[f"info {way}"] = 1000 * (answered - started)
            _execute(client, "1 + 1")
            figures[f"first {way}"] = 1000 * (time.perf_counter() - answered)
    for pause in PAUSES:
        for way in ways:
            with _kernel(notebook, way) as (client, _):
                time.sleep(pause)
                began = time.perf_counter()
                for cell in _imports(modules):
                    _execute(client, cell)
                figures[f"run {pause} {way}"] = 1000 * (time.perf_counter() - began)
    return figures


@contextlib.contextmanager
def _kernel(notebook: Path, way: str) -> Iterator[tuple[BlockingKernelClient, float]]:
    """Have a kernel that has sent its kernel_info; tell when it was started."""
    folder = notebook.parent
    manager = KernelManager(kernel_name="python3")
    manager.connection_file = str(folder / "connection.json")
    environment: dict[str, Any] = {
        **os.environ,
        "IPYTHONDIR": str(folder / way),
        "JPY_SESSION_NAME": str(notebook),
    }
    environment.pop("IPYWARMUP_AUTO", None)
    started = time.perf_counter()
    with (folder / "output").open("ab") as output:
        manager.start_kernel(
            env=environment, cwd=str(folder), stdout=output, stderr=output
        )
    client: BlockingKernelClient = manager.client()
    client.start_channels()
    try:
        client.kernel_info()
        client.get_shell_msg(timeout=_LIMIT)
        yield client, started
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def _execute(client: BlockingKernelClient, code: str) -> None:
    """
    Run a cell and wait for its reply.

    Raises
    ------
    RuntimeError
        If the cell fails.
    """
    request = client.execute(code)
    while True:
        reply = client.get_shell_msg(timeout=_LIMIT)
        if reply["parent_header"]["msg_id"] == request:
            break
    if reply["content"]["status"] != "ok":
        raise RuntimeError(f"{code}: {reply['content'].get('evalue')}")
