"""Cells are read as IPython would run them, but by code that knows no IPython."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from ipywarmup.sources.cells import is_python, may_import, python_code
from ipywarmup.sources.imports import collect, parse_code
from ipywarmup.sources.notebook import parse_cell

# Cells as people write them, each with a json that is imported and a csv that is not.
CORPUS = [
    "import json",
    "%matplotlib inline\nimport json",
    "%load_ext autoreload\n%autoreload 2\n\nimport json\n",
    "!pip install -q csv\nimport json",
    "  !import csv\n  import json",
    "%pip install csv \\\n    import csv\nimport json",
    "files = !ls *.csv\nimport json",
    "files['a'] = !ls \\\n  import csv\nimport json",
    "took = %timeit -o f()\nimport json",
    "a, b = %time import csv\nimport json",
    "import json\njson?\n?json\njson.dumps??\n??json",
    "%time?\n%%time??\nimport json",
    "json*?\nimport json",
    "if True:\n    !ls\n    import json\nelse:\n    %cd ..",
    "for f in x:\n\t%run import csv\nimport json",
    "/print csv\n,print csv\n;print csv\nimport json",
    'text = """\n%time import csv\n!ls\nimport csv\n%s"""\nimport json\n!ls',
    "x = (a\n  % b\n  ) ; import json\n!ls",
    "x = [\n  '(', \"'\", # [\n]\nimport json\n!ls",
    "x = a \\\n  % b\nimport json\n!ls",
    "x = '''a\\'''' '''\n!import csv\n'''\nimport json\n!ls",
    'x = """\\""" ; import csv\n"""\nimport json\n!ls',
    "x = 'it''s' \"it's\" # it's\nimport json\n!ls",
    "x = r'\\d' b'\\'(' f'{x!r}'\nimport json\n!ls",
    "f(a=!b)\nimport json",
    "x = 'a=%d' % 1\nimport json\n!ls",
    "'a=%d' % 1\nimport json\n!ls",
    "    import json\n    !ls",
    "\n\n  %time f()\n  import json",
    ">>> import json\n>>> def f():\n...     import csv\n>>> !ls",
    "In [1]: import json\n   ...: x = 1\n   ...: !ls",
    ">>> import json\nif x: ...",
    "await f()\n!ls\nasync with x:\n    import json",
    "import json\r\n!ls\r\n%cd",
    "import json\x0c\n!ls",
    "import json # ?\n!ls",
    "import json;\n!ls;",
    "!!ls\nimport json",
    "import json\n%",
    "%%time\nimport json",
    "%%time\n\n    import json\n    !ls",
    "\n\n%%time\nimport json",
    "%%capture out\n!ls\nimport json",
]


def taken(code: str) -> list[str]:
    """Return the imports of Python code that are not within a function."""
    return [one.module for one in collect(parse_code(code)) if not one.reason]


def as_ipython_would(cell: str) -> str:
    """Return what IPython makes of a cell, or of the body of a magic that runs it."""
    first, _, body = cell.lstrip().partition("\n")
    if first.startswith("%%") and "?" not in first:
        cell = body
    return TransformerManager().transform_cell(cell)


@pytest.mark.parametrize("cell", CORPUS)
def test_a_cell_imports_what_it_would_in_ipython(cell: str) -> None:
    """Of real-looking cells, what IPython would import is found, and nothing else."""
    try:
        expected = taken(as_ipython_would(cell))
    except SyntaxError:
        with pytest.raises(SyntaxError):
            parse_cell(cell)
        return
    assert expected in (["json"], [])
    assert [one.module for one in collect(parse_cell(cell)) if not one.reason] == (
        expected
    )


LINES = st.sampled_from(
    [
        "import json",
        "from xml import dom",
        "%matplotlib inline",
        "!ls \\",
        "  import csv",
        "files = !ls",
        "x = %time f()",
        "if x:",
        "    import io",
        "    !ls",
        "else:",
        "    pass",
        'text = """',
        "'''",
        '"""',
        "%s % '''",
        "x = (",
        "% b)",
        "# it's (",
        "x = 'it\\'s ('",
        "x = y \\",
        "% b",
        "",
    ]
)


@given(st.lists(LINES, max_size=9).map("\n".join))
def test_any_cell_imports_what_it_would_in_ipython(cell: str) -> None:
    """However lines are put together: what IPython can run, is read the same way."""
    try:
        expected = taken(as_ipython_would(cell))
    except SyntaxError:
        return
    assert [one.module for one in collect(parse_cell(cell))] == expected


@given(st.text("im port%!?'\"\\()[]=\n\r#>.:x1", max_size=60))
def test_lines_keep_their_numbers(cell: str) -> None:
    """Whatever is in a cell, its code has as many lines, and nothing raises."""
    ends = cell.replace("\r\n", "\n").replace("\r", "\n").count("\n")
    assert python_code(cell).count("\n") == ends


@pytest.mark.parametrize(
    ("begin", "often", "end"),
    [
        ("x", " ", "(1)"),
        ("x", "[a]", "(1)"),
        ("x", "[", ""),
        ("x =", " ", "1"),
        ("", " ", "x"),
        ("", ".", ""),
        ("", "a", ""),
        ("", "\\\"\\'", ""),
        ("", "\"a'", ""),
        ("%time ", "-a ", "import csv"),
    ],
)
def test_a_line_of_a_million_characters_is_read(
    begin: str, often: str, end: str
) -> None:
    """The time that a line takes grows with its length, not with the square of it."""
    line = begin + often * (10**6 // len(often)) + end
    code = python_code(f">>> !ls\n{line}\nimport json")
    assert code.startswith("get_ipython().system('ls')\n")
    assert code.endswith("\nimport json")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%warmup numpy pandas", "import numpy, pandas"),
        ("%warmup numpy, \\\n  pandas --wait", "import numpy, pandas\n"),
        ("%%warmup numpy", "import numpy"),
        ("%warmup", "get_ipython().run_line_magic('warmup', '')"),
        ("%warmup wait numpy", "pass"),
        ("%warmup --nosuch", "pass"),
        ("%warmup a.class", "pass"),
        ("    %warmup numpy", "import numpy"),
        ("%time import json", "import json"),
        (
            "%timeit -n1 -r 1 import json",
            "get_ipython().run_line_magic('timeit', '-n1 -r 1 import json')",
        ),
        ("%timeit -n1 -r1 from a import b", "from a import b"),
        ("%%timeit import json", "import json"),
        ("%time f()", "get_ipython().run_line_magic('time', 'f()')"),
        ("%cd", "get_ipython().run_line_magic('cd', '')"),
        ("a, b = %cd -q x", "a, b = get_ipython().run_line_magic('cd', '-q x')"),
        ("x['a'] = !!ls \\\n  -l", "x['a'] = get_ipython().system('ls -l')\n"),
        ("x = !ls 'a=%d'", "x = get_ipython().system(\"ls 'a=%d'\")"),
        ("json?", "pass"),
    ],
)
def test_lines_of_ipython_become_its_calls(line: str, expected: str) -> None:
    """But what a %warmup line names, and a statement that a magic times, are imports;
    a look at the help is nothing.
    """
    assert python_code(line) == expected


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("%%time", True),
        ("  %%timeit -n 1", True),
        ("%%capture out", True),
        ("%%warmup", True),
        ("%%prun -l 5", True),
        ("%time f()", True),
        ("# %%bash", True),
        ("%%bash", False),
        ("%%html", False),
        ("%%javascript", False),
        ("%%latex", False),
        ("%%writefile a.py", False),
        ("%%python3", False),
        ("%%timed_by_somebody", False),
        ("%%", False),
    ],
)
def test_bodies_that_run_elsewhere_are_none(first: str, expected: bool) -> None:  # noqa: FBT001
    """Only cell magics that are known to run their body as Python here count."""
    assert is_python(textwrap.dedent(f"{first}\nimport json")) is expected


def test_most_cells_need_no_look() -> None:
    """A cell without the words has no imports."""
    assert may_import("from a import b")
    assert may_import("%warmup numpy")
    assert not may_import("x = 1\n!pip install numpy")
