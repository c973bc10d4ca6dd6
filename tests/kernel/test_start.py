"""`python -m ipywarmup enable`: kernels that warm up before their first cell."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ipywarmup.kernel import once_running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kernel.conftest import Cell, Kernel

    NewKernel = Callable[..., Kernel]

IMPORTS = [
    "%matplotlib inline\nimport wave, sched as later, neighbour",
    "try:\n    import nosuch_optional\nexcept ImportError:\n    pass",
]
# Everything that a person at the keyboard could find changed.
LOOK_AROUND = """
print(sorted(globals()))
print(__import__("sys").path, sorted(name for name in get_ipython().user_ns_hidden))
%who
"""


def save(path: Path, *cells: str) -> None:
    """Write a notebook."""
    made = {
        "cells": [
            {"cell_type": "code", "source": source, "outputs": [], "metadata": {}}
            for source in cells
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(made), encoding="utf-8")


def command(folder: Path, *arguments: str) -> None:
    """Run the command line for the kernels of a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "ipywarmup", *arguments],
        env={"IPYTHONDIR": str(folder / "ipython"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a notebook and a neighbour, whose kernels warm up."""
    (tmp_path / "neighbour.py").write_text("raise SystemExit", encoding="utf-8")
    save(tmp_path / "work.ipynb", *IMPORTS)
    command(tmp_path, "enable")
    return tmp_path


@pytest.fixture
def start(
    new_kernel: NewKernel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> NewKernel:
    """Return a function that starts a kernel for the notebook."""
    monkeypatch.delenv("IPYWARMUP_AUTO", raising=False)

    def make(**environment: str) -> Kernel:
        named = {"JPY_SESSION_NAME": str(folder / "work.ipynb"), **environment}
        return new_kernel(folder, **named)

    return make


def rows(kernel: Kernel) -> list[list[str]]:
    """Return module and state of each row of `%warmup status`."""
    return rows_of(kernel.execute("%warmup status"))


def rows_of(cell: Cell) -> list[list[str]]:
    """Return module and state of each row that a cell shows."""
    text = cell.result["text/plain"]
    return [line.split()[1:3] for line in text.splitlines() if re.match(r" *\d", line)]


def test_imports_of_the_notebook_are_warm_before_the_first_cell(
    start: NewKernel,
) -> None:
    """Nobody has typed a line, nothing is shown, and the modules are there."""
    kernel = start()
    waited = kernel.execute("%warmup wait")
    assert waited.stdout.splitlines() == ["Warmup done: 2 of 2 modules completed"]
    status = kernel.execute("%warmup status")
    assert rows_of(status) == [["wave", "completed"], ["sched", "completed"]]
    record = kernel.canary("wave")
    assert record["thread_name"] == "ipywarmup-0"
    loaded = "__import__('sys').modules"
    assert kernel.value(f"'wave' in {loaded}, 'neighbour' in {loaded}") == (True, False)
    # The thread that cells run on counts as the main one.
    main = "__import__('ipywarmup').get_manager()._main_thread_id"
    assert kernel.value(f"{main} == __import__('threading').get_ident()")
    assert [
        message
        for message in kernel.of_type("stream", "display_data", "comm_open")
        if message["parent_header"].get("msg_id") not in {waited.msg_id, status.msg_id}
    ] == []
    assert kernel.output == ""


def test_it_leaves_no_trace_beside_the_magic(
    start: NewKernel, new_kernel: NewKernel, folder: Path
) -> None:
    """Names, path and `%who` are those of a kernel without; so is a line that loads the
    extension once more.
    """
    kernel = start()
    with_start = kernel.execute(LOOK_AROUND)
    command(folder, "disable")
    (folder / "modules").rmdir()
    named = str(folder / "work.ipynb")
    without = new_kernel(folder, JPY_SESSION_NAME=named).execute(LOOK_AROUND)
    assert with_start.stdout == without.stdout
    assert "Interactive namespace is empty." in with_start.stdout
    again = kernel.execute("%load_ext ipywarmup\n%warmup wait")
    assert again.stdout == "Warmup done: 2 of 2 modules completed\n"


# What holds on to the extension, in the shell and in its extension manager.
HELD = """
(
    "WarmupMagics" in get_ipython().magics_manager.registry,
    get_ipython().find_line_magic("warmup") is not None,
    len(get_ipython().ast_transformers),
    sorted(vars(get_ipython().extension_manager).keys() & {"unload_extension"}),
    "ipywarmup" in get_ipython().extension_manager.loaded,
)
"""


@pytest.mark.parametrize("before", ["", "%load_ext", "%reload_ext"])
def test_it_can_be_unloaded(start: NewKernel, before: str) -> None:
    """As if a cell had loaded it, whether one has or not."""
    kernel = start()
    kernel.execute("%warmup wait")
    if before:
        kernel.run(f"{before} ipywarmup")
        # Nobody loses what the start has warmed.
        assert rows(kernel) == [["wave", "completed"], ["sched", "completed"]]
    kernel.run("%unload_ext ipywarmup")
    assert kernel.value(HELD) == (False, False, 0, [], False)
    assert "not loaded" in kernel.execute("%unload_ext ipywarmup").stdout
    kernel.run("%load_ext ipywarmup")
    assert kernel.value(HELD) == (True, True, 1, [], True)
    assert "already loaded" in kernel.execute("%load_ext ipywarmup").stdout
    kernel.run("%reload_ext ipywarmup\n%unload_ext ipywarmup")
    assert kernel.value(HELD) == (False, False, 0, [], False)


def test_other_extensions_are_unloaded_as_ever(start: NewKernel) -> None:
    """What is put in front of IPython's own way is for this extension only."""
    kernel = start()
    text = "The nosuch extension is not loaded.\n"
    assert kernel.execute("%unload_ext nosuch").stdout == text
    kernel.run("%reload_ext ipywarmup\n%reload_ext ipywarmup\n%unload_ext ipywarmup")
    assert kernel.value(HELD) == (False, False, 0, [], False)


@pytest.mark.parametrize("way", ["environment", "trait", "uninstalled"])
def test_it_can_be_switched_off(start: NewKernel, folder: Path, way: str) -> None:
    """By a variable, by a setting, by taking the package away: nothing happens."""
    environment = {}
    if way == "environment":
        environment["IPYWARMUP_AUTO"] = "0"
    elif way == "trait":
        config = folder / "ipython" / "profile_default" / "ipython_config.py"
        config.write_text("c.WarmupMagics.auto = False\n", encoding="utf-8")
    else:
        (folder / "site").mkdir()
        hide = "import sys\nsys.modules['ipywarmup'] = None\n"
        (folder / "site" / "usercustomize.py").write_text(hide, encoding="utf-8")
        (folder / "site" / "sitecustomize.py").write_text(hide, encoding="utf-8")
        environment["PYTHONPATH"] = str(folder / "site")
    kernel = start(**environment)
    names = "sorted(t.name for t in __import__('threading').enumerate())"
    assert "ipywarmup-start" not in kernel.value(names)
    modules = "'wave' in __import__('sys').modules"
    assert kernel.value(modules) is False
    loaded = "'WarmupMagics' in get_ipython().magics_manager.registry"
    assert kernel.value(loaded) is (way == "trait")
    assert kernel.output == ""
    if way == "trait":
        assert "nothing to wait for" in kernel.execute("%warmup wait").stderr


LOG = """
import logging
handler = logging.FileHandler("log")
logging.getLogger("ipywarmup").addHandler(handler)
logging.getLogger("ipywarmup").setLevel("INFO")
"""


# The time before the start looks around lasts, so that there is some for cells.
HOLD = "import ipywarmup.startup\nipywarmup.startup.HEAD_START = 600\ndel ipywarmup\n"
ENDED = """
for thread in __import__("threading").enumerate():
    if thread.name == "ipywarmup-start":
        thread.join()
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "%warmup cancel",
            "Cancelled: what the start of the kernel would have imported\n",
        ),
        ("%warmup reset", "Warmup forgotten; the next %warmup starts a new one.\n"),
        ("%unload_ext ipywarmup", ""),
    ],
)
def test_a_start_that_has_begun_nothing_can_be_stopped(
    start: NewKernel, folder: Path, line: str, said: str
) -> None:
    """A cell that comes first is told that it still looks, and can have it end."""
    first = folder / "ipython" / "profile_default" / "startup" / "00-hold.py"
    first.write_text(HOLD, encoding="utf-8")
    kernel = start()
    for status in ("%warmup", "%warmup status"):
        cell = kernel.execute(status)
        looking = "The start of the kernel is still looking for what to import.\n"
        assert (cell.stdout, rows_of(cell)) == (looking, [])
    assert kernel.execute(line).stdout == said
    kernel.run(ENDED)
    assert kernel.value("__import__('ipywarmup').get_manager().canaries()") == []
    if "unload" not in line:
        assert kernel.execute("%warmup").stdout == ""
        assert kernel.execute("%warmup cancel").stdout == "Nothing to cancel.\n"
        assert "nothing to wait for" in kernel.execute("%warmup wait").stderr
    assert kernel.output == ""


def test_the_list_of_the_project_is_next(start: NewKernel, folder: Path) -> None:
    """Where nothing tells the notebook, what the project names is warmed; whoever wants
    to know is told what is not.
    """
    (folder / "pyproject.toml").write_text(
        "[tool.ipywarmup]\nexclude = ['cmd']\n"
        "modules = ['wave', 'neighbour', 'cmd', 'nosuch']\n",
        encoding="utf-8",
    )
    first = folder / "ipython" / "profile_default" / "startup" / "00-log.py"
    first.write_text(LOG, encoding="utf-8")
    kernel = start(JPY_SESSION_NAME="")
    assert "1 of 1 module completed" in kernel.execute("%warmup wait").stdout
    status = kernel.execute("%warmup status")
    assert rows_of(status) == [["wave", "completed"]]
    assert status.stdout.startswith(
        "At the start of the kernel: Left out (a file of the working directory; name it"
        " in %warmup to import it): neighbour; Left out (excluded): cmd; Left out (not"
        " installed): nosuch; nothing tells which notebook this is; "
    )
    assert status.stdout.count("\n") == 1
    kernel.run("%warmup wave --quiet")
    assert kernel.execute("%warmup").stdout == status.stdout
    kernel.run("%warmup colorsys --quiet")
    assert kernel.execute("%warmup").stdout == ""
    assert (folder / "log").read_text(encoding="utf-8").splitlines()[:4] == [
        "From pyproject.toml: wave",
        (
            "Left out (a file of the working directory; name it in %warmup to import"
            " it): neighbour"
        ),
        "Left out (excluded): cmd",
        "Left out (not installed): nosuch",
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("work.ipynb", "{not json"),
        ("work.ipynb", '{"nbformat": 3, "worksheets": []}'),
        ("pyproject.toml", "[tool.ipywarmup]\nmodules = 3\n"),
    ],
)
def test_what_cannot_be_read_is_no_trouble(
    start: NewKernel, folder: Path, file: str, text: str
) -> None:
    """The kernel starts as ever and says nothing; asked, it says what is wrong, until
    the warmup is forgotten.
    """
    if file != "work.ipynb":
        save(folder / "work.ipynb")
    (folder / file).write_text(text, encoding="utf-8")
    kernel = start()
    assert "nothing to wait for" in kernel.execute("%warmup wait").stderr
    status = kernel.execute("%warmup").stdout
    assert status.startswith("At the start of the kernel: Nothing to warm in ")
    assert (status.count("\n"), file in status) == (1, True)
    kernel.execute("%warmup reset")
    assert kernel.execute("%warmup").stdout == ""
    told = kernel.execute("%warmup notebook")
    assert file in told.stdout + told.stderr
    assert kernel.output == ""


def test_nothing_of_the_working_directory_runs(start: NewKernel, folder: Path) -> None:
    """A file called as something that pandas looks for stays what it is beside the
    notebook, until somebody imports it.
    """
    (folder / "bottleneck.py").write_text("open('it_ran', 'w').close()", "utf-8")
    (folder / "ipywarmup").mkdir()
    (folder / "ipywarmup" / "__init__.py").write_text("open('it_ran', 'w')", "utf-8")
    save(folder / "work.ipynb", "import pandas as pd")
    kernel = start()
    assert "1 of 1 module completed" in kernel.execute("%warmup wait").stdout
    assert not (folder / "it_ran").exists()
    kernel.run("import bottleneck")
    assert (folder / "it_ran").exists()


def test_a_kernel_without_a_known_loop_starts_at_once(
    start: NewKernel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What will run is not known then, so nothing is waited for."""
    first = folder / "ipython" / "profile_default" / "startup" / "00-hide.py"
    first.write_text(
        "import sys\n"
        "sys.modules['tornado.ioloop'], hidden = None, sys.modules['tornado.ioloop']\n",
        encoding="utf-8",
    )
    last = first.with_name("99-show.py")
    last.write_text("sys.modules['tornado.ioloop'] = hidden\n", encoding="utf-8")
    kernel = start()
    assert "2 of 2 modules completed" in kernel.execute("%warmup wait").stdout
    assert kernel.output == ""
    called: list[object] = []
    monkeypatch.setitem(sys.modules, "tornado.ioloop", None)
    assert not once_running(lambda: called.append(1))
    assert called == []


def test_a_new_kernel_starts_the_same_way(start: NewKernel) -> None:
    """A restart warms up anew."""
    kernel = start()
    for _ in range(2):
        kernel.execute("%warmup wait")
        assert rows(kernel) == [["wave", "completed"], ["sched", "completed"]]
        kernel.restart()


SCIENCE = """
import numpy as np
import pandas as pd
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt

rng = np.random.default_rng(7)
frame = pd.DataFrame(rng.normal(size=(400, 3)), columns=list("abc"))
frame["d"] = frame["a"] * 2 + rng.normal(scale=0.1, size=400)
frame.describe()

from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split

train, test = train_test_split(frame, random_state=0)
model = RandomForestRegressor(n_estimators=20, random_state=0)
_ = model.fit(train[list("abc")], train["d"])
print(round(model.score(test[list("abc")], test["d"]), 6))

import hashlib
figure, axes = plt.subplots(figsize=(3, 2))
_ = axes.scatter(test["d"], model.predict(test[list("abc")]))
figure.canvas.draw()
hashlib.sha256(bytes(figure.canvas.buffer_rgba())).hexdigest()
""".strip().split("\n\n")


def test_a_data_scientists_notebook_has_the_same_outputs(
    start: NewKernel, folder: Path
) -> None:
    """Tables, scores and pictures are the same to the last digit; nothing is added."""
    save(folder / "work.ipynb", *SCIENCE)
    shown = []
    for environment in ({}, {"IPYWARMUP_AUTO": "off"}):
        kernel = start(**environment)
        cells = [kernel.execute(cell) for cell in SCIENCE]
        assert [cell.error for cell in cells] == [""] * len(SCIENCE)
        types = ("stream", "display_data", "execute_result")
        shown.append([cell.of_type(*types) for cell in cells])
        warmed = kernel.value("'ipywarmup.manager' in __import__('sys').modules")
        assert warmed is not bool(environment)
        (folder / "modules").rmdir()
    assert shown[0] == shown[1]
    assert sum(map(len, shown[0])) == 3
