"""Imports of a notebook that wait until cells of it have run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernel.test_start import command, save

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kernel.conftest import Kernel

    NewKernel = Callable[..., Kernel]

# Of the standard library, and imported by none of a kernel's parts.
CELLS = [
    "import wave",
    "import os\nos.environ['A'] = '1'",
    "import sched",
    "import helper",
    "import this\nimport chunk_of_nothing",
]
AFTER_2 = "After cell 2 (os.environ['A']): sched"
AFTER_4 = "After cell 4 (import helper): this"


@pytest.fixture(params=["enable", "notebook"])
def kernel(
    new_kernel: NewKernel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Kernel:
    """Return a kernel whose notebook is being warmed, in either way."""
    monkeypatch.delenv("IPYWARMUP_AUTO", raising=False)
    (tmp_path / "helper.py").write_text("", encoding="utf-8")
    save(tmp_path / "work.ipynb", *CELLS)
    if request.param == "enable":
        command(tmp_path, "enable")
    kernel = new_kernel(tmp_path, JPY_SESSION_NAME=str(tmp_path / "work.ipynb"))
    if request.param == "notebook":
        kernel.execute("%load_ext ipywarmup\n%warmup notebook")
    kernel.execute("%warmup wait")
    return kernel


def warm(kernel: Kernel) -> list[str]:
    """Wait for what is under way, and return what is warm."""
    kernel.execute("%warmup wait")
    text = kernel.execute("%warmup status").result["text/plain"]
    return re.findall(r"^ *\d+ +(\S+) +completed", text, re.MULTILINE)


def waiting(kernel: Kernel) -> list[str]:
    """Return what the status says of imports that wait for cells."""
    bundle = kernel.execute("%warmup status").result
    lines = bundle["text/plain"].splitlines()
    found = [line for line in lines if line.startswith("After cell")]
    assert all(line.split(" (")[0] in bundle["text/html"] for line in found)
    return found


def test_they_begin_when_their_cells_have_run(kernel: Kernel) -> None:
    """Each at the end of the last one, and the status says which wait for what."""
    assert (warm(kernel), waiting(kernel)) == (["wave"], [AFTER_2, AFTER_4])
    kernel.execute(CELLS[0])
    assert warm(kernel) == ["wave"]
    kernel.execute(CELLS[1] + "\n")
    assert (warm(kernel), waiting(kernel)) == (["wave", "sched"], [AFTER_4])
    kernel.execute(CELLS[3])
    assert (warm(kernel), waiting(kernel)) == (["wave", "sched", "this"], [])


def test_cells_that_run_in_another_order(kernel: Kernel) -> None:
    """All that an import waits for has to have run."""
    kernel.execute(CELLS[3])
    assert (warm(kernel), waiting(kernel)) == (["wave"], [AFTER_2, AFTER_4])
    kernel.execute(CELLS[1])
    assert (warm(kernel), waiting(kernel)) == (["wave", "sched", "this"], [])


def test_a_cell_that_was_edited_or_raises(kernel: Kernel) -> None:
    """It does not count: what it was to do may not be done."""
    kernel.execute(CELLS[1].replace("1", "2"))
    kernel.execute("os = None")
    kernel.execute(CELLS[1].partition("\n")[2])
    assert (warm(kernel), waiting(kernel)) == (["wave"], [AFTER_2, AFTER_4])
    kernel.execute(CELLS[2])
    assert kernel.value("'sched' in __import__('sys').modules")


@pytest.mark.parametrize("line", ["%warmup cancel", "%warmup reset"])
def test_what_waits_is_dropped(kernel: Kernel, line: str) -> None:
    """By a cancel, which says so, and by a reset."""
    shown = kernel.execute(line).stdout
    assert ("sched, this" in shown) is ("cancel" in line)
    for cell in CELLS[:4:2]:
        kernel.execute(cell)
    kernel.execute(CELLS[1])
    assert waiting(kernel) == []
    assert "this" not in warm(kernel)


def test_a_cell_may_take_the_extension_away(kernel: Kernel) -> None:
    """Nothing begins afterwards."""
    kernel.execute("%unload_ext ipywarmup")
    cell = kernel.execute(CELLS[1])
    assert (cell.error, cell.stderr) == ("", "")
    assert kernel.value("'sched' in __import__('sys').modules") is False


@pytest.mark.parametrize("kernel", ["notebook"], indirect=True)
def test_a_panel_follows_them(kernel: Kernel) -> None:
    """It says what waits, and shows what begins later."""
    (table,) = kernel.final_tables()
    assert "After cell 2" in table["data"]["text/html"]
    kernel.execute(CELLS[1])
    assert warm(kernel) == ["wave", "sched"]
    assert "sched" in kernel.final_tables()[-1]["data"]["text/html"]
