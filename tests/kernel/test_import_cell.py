"""%%warmup above import statements, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.kernel.conftest import Kernel

    WriteGated = Callable[..., tuple[str, Gate]]


def write_package(kernel: Kernel, name: str, write_gated: WriteGated) -> Gate:
    """Write a package with an `A` and a module `slow` that waits at its gate."""
    slow, gate = write_gated()
    folder = kernel.modules / name
    folder.mkdir()
    (folder / "__init__.py").write_text("A = 1")
    (kernel.modules / f"{slow}.py").rename(folder / "slow.py")
    kernel.run("__import__('importlib').invalidate_caches()")
    return gate


def test_names_appear_as_if_the_cell_had_run(kernel: Kernel) -> None:
    """Modules and objects themselves, under the names that the statements give them."""
    kernel.run("""
        %%warmup --quiet --wait
        from __future__ import annotations
        import wave, xml.dom.minidom as dom  # two at once
        import xml.etree.ElementTree
        from colorsys import (
            rgb_to_hsv as convert,
            hsv_to_rgb,
        )
        from xml import sax
        try:
            import nosuch_module as fast
        except ImportError:
            fast = None
    """)
    kernel.run("""
        import sys
        for name in ("xml.dom.minidom", "xml.etree.ElementTree", "xml.sax"):
            assert name in sys.modules
        assert wave is sys.modules["wave"] and dom is sys.modules["xml.dom.minidom"]
        assert xml is sys.modules["xml"] and sax is sys.modules["xml.sax"]
        assert convert is sys.modules["colorsys"].rgb_to_hsv
        assert hsv_to_rgb is sys.modules["colorsys"].hsv_to_rgb
        assert fast is None
        def later(x: not_a_name): pass
        assert later.__annotations__ == {"x": "not_a_name"}
    """)
    assert kernel.value("'_ipywarmup' in get_ipython().user_ns_hidden") is True


def test_an_indented_body_is_one_of_import_statements(kernel: Kernel) -> None:
    """What is copied from a function works, as it does in any cell and below %%time."""
    body = "\n    import wave as indented\n    try:\n        import nosuch\n"
    cell = kernel.execute(
        f"%%warmup --quiet --wait\n{body}    except ImportError: pass"
    )
    assert cell.shown == "[]"
    assert kernel.value("indented.__name__") == "wave"


def test_cell_waits_for_just_what_it_needs(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """One that needs nothing runs at once; one that needs the first, after that."""
    (one, first), (two, second) = write_gated("A = 1"), write_gated("A = 2")
    kernel.run(f"""
        %%warmup --quiet
        import {one} as one
        from {two} import A
    """)
    first.wait_until_reached()
    assert kernel.execute("print(3)").stdout == "3\n"
    cell = kernel.start("def f():\n    return [one.A for _ in 'x']\nprint(f())")
    kernel.read_until(lambda: "Waiting for" in cell.stdout)
    assert cell.stdout == f"Waiting for {one}\n"
    first.open()
    kernel.finish(cell)
    assert cell.stdout.endswith("\n[1]\n")
    assert cell.of_type("clear_output")
    second.wait_until_reached()
    second.open()
    assert kernel.execute("print(A)").stdout.endswith("2\n")


def test_attributes_tell_which_import_is_needed(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """Of two modules of a package, the one that a chain of attributes goes through."""
    gate = write_package(kernel, "packed", write_gated)
    (kernel.modules / "packed/quick.py").write_text("A = 1")
    kernel.run("%%warmup --quiet\nimport packed.quick\nimport packed.slow")
    gate.wait_until_reached()
    assert kernel.execute("print(packed.quick.A)").stdout == "1\n"
    cell = kernel.start("print(packed.slow.__name__)")
    kernel.read_until(lambda: "Waiting for packed.slow" in cell.stdout)
    gate.open()
    assert kernel.finish(cell).stdout.endswith("packed.slow\n")


def test_other_attributes_of_a_package_need_its_import(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """`import pack.slow` binds `pack`, of which a cell may want something else."""
    gate = write_package(kernel, "pack", write_gated)
    kernel.run("%%warmup --quiet\nimport pack.slow")
    gate.wait_until_reached()
    cell = kernel.start("print(pack.A)")
    kernel.read_until(lambda: "Waiting for pack.slow" in cell.stdout or cell.ended)
    gate.open()
    assert kernel.finish(cell).stdout == "Waiting for pack.slow\n1\n"


def test_a_package_that_is_there_stays(kernel: Kernel, write_gated: WriteGated) -> None:
    """Also while a submodule is under way, and if that fails."""
    gate = write_package(kernel, "packet", write_gated)
    kernel.run("import packet, json")
    kernel.run("%%warmup --quiet\nimport packet.slow")
    gate.wait_until_reached()
    assert kernel.execute("print(packet.A)").stdout == "1\n"
    gate.open()
    kernel.run("%%warmup --quiet --wait\nimport json.nosuch")
    assert kernel.execute("print(json.dumps(1))").stdout == "1\n"
    assert kernel.execute("json.nosuch").error == "ModuleNotFoundError"
    assert kernel.execute("print(json.dumps(1))").stdout == "1\n"


def test_wait_can_be_interrupted(kernel: Kernel, write_gated: WriteGated) -> None:
    """Ctrl-C ends the cell, on the line that waits; the import goes on."""
    name, gate = write_gated("A = 1")
    kernel.run(f"%%warmup --quiet\nimport {name} as module")
    gate.wait_until_reached()
    cell = kernel.start("x = 1\nx = module.A")
    kernel.read_until(lambda: "Waiting for" in cell.stdout)
    kernel.manager.interrupt_kernel()
    kernel.finish(cell)
    assert cell.error == "KeyboardInterrupt"
    assert "----> 2 x = module.A" in cell.traceback
    assert "ipywarmup" not in cell.traceback
    assert kernel.value("'x' in globals()") is False
    gate.open()
    assert kernel.execute("print(module.A)").stdout.endswith("1\n")


def test_failed_import_raises_where_its_name_is_used(
    kernel: Kernel, write_module: Callable[..., str]
) -> None:
    """Its own error, with the statement and the module's lines, and none of ours."""
    name = write_module("def f():\n    raise OSError('no disk')\nf()")
    kernel.run(f"""
        %%warmup --quiet --wait
        import wave
        import {name} as failing
        from colorsys import nosuch
    """)
    assert kernel.execute("wave.open;").error == ""
    for _ in range(2):
        cell = kernel.execute("x = 1\nfailing.value")
        assert cell.error == "OSError"
        shown = cell.traceback
        assert "----> 2 failing.value" in shown
        assert f"----> 3 import {name} as failing" in shown
        assert f"{name}.py" in shown
        assert "ipywarmup" not in shown
    cell = kernel.execute("nosuch()")
    assert cell.error == "ImportError"
    assert "----> 4 from colorsys import nosuch" in cell.traceback
    kernel.run("failing = None\nassert failing is None")
    kernel.run("assert failing is None")


def test_what_is_missing_can_be_installed_and_replaced(
    kernel: Kernel, write_module: Callable[..., str]
) -> None:
    """Words of a shell line or a magic are no use of a name that has failed; a cell
    that binds it anew runs; and a retry mends the name.
    """
    kernel.run("%%warmup --quiet --wait\nimport comes_later as absent, comes_later")
    assert kernel.execute("!echo install comes_later").stdout == (
        "install comes_later\r\n"
    )
    assert kernel.execute("%pip --version comes_later").error == ""
    for line in ("%time absent.A", "%%time\nabsent.A", "%prun absent.A", "absent.A"):
        assert kernel.execute(line).error == "ModuleNotFoundError", line
    kernel.run("""
        try:
            import comes_later
        except ImportError:
            comes_later = None
        assert comes_later is None
    """)
    write_module("A = 1", name="comes_later")
    kernel.execute("%warmup retry")
    assert kernel.execute("print(absent.A)").stdout.endswith("1\n")


def test_what_was_installed_since_is_imported_by_the_cell_that_uses_it(
    kernel: Kernel, write_module: Callable[..., str]
) -> None:
    """Its first error says what else would do it."""
    kernel.run("%%warmup --quiet --wait\nimport comes_much_later as late")
    failed = kernel.execute("late.A")
    assert failed.error == "ModuleNotFoundError"
    assert "%warmup retry" in failed.shown
    write_module("A = 1", name="comes_much_later")
    assert kernel.execute("late.A").result["text/plain"] == "1"


def test_each_thread_raises_its_own_error(
    kernel: Kernel, write_module: Callable[..., str]
) -> None:
    """Cells of subshells run beside those of the main thread."""
    one, two = write_module("1 / 0"), write_module("raise OSError")
    kernel.run(f"%%warmup --quiet --wait\nimport {one} as one\nimport {two} as two")
    kernel.run("""
        import ast, threading
        transform = get_ipython().transform_ast
        tree = transform(ast.parse("one.x"))
        thread = threading.Thread(target=transform, args=(ast.parse("two.x"),))
        thread.start()
        thread.join()
    """)
    cell = kernel.execute("exec(compile(tree, 'cell', 'exec'))")
    assert cell.error == "ZeroDivisionError"


def test_a_failed_import_of_a_plain_name_can_be_replaced(kernel: Kernel) -> None:
    """By None, too, as is usual for what is not installed."""
    kernel.run("%%warmup --quiet --wait\nimport nosuch_module")
    assert kernel.execute("nosuch_module").error == "ModuleNotFoundError"
    kernel.run("nosuch_module = None")
    assert kernel.execute("print(nosuch_module)").stdout == "None\n"


def test_reset_forgets_what_has_failed(kernel: Kernel) -> None:
    """Its name is one that nobody has bound, from then on."""
    kernel.run("%%warmup --quiet --wait\nimport nosuch_other")
    assert kernel.execute("nosuch_other").error == "ModuleNotFoundError"
    kernel.execute("%warmup reset")
    assert kernel.execute("nosuch_other").error == "NameError"


def test_a_try_runs_no_module_twice(
    kernel: Kernel, write_module: Callable[..., str]
) -> None:
    """Its handler gets the error that the import in the background has ended with."""
    name = write_module(
        "import sys\nsys.ran = getattr(sys, 'ran', 0) + 1\nraise ImportError('no luck')"
    )
    kernel.run(f"""
        %%warmup --quiet --wait
        try:
            import {name}
        except ImportError:
            {name} = 0
    """)
    kernel.run(f"import sys\nassert ({name}, sys.ran) == (0, 1)")


def test_a_star_binds_what_nobody_has_bound_since(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """Names that stood for something before, and built-in ones, as in a plain cell."""
    kernel.run("taken = mine = 'before'")
    name, gate = write_gated(
        "taken, mine, plain, max = 1, 2, 3, lambda *_: 'its own'\ndef _hidden(): pass"
    )
    kernel.run(f"%%warmup --quiet\nfrom {name} import *")
    gate.wait_until_reached()
    kernel.run("mine = 'since'\nassert mine == 'since'")
    cell = kernel.start("print(max(1, 2), taken)")
    kernel.read_until(lambda: "Waiting for" in cell.stdout or cell.ended)
    gate.open()
    assert kernel.finish(cell).stdout == f"Waiting for {name}\nits own 1\n"
    kernel.run("assert (taken, mine, plain) == (1, 'since', 3)")
    kernel.run("%%warmup --quiet\nfrom math import *")
    kernel.run("assert pi > 3 and '_hidden' not in globals()")


@pytest.mark.parametrize(
    "statement", ["import {} as m", "try:\n    import {} as m\nexcept OSError: pass"]
)
def test_what_wants_the_main_thread_is_imported_by_the_cell_that_uses_it(
    kernel: Kernel, write_module: Callable[..., str], statement: str
) -> None:
    """As by the import cell itself, had it run."""
    name = write_module("import signal\nsignal.set_wakeup_fd(-1)\nA = 1")
    kernel.run(f"%%warmup --quiet --wait\n{statement.format(name)}")
    assert kernel.canary(name)["status"] == "failed"
    assert kernel.execute("print(m.A)").stdout == "1\n"


def test_what_was_taken_out_is_imported_in_the_background_again(
    kernel: Kernel, write_module: Callable[..., str]
) -> None:
    """What was warm once and is not in `sys.modules` is not warm."""
    name = write_module("print('STRAY')\nA = 1")
    kernel.run(f"%warmup --quiet --wait {name}")
    kernel.run(f"import sys\ndel sys.modules[{name!r}]")
    cell = kernel.execute(f"%%warmup --wait\nimport {name} as m")
    assert "STRAY" not in cell.stdout
    assert "Already warm" not in cell.stdout
    kernel.run("assert m.A == 1")


def test_what_the_user_binds_to_what_it_was_stays_his(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """None and False are the same objects before and after."""
    kernel.run("flag = False")
    name, gate = write_gated("flag, x = 7, 5")
    kernel.run(f"%%warmup --quiet\nfrom {name} import *")
    gate.wait_until_reached()
    kernel.run("x = None; flag = False")
    gate.open()
    assert kernel.value("ipywarmup.get_manager().wait(30)")
    kernel.run("assert (x, flag) == (None, False)")


@pytest.mark.parametrize("first", ["from {} import *", "from {} import x, ascii"])
@pytest.mark.parametrize("last", ["from {} import *", "from {} import x, ascii"])
def test_the_last_statement_binds_a_name(
    kernel: Kernel, write_gated: WriteGated, first: str, last: str
) -> None:
    """Whichever module is there first."""
    (one, gate), (two, other) = (
        write_gated(f"x = {letter!r}\ndef ascii(): return x") for letter in "AB"
    )
    other.open()
    kernel.run("x = 0")
    cell = f"{first.format(one)}\n{last.format(two)}"
    kernel.run(f"%config WarmupMagics.lanes = 2\n%warmup --quiet {one}")
    gate.wait_until_reached()
    kernel.run(f"%%warmup --quiet\n{cell}")
    assert kernel.value(f"ipywarmup.get_manager().wait(30, [{two!r}])")
    gate.open()
    kernel.run("assert (x, ascii()) == ('B', 'B')")
    kernel.run("%config WarmupMagics.lanes = 1\ndel x, ascii")


def test_a_retry_mends_a_star(kernel: Kernel, write_module: Callable[..., str]) -> None:
    """Also where a cell has raised its error."""
    name = write_module("raise OSError")
    kernel.run(f"%%warmup --quiet --wait\nfrom {name} import *")
    assert kernel.execute("mended").error == "OSError"
    (kernel.modules / f"{name}.py").write_text("mended = 1")
    kernel.execute("%warmup retry")
    kernel.execute("%warmup wait")
    assert kernel.execute("print(mended)").stdout == "1\n"


def test_failed_star_is_told_once(kernel: Kernel) -> None:
    """By the first name that nobody has bound; it is in the way of nothing else."""
    kernel.run("%%warmup --quiet --wait\nfrom nosuch_module import *")
    kernel.run("""
        %precision 3
        def double(x):
            y = 2 * x
            return y
        for number in range(3):
            assert [n for n in [number]] == [number]
        with open("/dev/null") as file:
            file.read()
        assert double(number) == 4
    """)
    assert kernel.execute("print(unknown)").error == "ModuleNotFoundError"
    assert kernel.execute("print(unknown)").error == "NameError"


@pytest.mark.parametrize("call", ["model.fit()", "fit()", "cached()", "partial()"])
def test_what_was_defined_before_is_waited_for(
    kernel: Kernel, write_gated: WriteGated, call: str
) -> None:
    """Methods, wrapped and partial functions that use a name, called before it is
    there.
    """
    kernel.run("""
        import functools
        class Model:
            def fit(self):
                return late.A
        model = Model()
        fit = model.fit
        @functools.lru_cache
        def cached():
            return late.A
        partial = functools.partial(cached.__wrapped__)
    """)
    name, gate = write_gated("A = 3")
    kernel.run(f"%%warmup --quiet\nimport {name} as late")
    gate.wait_until_reached()
    cell = kernel.start(f"print({call})")
    kernel.read_until(lambda: "Waiting for" in cell.stdout or cell.ended)
    gate.open()
    assert kernel.finish(cell).stdout == f"Waiting for {name}\n3\n"
    kernel.run("del late")


def test_what_the_user_binds_meanwhile_stays(
    kernel: Kernel, write_gated: WriteGated
) -> None:
    """And the cell that binds it does not wait."""
    name, gate = write_gated()
    kernel.run("module = 'before'")
    kernel.run(f"%%warmup --quiet\nimport {name} as module, wave as sound")
    gate.wait_until_reached()
    assert kernel.value("'module' in globals()") is False
    kernel.run("module = 'mine'\nassert module == 'mine'")
    gate.open()
    assert kernel.value("ipywarmup.get_manager().wait(30)")
    kernel.run("assert module == 'mine'\nassert sound.__name__ == 'wave'")


def test_what_was_cancelled_is_imported_when_it_is_used(
    kernel: Kernel, write_module: Callable[..., str], write_gated: WriteGated
) -> None:
    """A name of a statement that never ran in the background comes all the same."""
    (name, gate), other = write_gated(), write_module("A = 1")
    kernel.run(f"%%warmup --quiet\nimport {name}\nfrom {other} import A")
    gate.wait_until_reached()
    assert kernel.execute("%warmup cancel").stdout == f"Cancelled: {other}\n"
    assert kernel.execute("print(A)").stdout == "1\n"


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (
            "import wave as unrun\nawait unrun",
            "line 3 awaits something; move that to a cell of its own",
        ),
        ("# nothing", "the cell is empty; write its imports below the line"),
    ],
)
def test_what_cannot_run_in_parts_is_refused(
    kernel: Kernel, cell: str, words: str
) -> None:
    """One line names the culprit, and nothing runs."""
    done = kernel.execute(f"%%warmup\n{cell}")
    (said,) = (done.stdout + done.stderr).splitlines()
    assert said == f"UsageError: %%warmup: {words}"
    assert not kernel.value("ipywarmup.get_manager().run.submitted")
    assert kernel.value("'unrun' in globals()") is False


def test_what_is_no_python_is_a_syntax_error(kernel: Kernel) -> None:
    """As of any cell, and nothing runs."""
    cell = kernel.execute("%%warmup\nimport wave as unrun\nimport (")
    assert cell.error == "SyntaxError"
    assert "3" in cell.traceback
    assert kernel.value("'unrun' in globals()") is False
