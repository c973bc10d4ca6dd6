"""The panel's messages, counted and weighed on the wire."""

from __future__ import annotations

import collections
import itertools
import json
from typing import TYPE_CHECKING

import pytest

from ipywarmup.panel.views import STATUS_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.kernel.conftest import Cell, Kernel

    WriteModule = Callable[..., str]
    WriteGated = Callable[..., tuple[str, Gate]]

COMMS = ("comm_open", "comm_msg")
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def write_many(kernel: Kernel) -> Callable[..., list[str]]:
    """Return a function that writes many modules of one source at once."""

    def write(count: int, source: str = "") -> list[str]:
        prefix = f"m{next(_numbers)}"
        names = [f"{prefix}_{number}" for number in range(count)]
        for name in names:
            (kernel.modules / f"{name}.py").write_text(source, encoding="utf-8")
        kernel.run("__import__('importlib').invalidate_caches()")
        return names

    return write


_numbers = itertools.count()


def display_id(cell: Cell) -> str:
    """Return what names the one display of a cell."""
    (content,) = cell.displays
    identifier: str = content["transient"]["display_id"]
    return identifier


def final_bundles(kernel: Kernel, cell: Cell) -> list[dict[str, str]]:
    """Return what replaced the panel of a cell, one after another."""
    return [
        content["data"]
        for content in kernel.final_tables()
        if content["transient"]["display_id"] == display_id(cell)
    ]


def headlines(kernel: Kernel) -> dict[str, list[str]]:
    """Return by widget all the headlines of the panels, in order."""
    shown = collections.defaultdict(list)
    for message, state in kernel.states("HTMLModel"):
        if "Warmup" in (value := str(state.get("value"))):
            shown[message["content"]["comm_id"]].append(value)
    return shown


def busiest_second(kernel: Kernel) -> int:
    """Return the most messages that one widget sent within one second."""
    sent: dict[str, list[float]] = collections.defaultdict(list)
    for message in kernel.of_type(*COMMS):
        at = message["header"]["date"].timestamp()
        sent[message["content"]["comm_id"]].append(at)
    return max(
        sum(begin <= at < begin + 1.0 for at in times[number:])
        for times in sent.values()
        for number, begin in enumerate(times)
    )


def test_each_widget_sends_at_most_ten_messages_a_second(
    kernel: Kernel, write_many: Callable[..., list[str]]
) -> None:
    """However many modules end, and then the final state is shown."""
    cell = kernel.execute(f"%warmup {' '.join(write_many(300))}")
    kernel.read_until(lambda: final_bundles(kernel, cell))
    assert busiest_second(kernel) <= 10
    assert kernel.bar_values()[-1] == (300, 300)
    (shown,) = headlines(kernel).values()
    assert "Warmup done: 300 of 300 modules completed" in shown[-1]
    (bundle,) = final_bundles(kernel, cell)
    assert "Warmup done: 300 of 300 modules completed" in bundle["text/html"]


def test_messages_come_at_most_ten_a_second_for_as_long_as_it_takes(
    kernel: Kernel, write_many: Callable[..., list[str]]
) -> None:
    """Modules that end one after another for seconds do not add up to more."""
    names = write_many(300, "sum(range(300_000))")
    kernel.execute(f"%warmup {' '.join(names)}")
    kernel.read_until(kernel.final_tables)
    assert busiest_second(kernel) <= 10
    values = [value for value, _ in kernel.bar_values()]
    assert values == sorted(values)
    assert len(set(values)) > 2
    assert values[-1] == 300


def test_bar_goes_backward_for_nobody(
    kernel: Kernel, write_many: Callable[..., list[str]]
) -> None:
    """Several panels on several lanes: no bar ever shows less than before."""
    kernel.run("%config WarmupMagics.lanes = 4")
    cells = [kernel.start(f"%warmup {' '.join(write_many(40))}") for _ in range(4)]
    for cell in cells:
        kernel.finish(cell)
    kernel.read_until(lambda: all(final_bundles(kernel, cell) for cell in cells))
    bars = collections.defaultdict(list)
    for message, state in kernel.states("IntProgressModel"):
        bars[message["content"]["comm_id"]].append(state.get("value", -1))
    assert len(bars) == 4
    for sent in bars.values():
        values = [value for value in sent if value >= 0]
        assert values == sorted(values)


def test_nothing_is_sent_when_nothing_goes_on(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """After its end a panel is silent, whatever cells run."""
    kernel.execute(f"%warmup {write_module()}")
    kernel.read_until(kernel.final_tables)
    kernel.messages.clear()
    kernel.execute("%warmup wait")
    kernel.execute("print(6 * 7)")
    assert not kernel.of_type(*COMMS, "comm_close", "update_display_data")


def test_each_panel_follows_the_run_that_it_joined(
    kernel: Kernel, write_gated: WriteGated, write_module: WriteModule
) -> None:
    """Two lines of one run show the same; a reset ends both, not the next one."""
    (old, gate), added = write_gated(), write_module()
    starting = kernel.execute(f"%warmup {old}")
    gate.wait_until_reached()
    joining = kernel.execute(f"%warmup {added}")
    kernel.read_until(lambda: len(kernel.bar_values()) >= 2)
    kernel.execute("%warmup reset")
    kernel.read_until(lambda: final_bundles(kernel, starting))
    kernel.read_until(lambda: final_bundles(kernel, joining))
    new, new_gate = write_gated()
    last = kernel.execute(f"%warmup {new}")
    gate.open()
    new_gate.wait_until_reached()
    new_gate.open()
    kernel.read_until(lambda: final_bundles(kernel, last))
    for cell in (starting, joining):
        (bundle,) = final_bundles(kernel, cell)
        assert "0 of 2 modules completed, 2 cancelled" in bundle["text/html"]
        assert old in bundle["text/html"]
        assert added in bundle["text/html"]
        assert new not in bundle["text/html"]
    (bundle,) = final_bundles(kernel, last)
    assert "1 of 1 module completed" in bundle["text/html"]
    assert old not in bundle["text/html"]


def test_first_panel_counts_what_a_later_line_adds(
    kernel: Kernel, write_gated: WriteGated, write_module: WriteModule
) -> None:
    """Both panels of a run end with all of its modules."""
    (name, gate), added = write_gated(), write_module()
    first = kernel.execute(f"%warmup {name}")
    gate.wait_until_reached()
    second = kernel.execute(f"%warmup {added}")
    gate.open()
    kernel.read_until(lambda: final_bundles(kernel, first))
    kernel.read_until(lambda: final_bundles(kernel, second))
    for cell in (first, second):
        (bundle,) = final_bundles(kernel, cell)
        assert "2 of 2 modules completed" in bundle["text/html"]


def test_thousand_modules_send_messages_of_bounded_size(
    kernel: Kernel, write_many: Callable[..., list[str]]
) -> None:
    """Rows are limited and errors are cut, so that no message grows with them."""
    fine = write_many(900)
    broken = write_many(100, f"raise OSError({'<no disk>' * 2000!r})")
    cell = kernel.execute(f"%warmup {' '.join(fine + broken)}")
    kernel.read_until(lambda: final_bundles(kernel, cell))
    sizes = [
        len(json.dumps(message["content"]))
        for message in kernel.of_type(*COMMS, "display_data", "update_display_data")
    ]
    # A hundred rows with the end of an escaped traceback of 3,000 characters each.
    assert max(sizes) < 1_000_000
    (bundle,) = final_bundles(kernel, cell)
    assert bundle["text/html"].count("</tr>") == 2 * STATUS_ROWS + 1
    assert "900 of 1000 modules completed, 100 failed" in bundle["text/html"]
    assert "900 completed" in bundle["text/html"]
    # Modules that all end well weigh far less.
    kernel.execute("%warmup reset")
    kernel.messages.clear()
    cell = kernel.execute(f"%warmup {' '.join(write_many(1000))}")
    kernel.read_until(lambda: final_bundles(kernel, cell))
    sizes = [len(json.dumps(message["content"])) for message in kernel.messages]
    assert max(sizes) < 200_000


def test_panel_ends_as_html_that_needs_no_widget(
    kernel: Kernel, write_gated: WriteGated, write_module: WriteModule
) -> None:
    """The display is replaced by the final table; its plain text never changes."""
    evil = "<img src=x onerror=alert(1)>"
    broken = write_module(f"raise ImportError({evil!r})")
    name, gate = write_gated(f"print({evil!r})")
    cell = kernel.execute(f"%warmup {broken} {name}")
    gate.wait_until_reached()
    (begin,) = (content["data"] for content in cell.displays)
    gate.open()
    kernel.read_until(lambda: final_bundles(kernel, cell))
    (end,) = final_bundles(kernel, cell)
    assert set(begin) == {"text/plain", "text/html", VIEW}
    assert set(end) == {"text/plain", "text/html"}
    assert begin["text/plain"] == end["text/plain"] == "<warmup of 2 modules>"
    assert "1 of 2 modules completed, 1 failed" in end["text/html"]
    # The error, the traceback's line of source and its message, the output.
    assert end["text/html"].count("&lt;img src=x onerror=alert(1)&gt;") == 4
    assert not kernel.shown_anywhere("<img")
    states = [state for _, state in kernel.states("HTMLModel")]
    assert "&lt;img" in repr(states)
    assert "<img" not in repr(states)
    opened = kernel.of_type("comm_open")
    assert begin[VIEW]["model_id"] in {
        message["content"]["comm_id"] for message in opened
    }


def test_panel_can_be_turned_off(kernel: Kernel, write_module: WriteModule) -> None:
    """`WarmupMagics.panel = False` leaves one line of text, and sends no comm."""
    kernel.run("%config WarmupMagics.panel = False")
    name = write_module()
    cell = kernel.execute(f"%warmup {name} --wait")
    assert cell.stdout.splitlines() == [
        f"Warming up in the background: {name}",
        "Warmup done: 1 of 1 module completed",
    ]
    assert not cell.displays
    assert not kernel.of_type(*COMMS, "update_display_data")


def test_panel_of_what_is_warm_already(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """A line that has nothing to do shows a panel that is full."""
    name = write_module()
    kernel.execute(f"%warmup {name} --wait")
    kernel.messages.clear()
    cell = kernel.execute(f"%warmup {name}")
    kernel.read_until(lambda: final_bundles(kernel, cell))
    (begin,) = (content["data"] for content in cell.displays)
    assert "Warmup done: 1 of 1 module completed" in begin["text/html"]
    (end,) = final_bundles(kernel, cell)
    assert "Warmup done: 1 of 1 module completed" in end["text/html"]
    assert set(kernel.bar_values()) == {(1, 1)}


def test_status_of_a_warmup_of_nothing(kernel: Kernel) -> None:
    """An empty warmup is done, and says that it has no modules."""
    kernel.run("ipywarmup.get_manager().submit([])")
    assert kernel.value("ipywarmup.get_manager().is_done()") is True
    text = kernel.execute("%warmup").result["text/plain"]
    assert text == "Warmup: no modules yet"
    assert kernel.execute("%warmup wait").stdout == f"{text}\n"
