"""%warmup report and %warmup suggest in a real kernel."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Gate
    from tests.kernel.conftest import Kernel

    WriteModule = Callable[..., str]

# What takes its time, and is no sleep.
COSTLY = """
import time
end = time.process_time() + 0.12
while time.process_time() < end:
    pass
"""


def test_report_shows_who_caused_what(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """As text and as a picture, each with the same modules."""
    inner = write_module(COSTLY)
    outer = write_module(f"import {inner}")
    kernel.run(f"%warmup {outer} --quiet --wait")
    bundle = kernel.execute("%warmup report").result
    head, _, first, second, *_ = bundle["text/plain"].splitlines()
    took = r"\d+\.\d+ m?s"
    assert re.fullmatch(rf"2 modules in {took} on ipywarmup-0", head)
    assert re.fullmatch(rf" +{took} +{took}  {outer}", first)
    assert re.fullmatch(rf" +{took} +{took}    {inner}", second)
    assert f"Most of it: {inner} " in bundle["text/plain"]
    assert f"<title>{inner}: " in bundle["text/html"]
    assert '<svg class="ipywarmup-icicle" role="img"' in bundle["text/html"]
    alone = kernel.execute(f"%warmup report {inner}").result["text/plain"]
    assert outer not in alone
    # What was asked for later is part of it, too.
    added = write_module()
    kernel.run(f"%warmup {added} --quiet --wait")
    assert added in kernel.execute("%warmup report").result["text/plain"]


def test_report_of_a_failed_import_tells_so(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """What it had imported before is there; a mark beside its name says the rest."""
    fine = write_module()
    bad = write_module(f"import {fine}\nraise OSError")
    kernel.run(f"%warmup {bad} --quiet")
    kernel.execute("%warmup wait")
    text = kernel.execute(f"%warmup report {bad}").result["text/plain"]
    assert re.search(rf"{bad}  ✗ failed$", text, re.MULTILINE)
    assert re.search(rf"{fine}$", text, re.MULTILINE)


def test_what_there_is_no_report_of_is_told(
    kernel: Kernel,
    write_module: WriteModule,
    write_gated: Callable[..., tuple[str, Gate]],
) -> None:
    """One line says why, and what to do."""

    def refusal(line: str) -> str:
        (said,) = kernel.execute(f"%warmup report {line}").stderr.splitlines()
        return said.removeprefix("UsageError: %warmup report: ")

    assert refusal("") == "nothing was imported yet; start it with %warmup"
    slow, gate = write_gated()
    waiting, foreign = write_module(), write_module()
    kernel.run(f"import {foreign}")
    kernel.run(f"%warmup sys nosuch_module {slow} {waiting} --quiet")
    gate.wait_until_reached()
    assert refusal("sys") == "'sys' was imported before its warmup came to it"
    assert refusal("nosuch") == "'nosuch' is not being warmed; start it with %warmup"
    assert refusal(waiting) == f"{waiting!r} is not imported yet; see %warmup wait"
    assert refusal(foreign) == (
        f"{foreign!r} was imported without this warmup; see %warmup suggest"
    )
    assert refusal("a b").endswith("report takes one module, but got 'b', too")
    gate.open()
    kernel.execute("%warmup wait")
    assert waiting in kernel.execute(f"%warmup report {waiting}").result["text/plain"]


def test_report_is_written_to_files(
    kernel: Kernel, write_module: WriteModule, tmp_path: Path
) -> None:
    """For Perfetto or speedscope, and as data; both at once, names in quotes."""
    inner = write_module(COSTLY)
    outer = write_module(f"import {inner}")
    kernel.run(f"%warmup {outer} --quiet --wait")
    trace, data = tmp_path / "my trace.json", tmp_path / "data.json"
    cell = kernel.execute(f"%warmup report --trace '{trace}' --json {data}")
    assert cell.stdout.splitlines() == [f"Written: {trace}", f"Written: {data}"]
    assert not cell.of_type("execute_result", "display_data")
    events = json.loads(trace.read_text())["traceEvents"]
    names = [event["name"] for event in events if event.get("cat") == "import"]
    assert names == [outer, inner]
    (thread,) = json.loads(data.read_text())["threads"]
    assert thread["name"] == "ipywarmup-0"
    assert thread["imports"][0]["imports"][0]["module"] == inner
    data.write_text("mine")
    refused = kernel.execute(f"%warmup report --json {data}").stderr
    assert "holds something else; name another file" in refused
    assert refused.count("\n") == 1
    assert data.read_text() == "mine"
    refused = kernel.execute("%warmup report --trace ~nobody_at_all/t.json").stderr
    assert refused.endswith("cannot be written: No such file or directory\n")
    assert refused.count("\n") == 1


def test_suggest_names_what_the_foreground_has_imported(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """What took long in cells, whatever else was in them, is a line to paste."""
    nothing = "Nothing that cells have imported since %load_ext took 100 ms or more"
    assert kernel.execute("%warmup suggest").stdout.startswith(nothing)
    costly, hidden, warmed, cheap = (
        *(write_module(COSTLY) for _ in range(3)),
        write_module(),
    )
    kernel.run(f"%warmup {warmed} --quiet --wait")
    kernel.run(f"x = 1\nimport {cheap}\nfrom {costly} import end")
    kernel.run(f"def later():\n    import {hidden}\nlater()\nimport {warmed}")
    said = kernel.execute("%warmup suggest").stdout.splitlines()
    figure = r"\d+\.\d+ m?s"
    names = [re.escape(name) for name in (costly, hidden)]
    assert len(said) == 2
    assert re.fullmatch(
        rf"Imported in the foreground: (\w+) {figure}, (\w+) {figure}", said[0]
    )
    assert said[1].startswith("%warmup ")
    assert sorted(said[1].split()[1:]) == sorted(names)
    # The line can be pasted, and is no news then.
    kernel.run(f"{said[1]} --quiet --wait")
    assert kernel.execute("%warmup suggest").stdout.startswith(nothing)


def test_suggest_names_what_a_warmup_did_not_import(
    kernel: Kernel,
    write_module: WriteModule,
    write_gated: Callable[..., tuple[str, Gate]],
) -> None:
    """What was cancelled or has failed, and a cell imports later, unless it has to."""
    gated, gate = write_gated()
    cancelled = write_module(COSTLY)
    of_main = write_module(
        f"{COSTLY}import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_DFL)"
    )
    failing = write_module(f"{COSTLY}import builtins\nbuiltins.there")
    kernel.run(f"%warmup {failing} {of_main} {gated} {cancelled} --quiet")
    gate.wait_until_reached()
    kernel.execute("%warmup cancel")
    gate.open()
    kernel.execute("%warmup wait")
    kernel.run("import builtins\nbuiltins.there = True")
    kernel.run(f"import {cancelled}, {failing}, {of_main}")
    kernel.run("del builtins.there")
    _, line = kernel.execute("%warmup suggest").stdout.splitlines()
    assert sorted(line.split()[1:]) == sorted([cancelled, failing])


@pytest.mark.parametrize(
    "cell",
    [
        "%%time\nimport {name}",
        "try:\n    import {name}\n    1 / 0\nexcept ZeroDivisionError: pass",
        "import asyncio\nawait asyncio.sleep(0)\nimport {name}",
    ],
)
def test_every_kind_of_cell_is_looked_at(
    kernel: Kernel, write_module: WriteModule, cell: str
) -> None:
    """And importlib is as it was when the cell has ended."""
    name = write_module(COSTLY)
    look = "repr(__import__('importlib')._bootstrap._get_module_lock)"
    before = kernel.value(look)
    kernel.execute(cell.format(name=name))
    assert kernel.value(look) == before
    assert f"%warmup {name}" in kernel.execute("%warmup suggest").stdout


LOOK = """
import importlib, threading, warnings
look = lambda: [
    importlib._bootstrap._init_module_attrs, importlib._bootstrap.module_from_spec,
    threading._start_new_thread if hasattr(threading, "_start_new_thread")
    else threading._start_joinable_thread,
    warnings.filters,
]
"""


def test_a_cell_that_is_looked_at_runs_as_ever(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """Nothing but the time of imports is looked at, however long the cell goes on."""
    kernel.run(f"{LOOK}\nbefore = look()")
    kernel.run(f"import {write_module(COSTLY)}\nassert look() == before")


def test_a_warmup_within_a_cell_that_is_looked_at(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """It puts its hooks in and takes them out, and the cell is timed to its end."""
    first, warmed, last = (write_module(COSTLY) for _ in range(3))
    look = "repr(__import__('importlib')._bootstrap._get_module_lock)"
    before = kernel.value(look)
    kernel.run(
        f"import {first}\n%warmup {warmed} --quiet --wait\nimport {last}, {warmed}"
    )
    assert kernel.value(look) == before
    _, line = kernel.execute("%warmup suggest").stdout.splitlines()
    assert sorted(line.split()[1:]) == sorted([first, last])


def test_a_cell_that_fails_ends_its_timing(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """Neither an error nor a failed import leaves the hooks in."""
    look = "repr(__import__('importlib')._bootstrap._get_module_lock)"
    before = kernel.value(look)
    for cell in (f"import {write_module()}\n1 / 0", "import nosuch_module_at_all"):
        assert kernel.execute(cell).error
        assert kernel.value(look) == before
