"""Notebooks that configure what they import, with a warmup and without: the same."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.kernel.test_start import command, save

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Gate
    from tests.kernel.conftest import Kernel

    NewKernel = Callable[..., Kernel]
    Outputs = Callable[..., list[object]]

SHOWN = ("stream", "display_data", "execute_result", "error")
WAIT = "%warmup wait"
WAYS = ("enable", "notebook")
# Packages that are installed beside the real ones.
PACKAGES = {
    "huggingface_hub": "import os\nHOME = os.environ.get('HF_HOME', 'default')",
    "transformers": "import huggingface_hub\nHOME = huggingface_hub.HOME",
    "tsfresh": "import logging\nlogging.basicConfig(level='WARNING')",
    "shadowed": "WHERE = 'installed'",
    "versioned": "VERSION = 'old'",
    "draws": "import random\nrandom.random()",
}
REQUIRES = {"transformers": "huggingface_hub"}
BESIDE = {"shadow/shadowed.py": "WHERE = 'local'", "helper.py": "import os"}


def install(folder: Path) -> str:
    """Install the packages in a folder of their own; return that."""
    for name, source in PACKAGES.items():
        record = folder / f"{name}-1.0.dist-info"
        record.mkdir(parents=True)
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        required = f"Requires-Dist: {REQUIRES[name]}\n" if name in REQUIRES else ""
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{required}"
        (record / "METADATA").write_text(metadata, encoding="utf-8")
        (record / "top_level.txt").write_text(name, encoding="utf-8")
    return str(folder)


@pytest.fixture
def outputs(
    new_kernel: NewKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Outputs:
    """
    Return a function that runs a notebook in one way, and returns what it shows.

    The first cells run, and then the warmup is waited for: what it may import ahead of
    the last cells, it has.
    """
    monkeypatch.delenv("IPYWARMUP_AUTO", raising=False)

    def run(way: str, *cells: str, ahead: int = 1) -> list[object]:
        folder = tmp_path / way
        folder.mkdir()
        for name, source in BESIDE.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(source, encoding="utf-8")
        save(folder / "work.ipynb", *cells)
        if way == "enable":
            command(folder, "enable")
        kernel = new_kernel(
            folder,
            PYTHONPATH=install(folder / "installed"),
            JPY_SESSION_NAME=str(folder / "work.ipynb"),
        )
        if way == "notebook":
            kernel.execute("%load_ext ipywarmup\n%warmup notebook")
        kernel.execute(WAIT if way != "plain" else "")
        shown: list[object] = []
        for number, cell in enumerate(cells, start=1):
            done = kernel.execute(cell)
            shown.append(repr(done.of_type(*SHOWN)).replace(str(folder), ""))
            if number == ahead and way != "plain":
                kernel.execute(WAIT)
        return shown

    return run


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (
            [
                'import os\nos.environ["POLARS_MAX_THREADS"] = "1"',
                "import polars as pl",
                "pl.thread_pool_size()",
            ],
            "'1'",
        ),
        (
            [
                'import os\nos.environ["OPENBLAS_NUM_THREADS"] = "1"',
                "import numpy, threadpoolctl",
                "[each['num_threads'] for each in threadpoolctl.threadpool_info()]",
            ],
            "[1]",
        ),
        (
            [
                "%env HF_HOME=/own",
                "from transformers import HOME",
                "HOME",
            ],
            "/own",
        ),
        (
            [
                "import os\nos.environ['MPLBACKEND'] = 'svg'",
                "import matplotlib.pyplot as plt",
                "plt.get_backend()",
            ],
            "svg",
        ),
        (
            [
                "import os\nos.environ['MPLCONFIGDIR'] = os.path.abspath('own')",
                "import matplotlib",
                "matplotlib.get_configdir()",
            ],
            "/own",
        ),
        (
            [
                "import matplotlib\nmatplotlib.use('svg')",
                "import matplotlib.pyplot as plt",
                "plt.get_backend()",
            ],
            "svg",
        ),
        (
            [
                "import os, sys\nsys.path.insert(0, os.path.abspath('shadow'))",
                "import shadowed",
                "shadowed.WHERE",
            ],
            "local",
        ),
        (
            [
                "import logging\nlogging.basicConfig(level='INFO')",
                "import tsfresh",
                "logging.info('shown')",
            ],
            "INFO:root:shown",
        ),
        (
            [
                "import random\nrandom.seed(0)",
                "import draws",
                "random.random()",
            ],
            "0.757954",
        ),
        (
            [
                "def configure():\n    import os\n    os.environ['HF_HOME'] = '/seen'",
                "configure()",
                "import transformers\ntransformers.HOME",
            ],
            "/seen",
        ),
    ],
)
def test_what_a_cell_configures_holds(
    outputs: Outputs, cells: list[str], says: str
) -> None:
    """An import that comes after it in the notebook comes after it."""
    plain = outputs("plain", *cells)
    assert says in str(plain[-1])
    for way in WAYS:
        assert outputs(way, *cells, ahead=len(cells) - 2) == plain, way


UPGRADE = """
    import pathlib
    place = next(p for p in __import__("sys").path if p.endswith("installed"))
    _ = pathlib.Path(place, "versioned.py").write_text("VERSION = 'newer'")
"""


def test_what_a_cell_installs_is_what_is_imported(outputs: Outputs) -> None:
    """A newer version, by whatever means."""
    cells = [
        textwrap.dedent(UPGRADE),
        "import versioned",
        "versioned.VERSION",
    ]
    plain = outputs("plain", *cells)
    assert "newer" in str(plain[-1])
    for way in WAYS:
        assert outputs(way, *cells) == plain, way


IMPORT_CELLS = {
    "a local module, then %cd": (
        [
            "import slow_first, slow_local\nimport wave",
            "%cd -q data",
            "slow_local.WHERE",
        ],
        "beside",
    ),
    "a relative path, then os.chdir": (
        [
            "import sys\nsys.path.append('src')",
            "import slow_first, in_src",
            "import os\nos.chdir('data')",
            "in_src.WHERE",
        ],
        "src",
    ),
    "a path that is taken out again": (
        [
            "import sys\nsys.path.insert(0, 'src')",
            "import slow_first, in_src",
            "_ = sys.path.pop(0)",
            "in_src.WHERE",
        ],
        "src",
    ),
    "a module that reads a file, then os.chdir": (
        [
            "import slow_first, reads_file",
            "import os\nchange = os.chdir",
            "change('data')",
            "reads_file.TEXT",
        ],
        "read",
    ),
    "draws of a module, then a seed": (
        [
            "import slow_first, slow_draws",
            "import random\nrandom.seed(0)",
            "slow_draws.DRAWN\nrandom.random()",
        ],
        "0.8444218515250481",
    ),
    "a function of the notebook that changes the environment": (
        [
            "def configure():\n    import os\n    os.environ['HF_HOME'] = '/late'",
            "import slow_first, slow_local, transformers",
            "configure()",
            "transformers.HOME",
        ],
        "default",
    ),
}
SLOW = "import time\ntime.sleep(0.3)\n"
SOURCES = {
    "slow_local.py": SLOW + "WHERE = 'beside'",
    "src/in_src.py": "WHERE = 'src'",
    "reads_file.py": SLOW + "TEXT = open('file.txt').read()",
    "slow_draws.py": SLOW + "import random\nDRAWN = random.random()",
    "file.txt": "read",
    "data/other.txt": "",
    # What every one of the cells begins with takes its time.
    "slow_first.py": SLOW,
}


def write_sources(folder: Path) -> None:
    """Write the modules and files beside a notebook."""
    for path, source in SOURCES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(source, encoding="utf-8")


@pytest.mark.parametrize("name", IMPORT_CELLS)
def test_an_import_cell_means_the_moment_when_it_ran(
    new_kernel: NewKernel, tmp_path: Path, name: str
) -> None:
    """A cell that would change what its imports do waits for them."""
    cells, says = IMPORT_CELLS[name]
    shown = []
    for way in ("plain", "cell"):
        folder = tmp_path / way
        write_sources(folder)
        installed = install(folder / "installed")
        kernel = new_kernel(folder, PYTHONPATH=installed)
        kernel.execute("%load_ext ipywarmup" if way == "cell" else "")
        outputs = []
        for cell in cells:
            above = (
                "%%warmup --quiet\n" if way == "cell" and "slow_first" in cell else ""
            )
            done = kernel.execute(above + cell)
            outputs.append(repr(done.of_type("execute_result", "error")))
        shown.append(outputs)
    assert says in shown[0][-1]
    assert shown[0] == shown[1]


WHERE_AM_I = """
try:
    get_ipython()
    WHERE = "in a cell"
except NameError:
    WHERE = "in a terminal"
display
"""


@pytest.mark.parametrize("way", ["%warmup", "%%warmup", "manager"])
def test_a_module_finds_itself_in_a_cell(
    kernel: Kernel, write_gated: Callable[..., tuple[str, Gate]], way: str
) -> None:
    """Also between two cells, where IPython's own names are not there as a rule."""
    name, gate = write_gated(WHERE_AM_I)
    kernel.run(
        {
            "%warmup": f"%warmup --quiet {name}",
            "%%warmup": f"%%warmup --quiet\nimport {name}",
            "manager": f"ipywarmup.get_manager().submit([{name!r}])",
        }[way]
    )
    gate.wait_until_reached()
    gate.open()
    kernel.execute("%warmup wait")
    assert kernel.canary(name)["status"] == "completed"
    assert kernel.execute(f"import {name}\n{name}.WHERE").result == {
        "text/plain": "'in a cell'"
    }


def test_nothing_stays_among_the_built_in_names(kernel: Kernel) -> None:
    """Once the extension is unloaded."""
    kernel.run("%unload_ext ipywarmup")
    kernel.run(
        "import asyncio, builtins\nseen = []\n"
        "look = lambda: seen.append(hasattr(builtins, 'get_ipython'))\n"
        "_ = asyncio.get_running_loop().call_soon(look)"
    )
    assert kernel.execute("seen").result == {"text/plain": "[False]"}


AS_WRITTEN = """
import warnings, sys, slow_first
import slow_local as local
%matplotlib inline
import matplotlib
matplotlib.rcParams["figure.dpi"] = 90
warnings.filterwarnings("ignore", category=DeprecationWarning)
sys.path.append("src")
from contextlib import suppress
with suppress(ImportError):
    import nosuch_module
import in_src
if local.WHERE == "beside":
    import wave as sound
else:
    import nosuch_module as sound
print(local.WHERE, in_src.WHERE, sound.__name__, "nosuch_module" in globals())
HERE = !echo here
def where(): return in_src.WHERE
matplotlib.rcParams["figure.dpi"]
"""


@pytest.mark.parametrize("attended", [True, False])
def test_an_import_cell_as_people_write_it(
    new_kernel: NewKernel, tmp_path: Path, *, attended: bool
) -> None:
    """Configuration, magics and choices between its imports; what it shows, it shows in
    its own cell.
    """
    cells = [
        AS_WRITTEN.strip(),
        "print('nothing of it')",
        "print(where(), HERE)",
        "import warnings\nprint(len(warnings.filters) > 5, sys.path[-1])",
    ]
    shown = []
    for way in ("plain", "cell"):
        folder = tmp_path / way
        write_sources(folder)
        kernel = new_kernel(folder)
        kernel.attended = attended
        above = ""
        if way == "cell":
            kernel.run("%load_ext ipywarmup")
            above = "%%warmup --quiet\n"
        done = [
            kernel.execute(above + cell if cell is cells[0] else cell) for cell in cells
        ]
        shown.append(
            [
                re.sub("Waiting for .*\n", "", each.stdout)
                + repr([result["data"] for result in each.of_type("execute_result")])
                + each.error
                for each in done
            ]
        )
    assert "beside src wave False" in shown[0][0]
    assert "90" in shown[0][0]
    assert shown[0] == shown[1]


OF_THE_THREAD = {
    "wants_loop": "import asyncio\nLOOP = type(asyncio.get_running_loop()).__name__",
    "makes_task": (
        "import asyncio\nasync def done(): return 42\n"
        "TASK = asyncio.get_running_loop().create_task(done(), name='made')"
    ),
    "asks": "NAME = input('name? ')",
    "asks_secretly": "import getpass\nWORD = getpass.getpass()",
    "handles_signals": (
        "import signal\nFORMER = signal.signal(signal.SIGUSR1, signal.SIG_IGN)"
    ),
    "raises": "{}['nothing']",
}


@pytest.mark.parametrize("name", OF_THE_THREAD)
def test_what_belongs_to_the_thread_of_cells(
    new_kernel: NewKernel, tmp_path: Path, name: str
) -> None:
    """A module that fails elsewhere for whatever reason is imported by the cell that
    uses it, and shows there what it shows in a plain import.
    """
    shown = []
    for way in ("plain", "cell"):
        folder = tmp_path / way
        folder.mkdir()
        (folder / f"{name}.py").write_text(OF_THE_THREAD[name], encoding="utf-8")
        kernel = new_kernel(folder)
        above = ""
        if way == "cell":
            kernel.execute("%load_ext ipywarmup")
            above = "%%warmup --quiet --wait\n"
        done = kernel.execute(f"{above}import {name}")
        error = done.error
        kernel.execute(f"import asyncio; await asyncio.sleep(0)\n{name}")
        names = f"{{n: v for n, v in vars({name}).items() if n.isupper()}}"
        used = kernel.execute(f"print({names})")
        shown.append(error or used.error or used.stdout.replace(str(folder), ""))
        if "asks" in name:
            # Nobody can be asked in this kernel.
            assert shown[-1] == "StdinNotImplementedError"
    assert shown[0].split(" at 0x")[0] == shown[1].split(" at 0x")[0]


LEFT_TO_ITS_THREAD = {
    "variable": (
        "import contextvars\nVARIABLE = contextvars.ContextVar('v')\nVARIABLE.set(42)",
        "VARIABLE.get()",
    ),
    "local": (
        "import threading\nLOCAL = threading.local()\nLOCAL.value = 42",
        "LOCAL.value",
    ),
    "local_of_a_class": (
        "import threading\nclass L(threading.local): value = 1\nL = L()\nL.other = 42",
        "L.value, L.other",
    ),
    "connection": (
        "import sqlite3 as s\nDATA = s.connect(':memory:')\nDATA.execute('select 1')",
        "DATA.execute('select 2').fetchall()",
    ),
    "connection_in_a_package": (
        "import connects.deep, json\nfrom connects.deep import rows",
        "rows()",
    ),
}


@pytest.mark.parametrize("name", LEFT_TO_ITS_THREAD)
def test_what_an_import_leaves_to_its_thread(
    new_kernel: NewKernel, tmp_path: Path, name: str
) -> None:
    """Cells have it, as after a plain import; what cannot be had is imported there."""
    source, use = LEFT_TO_ITS_THREAD[name]
    shown = []
    ways = (
        "",
        "%%warmup --quiet --wait\n",
        "%warmup {}\n",
        "%warmup {}\n%warmup wait\n",
    )
    for number, way in enumerate(ways):
        folder = tmp_path / str(number)
        (folder / "connects").mkdir(parents=True)
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        (folder / "connects" / "deep.py").write_text(
            "import sqlite3\nclass Data(sqlite3.Connection): pass\n"
            "DATA = Data(':memory:')\n"
            "def rows():\n    return DATA.execute('select 1').fetchall()",
            encoding="utf-8",
        )
        kernel = new_kernel(folder)
        kernel.execute("%load_ext ipywarmup")
        kernel.execute(f"{way.format(name)}import {name}")
        cell = kernel.execute(f"{name}.{use.replace(', ', f', {name}.')}")
        shown.append(cell.error or cell.result["text/plain"])
    assert shown == [shown[0]] * len(ways)
    assert "Error" not in shown[0]


def test_a_log_of_the_users_shows_nothing_of_ours(outputs: Outputs) -> None:
    """What the package tells at level INFO is for who asks for that."""
    cells = [
        "import logging\nlogging.basicConfig(level='INFO')",
        "import tsfresh, helper\nlogging.info('shown')",
        "import transformers",
    ]
    plain = outputs("plain", *cells)
    assert "INFO:root:shown" in str(plain[1])
    for way in WAYS:
        assert outputs(way, *cells) == plain, way
