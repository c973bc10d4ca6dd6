"""What is wrong with a module or its name: a clear record or a one-line error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.kernel.conftest import Cell, Kernel

    WriteModule = Callable[..., str]
    WriteGated = Callable[..., tuple[str, Gate]]


def warm_between_others(
    kernel: Kernel, write_module: WriteModule, name: str
) -> tuple[dict[str, Any], Cell]:
    """
    Warm a module between two good ones, which have to complete, and wait.

    Returns
    -------
    dict
        Its record.
    Cell
        The cell that waited.
    """
    before, after = write_module(), write_module()
    cell = kernel.execute(f"%warmup {before} {name} {after} --wait")
    assert not cell.error
    assert kernel.canary(before)["status"] == "completed"
    assert kernel.canary(after)["status"] == "completed"
    assert kernel.execute("print(6 * 7)").stdout == "42\n"
    canary = kernel.canary(name)
    assert canary["status"] == "failed"
    assert "2 of 3 modules completed, 1 failed" in cell.stdout
    # The record's reason is the one that the cell and the table tell.
    first_line = canary["error"].splitlines()[0][:80]
    assert first_line in cell.stdout
    assert first_line in kernel.execute("%warmup status").result["text/plain"]
    return canary, cell


def assert_refused(kernel: Kernel, cell: Cell, *said: str) -> None:
    """Assert that a line was a UsageError of one line, and that nothing started."""
    (message,) = cell.stderr.splitlines()
    assert message.startswith("UsageError: %warmup: ")
    for words in said:
        assert words in message
    assert len(message) < 300
    assert not cell.stdout
    assert not cell.displays
    assert not cell.error
    assert "no modules yet" in kernel.execute("%warmup").result["text/plain"]


def test_unknown_module(kernel: Kernel, write_module: WriteModule) -> None:
    """Python's own error, and beside it the nearest installed name."""
    canary, cell = warm_between_others(kernel, write_module, "jsno.tool")
    assert canary["error"] == "ModuleNotFoundError: No module named 'jsno'"
    assert canary["hint"] == "did you mean 'json.tool'?"
    assert "(did you mean 'json.tool'?)" in cell.stdout
    bundle = kernel.execute("%warmup").result
    assert "(did you mean 'json.tool'?)" in bundle["text/plain"]
    assert "did you mean &#x27;json.tool&#x27;?" in bundle["text/html"]


def test_unknown_submodule(kernel: Kernel, write_module: WriteModule) -> None:
    """The hint for a submodule comes from its package."""
    canary, _ = warm_between_others(kernel, write_module, "json.decodr")
    assert canary["error"] == "ModuleNotFoundError: No module named 'json.decodr'"
    assert canary["hint"] == "did you mean 'json.decoder'?"


def test_module_like_nothing_that_is_installed(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """There is no hint where nothing is similar."""
    canary, _ = warm_between_others(kernel, write_module, "qxzzyqkkw")
    assert canary["hint"] is None


def test_module_that_misses_another(kernel: Kernel, write_module: WriteModule) -> None:
    """The error names the one that is missing, the record the one asked for."""
    name = write_module("import nosuch_dependency")
    canary, _ = warm_between_others(kernel, write_module, name)
    assert canary["error"] == (
        "ModuleNotFoundError: No module named 'nosuch_dependency'"
    )
    assert canary["hint"] is None


@pytest.mark.parametrize(
    ("names", "culprit"),
    [
        ("json .relative", "'.relative'"),
        ("json ..", "'..'"),
        ("json a..b", "'a..b'"),
        ("json json.", "'json.'"),
        ("json my-package", "'my-package'"),
        ("json 'my package'", '"\'my"'),
        ('json "numpy"', "'\"numpy\"'"),
        ("json 2fast", "'2fast'"),
        ("json os.path;x", "'os.path;x'"),
        ("json a=b", "'a=b'"),
        ("json back\\slash", "back"),
    ],
)
def test_name_that_cannot_be_a_module(kernel: Kernel, names: str, culprit: str) -> None:
    """The whole line is refused, with the culprit's name."""
    assert_refused(kernel, kernel.execute(f"%warmup {names}"), culprit)


def test_name_with_a_space_from_python(kernel: Kernel) -> None:
    """What no line can hold, `submit` refuses."""
    cell = kernel.execute("ipywarmup.get_manager().submit(['json', 'my package'])")
    assert cell.error == "ValueError"
    assert "'my package'" in cell.shown
    assert "no modules yet" in kernel.execute("%warmup").result["text/plain"]


def test_name_of_ten_thousand_characters(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """Fails as any unknown module, in full in the record, cut where it is shown."""
    name = "x" * 10_000
    canary, cell = warm_between_others(kernel, write_module, name)
    assert canary["module"] == name
    assert canary["error"].startswith("ModuleNotFoundError: No module named 'xxx")
    assert canary["hint"] is None
    bundle = kernel.execute("%warmup").result
    assert max(map(len, bundle["text/plain"].splitlines())) < 400
    assert len(bundle["text/html"]) < 10_000
    assert len(cell.displays[0]["data"]["text/html"]) < 10_000


@pytest.mark.parametrize(
    ("line", "culprit", "meant"),
    [
        ("json --wiat", "'--wiat'", "--wait"),
        ("json --timout 3", "'--timout'", "--timeout"),
        ("json --quite", "'--quite'", "--quiet"),
        ("--quite json", "'--quite'", "--quiet"),
        ("stauts", "'stauts'", "%warmup status"),
        ("wiat json", "'wiat'", "%warmup wait"),
        ("canares", "'canares'", "%warmup canaries"),
        ("cancle", "'cancle'", "%warmup cancel"),
        ("rety", "'rety'", "%warmup retry"),
        ("rest", "'rest'", "%warmup reset"),
        ("hlep", "'hlep'", "%warmup help"),
        ("Status", "'Status'", "%warmup status"),
        ("json -w", "'-w'", "--wait"),
        ("json --nonsense", "'--nonsense'", "--wait, --quiet"),
    ],
)
def test_misspelt_flag_or_subcommand(
    kernel: Kernel, line: str, culprit: str, meant: str
) -> None:
    """The error names it, and says which was meant."""
    cell = kernel.execute(f"%warmup {line}")
    assert_refused(kernel, cell, culprit, *meant.split(", "))


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import sys; sys.exit()", "SystemExit"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("exit()", "NameError: name 'exit' is not defined"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("def broken(:", "SyntaxError: "),
        ("x = 1\n  y = 2", "IndentationError: unexpected indent"),
        ("x = '\\0'\n\0", "SyntaxError: source code string cannot contain null bytes"),
        ("raise OSError('two\\nlines')", "OSError: two\nlines"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("import sys; del sys.modules[__name__]", "KeyError: "),
    ],
)
def test_module_that_fails(
    kernel: Kernel, write_module: WriteModule, source: str, error: str
) -> None:
    """Whatever the import raises is its error; the kernel and the others go on."""
    name = write_module(source)
    canary, _ = warm_between_others(kernel, write_module, name)
    assert canary["error"].startswith(error)
    assert kernel.value(f"{name!r} in ipywarmup.get_manager().status()['failed']")


def test_import_after_a_failed_warmup_raises_the_same(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """`import` and `require` raise what the module raises, in the cell."""
    name = write_module("raise OSError('no disk')")
    kernel.execute(f"%warmup {name} --wait")
    for statement in (f"import {name}", f"ipywarmup.require({name!r})"):
        cell = kernel.execute(statement)
        assert cell.error == "OSError"
        assert "no disk" in cell.shown


def test_module_that_never_ends(
    kernel: Kernel, write_module: WriteModule, write_gated: WriteGated
) -> None:
    """After the pool's patience its lane goes to the others; the kernel goes on."""
    kernel.run("pool = ipywarmup.get_manager().pool; pool.patience = 0.05")
    (stuck, gate), one, two = write_gated(), write_module(), write_module()
    kernel.execute(f"%warmup {stuck} {one} {two}")
    gate.wait_until_reached()
    cell = kernel.execute(f"%warmup wait {one} {two}")
    assert cell.stdout == "Warmup: 2 of 3 modules completed, 1 running\n"
    assert kernel.canary(stuck)["status"] == "running"
    cell = kernel.execute(f"%warmup wait {stuck} --timeout 0.01")
    assert f"Not warm after 0.01 s: {stuck}" in cell.stdout
    kernel.run("pool.patience = 10.0")
    gate.open()
    assert "3 of 3 modules completed" in kernel.execute("%warmup wait").stdout


def test_module_that_shadows_a_standard_name(
    kernel: Kernel, write_module: WriteModule
) -> None:
    """The module that `import` would find is the one that is warmed."""
    name = write_module("who = 'a shadow'", name="antigravity")
    cell = kernel.execute(f"%warmup {name} --wait\nimport antigravity")
    assert "1 of 1 module completed" in cell.stdout
    assert kernel.value("antigravity.who") == "a shadow"


def test_module_that_breaks_stdout(kernel: Kernel, write_module: WriteModule) -> None:
    """A module that replaces or closes a stream takes nobody else's output."""
    name = write_module("""
        import sys
        sys.stdout = open("/dev/null", "w")
        print("STRAY")
        sys.stdout.close()
        sys.stdout = sys.__stdout__
        raise OSError("done")
    """)
    kernel.run("import sys; stdout = sys.stdout")
    kernel.execute(f"%warmup {name}")
    kernel.execute("%warmup wait")
    kernel.run("sys.stdout = stdout")
    assert kernel.canary(name)["error"] == "OSError: done"
    assert kernel.execute("print(6 * 7)").stdout == "42\n"
    assert not kernel.shown_anywhere("STRAY")


def test_all_at_once(
    kernel: Kernel, write_module: WriteModule, write_gated: WriteGated
) -> None:
    """Every bad module in one line: each has its record, and nothing is lost."""
    kernel.run("pool = ipywarmup.get_manager().pool; pool.patience = 0.05")
    stuck, gate = write_gated()
    bad = [
        "nosuch_module",
        write_module("import sys; sys.exit(3)"),
        write_module("raise KeyboardInterrupt"),
        write_module("def broken(:"),
        write_module("print('x' * 5_000_000); raise OSError"),
    ]
    good = [write_module() for _ in bad]
    mixed = [name for pair in zip(bad, good, strict=True) for name in pair]
    kernel.execute(f"%warmup {stuck} {' '.join(mixed)}")
    gate.wait_until_reached()
    kernel.execute(f"%warmup wait {' '.join(mixed)}")
    status = kernel.value("ipywarmup.get_manager().status()")
    assert status == {"pending": [stuck], "completed": good, "failed": bad}
    kernel.run("pool.patience = 10.0")
    gate.open()
    cell = kernel.execute("%warmup wait")
    assert "Warmup done: 6 of 11 modules completed, 5 failed" in cell.stdout
    kernel.read_until(kernel.final_tables)
    (table,) = kernel.final_tables()
    assert all(name in table["data"]["text/html"] for name in mixed)
