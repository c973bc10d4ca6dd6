"""%load_ext, %unload_ext and %reload_ext: what they bring, and that it goes again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gate
    from tests.kernel.conftest import Kernel

DEFAULT_LANES = "__import__('ipywarmup.defaults').defaults.default_lanes()"
# All that an extension could leave behind.
LOOK_AROUND = """
def look_around():
    import builtins, gc, importlib, logging, signal, sys, threading, warnings
    import comm, ipywidgets
    shell = get_ipython()
    if "WarmupMagics" not in shell.magics_manager.registry:
        for thread in threading.enumerate():
            if thread.name == "ipywarmup-publisher":
                thread.join(10)
    return {
        "magics": {k: sorted(v) for k, v in shell.magics_manager.magics.items()},
        "registry": sorted(shell.magics_manager.registry),
        "configurables": sorted(type(c).__name__ for c in shell.configurables),
        "events": {k: list(map(repr, v)) for k, v in shell.events.callbacks.items()},
        "streams": [
            (id(stream), id(stream.echo), sorted(vars(stream)), repr(stream.write))
            for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
            if hasattr(stream, "echo")
        ],
        # Those that import, and the one that measures stalls, sleep for good.
        "threads": sorted(
            thread.name for thread in threading.enumerate()
            if not thread.name.removeprefix("ipywarmup-").isdecimal()
            and thread.name != "ipywarmup-stalls"
        ),
        "hooks": [
            repr(hook) for hook in (
                sys.excepthook, sys.displayhook,
                sys.unraisablehook, threading.excepthook,
                sys.gettrace(), sys.getprofile(), builtins.__import__, builtins.print,
                importlib.import_module, importlib._bootstrap._find_and_load,
                sys.meta_path, sys.path_hooks, warnings.showwarning,
                signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM),
            )
        ],
        "settings": [
            sys.getswitchinterval(), gc.isenabled(), gc.get_threshold(),
            sys.getrecursionlimit(), list(map(repr, warnings.filters)),
            logging.getLogger("ipywarmup").handlers, logging.root.handlers == [],
        ],
        "comms": sorted(comm.get_comm_manager().comms),
        "display hooks": list(
            getattr(shell.display_pub._thread_local, "hooks", [])
        ),
        "names": sorted(n for n in shell.user_ns if n[0] != "_" and "warmup" in n),
        "tabs": [each.__qualname__ for each in shell.Completer.custom_matchers],
        "completers": sorted(shell.strdispatchers["complete_command"].strs),
        "transformers": list(map(repr, shell.ast_transformers)),
    }
"""


@pytest.fixture
def look_around(bare_kernel: Kernel) -> Callable[[], object]:
    """Return a function that looks at all that an extension could change."""
    bare_kernel.run(LOOK_AROUND)
    # %config has IPython make the magics of its own that it had put off.
    bare_kernel.execute("%config")
    # The layout and style of no widget are kept by ipywidgets itself.
    bare_kernel.run("import ipywidgets; ipywidgets.HTML().close()")
    return lambda: bare_kernel.value("look_around()")


def test_loading_imports_nothing_that_costs(new_kernel: Callable[[], Kernel]) -> None:
    """What a line needs comes with the first line, ipywidgets with the first panel."""
    kernel = new_kernel()
    (kernel.modules / "light.py").write_text("")
    new = "sorted({*__import__('sys').modules} - known)"
    heavy = {"ipywidgets", "numpy", "pandas", "matplotlib", "argparse", "html.parser"}
    kernel.run("import sys; known = {*sys.modules}")

    kernel.run("%load_ext ipywarmup")
    loaded = set(kernel.value(new))
    assert not heavy & loaded
    ours = {name for name in loaded if name.partition(".")[0] == "ipywarmup"}
    parts = {"defaults", "foreground", "kernel", "magics", "stages"}
    assert ours == {"ipywarmup", *(f"ipywarmup.{part}" for part in parts)}
    others = {name.partition(".")[0] for name in loaded - ours}
    assert kernel.value(
        f"{sorted(others)!r} <= sorted(sys.stdlib_module_names)"
    ) or all(kernel.value(f"{name!r} in sys.stdlib_module_names") for name in others)

    kernel.execute("%warmup")
    kernel.run("%warmup light --quiet --wait")
    loaded = set(kernel.value(new))
    assert "ipywarmup.session" in loaded
    assert not {"ipywidgets", "ipywarmup.panel.widget", "numpy"} & loaded

    kernel.execute("%warmup light")
    loaded = set(kernel.value(new))
    assert {"ipywidgets", "ipywarmup.panel.widget"} <= loaded
    assert not {"numpy", "pandas", "matplotlib"} & loaded


def test_settings_hold_for_a_manager_that_comes_later(
    new_kernel: Callable[[], Kernel],
) -> None:
    """What the configuration says at load, and %config after, is the manager's."""
    kernel = new_kernel()
    kernel.run("get_ipython().config.WarmupMagics.lanes = 3")
    kernel.run("%load_ext ipywarmup")
    kernel.run("%config WarmupMagics.refuse_unsafe = False")
    kernel.run("%config WarmupMagics.switch_interval = 0.001")
    kernel.run("%config WarmupMagics.borrow_limit = 5")
    kernel.run("import ipywarmup; m = ipywarmup.get_manager()")
    kernel.run("from ipywarmup.responsiveness.settings import settings as s")
    assert kernel.value("(m.pool.lanes, m.refuse_unsafe)") == (3, False)
    assert kernel.value("(s.switch_interval, s.limit)") == (0.001, 5.0)
    kernel.run("%unload_ext ipywarmup")
    default = kernel.value(DEFAULT_LANES)
    assert kernel.value("(m.pool.lanes, m.refuse_unsafe)") == (default, True)
    assert kernel.value("(s.switch_interval, s.limit)") == (0.0002, 60.0)


def test_help_and_settings_are_there_before_the_first_line(
    new_kernel: Callable[[], Kernel],
) -> None:
    """Right after loading, %warmup? and %config tell all, and bring no manager."""
    kernel = new_kernel()
    kernel.run("%load_ext ipywarmup")
    shown = kernel.execute("%config WarmupMagics").stdout
    for name in (
        *("panel", "log_to_stderr", "refuse_unsafe", "patience", "lanes"),
        *("switch_interval", "borrow_limit"),
    ):
        assert f"WarmupMagics.{name}=" in shown
    (payload,) = kernel.execute("%warmup?").reply["content"]["payload"]
    assert "[--timeout S]" in payload["data"]["text/plain"]
    assert not kernel.value("'ipywarmup.manager' in __import__('sys').modules")


def test_import_of_the_package_does_not_load_its_magic(bare_kernel: Kernel) -> None:
    """`import ipywarmup` alone gives the shell nothing."""
    bare_kernel.run("import ipywarmup, sys")
    assert bare_kernel.value("'ipywarmup.magics' in sys.modules") is False
    assert bare_kernel.value("get_ipython().find_line_magic('warmup')") is None


def test_load_gives_the_shell_one_magic(
    bare_kernel: Kernel, look_around: Callable[[], dict[str, object]]
) -> None:
    """Loading adds a magic, its settings and its completion, and a look at cells that
    import something; nothing else.
    """
    before = look_around()
    bare_kernel.run("%load_ext ipywarmup")
    after = look_around()
    changed = {key for key in before if before[key] != after[key]}
    magic = {"magics", "registry", "configurables", "tabs"}
    assert changed == magic | {"transformers", "events"}
    bare_kernel.run("%unload_ext ipywarmup")


def test_unload_leaves_nothing_behind(
    bare_kernel: Kernel,
    look_around: Callable[[], object],
    write_module: Callable[..., str],
) -> None:
    """After %unload_ext all is as before %load_ext, panels and imports between."""
    names = [write_module("print('hello')"), write_module("raise OSError")]
    before = look_around()
    bare_kernel.run("%load_ext ipywarmup")
    bare_kernel.run("%%warmup --quiet --wait\nimport wave as sound")
    for line in (
        "%config WarmupMagics.lanes = 3",
        f"%warmup {names[0]}",
        f"%warmup {names[1]} nosuch_module",
        "%warmup wait",
        "%warmup retry",
        "%warmup wait",
        "%warmup status",
        "%warmup reset",
        f"%warmup {names[0]}",
    ):
        assert not bare_kernel.execute(line).error
    assert look_around() != before
    bare_kernel.run("%unload_ext ipywarmup")
    assert look_around() == before
    assert "UsageError" in bare_kernel.execute("%warmup").stderr
    assert bare_kernel.value("get_ipython().find_line_magic('warmup')") is None


def test_unload_gives_the_settings_back(bare_kernel: Kernel) -> None:
    """Lanes and log of the manager, which outlives the magic, are as by default."""
    bare_kernel.run("%load_ext ipywarmup")
    bare_kernel.run("%config WarmupMagics.lanes = 3")
    bare_kernel.run("%config WarmupMagics.log_to_stderr = True")
    settings = "(m.pool.lanes, m.log_to_stderr)"
    bare_kernel.run("import ipywarmup; m = ipywarmup.get_manager()")
    assert bare_kernel.value(settings) == (3, True)
    bare_kernel.run("%unload_ext ipywarmup")
    default = bare_kernel.value(DEFAULT_LANES)
    assert bare_kernel.value(settings) == (default, False)
    # What a user asked for with %config is IPython's to keep.
    bare_kernel.run("%load_ext ipywarmup")
    assert bare_kernel.value(settings) == (3, True)


def test_unload_during_an_import(
    bare_kernel: Kernel,
    look_around: Callable[[], object],
    write_gated: Callable[..., tuple[str, Gate]],
) -> None:
    """An import that outlives the magic leaves nothing behind when it ends."""
    name, gate = write_gated("print('too late')")
    before = look_around()
    bare_kernel.run("%load_ext ipywarmup")
    bare_kernel.execute(f"%warmup {name}")
    gate.wait_until_reached()
    bare_kernel.run("%unload_ext ipywarmup")
    gate.open()
    # Another import on the only lane ends after it.
    bare_kernel.run(
        "import ipywarmup; m = ipywarmup.get_manager(); m.submit(['json']); m.wait();"
        " m.reset()"
    )
    assert bare_kernel.value(f"{name!r} in __import__('sys').modules") is True
    assert look_around() == before
    assert not bare_kernel.shown_anywhere("too late")


def test_unload_and_reload_may_be_repeated(
    bare_kernel: Kernel,
    look_around: Callable[[], object],
    write_module: Callable[..., str],
) -> None:
    """Loading again after unloading, or reloading, gives one working magic."""
    before = look_around()
    for _ in range(3):
        bare_kernel.run("%load_ext ipywarmup")
        loaded = look_around()
        bare_kernel.run("%reload_ext ipywarmup")
        assert look_around() == loaded
        cell = bare_kernel.execute(f"%warmup {write_module()} --wait")
        assert "1 of 1 module completed" in cell.stdout
        bare_kernel.run("%reload_ext ipywarmup")
        assert look_around() == loaded
        bare_kernel.run("%unload_ext ipywarmup")
        assert look_around() == before


def test_loading_twice_is_loading_once(
    bare_kernel: Kernel, look_around: Callable[[], object]
) -> None:
    """A second %load_ext changes nothing, as for every extension."""
    bare_kernel.run("%load_ext ipywarmup")
    loaded = look_around()
    assert "already loaded" in bare_kernel.execute("%load_ext ipywarmup").stdout
    assert look_around() == loaded
    bare_kernel.run("%unload_ext ipywarmup")
    # IPython forgets it even where nobody had loaded it.
    assert not bare_kernel.execute("%unload_ext ipywarmup").error


def test_records_of_a_run_end_with_unload(
    bare_kernel: Kernel, write_gated: Callable[..., tuple[str, Gate]]
) -> None:
    """What was under way when the magic left is cancelled, and starts nothing."""
    name, gate = write_gated()
    bare_kernel.run("%load_ext ipywarmup")
    bare_kernel.execute(f"%warmup {name} never_started")
    gate.wait_until_reached()
    bare_kernel.run("%unload_ext ipywarmup")
    assert bare_kernel.canary(name)["status"] == "cancelled"
    assert bare_kernel.canary("never_started")["status"] == "cancelled"
    gate.open()
