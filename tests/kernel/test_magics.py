"""Each line that %warmup understands, in a real kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.kernel.conftest import Kernel

    WriteModule = Callable[..., str]
    WriteGated = Callable[..., tuple[str, Gate]]

A_TIME = re.compile(r"\d\s*m?s\b")


def statuses(kernel: Kernel) -> dict[str, str]:
    """Return the latest status of every module that was ever submitted."""
    canaries = kernel.value("ipywarmup.get_manager().canaries()")
    return {canary["module"]: canary["status"] for canary in canaries}


def test_warmup_returns_while_the_import_runs(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """The line ends, and so do the next cells, before the import does."""
    name, gate = write_gated()
    cell = kernel.execute(f"%warmup {name}")
    assert cell.stdout == f"Warming up in the background: {name}\n"
    assert len(cell.displays) == 1
    assert not cell.of_type("execute_result")
    gate.wait_until_reached()
    assert kernel.execute("print(6 * 7)").stdout == "42\n"
    assert kernel.canary(name)["status"] == "running"
    gate.open()
    cell = kernel.execute("%warmup wait")
    assert cell.stdout == "Warmup done: 1 of 1 module completed\n"
    assert kernel.canary(name)["status"] == "completed"
    assert kernel.canary(name)["thread_name"].startswith("ipywarmup-")


def test_import_of_a_module_under_way_waits_for_it(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """An import statement yields the module that the worker makes, whole."""
    name, gate = write_gated("import threading; maker = threading.current_thread()")
    kernel.execute(f"%warmup {name}")
    gate.wait_until_reached()
    cell = kernel.start(f"import {name}; print({name}.maker.name)")
    gate.open()
    assert kernel.finish(cell).stdout == kernel.canary(name)["thread_name"] + "\n"


def test_variables_in_a_line_are_those_of_its_caller(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """`$name` and `{expression}` stand for values, those of a function's own first."""
    one, two, three = write_module(), write_module(), write_module()
    kernel.run(f"one, two, three = {one!r}, {two!r}, None")
    kernel.run(
        "def warm(three):\n"
        "    get_ipython().run_line_magic('warmup', '$three --wait --quiet')\n"
        f"warm({three!r})"
    )
    kernel.run("%warmup $one {two.lower()} --wait --quiet")
    found = statuses(kernel)
    assert [found.get(name) for name in (three, one, two)] == ["completed"] * 3
    # What stands for nothing is taken as it is written.
    assert "'$nothing'" in kernel.execute("%warmup $nothing").stderr


def test_a_long_line_is_no_burden(kernel: Kernel) -> None:
    """200 KB of names are read at once, for which IPython alone takes minutes."""
    cell = kernel.execute(f"%warmup --wait {' '.join(['json'] * 40_000)}")
    assert cell.stdout.endswith("Warmup done: 1 of 1 module completed\n")


def test_commas_between_names_are_tolerated(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """Blanks, commas and both together separate names."""
    one, two, three, four = (write_module() for _ in range(4))
    cell = kernel.execute(f"%warmup {one},{two}, {three} ,{four}, --wait")
    assert "4 of 4 modules completed" in cell.stdout


def test_a_further_line_adds_to_the_warmup(
    kernel: Kernel, write_module: WriteModule, write_gated: WriteGated
) -> None:
    """While one import runs, another line queues its modules behind it."""
    (first, gate), second = write_gated(), write_module()
    kernel.execute(f"%warmup {first}")
    gate.wait_until_reached()
    kernel.execute(f"%warmup {second} {first}")
    expected = {"pending": [first, second], "completed": [], "failed": []}
    assert kernel.value("ipywarmup.get_manager().status()") == expected
    gate.open()
    assert "2 of 2 modules completed" in kernel.execute("%warmup wait").stdout


def test_wait_flag_blocks_until_all_is_warm(
    kernel: Kernel, write_module: WriteModule, write_gated: WriteGated
) -> None:
    """`--wait` returns when the modules have ended, and says how."""
    (name, gate), broken = write_gated(), write_module("raise OSError('no disk')")
    cell = kernel.start(f"%warmup {name} {broken} --wait")
    gate.wait_until_reached()
    gate.open()
    assert kernel.finish(cell).stdout.splitlines()[1:] == [
        "Warmup done: 1 of 2 modules completed, 1 failed",
        f"{broken}: OSError: no disk",
    ]
    assert not cell.error


def test_timeout_flag_ends_the_wait(
    kernel: Kernel, write_module: WriteModule, write_gated: WriteGated
) -> None:
    """`--timeout` waits no longer than that, and says what is not warm."""
    (name, gate), other = write_gated(), write_module()
    cell = kernel.execute(f"%warmup {name} {other} --timeout 0.01")
    assert cell.stdout.splitlines()[-1] == f"Not warm after 0.01 s: {name}, {other}"
    assert not cell.error
    gate.open()
    assert "2 of 2 modules completed" in kernel.execute("%warmup wait").stdout


def test_quiet_flag_shows_nothing(kernel: Kernel, write_module: WriteModule) -> None:
    """`--quiet` warms without a word, a panel or a comm."""
    name, broken = write_module(), write_module("raise OSError")
    kernel.run(f"%warmup {name} {broken} --quiet --wait")
    assert not kernel.of_type("comm_open", "update_display_data")
    assert statuses(kernel)[name] == "completed"
    assert statuses(kernel)[broken] == "failed"


@pytest.mark.parametrize("line", ["%warmup", "%warmup status"])
def test_status_shows_where_things_stand(
    kernel: Kernel, write_module: WriteModule, write_gated: WriteGated, line: str
) -> None:
    """Text whose first line holds no times, what was saved, and the same as HTML."""
    done, (running, gate), queued = write_module(), write_gated(), write_module()
    assert "no modules yet" in kernel.execute(line).result["text/plain"]
    kernel.execute(f"%warmup {done} {running} {queued}")
    gate.wait_until_reached()
    bundle = kernel.execute(line).result
    headline, savings, _, *rows = bundle["text/plain"].splitlines()
    assert headline == "Warmup: 1 of 3 modules completed, 1 running, 1 queued"
    assert not A_TIME.search(headline)
    shown = [row.split()[1:3] for row in rows]
    assert shown == [[done, "completed"], [running, "running"], [queued, "queued"]]
    assert A_TIME.search(rows[0])
    assert re.fullmatch(r"Saved [\d.]+ m?s of waiting; .* threads [\d.]+ m?s", savings)
    assert headline in bundle["text/html"]
    assert savings in bundle["text/html"]
    assert "<table" in bundle["text/html"]
    gate.open()


def test_wait_for_some_modules(
    kernel: Kernel, write_module: WriteModule, write_gated: WriteGated
) -> None:
    """`wait` with names returns when these are warm, whatever the others do."""
    one, (late, gate) = write_module(), write_gated()
    kernel.execute(f"%warmup {one} {late}")
    gate.wait_until_reached()
    cell = kernel.execute(f"%warmup wait {one}")
    assert cell.stdout == "Warmup: 1 of 2 modules completed, 1 running\n"
    cell = kernel.execute(f"%warmup wait {one}, {late} --timeout 0.01")
    assert cell.stdout.splitlines()[1:] == [f"Not warm after 0.01 s: {late}"]
    gate.open()
    cell = kernel.execute(f"%warmup wait {late}")
    assert cell.stdout == "Warmup done: 2 of 2 modules completed\n"


def test_what_is_waited_for_goes_first(
    kernel: Kernel, write_module: WriteModule, write_gated: WriteGated
) -> None:
    """`wait` with names puts them before all that is queued; without, it does not."""
    (running, gate), *queued = write_gated(), *(write_module() for _ in range(3))
    kernel.execute(f"%warmup {running} {' '.join(queued)}")
    gate.wait_until_reached()
    kernel.execute(f"%warmup wait {queued[2]} --timeout 0.01")
    kernel.execute("%warmup wait --timeout 0.01")
    gate.open()
    kernel.execute("%warmup wait")
    completed = kernel.value("ipywarmup.get_manager().status()['completed']")
    assert completed == [running, queued[2], *queued[:2]]


@pytest.mark.parametrize("line", ["%warmup wait", "%warmup {name} --wait"])
def test_interrupt_ends_a_wait_and_nothing_else(
    kernel: Kernel, write_gated: WriteGated, line: str
) -> None:
    """Ctrl-C gets through, told in one line; the import and the kernel go on."""
    name, gate = write_gated()
    kernel.execute(f"%warmup {name}")
    gate.wait_until_reached()
    # Not before it waits: what comes first belongs to IPython.
    kernel.run("""
        manager = ipywarmup.get_manager()
        wait = manager.wait
        manager.wait = lambda *asked: (print("waiting", flush=True), wait(*asked))[1]
    """)
    cell = kernel.start(line.format(name=name))
    kernel.read_until(lambda: "waiting" in cell.stdout)
    kernel.manager.interrupt_kernel()
    assert kernel.finish(cell).reply["content"]["status"] == "error"
    kernel.run("del manager.wait")
    (error,) = cell.of_type("error")
    assert error["ename"] == "KeyboardInterrupt"
    assert error["traceback"] == [
        "KeyboardInterrupt: the warmup goes on; see %warmup status, or %warmup cancel"
    ]
    assert kernel.execute("print(6 * 7)").stdout == "42\n"
    assert kernel.canary(name)["status"] == "running"
    gate.open()
    assert "1 of 1 module completed" in kernel.execute("%warmup wait").stdout


def test_canaries_shows_all_records_of_the_session(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """The table keeps what was before a reset, with one row for each record."""
    one, two = write_module(), write_module("raise OSError('no <disk>')")
    kernel.execute(f"%warmup {one} --wait")
    kernel.execute("%warmup reset")
    kernel.execute(f"%warmup {two} --wait")
    bundle = kernel.execute("%warmup canaries").result
    assert bundle["text/plain"].splitlines()[1].split() == [
        *("id", "module", "status", "thread", "elapsed", "error")
    ]
    *_, row_one, row_two = bundle["text/plain"].splitlines()
    canary_id = kernel.canary(one)["canary_id"]
    assert row_one.split()[:3] == [str(canary_id), one, "completed"]
    assert row_two.split()[:3] == [str(canary_id + 1), two, "failed"]
    assert row_two.endswith("OSError: no <disk>")
    assert "OSError: no &lt;disk&gt;" in bundle["text/html"]


def test_cancel_drops_what_has_not_started(
    kernel: Kernel, write_module: WriteModule, write_gated: WriteGated
) -> None:
    """`cancel` names what it drops; the running import goes on."""
    (name, gate), one, two = write_gated(), write_module(), write_module()
    kernel.execute(f"%warmup {name} {one} {two}")
    gate.wait_until_reached()
    assert kernel.execute("%warmup cancel").stdout == f"Cancelled: {one}, {two}\n"
    assert kernel.execute("%warmup cancel").stdout == "Nothing to cancel.\n"
    gate.open()
    cell = kernel.execute("%warmup wait")
    assert cell.stdout == "Warmup done: 1 of 3 modules completed, 2 cancelled\n"
    assert kernel.value(f"{one!r} in __import__('sys').modules") is False


def test_what_is_known_already_is_not_announced_as_begun(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """A line that is run again says what is warm, what has failed, and the remedy."""
    fine, failing = write_module(""), write_module("1 / 0")
    kernel.execute(f"%warmup {fine} {failing} --wait")
    assert kernel.execute(f"%warmup {fine} {failing}").stdout == (
        f"Already warm: {fine}\n"
        f"Failed before, and tried again by `%warmup retry`: {failing}\n"
    )


def test_patience_is_that_of_lanes_and_packages(kernel: Kernel) -> None:
    """One setting says when an import that makes no progress makes way."""
    kernel.execute("%config WarmupMagics.patience = 3")
    patience = "ipywarmup.get_manager().pool.patience"
    assert kernel.value(patience) == 3
    hooks = "__import__('ipywarmup.importlock.hooks', fromlist=['hooks']).hooks"
    assert kernel.value(f"{hooks}.locks.patience") == 3


def test_retry_submits_what_failed_again(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """A module that has been installed or mended meanwhile is found."""
    fine, absent = write_module(), f"{write_module()}_absent"
    kernel.execute(f"%warmup {fine} {absent} --wait")
    assert statuses(kernel)[absent] == "failed"
    (kernel.modules / f"{absent}.py").write_text("")
    cell = kernel.execute("%warmup retry")
    assert cell.stdout == f"Trying again: {absent}\n"
    assert len(cell.displays) == 1
    assert "2 of 2 modules completed" in kernel.execute("%warmup wait").stdout
    assert kernel.execute("%warmup retry").stdout == "Nothing has failed.\n"


def test_reset_starts_over(
    kernel: Kernel, write_module: WriteModule, write_gated: WriteGated
) -> None:
    """The new warmup knows nothing of the old one, nor of its late import."""
    (old, gate), new = write_gated(), write_module()
    kernel.execute(f"%warmup {old}")
    gate.wait_until_reached()
    assert "forgotten" in kernel.execute("%warmup reset").stdout
    assert "no modules yet" in kernel.execute("%warmup").result["text/plain"]
    gate.open()
    cell = kernel.execute(f"%warmup {new} --wait")
    assert "1 of 1 module completed" in cell.stdout
    assert statuses(kernel)[old] == "cancelled"
    assert old not in kernel.execute("%warmup").result["text/plain"]


def test_help_is_the_manual(kernel: Kernel) -> None:
    """`help`, `--help` and `%warmup?` show usage with examples."""
    manual = kernel.execute("%warmup help").stdout
    assert kernel.execute("%warmup --help").stdout == manual
    (payload,) = kernel.execute("%warmup?").reply["content"]["payload"]
    pager = re.sub(r"\x1b\[[0-9;]*m", "", payload["data"]["text/plain"])
    for text in (manual, pager):
        for said in (
            *("status", "wait", "canaries", "cancel", "retry", "reset", "help"),
            *("--wait", "--timeout S", "--quiet", "%warmup torch pandas sklearn"),
        ):
            assert said in text


def test_module_named_like_a_subcommand(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """What follows `--` is a module, whatever it is called."""
    write_module(name="status")
    cell = kernel.execute("%warmup --wait -- status")
    assert "1 of 1 module completed" in cell.stdout
    assert statuses(kernel)["status"] == "completed"


@pytest.mark.parametrize(
    ("line", "culprit"),
    [
        ("%warmup {name} --wiat", "'--wiat'"),
        ("%warmup {name} --timeout soon", "'soon'"),
        ("%warmup {name} --timeout", "--timeout"),
        ("%warmup {name} --timeout -1", "'-1'"),
        ("%warmup stauts", "'stauts'"),
        ("%warmup {name} cancel", "'cancel'"),
        ("%warmup status {name}", "'{name}'"),
        ("%warmup wait {name}", "'{name}'"),
        ("%warmup wait", "nothing to wait for"),
        ("%warmup --quiet", "name a module"),
    ],
)
def test_wrong_line_is_a_usage_error_and_starts_nothing(
    kernel: Kernel, write_module: WriteModule, line: str, culprit: str
) -> None:
    """One line names the culprit; there is no record, no panel, no traceback."""
    name = write_module()
    before = statuses(kernel)
    if line.startswith("%warmup wait "):
        kernel.execute("%warmup json --quiet --wait")
        before["json"] = "completed"
    cell = kernel.execute(line.format(name=name))
    (message,) = cell.stderr.splitlines()
    assert message.startswith("UsageError: %warmup")
    assert culprit.format(name=name) in message
    assert not cell.stdout
    assert not cell.displays
    assert not cell.error
    assert statuses(kernel) == before


def test_config_lists_the_settings_with_help(kernel: Kernel) -> None:
    """`%config WarmupMagics` shows each setting, its value and what it does."""
    text = kernel.execute("%config WarmupMagics").stdout
    for setting in ("panel=<Bool>", "log_to_stderr=<Bool>", "lanes=<Int>"):
        _, found, help_text = text.partition(f"WarmupMagics.{setting}")
        assert found, text
        assert len(help_text.splitlines()[1].split()) > 2, help_text


def test_setting_of_lanes_holds_at_once(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """With two lanes, a second import starts while the first one blocks."""
    kernel.run("%config WarmupMagics.lanes = 2")
    (one, gate_one), (two, gate_two) = write_gated(), write_gated()
    kernel.execute(f"%warmup {one} {two}")
    gate_one.wait_until_reached()
    gate_two.wait_until_reached()
    found = statuses(kernel)
    assert (found[one], found[two]) == ("running", "running")
