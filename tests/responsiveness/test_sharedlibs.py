"""Libraries opened before an extension module: the same ones, in the same way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ipywarmup.responsiveness import loader, sharedlibs

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT = 60.0

pytestmark = pytest.mark.skipif(
    not sharedlibs._is_supported(), reason="not the loader of glibc on Linux"
)
needs_compiler = pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")

USES_PYTHON = "int Py_IsInitialized(void); int ask(void) {return Py_IsInitialized();}"

PROGRAM = """
import ctypes, json, os, sys
from ipywarmup.responsiveness.sharedlibs import open_needed

path, early = sys.argv[1:3]
flags = sys.getdlopenflags()
opened = open_needed(path, worthwhile=0) if early == "early" else []
print(json.dumps([os.path.basename(each) for each in opened]), flush=True)
try:
    module = ctypes.CDLL(path, mode=flags)
except OSError as error:
    module = None
    print("failed:", str(error).rpartition("/")[2])
with open("/proc/self/maps") as maps:
    files = {line.split(maxsplit=5)[5].strip() for line in maps if ".so" in line}
print(json.dumps(sorted(files - {module})))
"""


class Run(NamedTuple):
    """What came of opening an extension module."""

    opened: list[str]
    printed: list[str]
    files: list[str]


class Workshop:
    """A folder in which libraries are built. Each prints its name when initialized."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def build(
        self,
        file: str,
        source: str = "",
        needs: Sequence[Path] = (),
        options: Sequence[str] = ("-Wl,-rpath,$ORIGIN",),
    ) -> Path:
        """Build a library, or an extension module if its name has no ``lib``."""
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        code = f"""
            #include <unistd.h>
            int in_{path.stem}(void) {{return 1;}}
            {source if "lib" in file else USES_PYTHON + source}
            __attribute__((constructor)) static void initialize(void) {{
                if (write(1, "{file}\\n", {len(file) + 1}) < 0) _exit(1);
            }}
        """
        subprocess.run(
            [
                *("cc", "-shared", "-fPIC", "-xc", "-", "-o", str(path)),
                *("-Wl,--enable-new-dtags,--no-as-needed", f"-Wl,-soname,{path.name}"),
                *("-Wl,-z,lazy", *options, "-xnone", *map(str, needs)),
            ],
            input=textwrap.dedent(code),
            text=True,
            check=True,
            timeout=TIMEOUT,
        )
        return path

    def run(self, module: Path, way: str, then: str = "", **environment: str) -> Run:
        """Open an extension module in a fresh process, with or without help."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM + then, module, way],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        lists, printed = [], []
        for line in done.stdout.splitlines():
            if line.startswith("["):
                lists.append(json.loads(line))
            else:
                printed.append(line)
        opened, files = lists
        return Run(opened, printed, files)

    def compare(self, module: Path, then: str = "", **environment: str) -> Run:
        """Check that it makes no difference, and return what came of it."""
        plain = self.run(module, "plain", then, **environment)
        early = self.run(module, "early", then, **environment)
        assert early.printed == plain.printed
        # The helper itself needs the library of ctypes, with its import.
        assert [f for f in early.files if "/lib" not in f or "tmp" in f] == [
            f for f in plain.files if "/lib" not in f or "tmp" in f
        ]
        return early


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Return a folder to build in."""
    return Workshop(tmp_path)


@needs_compiler
def test_small_libraries_are_left_to_the_import(workshop: Workshop) -> None:
    """Only what takes longer to open than to examine comes first, with its needs."""
    small = workshop.build("libsmall.so")
    part = workshop.build("libpart.so", "const char padding[20 << 20] = {1};")
    whole = workshop.build("libwhole.so", "const char more[20 << 20] = {1};", [part])
    module = workshop.build("module.so", needs=[small, whole])
    program = f"""
from ipywarmup.responsiveness.sharedlibs import open_needed
print(open_needed({str(part)!r}), open_needed({str(module)!r}))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert done.stdout.endswith(f"[] [{str(whole)!r}]\n")


@needs_compiler
def test_libraries_are_opened_in_the_loader_s_order(workshop: Workshop) -> None:
    """What is on top brings in the rest, each initialized after what it needs."""
    d = workshop.build("libd.so")
    c = workshop.build("libc_.so", needs=[d])
    b = workshop.build("libb.so", needs=[c, d])
    a = workshop.build("liba.so", needs=[d])
    run = workshop.compare(workshop.build("module.so", needs=[a, b]))
    assert run.opened == ["libb.so", "liba.so"]
    assert run.printed == ["libd.so", "libc_.so", "libb.so", "liba.so", "module.so"]


@needs_compiler
def test_other_threads_run_while_a_library_is_opened(workshop: Workshop) -> None:
    """A library that waits for another thread to go on is opened all the same."""
    asked, ask = os.pipe()
    answered, answer = os.pipe()
    waiting = f"""
        static char byte;
        __attribute__((constructor)) static void wait_for_a_thread(void) {{
            if (write({ask}, "x", 1) != 1 || read({answered}, &byte, 1) != 1) _exit(1);
        }}
    """
    module = workshop.build("module.so", needs=[workshop.build("liba.so", waiting)])
    program = f"""
import os, threading
from ipywarmup.responsiveness.sharedlibs import open_needed
def reply():
    os.write({answer}, os.read({asked}, 1))
threading.Thread(target=reply, daemon=True).start()
print(len(open_needed({str(module)!r}, worthwhile=0)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        pass_fds=(asked, ask, answered, answer),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    for descriptor in (asked, ask, answered, answer):
        os.close(descriptor)
    assert done.stdout.splitlines()[-1] == "1"


@needs_compiler
def test_what_uses_python_is_left_to_the_import(workshop: Workshop) -> None:
    """A library with a symbol of Python's is not opened, nor is what needs it."""
    free = workshop.build("libfree.so")
    python = workshop.build("libpython_user.so", USES_PYTHON, needs=[free])
    on_top = workshop.build("libtop.so", needs=[python])
    run = workshop.compare(workshop.build("module.so", needs=[on_top]))
    assert run.opened == ["libfree.so"]


@needs_compiler
def test_a_symbol_that_the_module_overrides_stays_overridden(
    workshop: Workshop,
) -> None:
    """A library that would see its own definition, opened by itself, is not."""
    a = workshop.build(
        "liba.so",
        'const char *who(void) {return "a";} const char *asked(void);'
        "const char *asked(void) {return who();}",
    )
    module = workshop.build(
        "module.so", 'const char *who(void) {return "module";}', needs=[a]
    )
    then = "module.asked.restype = ctypes.c_char_p\nprint(module.asked().decode())"
    run = workshop.compare(module, then)
    assert (run.opened, run.printed[-1]) == ([], "module")


@needs_compiler
def test_a_symbol_that_a_library_can_do_without_is_found(workshop: Workshop) -> None:
    """A library finds what its neighbour has, though it does not need it."""
    b = workshop.build("libb.so", "int _Z5extrav(void) {return 7;}")
    a = workshop.build(
        "liba.so",
        "__attribute__((weak)) int _Z5extrav(void);"
        "int asked(void) {return _Z5extrav ? _Z5extrav() : 0;}",
    )
    run = workshop.compare(
        workshop.build("module.so", needs=[a, b]), "print(module.asked())"
    )
    assert (run.opened, run.printed[-1]) == (["libb.so"], "7")


@needs_compiler
def test_allocation_that_a_neighbour_replaces_stays_replaced(
    workshop: Workshop,
) -> None:
    """All who use `new` use the one that they would with the import."""
    a = workshop.build(
        "liba.so", "int made; void *_Znwm(unsigned long size) {made++; return 0;}"
    )
    b = workshop.build(
        "libb.so",
        "extern void *_Znwm(unsigned long size);"
        "int made_by_b(void) {_Znwm(1); return 1;}",
    )
    module = workshop.build(
        "module.so",
        "extern int made, made_by_b(void); int count(void) {return made_by_b(), made;}",
        needs=[a, b],
    )
    run = workshop.compare(module, "print(module.count())")
    assert (run.opened, run.printed[-1]) == ([], "1")


@needs_compiler
def test_what_the_loader_has_read_is_not_guessed(workshop: Workshop) -> None:
    """A search path that the environment says nothing of any more is left to it."""
    module = workshop.build("module.so", needs=[workshop.build("liba.so")])
    program = f"""
import os, sys
from ipywarmup.responsiveness.sharedlibs import open_needed
if len(sys.argv) > 1:
    os.environ["LD_LIBRARY_PATH"] = sys.argv[1]
print(len(open_needed({str(module)!r}, worthwhile=0)))
"""
    counts = [
        subprocess.run(
            [sys.executable, "-c", program, *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        ).stdout.split()[-1]
        for arguments in ([], ["/else"])
    ]
    assert counts == ["1", "0"]


@needs_compiler
def test_what_was_opened_becomes_global_with_the_module(workshop: Workshop) -> None:
    """An import with RTLD_GLOBAL makes the libraries global, but not before."""
    a = workshop.build("liba.so", "int shared_value(void) {return 5;}")
    module = workshop.build("module.so", needs=[a])
    program = f"""
import ctypes, os, sys
from ipywarmup.responsiveness.sharedlibs import open_needed
sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
assert open_needed({str(module)!r}, worthwhile=0) == [{str(a)!r}]
assert not hasattr(ctypes.CDLL(None), "shared_value")
ctypes.CDLL({str(module)!r}, mode=sys.getdlopenflags())
assert ctypes.CDLL(None).shared_value() == 5
"""
    subprocess.run([sys.executable, "-c", program], timeout=TIMEOUT, check=True)


OLD, NEW = "-Wl,--disable-new-dtags", "-Wl,--enable-new-dtags"


@needs_compiler
@pytest.mark.parametrize(
    ("options", "found", "opened"),
    [
        ([OLD, "-Wl,-rpath,$ORIGIN/one"], "one", ["liba.so"]),
        ([NEW, "-Wl,-rpath,${ORIGIN}/one"], "two", ["liba.so"]),
        ([NEW, "-Wl,-rpath,$ORIGIN/absent:$ORIGIN/three"], "two", ["liba.so"]),
        ([], "two", ["liba.so"]),
        ([OLD, "-Wl,-rpath,$ORIGIN/hw:$ORIGIN/one"], "hw", []),
        ([OLD, "-Wl,-rpath,$ORIGIN/${LIB}:$ORIGIN/one"], "one", []),
    ],
)
def test_libraries_are_searched_for_as_the_loader_does(
    workshop: Workshop, options: list[str], found: str, opened: list[str]
) -> None:
    """RPATH comes before LD_LIBRARY_PATH and RUNPATH after it; hardly more is tried."""
    for folder in ("one", "two", "three", "hw"):
        a = workshop.build(f"{folder}/liba.so")
    (workshop.folder / "hw/glibc-hwcaps").mkdir()
    run = workshop.compare(
        workshop.build("module.so", needs=[a], options=options),
        LD_LIBRARY_PATH=str(workshop.folder / "two"),
    )
    assert (run.printed[0], run.opened) == (f"{found}/liba.so", opened)


@needs_compiler
def test_what_only_the_module_can_find_is_opened_first(workshop: Workshop) -> None:
    """The RPATH of the module holds for all below it, which alone would not find it."""
    b = workshop.build("libs/libb.so", options=[])
    a = workshop.build("libs/liba.so", needs=[b], options=[])
    module = workshop.build(
        "module.so", needs=[a], options=[OLD, "-Wl,-rpath,$ORIGIN/libs"]
    )
    assert workshop.compare(module).opened == ["libb.so", "liba.so"]


@needs_compiler
def test_a_runpath_hides_the_module_s_rpath(workshop: Workshop) -> None:
    """A library that says itself where to look is not helped by the module."""
    workshop.build("one/libb.so")
    b = workshop.build("two/libb.so")
    runpath = [NEW, "-Wl,-rpath,$ORIGIN/../two"]
    a = workshop.build("one/liba.so", needs=[b], options=runpath)
    module = workshop.build(
        "module.so", needs=[a], options=[OLD, "-Wl,-rpath,$ORIGIN/one"]
    )
    run = workshop.compare(module)
    assert run.opened == ["liba.so"]
    assert run.printed[0] == "two/libb.so"


@needs_compiler
def test_libraries_that_need_each_other_are_left_to_the_import(
    workshop: Workshop,
) -> None:
    """Which of a cycle is initialized first depends on where the loader enters it."""
    b = workshop.build("libb.so")
    a = workshop.build("liba.so", needs=[b])
    workshop.build("libb.so", needs=[a])
    on_top = workshop.build("libtop.so", needs=[a])
    c = workshop.build("libc_.so")
    module = workshop.build("module.so", needs=[a, b, on_top, c])
    assert workshop.compare(module).opened == ["libc_.so"]


@needs_compiler
def test_an_open_library_is_taken_as_it_is(workshop: Workshop) -> None:
    """A second call opens nothing."""
    module = workshop.build("module.so", needs=[workshop.build("liba.so")])
    program = f"""
from ipywarmup.responsiveness.sharedlibs import open_needed
for _ in range(2):
    print(len(open_needed({str(module)!r}, worthwhile=0)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert [line for line in done.stdout.splitlines() if line.isdigit()] == ["1", "0"]


def _replace_by_script(path: Path) -> None:
    path.write_text("/* GNU ld script */\nINPUT ( libm.so.6 )\n", encoding="ascii")


def _cut(path: Path) -> None:
    os.truncate(path, loader.Library(str(path)).dynamic.size - 1)


def _replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@needs_compiler
@pytest.mark.parametrize(
    "damage",
    [Path.unlink, _replace_by_script, _cut, _replace_by_pipe, _replace_by_folder],
)
def test_a_library_that_cannot_be_opened_is_left_to_the_import(
    workshop: Workshop, damage: object
) -> None:
    """The sound ones are opened nonetheless, and nothing is raised."""
    a, b = workshop.build("liba.so"), workshop.build("libb.so")
    module = workshop.build("module.so", needs=[a, b])
    assert callable(damage)
    damage(a)
    program = f"""
from ipywarmup.responsiveness.sharedlibs import open_needed
assert open_needed({str(module)!r}, worthwhile=0) == [{str(b)!r}]
"""
    subprocess.run([sys.executable, "-c", program], timeout=TIMEOUT, check=True)


@needs_compiler
def test_a_library_that_lacks_a_symbol_is_left_to_the_import(
    workshop: Workshop,
) -> None:
    """The import has the same error as ever."""
    a = workshop.build("liba.so", "int absent(void); int f(void) {return absent();}")
    run = workshop.compare(workshop.build("module.so", needs=[a]))
    assert run.opened == []
    assert "undefined symbol: absent" in run.printed[-1]


@needs_compiler
def test_a_library_of_two_gigabytes_is_opened(workshop: Workshop) -> None:
    """Only what the loader reads of it is read."""
    a = workshop.build("liba.so")
    module = workshop.build("module.so", needs=[a])
    os.truncate(a, 2 << 30)
    assert workshop.compare(module).opened == ["liba.so"]


@pytest.mark.parametrize("name", ["absent.so", "text.so", "."])
def test_a_module_that_is_none_needs_nothing(tmp_path: Path, name: str) -> None:
    """Whatever is to be imported, nothing is raised."""
    (tmp_path / "text.so").write_text("no library", encoding="ascii")
    assert sharedlibs.open_needed(str(tmp_path / name)) == []
    assert sharedlibs.open_needed(name) == []


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the loader that it knows it does nothing, not even read the file."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(sharedlibs, "_open_needed", lambda *_: 1 / 0)
    assert not sharedlibs._is_supported()
    assert sharedlibs.open_needed("/absent.so") == []


WHEELS = """
import importlib, importlib.machinery, json, sys
from ipywarmup.responsiveness.sharedlibs import open_needed

Loader = importlib.machinery.ExtensionFileLoader
create, opened = Loader.create_module, []
def open_and_create(loader, spec):
    opened.extend(open_needed(spec.origin, worthwhile=0))
    return create(loader, spec)
import ctypes
if sys.argv[1] == "early":
    Loader.create_module = open_and_create
for name in sys.argv[2:]:
    importlib.import_module(name)
with open("/proc/self/maps") as maps:
    files = {line.split(maxsplit=5)[5].strip() for line in maps if ".so" in line}
print(json.dumps([sorted(files), opened]))
"""


@pytest.mark.parametrize(
    ("modules", "library"),
    [
        (["numpy"], "openblas"),
        (["scipy.linalg", "sklearn.ensemble"], "openblas"),
        (["matplotlib.pyplot", "pandas"], "tiff"),
    ],
)
def test_wheels_come_with_the_same_libraries(modules: list[str], library: str) -> None:
    """The same files are mapped in the end, and the large ones came first."""

    def run(way: str) -> tuple[list[str], list[str]]:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", WHEELS, way, *modules],
            env={**os.environ, "MPLBACKEND": "agg"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        files, opened = json.loads(done.stdout.splitlines()[-1])
        return files, opened

    plain, nothing = run("plain")
    early, opened = run("early")
    assert nothing == []
    # What the helper itself imports comes with extension modules of Python's own.
    assert [f for f in early if "lib-dynload" not in f] == [
        f for f in plain if "lib-dynload" not in f
    ]
    assert any(library in path for path in opened)
