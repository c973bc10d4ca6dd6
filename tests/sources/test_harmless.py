"""Code that can run before what stands above it."""

from __future__ import annotations

import ast
import math
import os
import types

import pytest

from ipywarmup.sources.harmless import is_harmless, is_standard

PANDAS = types.ModuleType("pandas")
SOURCE = """
def pure(x, y=1): return inner(x) + y
def inner(x): return x * 2
def impure(x): return pd.DataFrame(x)
def reads(): return open("file")
def keeps(x=pd): return x
def sets():
    global data
    data = 3
"""


@pytest.fixture
def namespace() -> dict[str, object]:
    """Return what a user may have."""
    names = {
        "__name__": "__main__",
        "pd": PANDAS,
        "math": math,
        "sqrt": math.sqrt,
        "os": os,
        "data": {"x": [1]},
        "number": 2,
        "mixed": [1, PANDAS],
        "_": 1,
        "max": PANDAS,
    }
    exec(SOURCE, names)  # noqa: S102 - our own
    return names


@pytest.mark.parametrize(
    "code",
    [
        "",
        "1 + 1",
        "x = 1\nx + 1",
        "print(number, sum(i for i in range(3)))",
        "import math, re as regular\nfrom itertools import count\nregular.compile('x')",
        "sqrt(math.pi)",
        "def f(x): return x + 1\nf(2)",
        "class A: x = 1",
        "pure(2)",
        "get_ipython().run_line_magic('warmup', 'status pd')",
    ],
)
def test_harmless(code: str, namespace: dict[str, object]) -> None:
    """It works with what is its own."""
    assert is_harmless(ast.parse(code), namespace)


@pytest.mark.parametrize(
    "code",
    [
        "pd.DataFrame()",
        "lambda: pd",
        "len(data)",
        "data['x'].append(1)",
        "rows = []\nrows[0] = 1",
        "del number",
        "def f():\n    global number\n    number = 3\nf()",
        "math.pi = 3",
        "from math import *",
        "_ + 1",
        "sets()",
        "unknown",
        "max(1, 2)",
        "impure(1)",
        "reads()",
        "keeps()",
        "open('file')",
        "eval('pd')",
        "globals()['pd']",
        "os.getcwd()",
        "import os",
        "import pandas",
        "from . import x",
        "from random import random",
        "get_ipython()",
        "get_ipython().system('ls')",
        "get_ipython().run_line_magic('cd', 'x')",
        "get_ipython().run_line_magic('time', 'pd.DataFrame()')",
        "display(1)",
        "import builtins",
    ],
)
def test_may_depend_on_anything(code: str, namespace: dict[str, object]) -> None:
    """What nobody can tell counts as well."""
    assert not is_harmless(ast.parse(code), namespace)


@pytest.mark.parametrize(
    ("code", "only"),
    [
        ("import sys\nsys.path.append('x')", True),
        ("print(number, os.getcwd(), pure(2))", True),
        ("data", False),
        ("x = 1\nx + 1", True),
        ("unknown", False),
        ("pd", False),
        ("mixed", False),
        ("impure(1)", False),
        ("get_ipython().system('ls')", False),
        ("globals()['pd']", False),
    ],
)
def test_only_what_is_pythons_own(
    code: str, namespace: dict[str, object], *, only: bool
) -> None:
    """It cannot notice what other packages do."""
    assert is_standard(ast.parse(code), namespace) is only
