"""%%warmup above any cell: what needs an import waits for it, the rest runs at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Gate
    from tests.kernel.conftest import Cell, Kernel

    WriteGated = Callable[..., tuple[str, Gate]]


@pytest.fixture
def kernel(kernel: Kernel) -> Kernel:
    """Return a kernel that somebody sits before."""
    kernel.attended = True
    return kernel


def warm(kernel: Kernel, *lines: str, gate: Gate | None = None) -> Cell:
    """Run an import cell, and wait until an import is at its gate."""
    cell = kernel.execute("\n".join(["%%warmup --quiet", *lines]))
    if gate is not None:
        gate.wait_until_reached()
    return cell


def test_what_needs_an_import_waits_and_all_below_it(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """What stands above has run, and what comes later is shown later."""
    name, gate = write_gated("A = 1")
    cell = warm(
        kernel,
        "print('above')",
        f"import {name} as slow",
        "print('beside')",
        "print(slow.A)",
        "LIMIT = 1",
        "print('below')",
        "slow.A + 1",
        gate=gate,
    )
    assert cell.stdout == "above\nbeside\n"
    status = kernel.execute("%warmup status").result["text/plain"]
    assert (
        "\nPostponed: print(slow.A), LIMIT = 1, print('below'), slow.A + 1\n" in status
    )
    # It cannot tell whether any of that has run.
    assert kernel.execute("1 + 1").result["text/plain"] == "2"
    assert cell.stdout == "above\nbeside\n"
    later = kernel.start("print(vars(slow)['A'])")
    kernel.read_until(lambda: "Waiting for" in later.stdout)
    gate.open()
    kernel.finish(later)
    assert later.stdout == f"Waiting for {name}\n1\n"
    assert cell.stdout == "above\nbeside\n1\nbelow\n"
    assert cell.result["text/plain"] == "2"


def test_it_runs_between_cells(kernel: Kernel, write_gated: WriteGated) -> None:
    """While nobody runs a cell, and shows what it shows in its own."""
    name, gate = write_gated("A = 1")
    code = f"%%warmup --quiet\nimport {name} as slow\nprint('now')\nslow.A + 1"
    request = kernel.client.execute(code)
    gate.wait_until_reached()
    number = kernel.value("get_ipython().execution_count") - 1
    assert kernel.execute("print('between')").stdout == "between\n"
    gate.open()

    def results() -> list[dict[str, object]]:
        return [
            message["content"]
            for message in kernel.of_type("execute_result")
            if message["parent_header"]["msg_id"] == request
        ]

    kernel.read_until(results)
    (result,) = results()
    assert result["data"] == {"text/plain": "2"}
    assert result["execution_count"] == number
    assert kernel.value(f"Out[{number}]") == 2
    # What comes later belongs to its own cell again.
    assert kernel.execute("print('after')").stdout == "after\n"


def test_what_belongs_to_no_context_is_the_latest_cells(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """A thread that a cell has started prints there, also after a statement ran."""
    if "kernel subshells" not in kernel.features:
        pytest.skip("this ipykernel has a thread print in the cell that started it")
    name, gate = write_gated("A = 1")
    other, go = write_gated()
    kernel.run(
        "import asyncio, contextvars, threading\nloop = asyncio.get_running_loop()\n"
        f"def say():\n    import {other}\n    idle = threading.Event()\n"
        "    loop.call_soon_threadsafe(idle.set)\n    idle.wait()\n"
        "    print('from a thread')\n"
        "contextvars.Context().run(threading.Thread(target=say).start)"
    )
    go.wait_until_reached()
    cell = warm(kernel, f"import {name} as slow", "print(slow.A)", gate=gate)
    latest = kernel.execute("1 + 1")
    gate.open()
    kernel.read_until(lambda: cell.stdout == "1\n")
    go.open()
    kernel.read_until(lambda: latest.stdout == "from a thread\n")


def test_an_error_is_shown_in_its_cell_and_raised_once(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """What stands below has not run, nor bound anything."""
    name, gate = write_gated("A = 1")
    cell = warm(
        kernel,
        f"import {name} as slow",
        "slow.nosuch",
        "x = 1",
        "print('below')",
        "import wave as below",
        gate=gate,
    )
    assert cell.shown == "[]"
    gate.open()
    kernel.read_until(lambda: cell.error)
    assert cell.error == "AttributeError"
    assert "----> 3 slow.nosuch" in cell.traceback
    assert "ipywarmup" not in cell.traceback
    assert cell.stdout == ""
    assert kernel.execute("1 + 1").result["text/plain"] == "2"
    later = kernel.execute("slow.A")
    assert later.error == "AttributeError"
    assert "----> 3 slow.nosuch" in later.traceback
    assert kernel.execute("slow.A").result["text/plain"] == "1"
    assert kernel.execute("below").error == "NameError"
    assert kernel.execute("x").error == "NameError"


def test_an_error_at_once_is_that_of_the_cell(kernel: Kernel) -> None:
    """As it is without a warmup."""
    cell = warm(kernel, "print('above')", "1 / 0", "import wave as below", "x = 2")
    assert cell.stdout == "above\n"
    assert cell.reply["content"]["status"] == "error"
    assert "----> 3 1 / 0" in cell.traceback
    assert "ipywarmup" not in cell.traceback
    assert kernel.execute("below").error == "NameError"


def test_a_failed_import_is_raised_in_its_cell(
    kernel: Kernel, write_module: Callable[..., str]
) -> None:
    """On its own line, and with that of the module; what stands below does not run."""
    name = write_module("1 / 0")
    cell = kernel.execute(
        f"%%warmup --quiet --wait\nimport {name} as sour, wave\nprint(wave.__name__)"
    )
    assert cell.error == "ZeroDivisionError"
    assert f"----> 2 import {name} as sour" in cell.traceback
    assert "----> 1 1 / 0" in cell.traceback
    assert "ipywarmup" not in cell.traceback
    assert cell.stdout == ""


def test_a_wait_can_be_interrupted(kernel: Kernel, write_gated: WriteGated) -> None:
    """The cell that waits ends; what is postponed runs all the same."""
    name, gate = write_gated("A = 1")
    cell = warm(kernel, f"import {name} as slow", "print(slow.A)", gate=gate)
    later = kernel.start("x = 1\nprint(print)")
    kernel.read_until(lambda: "Waiting for" in later.stdout or later.ended)
    assert later.ended  # it has nothing to do with that
    later = kernel.start("x = slow.A")
    kernel.read_until(lambda: "Waiting for" in later.stdout)
    kernel.manager.interrupt_kernel()
    assert kernel.finish(later).error == "KeyboardInterrupt"
    gate.open()
    kernel.read_until(lambda: cell.stdout == "1\n")


def test_a_statement_can_be_interrupted(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """Between cells, where a kernel ignores interrupts; those below do not run."""
    name, gate = write_gated("A = 1")
    cell = warm(
        kernel,
        f"import {name} as slow",
        "while slow.A:",
        "    slow.told = vars(slow).get('told') or not print('go')",
        "print('below')",
        gate=gate,
    )
    gate.open()
    kernel.read_until(lambda: cell.stdout == "go\n")
    kernel.manager.interrupt_kernel()
    kernel.read_until(lambda: cell.error)
    assert cell.error == "KeyboardInterrupt"
    assert kernel.execute("print(slow.A)").error == "KeyboardInterrupt"
    assert kernel.execute("print(slow.A)").stdout == "1\n"
    assert cell.stdout == "go\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("%warmup cancel", "Cancelled: print(slow.A), made = [slow.A]\n"),
        ("%warmup reset", "Warmup forgotten; the next %warmup starts a new one.\n"),
    ],
)
def test_what_is_postponed_can_be_dropped(
    kernel: Kernel, write_gated: WriteGated, line: str, says: str
) -> None:
    """Nothing of it runs later."""
    name, gate = write_gated("A = 1")
    cell = warm(
        kernel, f"import {name} as slow", "print(slow.A)", "made = [slow.A]", gate=gate
    )
    assert kernel.execute(line).stdout == says
    gate.open()
    assert kernel.execute(f"import {name}\n{name}.A").result["text/plain"] == "1"
    assert kernel.execute("made").error == "NameError"
    assert cell.stdout == ""


@pytest.mark.parametrize("line", ["%reset -f", "%unload_ext ipywarmup"])
def test_what_would_drop_it_waits(
    kernel: Kernel, write_gated: WriteGated, line: str
) -> None:
    """As any cell that may have to do with it."""
    name, gate = write_gated("A = 1")
    cell = warm(kernel, f"import {name} as slow", "print(slow.A)", gate=gate)
    later = kernel.start(line)
    kernel.read_until(lambda: "Waiting for" in later.stdout)
    gate.open()
    kernel.finish(later)
    assert cell.stdout == "1\n"


def test_unattended_a_cell_does_all_of_it(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """Who runs a notebook in one go reads nothing that comes after the reply."""
    kernel.attended = False
    name, gate = write_gated("A = 1")
    cell = kernel.start(f"%%warmup --quiet\nimport {name} as slow\nslow.A + 1")
    gate.wait_until_reached()
    gate.open()
    assert kernel.finish(cell).result["text/plain"] == "2"
    assert cell.ended
    (name, gate), other = write_gated("A = 1"), write_gated("A = 1")
    # What needs none of them does not wait.
    cell = warm(kernel, f"import {name}", "1 + 1", f"import {other[0]}", gate=gate)
    gate.open()
    other[1].open()


def test_imports_begin_in_the_order_in_which_the_cell_configures_them(
    kernel: Kernel, write_module: Callable[..., str]
) -> None:
    """What a statement may change is not imported before it has run."""
    first = write_module("import os\nSEEN = os.environ.get('OWN')")
    second = write_module("import os\nSEEN = os.environ.get('OWN')")
    cell = warm(
        kernel,
        "import os",
        f"import {first} as one",
        "os.environ['OWN'] = 'set'",
        f"import {second} as two",
        "one.SEEN, two.SEEN",
    )
    kernel.read_until(lambda: cell.of_type("execute_result"))
    assert cell.result["text/plain"] == "(None, 'set')"
    kernel.run("del os.environ['OWN']")


def test_a_name_that_stands_for_two_things(
    kernel: Kernel, write_gated: WriteGated, write_module: Callable[..., str]
) -> None:
    """Each statement uses the one that is above it."""
    (name, gate), other = write_gated("A = 1"), write_module("A = 2")
    cell = warm(
        kernel,
        f"import {name} as thing",
        "print(thing.A)",
        f"import {other} as thing",
        "print(thing.A)",
        gate=gate,
    )
    gate.open()
    kernel.read_until(lambda: cell.stdout == "1\n2\n")


def test_a_choice_between_imports(kernel: Kernel, write_gated: WriteGated) -> None:
    """What is chosen is imported in the background, the rest not at all."""
    (name, gate), (other, _) = write_gated("A = 1"), write_gated()
    cell = warm(
        kernel,
        "fast = 1 == 1",
        "if fast:",
        f"    import {name} as thing",
        "else:",
        f"    import {other} as thing",
        "with __import__('contextlib').suppress(ImportError):",
        "    import nosuch_module",
        "print(thing.A)",
        gate=gate,
    )
    assert cell.ended
    gate.open()
    kernel.read_until(lambda: cell.stdout == "1\n")
    assert kernel.value(f"{other!r} in __import__('sys').modules") is False


def test_a_prompt_is_one_of_the_cell(kernel: Kernel, write_gated: WriteGated) -> None:
    """Between cells nobody could answer."""
    name, gate = write_gated("A = 1")
    cell = kernel.start(
        f"%%warmup --quiet\nimport {name} as slow\nprint(input(f'{{slow.A}}? '))"
    )
    gate.wait_until_reached()
    gate.open()
    request = kernel.client.get_stdin_msg(timeout=30)
    assert request["content"]["prompt"] == "1? "
    kernel.client.input("me")
    assert kernel.finish(cell).stdout == "me\n"


def test_what_it_sets_for_its_thread_holds_in_later_cells(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """Context variables, as those of `numpy.set_printoptions`; twice, the later one."""
    name, gate = write_gated("")
    kernel.run("import contextvars\nown = contextvars.ContextVar('own')")
    cell = warm(
        kernel,
        "token = own.set('first')",
        f"import {name} as slow",
        "token = own.set(slow.__name__)",
        "print('set')",
        gate=gate,
    )
    gate.open()
    kernel.read_until(lambda: cell.stdout == "set\n")
    assert kernel.execute("print(own.get())").stdout == f"{name}\n"


def test_import_cells_take_turns(kernel: Kernel, write_gated: WriteGated) -> None:
    """Of two of them, the first goes on first."""
    (one, first), (two, second) = write_gated("A = 1"), write_gated("A = 2")
    cells = [
        warm(kernel, f"import {one} as one", "log = [one.A]", gate=first),
        warm(kernel, f"import {two} as two", "log += [two.A]", "print(log)"),
    ]
    first.open()
    second.wait_until_reached()
    second.open()
    kernel.read_until(lambda: cells[1].stdout == "[1, 2]\n")


def test_wait_and_timeout(kernel: Kernel, write_gated: WriteGated) -> None:
    """The cell itself waits, as long as it is told; so does `%warmup wait`."""
    name, gate = write_gated("A = 1")
    first = kernel.execute(
        f"%%warmup --timeout 0.01\nimport {name} as slow\nprint(slow.A)"
    )
    assert f"Not warm after 0.01 s: {name}\n" in first.stdout
    waiting = kernel.start("%warmup wait")
    gate.wait_until_reached()
    gate.open()
    assert "1 of 1 module completed" in kernel.finish(waiting).stdout
    assert first.stdout.endswith("\n1\n")
    last = kernel.execute(f"%%warmup --wait --quiet\nimport {name}\nprint({name}.A)")
    assert last.stdout == "1\n"


def test_a_subshell_waits_too(kernel: Kernel, write_gated: WriteGated) -> None:
    """What is postponed runs on the main thread, before its cell."""
    if "kernel subshells" not in kernel.features:
        pytest.skip("this ipykernel has no subshells")
    name, gate = write_gated("A = 1")
    warm(
        kernel,
        f"import {name} as slow",
        "import threading",
        "ran_on = slow.A, threading.current_thread() is threading.main_thread()",
        gate=gate,
    )
    with kernel.subshell():
        cell = kernel.start("print(ran_on)")
        gate.open()
        kernel.finish(cell)
    assert "(1, True)\n" in cell.stdout, cell.shown


def test_what_waits_for_a_cell_waits_for_all_of_it(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """A postponed statement has not run, whatever its cell is said to have done."""
    name, gate = write_gated("A = 1")
    kernel.run(
        "hidden = get_ipython().magics_manager.registry['WarmupMagics']\n"
        "heard = []\nhidden.stages.ran = heard.append"
    )
    cell = warm(kernel, f"import {name} as slow", "print(slow.A)", gate=gate)
    assert kernel.value("len(heard)") == 1  # the cell before
    gate.open()
    kernel.read_until(lambda: cell.stdout == "1\n")
    assert kernel.value("len(heard)") == 2


# Of each, what comes below `%%warmup` begins with an import that takes its time.
SAME = {
    "what it changes has another name": ["a = [1]; b = a", "b.append(slow.A)", "a"],
    "a function binds a name": [
        "n = 0\ndef f(s):\n    global n\n    n = s",
        "f(slow.A)",
        "n + 1",
    ],
    "a function reads a name": [
        "G = 1\ndef show(s): print(G)",
        "show(slow)\nG = 2\nshow(slow)",
        "G",
    ],
    "a name is deleted": ["x = 1", "print(x, slow.A)", "del x"],
    "what came out last": ["5", "slow.A", "_ * 10"],
    "an import for what it changes": ["import fast", "import reg\nprint(fast.B)", "1"],
    "what stands below an error": ["1", "slow.nosuch\nLIMIT = 1", "LIMIT"],
    "a semicolon": ["1", "slow.A;  # hidden", "1"],
    "a semicolon of a later cell": ["1", "slow.A", "vars(slow);"],
    "each value": [
        "get_ipython().ast_node_interactivity = 'all'",
        "for i in range(2): slow.A + i\nslow.A",
        "get_ipython().ast_node_interactivity = 'last_expr'",
    ],
    "what is assigned last": [
        "get_ipython().ast_node_interactivity = 'last_expr_or_assign'",
        "x = slow.A",
        "get_ipython().ast_node_interactivity = 'last_expr'",
    ],
    "a star": ["pi = 3", "print(slow.A, pi)\nfrom math import *", "pi"],
    "a function above its import": [
        "late = 'mine'\ndef f(): return late",
        "print(f())\nimport fast as late",
        "late.__name__",
    ],
    "a figure": [
        "import matplotlib.pyplot as plt\n%matplotlib inline",
        "fig, ax = plt.subplots()\n_ = ax.plot([slow.A, 2, 3])",
        "1",
    ],
    "a figure that is begun above the import": [
        "import matplotlib.pyplot as plt\n%matplotlib inline",
        "fig, ax = plt.subplots()\nimport other\n_ = ax.plot([other.A, 2, 3])",
        "1",
    ],
}


@pytest.mark.parametrize("name", SAME)
def test_it_comes_to_what_the_cell_comes_to(
    new_kernel: Callable[..., Kernel], tmp_path: Path, name: str
) -> None:
    """What a reader could not see from names alone."""
    first, body, last = SAME[name]
    shown = []
    for above in ("", "%%warmup --quiet\n"):
        folder = tmp_path / (above[:3] or "plain")
        kernel = new_kernel(folder)
        kernel.attended = kernel.store_history = True
        slow = "import time\ntime.sleep(0.3)\nA = 1"
        for module, source in {
            "slow": slow,
            "other": slow,
            "fast": "A = 1",
            "reg": f"{slow}\nimport fast\nfast.B = 1",
        }.items():
            (kernel.modules / f"{module}.py").write_text(source, encoding="utf-8")
        kernel.execute("%load_ext ipywarmup" if above else "1")
        cells = [
            kernel.execute(first),
            kernel.execute(f"{above}import slow\n{body}"),
            kernel.execute(last),
        ]
        kernel.execute("%warmup wait" if above else "1")
        shown.append(
            [
                re.sub("Waiting for .*\n", "", cell.stdout)
                + re.sub("0x[0-9a-f]+", "", repr(cell.of_type("execute_result")))
                + repr([list(each["data"]) for each in cell.displays])
                + repr([each["evalue"] for each in cell.of_type("error")][:1])
                for cell in cells
            ]
        )
    if name == "what stands below an error":  # that is told here as well
        assert "slow" in shown[1][2]
        shown[1][2] = shown[0][2]
    assert shown[0] == shown[1]
