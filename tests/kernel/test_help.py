"""The ways to find out what %warmup does: tab completion and `?`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kernel.conftest import Kernel

TIMEOUT = 30.0
"""A bound on failure only."""


def complete(kernel: Kernel, code: str) -> list[str]:
    """Return what a frontend offers when Tab is hit at the end of a code."""
    request = kernel.client.complete(code)
    while True:
        reply = kernel.client.get_shell_msg(timeout=TIMEOUT)
        if reply["parent_header"]["msg_id"] == request:
            matches: list[str] = reply["content"]["matches"]
            return matches


def test_tab_completes_the_line(
    kernel: Kernel, write_module: Callable[..., str]
) -> None:
    """Subcommands, flags, modules, submodules, and modules that can be waited for."""
    assert "canaries" in complete(kernel, "%warmup can")
    assert complete(kernel, "%warmup numpy --quie") == ["--quiet"]
    assert complete(kernel, "%warmup sklearn.ensem") == ["sklearn.ensemble"]
    assert complete(kernel, "x = 1\n%warmup sklearn.ensem") == ["sklearn.ensemble"]
    assert complete(kernel, "%%warmup --quie") == ["--quiet"]
    assert complete(kernel, "warmup\tsklearn.ensem") == ["sklearn.ensemble"]
    assert complete(kernel, "if True:\n    %warmup  sklearn.ensem") == [
        "sklearn.ensemble"
    ]
    name = write_module()
    kernel.run(f"%warmup {name} --quiet --wait")
    assert complete(kernel, "%warmup wait throwa") == [name]
    assert kernel.value("'sklearn' in __import__('sys').modules") is False


def test_tab_offers_nothing_else(kernel: Kernel) -> None:
    """No function and no keyword of Python goes where a flag or a module does."""
    flags = ["--quiet", "--timeout", "--wait"]
    assert complete(kernel, "%warmup numpy --") == flags
    assert complete(kernel, "%%warmup --") == flags
    offered = complete(kernel, "%warmup ")
    assert {"status", "numpy"} <= {*offered}
    assert not {"if", "print", "%time"} & {*offered}
    assert "print" in complete(kernel, "%warmup numpy\npri")
    assert complete(kernel, "import ipywarmu") == ["ipywarmup"]


def test_tab_completes_files(kernel: Kernel) -> None:
    """After `file` and `notebook` IPython completes what is in the folder."""
    (kernel.modules.parent / "my_script.py").touch()
    assert complete(kernel, "%warmup file my_scr") == ["my_script.py"]


@pytest.mark.parametrize("line", ["%warmup?", "?%warmup", "%%warmup?"])
def test_question_mark_shows_the_manual(kernel: Kernel, line: str) -> None:
    """With every way to call it."""
    cell = kernel.execute(line)
    (payload,) = cell.reply["content"]["payload"]
    text = payload["data"]["text/plain"]
    for usage in ("%warmup MODULE", "%%warmup", "%warmup notebook", "%warmup wait"):
        assert usage in text
