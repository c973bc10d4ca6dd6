"""A large C++ library that takes long to construct, and an extension module with it."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 30.0

FOLDER = "SLOWLY_FOLDER"
"""The variable of the environment that says where the library tells what it does."""

STEPS = 100
"""How many of the library's objects are constructed, one after another."""

NAMES = 50 * STEPS
"""What it counts then."""

# Static objects of which each needs those before it, as registries do. Whoever takes
# the first of them down beside the others has the process die of std::terminate.
LIBRARY = f"""
#include <cstdlib>
#include <fcntl.h>
#include <map>
#include <poll.h>
#include <signal.h>
#include <string>
#include <time.h>
#include <unistd.h>

// What makes the library worth to be opened beforehand.
asm(".pushsection .rodata\\n.zero 34 << 20\\n.popsection");

namespace {{

std::string file(const char *name) {{
    const char *folder = std::getenv("{FOLDER}");
    return folder ? std::string(folder) + "/" + name : "/dev/null";
}}

void tell(std::string event) {{
    int log = open(file("events").c_str(), O_WRONLY | O_APPEND);
    event += "\\n";
    if (write(log, event.data(), event.size()) < 0) _exit(9);
    close(log);
}}

void knock() {{
    int pipe = open(file("reached").c_str(), O_RDWR);
    if (write(pipe, "x", 1) < 0) _exit(9);
    close(pipe);
}}

// Waits until the process leaves, or for so long that a test sees that it does not.
void wait_for_the_end() {{
    pollfd pipe = {{open(file("leaving").c_str(), O_RDWR), POLLIN, 0}};
    char byte = 0;
    if (std::getenv("{FOLDER}") && poll(&pipe, 1, 10000) == 1)
        if (read(pipe.fd, &byte, 1) < 0) _exit(9);
    close(pipe.fd);
    if (byte == 'i') kill(getpid(), SIGINT);
}}

struct Registry {{
    std::map<std::string, int> names;
    bool is_destroyed = false;
    Registry() {{
        tell("constructing");
        knock();
        wait_for_the_end();
    }}
    ~Registry() {{
        destroy();
        names.clear();
    }}
    void destroy() {{
        if (!is_destroyed) tell("destroying");
        is_destroyed = true;
    }}
    void step(int number) {{
        timespec moment = {{0, 4000000}};
        nanosleep(&moment, nullptr);
        for (int each = 0; each < 50; ++each)
            names["step " + std::to_string(number) + " " + std::to_string(each)] = each;
        if (number) names.at("step " + std::to_string(number - 1) + " 49");
    }}
}};

Registry registry;

struct Step {{
    static int count;
    Step() {{
        registry.step(count++);
        if (count == {STEPS}) tell("constructed");
    }}
    ~Step() {{
        registry.destroy();
        registry.names.erase("step " + std::to_string(--count) + " 49");
    }}
}};

int Step::count = 0;
// Each array is to be destroyed once all of it is constructed.
Step one[20], two[20], three[20], four[20], five[20];

}}

extern "C" int slowly_count() {{
    return registry.names.size();
}}

// Takes a while in native code, of which nobody is to see half.
extern "C" void slowly_work() {{
    tell("working");
    knock();
    wait_for_the_end();
    for (int number = {STEPS}; number < {STEPS} + 15; ++number) registry.step(number);
    tell("worked");
}}

// Stays in native code for good.
extern "C" void slowly_stay() {{
    tell("staying");
    knock();
    for (;;) pause();
}}
"""
MODULE = """
#include <Python.h>
int slowly_count(void);
static PyObject *count(PyObject *module, PyObject *arguments) {
    return PyLong_FromLong(slowly_count());
}
static PyMethodDef methods[] = {{"count", count, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "slowly", NULL, -1, methods
};
PyMODINIT_FUNC PyInit_slowly(void) {return PyModule_Create(&definition);}
"""
SCRIPT = """
import os, threading
os.environ[{variable!r}] = {folder!r}
def tell(event):
    with open({folder!r} + "/events", "a") as log:
        print(event, file=log)
reached, leaving = (
    os.open({folder!r} + name, os.O_RDWR) for name in ("/reached", "/leaving")
)
def wait_until_reached():
    os.read(reached, 1)
def go_on(event="leaving", byte=b"x"):
    tell(event)
    os.write(leaving, byte)
def go_on_when_leaving():
    # The last to be registered comes first.
    threading._register_atexit(go_on)
"""


def reason_to_skip() -> str | None:
    """Return why the library cannot be built here, None if it can."""
    for compiler in ("cc", "g++"):
        if shutil.which(compiler) is None:
            return f"no {compiler} to build a library with"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "no Python.h to build an extension module with"
    return None


class SlowLibrary:
    """
    The library and its extension module, which is called ``slowly``.

    Parameters
    ----------
    folder : path
        Where they are built. It has to be on the path of the modules.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "libslowly.so"
        self.module = folder / "slowly.so"
        self.other = folder / "libother.so"
        self._build("g++", LIBRARY, self.path, "-xc++")
        headers = f"-I{sysconfig.get_path('include')}"
        linked = (f"-L{folder}", "-lslowly", "-Wl,-rpath,$ORIGIN")
        self._build("cc", MODULE, self.module, headers, "-xc", after=linked)
        self._build("cc", "int other(void) {return 42;}", self.other, "-xc")

    @staticmethod
    def _build(
        compiler: str, source: str, path: Path, *options: str, after: Sequence[str] = ()
    ) -> None:
        subprocess.run(
            [compiler, "-shared", "-fPIC", *options, "-", *after, "-o", str(path)],
            input=source,
            text=True,
            check=True,
            timeout=TIMEOUT,
        )


class Events:
    """
    What a process with the library does, in order, and what it is held up by.

    Parameters
    ----------
    folder : path
        An empty one, of the process's own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "events"
        self._log.touch()
        for name in ("reached", "leaving"):
            os.mkfifo(folder / name)
        # Neither side waits for the other one so.
        self._reached = os.open(folder / "reached", os.O_RDWR)

    def close(self) -> None:
        """Give back what it took."""
        os.close(self._reached)

    def wait_until_reached(self) -> None:
        """Return once the library is in the middle of its constructors."""
        readable, _, _ = select.select([self._reached], [], [], TIMEOUT)
        assert readable, f"the library was not reached: {self.told}"
        os.read(self._reached, 1)

    @property
    def told(self) -> list[str]:
        """What it has told, one after another."""
        return self._log.read_text(encoding="ascii").split()

    @property
    def script(self) -> str:
        """
        Python code that defines what a process does with them.

        ``tell(event)``, ``wait_until_reached()``, ``go_on()``, which tells that the
        process leaves and lets go on what waits for that, ``go_on_when_leaving()``.
        """
        return SCRIPT.format(variable=FOLDER, folder=str(self.folder))
