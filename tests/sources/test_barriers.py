"""What of a notebook's code may change what an import behind it does."""

from __future__ import annotations

import ast

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from ipywarmup.sources.barriers import Barrier, Reader
from ipywarmup.sources.cells import is_python, magic_call
from ipywarmup.sources.notebook import parse_cell
from ipywarmup.sources.requirements import Requirements

LOCAL = {"local", "utils"}


def reader() -> Reader:
    """Return one for a notebook with some modules beside it."""
    return Reader(lambda top: top not in LOCAL)


def found(*cells: str) -> list[list[tuple[str, str | None]]]:
    """Return what of each cell is a barrier, and for which package."""
    one = reader()
    trees = (
        parse_cell(each if is_python(each) else magic_call(each)) for each in cells
    )
    return [[(b.what, b.package) for b in one.read(tree)] for tree in trees]


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("import os\nos.environ['A'] = '1'", "os.environ['A']"),
        ("from os import environ as e\ne['A'] = '1'", "e['A']"),
        ("import os\ndel os.environ['A']", "os.environ['A']"),
        ("import os\nos.environ |= {'A': '1'}", "os.environ"),
        ("import os\nos.environ.update(A='1')", "os.environ.update"),
        ("import os\nos.putenv('A', '1')", "os.putenv"),
        ("import os\nos.chdir('data')", "os.chdir"),
        ("import os\nos.system('pip install x')", "os.system"),
        ("import contextlib\nwith x.chdir('a'): pass\nx = 1", "x.chdir"),
        ("import sys\nsys.path.insert(0, 'src')", "sys.path.insert"),
        ("import sys\nsys.path += ['src']", "sys.path"),
        ("from sys import path\npath.append('src')", "path.append"),
        ("import sys\nsys.meta_path.clear()", "sys.meta_path.clear"),
        ("import sys\nsys.modules['a'] = None", "sys.modules['a']"),
        ("import sys\nsys.stdout = None", "sys.stdout"),
        ("import builtins\nbuiltins.__import__ = f = print", "builtins.__import__"),
        ("import logging\nlogging.basicConfig(level=1)", "logging.basicConfig"),
        ("import logging\nlogging.getLogger().addHandler(1)", "addHandler"),
        ("import random\nrandom.seed(0)", "random.seed"),
        ("import random\nx = random.random()", "random.random"),
        ("import numpy as np\nnp.random.seed(0)", "np.random.seed"),
        ("import numpy as np\nx = np.random.rand(3)", "np.random.rand"),
        ("import multiprocessing as mp\nmp.set_start_method('spawn')", "mp.set_start"),
        ("import warnings\nwarnings.simplefilter('error')", "warnings.simplefilter"),
        ("import subprocess\nsubprocess.run(['pip'])", "subprocess.run"),
        ("from dotenv import load_dotenv\nload_dotenv()", "load_dotenv"),
        ("import importlib, json\nimportlib.reload(json)", "importlib.reload"),
        ("import importlib\nimportlib.import_module('local')", "import_module"),
        (
            "import importlib\nname = 'a'\nimportlib.import_module(name)",
            "import_module",
        ),
        ("from pathlib import Path\nPath('a.py').write_text('')", "write_text"),
        ("open('matplotlibrc', 'w')", "open"),
        ("for i in range(3):\n    exec('x = 1')", "exec"),
        ("x = __import__('local')", "__import__"),
        ("import utils", "import utils"),
        ("from . import part", "from ."),
        ("setup_everything()", "setup_everything"),
        ("%cd data", "%cd"),
        ("%pip install x", "%pip"),
        ("!pip install x", "!pip"),
        ("files = !unzip x", "!unzip"),
        ("%env A=1", "%env A"),
        ("%set_env A 1", "%set_env A"),
        ("%run other.ipynb", "%run"),
        ("%load_ext dotenv", "%load_ext"),
        ("%nosuch", "%nosuch"),
        ("%%bash\nls", "%%bash"),
        ("%%writefile a.py\nx = 1", "%%writefile"),
        ("%time import os; os.chdir('x')", "os.chdir"),
        ("%%time\nimport os\nos.chdir('x')", "os.chdir"),
        ("get_ipython().run_code('x')", "get_ipython()"),
    ],
)
def test_what_may_change_any_import(cell: str, what: str) -> None:
    """It is named in the words of the code, and concerns every package."""
    (barriers,) = found(cell)
    assert [package for _, package in barriers] == [None] * len(barriers)
    assert any(what in each for each, _ in barriers), barriers


@pytest.mark.parametrize(
    ("cell", "package"),
    [
        ("import os\nos.environ['POLARS_MAX_THREADS'] = '1'", "polars"),
        ("import os\nos.environ.setdefault('HF_HOME', 'x')", "huggingface_hub"),
        ("import os\nos.environ.update({'TF_A': '1', 'TF_B': '2'})", "tensorflow"),
        ("%env MPLBACKEND=agg", "matplotlib"),
        ("import matplotlib\nmatplotlib.use('Agg')", "matplotlib"),
        ("import matplotlib.pyplot as plt\nplt.rcParams['a'] = 1", "matplotlib"),
        ("import matplotlib.pyplot as plt\nplt.style.use('x')", "matplotlib"),
        ("import seaborn as sns\nsns.set_theme()", "seaborn"),
        ("import pandas as pd\npd.set_option('a', 1)", "pandas"),
        ("import pandas as pd\npd.options.mode.copy_on_write = True", "pandas"),
        ("import torch\ntorch.manual_seed(0)", "torch"),
        ("import jax\njax.config.update('a', True)", "jax"),
        ("from sklearn import set_config\nset_config()", "sklearn"),
    ],
)
def test_what_concerns_one_package(cell: str, package: str) -> None:
    """Its own switches, and the variables that it reads alone."""
    (barriers,) = found(cell)
    assert {each for _, each in barriers} == {package}


@pytest.mark.parametrize(
    "cell",
    [
        "import os\nprint(os.environ['A'], os.environ.get('B'), 'C' in os.environ)",
        "import os\nos.path.join('a', os.getcwd(), os.getenv('A'))\nos.listdir()",
        "import sys\nprint(sys.version, sys.executable)",
        "import numpy as np\nrng = np.random.default_rng(0)\nrng.normal(size=3)",
        "import random\nrandom.Random(0).random()",
        "import warnings\nwarnings.filterwarnings('ignore')",
        "import logging\nlog = logging.getLogger(__name__)\nlog.info('a')",
        "import pandas as pd\nframe = pd.read_csv('a.csv')\nframe['a'] = frame.b + 1",
        "import pandas as pd\npd.DataFrame([1]).apply(lambda row: row.sum())",
        "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.set_title('a')",
        "from numpy import *\nzeros(3)",
        "import datetime, json, re, collections\ncollections.defaultdict(list)",
        "class A:\n    x = 1\n    def f(self): return self.x\nA().f()",
        "def f(x, *y, **z):\n    for each in y: x += each\n    return x\nf(1, 2)",
        "[(lambda a: a + b)(1) for b in range(3) if (c := b)]",
        "try:\n    x = 1\nexcept ValueError as error:\n    print(error)",
        "with open('a') as file, open('b', mode='rb') as other: pass",
        "%matplotlib inline\n%config InlineBackend.figure_format = 'retina'",
        "%load_ext autoreload\n%autoreload 2\n%load_ext ipywarmup\n%warmup notebook",
        "%time x = 1\n%timeit -n 1 len('a')\n!ls -l\n!nvidia-smi\nlen?",
        "%env\n%env A",
        "%%time\nx = 1",
        "from __future__ import annotations",
        "from IPython.display import display, HTML\ndisplay(HTML('a'))",
    ],
)
def test_what_changes_no_import(cell: str) -> None:
    """What notebooks are full of."""
    assert found(cell) == [[]]


def test_functions_are_seen_through() -> None:
    """Where they are used, not where they are defined, whoever calls them."""
    assert found(
        "def inner():\n    import os\n    os.chdir('x')\ndef outer():\n    inner()",
        "frame = len('a')",
        "map(outer, 'a')",
        "class A:\n    def go(self):\n        outer()\na = 1",
        "a = A()",
        "a.go()",
        "a = 1\na",
        "def outer(): pass\nouter()",
    ) == [[], [], [("outer", None)], [], [("A", None)], [("a", None)], [], []]


def test_what_comes_from_where_nobody_looks_is_opaque() -> None:
    """Be it a module beside the notebook, or the surroundings by another name."""
    assert found(
        "from local import f, g as h",
        "x = f()",
        "x.y",
        "import os\nenv = os.environ",
        "env['A'] = '1'",
        "import json as f\nf.dumps([])",
    ) == [
        [("import local", None)],
        [("f", None)],
        [("x", None)],
        [("os.environ", None)],
        [("env", None)],
        [],
    ]


def test_where_a_barrier_stands() -> None:
    """At the beginning of its outermost statement, and behind the names before it."""
    code = (
        "import json, utils, csv\n@print\ndef f():\n    pass\nif True:\n    eval('1')"
    )
    assert reader().read(ast.parse(code), 3) == [
        Barrier(1, "import utils", None, 3, 1, feared=True),
        Barrier(5, "eval", None, 3, 0, feared=True),
    ]


@pytest.mark.parametrize(
    "cell",
    [
        "%cd data\nx = 1\n!pip install a\nfiles = !ls\n%env A=1\n",
        "x = %time f()\nimport json\n%run a.py",
        "if True:\n    %cd x\n    !rm y",
        "%matplotlib inline\n%load_ext sql",
    ],
)
def test_saved_cells_are_read_as_those_that_run(cell: str) -> None:
    """What is made of magics for reading is what IPython makes of them."""
    runs = ast.parse(TransformerManager().transform_cell(cell))
    assert reader().read(parse_cell(cell)) == reader().read(runs)


def test_many_functions_that_use_each_other_take_no_time() -> None:
    """Each is looked through once for a statement."""
    code = "\n".join(f"def f{n}():\n    f{n + 1}(); f{n + 1}()" for n in range(40))
    assert found(code + "\ndef f40(): pass\nf0()") == [[]]


def test_code_that_is_nested_too_deeply_to_be_read() -> None:
    """Nobody knows what it does."""
    code = "\n".join(f"def f{n}():\n    f{n + 1}()" for n in range(1000))
    assert found(code, "f0()") == [[], [("code nested too deeply", None)]]


@pytest.mark.parametrize(
    ("package", "other", "related"),
    [
        ("pandas", "numpy", True),
        ("numpy", "pandas", True),
        ("sklearn", "joblib", True),
        ("json", "numpy", False),
        ("numpy", "traitlets", False),
        ("nosuch", "numpy", True),
        ("numpy", "numpy", True),
    ],
)
def test_packages_that_may_import_each_other(
    package: str, other: str, *, related: bool
) -> None:
    """As their distributions require; nobody knows of one that is not installed."""
    assert Requirements().related(package, other) is related
