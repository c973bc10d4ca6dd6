"""The quickstart, run in a real kernel, beside what its imports cost without it."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

NOTEBOOK = "01-quickstart.ipynb"
_NEEDS = "install what it needs with: pip install 'ipywarmup[demo]'"
_CELL_TIMEOUT = 300
"""Seconds that a cell may take."""
_LONGEST_SOCKET = 90


class DemoError(Exception):
    """What keeps the demo from running, and what to do about it."""


def run() -> int:
    """
    Run the quickstart without a browser, and time its imports in the foreground.

    Returns
    -------
    int
        The exit status.

    Raises
    ------
    DemoError
        If a package is missing, or a cell fails.
    """
    try:
        import nbformat  # noqa: PLC0415
        from nbclient import NotebookClient  # noqa: PLC0415
        from nbclient.exceptions import CellExecutionError  # noqa: PLC0415
        from traitlets.config import Config  # noqa: PLC0415
    except ImportError as error:
        raise DemoError(f"{error}; {_NEEDS}") from None

    notebook = nbformat.read(_find_notebook(), as_version=4)
    start = _line_starting(notebook, "%warmup numpy")
    wait = _line_starting(notebook, "%warmup wait")
    modules = start["source"].split()[1:]
    print(f"{NOTEBOOK} in a kernel of {sys.executable}\n")
    try:
        with tempfile.TemporaryDirectory(prefix="ipywarmup-") as folder:
            client = NotebookClient(
                notebook,
                timeout=_CELL_TIMEOUT,
                kernel_name="python3",
                on_cell_executed=lambda cell, **_: _show(cell),
                config=Config({"KernelManager": _transport(folder)}),
            )
            with client.setup_kernel():
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index)
                import_ms = _evaluate(client, notebook, "import_ms")
    except CellExecutionError as error:
        raise DemoError(f"a cell failed; {_NEEDS}\n{error}") from None

    print(
        f"What importing {', '.join(modules)} keeps a notebook waiting for\n"
        f"  plain import, in a fresh interpreter  {_foreground_ms(modules):9.1f} ms\n"
        f"  the cell with %warmup                 {_cell_ms(start):9.1f} ms\n"
        f"  the cell with %warmup wait            {_cell_ms(wait):9.1f} ms"
        "  (less, the more there is to do before)\n"
        f"  the imports that follow               {import_ms:9.1f} ms"
    )
    return 0


def open_lab() -> int:
    """
    Open JupyterLab on a copy of the quickstart.

    Returns
    -------
    int
        JupyterLab's exit status.

    Raises
    ------
    DemoError
        If JupyterLab is missing.
    """
    source = _find_notebook()
    with tempfile.TemporaryDirectory(prefix="ipywarmup-") as folder:
        copy = shutil.copy(source, folder)
        command = [sys.executable, "-m", "jupyterlab", copy]
        process = subprocess.Popen(command)  # noqa: S603 - our own interpreter
        while process.poll() is None:
            # Ctrl-C is for JupyterLab, which asks whether it was meant.
            with contextlib.suppress(KeyboardInterrupt):
                process.wait()
    if process.returncode:
        raise DemoError(f"JupyterLab ended with {process.returncode}; {_NEEDS}")
    return 0


def _find_notebook() -> Path:
    """Return the quickstart of the installed package, or of the checkout."""
    package = Path(__file__).parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if (folder / NOTEBOOK).exists():
            return folder / NOTEBOOK
    raise DemoError(f"{NOTEBOOK} is missing from this installation")


def _transport(folder: str) -> dict[str, str]:
    """Return how to talk to the kernel: through sockets in a private folder."""
    sockets = str(Path(folder) / "kernel")
    # Systems allow about 100 bytes, to which the kernel adds a number.
    if sys.platform == "win32" or len(os.fsencode(sockets)) > _LONGEST_SOCKET:
        return {"transport": "tcp"}
    return {"transport": "ipc", "ip": sockets}


def _line_starting(notebook: Any, line: str) -> Any:  # noqa: ANN401
    """Return the cell that starts with a line."""
    for cell in notebook.cells:
        if cell["source"].startswith(line):
            return cell
    raise DemoError(f"{NOTEBOOK} has no cell that starts with {line!r}")


def _cell_ms(cell: dict[str, Any]) -> float:
    """Return the milliseconds between the kernel's start and end of a cell."""
    times = cell["metadata"]["execution"]
    start, end = (
        datetime.fromisoformat(times[key])
        for key in ("iopub.execute_input", "shell.execute_reply")
    )
    return (end - start).total_seconds() * 1000


def _show(cell: dict[str, Any]) -> None:
    """Print a cell and what it printed."""
    if cell["cell_type"] != "code":
        return
    print("\n".join(f">>> {line}".rstrip() for line in cell["source"].splitlines()))
    for output in cell["outputs"]:
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        print(text.rstrip())
    print()


def _evaluate(client: Any, notebook: Any, expression: str) -> float:  # noqa: ANN401
    """Return a number from the notebook's kernel."""
    from nbformat.v4 import new_code_cell  # noqa: PLC0415

    cell = new_code_cell(expression)
    notebook.cells.append(cell)
    client.on_cell_executed = None
    client.execute_cell(cell, len(notebook.cells) - 1)
    return float(ast.literal_eval(cell["outputs"][0]["data"]["text/plain"]))


def _foreground_ms(modules: list[str]) -> float:
    """Return the milliseconds that plain imports take in a fresh interpreter."""
    program = (
        "import importlib, json, sys, time\n"
        "start = time.perf_counter()\n"
        "for name in json.loads(sys.argv[1]): importlib.import_module(name)\n"
        "print(json.dumps(1000 * (time.perf_counter() - start)))"
    )
    process = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program, json.dumps(modules)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(json.loads(process.stdout.splitlines()[-1]))
