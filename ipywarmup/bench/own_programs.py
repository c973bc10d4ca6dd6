"""The programs that measure what ipywarmup itself costs, each in a fresh process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipywarmup.bench.rounds import compile_bytecode

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES, PARTS = 100, 100
"""How many packages of light modules there are, and modules in each."""

# Run in a kernel, by IPython, so that magics cost what they cost a user. A name that is
# missing has nothing but our own work done for it.
KERNEL = """
import json, sys, time
sys.path.insert(0, FOLDER)

def took(magic, line):
    start = time.perf_counter()
    get_ipython().run_line_magic(magic, line)
    return 1000 * (time.perf_counter() - start)

def names(prefix, count):
    return [f"no_{prefix}_{number}" for number in range(count)]

times = {"load": took("load_ext", "ipywarmup")}
times["first"] = took("warmup", " ".join(names("first", 50)))
get_ipython().run_line_magic("warmup", "wait")
times["next"] = took("warmup", " ".join(names("next", 50)))
get_ipython().run_line_magic("warmup", "wait")

start = time.perf_counter()
times["line 10000"] = took("warmup", " ".join(LIGHT))
get_ipython().run_line_magic("warmup", "wait")
times["panel 10000"] = 1e6 * (time.perf_counter() - start) / len(LIGHT)

from ipywarmup import WarmupManager
for count in (100, 10_000):
    manager = WarmupManager(log_to_stderr=False)
    start = time.perf_counter()
    manager.submit(names("many", count))
    times[f"submit {count}"] = 1e6 * (time.perf_counter() - start) / count
    manager.wait()
    times[f"all {count}"] = 1e6 * (time.perf_counter() - start) / count
print(MARK + json.dumps(times))
"""

REFERENCE = """
import json, time
start = time.perf_counter()
import ipywidgets
print(MARK + json.dumps({"ipywidgets": 1000 * (time.perf_counter() - start)}))
"""

# The rest is run in plain processes.

# What light modules that exist cost, by a manager or by import statements.
IMPORT_LIGHT = """
import json, sys, time
sys.path.insert(0, FOLDER)
manager = None
if WARMED:
    from ipywarmup import WarmupManager
    manager = WarmupManager(log_to_stderr=False)
    # The threads are there, as they are for any but the first.
    manager.submit(["json"])
    manager.wait()
start = time.perf_counter()
if manager:
    manager.extend(LIGHT)
    manager.wait()
else:
    for name in LIGHT:
        __import__(name)
took = time.perf_counter() - start
assert not manager or not manager.status()["failed"]
kind = "warmed" if WARMED else "plain"
print(MARK + json.dumps({f"{kind} light {len(LIGHT)}": 1e6 * took / len(LIGHT)}))
"""

# What imports on the main thread cost while the hooks are in, which no worker disturbs
# here.
FOREGROUND = """
import importlib.util, json, sys, time
from ipywarmup.importlock.hooks import hooks
from ipywarmup.importlock.traces import Trace, tracing

heavy = [
    name for name in HEAVY if importlib.util.find_spec(name.partition(".")[0])
]
if KIND != "plain":
    hooks.borrow()
if KIND == "traced":
    tracing(Trace()).__enter__()
start, used = time.perf_counter(), time.process_time()
for name in heavy:
    __import__(name)
took, used = time.perf_counter() - start, time.process_time() - used

def look_up():
    start = time.perf_counter()
    for _ in range(100_000):
        import json
    return 10_000 * (time.perf_counter() - start)

figures = {
    f"{KIND} import": 1000 * took,
    f"{KIND} import, processor": 1000 * used,
}
if KIND != "traced":
    figures[f"{KIND} look-up"] = min(look_up() for _ in range(5))
print(MARK + json.dumps(figures))
"""

# What a warmup leaves to pay for ever, once it is done.
LEFT_BEHIND = """
import json, sys, time
sys.path.insert(0, FOLDER)
if WARMED:
    from ipywarmup import WarmupManager
    manager = WarmupManager(log_to_stderr=False)
    manager.submit(LIGHT)
    manager.wait()
module = __import__(LIGHT[0])

def look_up():
    start = time.perf_counter()
    for _ in range(100_000):
        import json
    return 10_000 * (time.perf_counter() - start)

def access():
    start = time.perf_counter()
    for _ in range(100_000):
        module.ANSWER
    return 10_000 * (time.perf_counter() - start)

kind = "after" if WARMED else "without"
print(MARK + json.dumps({
    f"{kind} look-up": min(look_up() for _ in range(10)),
    f"{kind} access": min(access() for _ in range(10)),
}))
"""


def write_light_modules(folder: Path) -> list[str]:
    """
    Write modules in which next to nothing happens, and their bytecode.

    Parameters
    ----------
    folder : pathlib.Path
        An empty folder, to be searched by imports.

    Returns
    -------
    list of str
        The names of 10,000 modules, those of a package together, parents first.
    """
    names: list[str] = []
    for package in (f"light_{number}" for number in range(PACKAGES)):
        parts = [f"part_{number}" for number in range(1, PARTS)]
        (folder / package).mkdir()
        for stem in ("__init__", *parts):
            (folder / package / f"{stem}.py").write_text("ANSWER = 42\n", "utf-8")
        names += [package, *(f"{package}.{part}" for part in parts)]
    compile_bytecode(folder)
    return names
