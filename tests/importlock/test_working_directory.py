"""Imports that nobody typed: what merely lies in the working directory never runs."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ipywarmup.importing import import_on_worker
from ipywarmup.importlock.hooks import hooks
from ipywarmup.importlock.places import WorkingDirectory
from ipywarmup.sources.installed import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ipywarmup.importing import Outcome
    from tests.importlock.conftest import Write

TIMEOUT = 10.0
# Threads within which one gets the identifier of the last that has ended.
MANY = 16
LANES = 4
pytestmark = pytest.mark.usefixtures("in_place")

ASKS = """
try:
    import lying
    found = True
except ImportError as error:
    found, told = False, str(error)
"""

WORK = """
import _thread, threading

found = []
done = threading.Event()

def work(done=done):
    for _ in range(2):
        try:
            import lying
            found.append(lying)
        except ImportError:
            pass
        # Whoever starts a thread looks who is gone.
        other = threading.Thread(target=int)
        other.start()
        other.join()
    done.set()
"""


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget: Callable[[str], None]
) -> Iterator[Path]:
    """Return a working directory with a module in it, which comes first on the path."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "lying.py").write_text("import threading\nran_on = threading.get_ident()")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend("")
    importlib.invalidate_caches()
    yield folder
    forget("lying")


def on_worker(name: str, *, installed_only: bool = True) -> Outcome:
    """Import a module on a thread of its own."""
    outcomes: list[Outcome] = []

    def work() -> None:
        outcomes.append(import_on_worker(name, installed_only=installed_only))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(TIMEOUT)
    (outcome,) = outcomes
    return outcome


def imported(outcome: Outcome) -> Any:  # noqa: ANN401 - has what the test wrote
    """Return the module of an import that has to have succeeded."""
    assert outcome.exception is None, outcome.error
    return outcome.module


def test_what_an_installed_module_imports_is_not_found_here(
    here: Path, write: Write
) -> None:
    """It goes without, as if there were none; who types the name gets it as ever."""
    module = imported(on_worker(write(ASKS)))
    assert not module.found
    assert module.told == (
        "'lying' is a file of the working directory, which nobody has asked to run"
    )
    assert "lying" not in sys.modules
    lying = importlib.import_module("lying")
    assert lying.__file__ == str(here / "lying.py")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("look", ["find_spec", "find"])
def test_what_looks_for_it_beforehand_finds_nothing(write: Write, look: str) -> None:
    """A module that asks `find_spec` goes on as if it were not installed."""
    module = write(f"""
        import importlib.util
        from importlib.util import find_spec
        find = importlib.util.find_spec
        found = {look}("lying") is not None
        if found:
            import lying
    """)
    assert not imported(on_worker(module)).found
    assert importlib.util.find_spec("lying") is not None


@pytest.mark.usefixtures("here")
def test_what_somebody_typed_finds_everything(write: Write) -> None:
    """A warmup that was asked for by name imports as the statement does."""
    assert imported(on_worker(write(ASKS), installed_only=False)).found


@pytest.mark.usefixtures("here")
def test_a_module_of_the_working_directory_itself_fails() -> None:
    """A name that has got past every check still runs nothing."""
    outcome = on_worker("lying")
    assert isinstance(outcome.exception, ModuleNotFoundError)
    assert outcome.exception.name == "lying"
    assert outcome.traceback is None
    assert "lying" not in sys.modules


@pytest.mark.parametrize(
    "start",
    [
        "threading.Thread(target=work).start()",
        "_thread.start_new_thread(work, ())",
        "_thread.start_new(work, ())",
        # A child that does nothing else.
        "threading.Thread(target=threading.Thread(target=work).start).start()",
        "_thread.start_new_thread(_thread.start_new_thread, (work, ()))",
    ],
)
def test_threads_of_the_import_find_nothing_either(
    write: Write, here: Path, start: str
) -> None:
    """A module that has its optional parts imported on a thread is no way around."""
    assert (here / "lying.py").exists()
    name = write(f"{WORK}\n{start}\nassert done.wait({TIMEOUT})")
    assert imported(on_worker(name)).found == []


def test_threads_start_as_ever(write: Write) -> None:
    """Also those that have no name yet; and what is no function is refused at once."""
    name = write(
        """
        import _thread, threading
        class Unnamed(threading.Thread):
            name = property(lambda self: self.label, lambda self, name: None)
            def run(self):
                self.label = "named"
        thread = Unnamed()
        thread.start()
        thread.join()
        try:
            _thread.start_new_thread(5, ())
        except TypeError:
            refused = True
        """
    )
    module = imported(on_worker(name))
    assert (module.thread.name, module.refused) == ("named", True)


@pytest.mark.usefixtures("here")
def test_a_thread_that_outlives_the_import_is_free(write: Write) -> None:
    """What it imports then is the doing of whoever has it do so."""
    name = write(
        f"""
        import threading
        go = threading.Event()
        def work():
            assert go.wait({TIMEOUT})
            import lying
        thread = threading.Thread(target=work)
        thread.start()
        """
    )
    module = imported(on_worker(name))
    module.go.set()
    module.thread.join(TIMEOUT)
    assert sys.modules["lying"].ran_on == module.thread.ident


@pytest.mark.parametrize("wary", [True, False])
@pytest.mark.usefixtures("here")
def test_an_heir_that_has_ended_leaves_nothing_to_who_has_its_identifier(
    write: Write, *, wary: bool
) -> None:
    """Identifiers are given out anew: neither is one free so, nor another one wary."""
    heir = write(
        "import threading\n"
        "thread = threading.Thread(target=int)\nthread.start()\nthread.join()"
    )
    starts_one = write(
        "import threading\nthread = threading.Thread(target=int)\n"
        f"thread.start()\nthread.join()\n{ASKS}"
    )
    found: list[bool] = []
    ended = threading.Event()

    def work() -> None:
        if threading.get_ident() == its_identifier:
            outcome = import_on_worker(starts_one, installed_only=wary)
            found.append(imported(outcome).found)
            ended.set()
        assert ended.wait(TIMEOUT)

    # The import of the heir may still be under way.
    with hooks.borrowed(), hooks.installed_only():
        its_identifier = imported(on_worker(heir)).thread.ident
    crew = [threading.Thread(target=work) for _ in range(MANY)]
    for thread in crew:
        thread.start()
        if ended.wait(0 if thread.ident != its_identifier else TIMEOUT):
            break
    ended.set()
    for thread in crew:
        if thread.ident is not None:
            thread.join(TIMEOUT)
    assert found == [not wary]


@pytest.mark.usefixtures("here")
def test_imports_side_by_side_keep_their_threads_apart(write: Write) -> None:
    """Threads come and go by the dozen, and their identifiers with them."""
    starts = f"""
events = [threading.Event() for _ in range(4)]
for done in events[:2]:
    threading.Thread(target=work, args=(done,)).start()
for done in events[2:]:
    _thread.start_new_thread(work, (done,))
for done in events:
    assert done.wait({TIMEOUT})
"""
    names = [write(WORK + starts) for _ in range(10 * LANES)]
    outcomes: list[Outcome] = []

    def import_some(lane: int) -> None:
        outcomes.extend(on_worker(name) for name in names[lane::LANES])

    crew = [threading.Thread(target=import_some, args=(lane,)) for lane in range(LANES)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join(TIMEOUT * 3)
    assert len(outcomes) == len(names)
    assert not any(imported(outcome).found for outcome in outcomes)


@pytest.mark.usefixtures("here")
def test_other_threads_find_it_meanwhile(write: Write) -> None:
    """The user's own import is not affected by one in the background."""
    reached, gate = threading.Event(), threading.Event()
    module: Any = sys.modules.setdefault("hooked_shared", type(sys)("hooked_shared"))
    module.reached, module.gate = reached, gate
    name = write(
        "import hooked_shared\nhooked_shared.reached.set()\n"
        f"assert hooked_shared.gate.wait({TIMEOUT})\n{ASKS}"
    )
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(on_worker(name)))
    thread.start()
    try:
        assert reached.wait(TIMEOUT)
        lying = importlib.import_module("lying")
        del sys.modules["lying"]
        assert lying.ran_on == threading.get_ident()
    finally:
        gate.set()
        thread.join(TIMEOUT)
    assert not imported(outcomes[0]).found


def test_a_part_of_a_namespace_package_that_lies_here_is_not_found(
    here: Path, tmp_path: Path, write: Write, forget: Callable[[str], None]
) -> None:
    """A package without __init__ has the parts that are installed, and no others."""
    for folder, file in ((tmp_path, "good"), (here, "planted")):
        (folder / "sharedspace").mkdir()
        (folder / "sharedspace" / f"{file}.py").touch()
    importlib.invalidate_caches()
    name = write(
        """
        import sharedspace.good
        try:
            import sharedspace.planted
        except ImportError:
            refused = True
        """
    )
    assert imported(on_worker(name)).refused
    forget("sharedspace")


def test_a_change_of_the_directory_is_no_way_around(
    here: Path, tmp_path: Path, write: Write
) -> None:
    """Both where the import began and where it has gone to count."""
    there = tmp_path / "there"
    there.mkdir()
    (there / "lying_there.py").touch()
    name = write(
        f"""
        import os
        os.chdir({str(there)!r})
        refused = []
        for name in ("lying_there", "lying"):
            try:
                __import__(name)
            except ImportError:
                refused.append(name)
        os.chdir({str(here)!r})
        """
    )
    sys.path.insert(0, str(here))
    try:
        assert imported(on_worker(name)).refused == ["lying_there", "lying"]
    finally:
        sys.path.remove(str(here))


def test_a_link_from_elsewhere_is_no_way_around(
    here: Path, tmp_path: Path, write: Write
) -> None:
    """A file that lies here is refused where a link elsewhere leads to it, too."""
    (tmp_path / "linked.py").symlink_to(here / "lying.py")
    importlib.invalidate_caches()
    assert not imported(on_worker(write(ASKS.replace("lying", "linked")))).found
    assert "linked" not in sys.modules


def test_the_folder_above_does_not_lie_here(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A way that leads out of the working directory, or back into it, is followed."""
    (here / "inner").mkdir()
    (tmp_path / "above.py").touch()
    for entry, name, lies_here in (
        ("..", "above", False),
        ("../here/inner/..", "lying", True),
    ):
        monkeypatch.setattr(sys, "path", [entry])
        assert WorkingDirectory().has_code_of(find(name)) is lies_here


def test_an_environment_in_the_working_directory_is_installed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """./.venv lies here, and what is in it does not merely lie here."""
    packages = here / ".venv" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "installed_here.py").touch()
    monkeypatch.syspath_prepend(packages)
    importlib.invalidate_caches()
    assert WorkingDirectory().has_code_of(find("installed_here"))
    monkeypatch.setattr("site.getsitepackages", lambda: [str(packages)])
    assert not WorkingDirectory().has_code_of(find("installed_here"))
    assert WorkingDirectory().has_code_of(find("lying"))


def test_a_directory_that_is_gone_holds_nothing(here: Path) -> None:
    """Who has deleted the working directory can still import what is installed."""
    (here / "lying.py").unlink()
    here.rmdir()
    directory = WorkingDirectory()
    for name in ("json", "sys", "numpy"):
        assert not directory.has_code_of(find(name))


@pytest.mark.usefixtures("here")
def test_a_block_within_another_ends_only_itself(write: Write) -> None:
    """An import on the same thread that nobody typed, either, changes nothing."""
    with hooks.borrowed(), hooks.installed_only():
        assert not imported(import_on_worker(write(ASKS), installed_only=True)).found
        with pytest.raises(ModuleNotFoundError, match="'lying' is a file of"):
            importlib.import_module("lying")
    assert importlib.import_module("lying")


@pytest.mark.usefixtures("here")
def test_what_follows_an_import_is_not_part_of_it(write: Write) -> None:
    """A statement that somebody has typed runs after it, on the same thread."""
    found: list[Any] = []
    import_on_worker(
        write(ASKS),
        installed_only=True,
        follow_up=lambda _: found.append(importlib.import_module("lying")),
    )
    assert found == [sys.modules["lying"]]


def test_what_is_loaded_anew_is_not_found_here(write: Write, here: Path) -> None:
    """`reload` looks for a module again, and may find another one."""
    (here / "colorsys.py").write_text("raise AssertionError")
    importlib.invalidate_caches()
    name = write(
        """
        import colorsys, importlib
        try:
            importlib.reload(colorsys)
        except ImportError:
            refused = True
        """
    )
    sys.path.remove("")
    importlib.import_module("colorsys")
    sys.path.insert(0, "")
    assert imported(on_worker(name)).refused


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.usefixtures("here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_child_process_of_an_heir_finds_nothing_either(write: Write) -> None:
    """Also once it has imported what its parent was in the middle of."""
    name = write(
        f"""
        import os, threading
        def work():
            global status
            child = os.fork()
            if not child:
                import PACKAGE
                try:
                    import lying
                except ImportError:
                    os._exit(7)
                os._exit(8)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if {os.getpid()} == os.getpid():
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        """
    )
    assert imported(on_worker(name)).status == 7
