"""Imports are collected from code, and none is imported for it."""

from __future__ import annotations

import ast
import textwrap
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipywarmup.sources.imports import (
    FUTURE,
    RELATIVE,
    WITHIN,
    Import,
    collect,
    parse_code,
)


def imports(code: str) -> list[Import]:
    """Return what some code imports."""
    return collect(parse_code(textwrap.dedent(code)))


def modules(code: str) -> list[str]:
    """Return the names of what would be taken."""
    return [found.module for found in imports(code) if found.reason is None]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import numpy", ["numpy"]),
        ("import numpy as np, pandas", ["numpy", "pandas"]),
        ("import sklearn.ensemble", ["sklearn.ensemble"]),
        ("from sklearn import ensemble", ["sklearn.ensemble"]),
        ("from sklearn import ensemble, svm", ["sklearn.ensemble", "sklearn.svm"]),
        ("from sklearn import ensemble, clone", ["sklearn", "sklearn.ensemble"]),
        ("from sklearn.ensemble import RandomForestClassifier", ["sklearn.ensemble"]),
        ("from sklearn.ensemble import *", ["sklearn.ensemble"]),
        ("from matplotlib import pyplot as plt", ["matplotlib.pyplot"]),
        ("from os import path", ["os"]),
        ("import os.path", ["os"]),
        ("import sklearn.made_at_run_time.part", ["sklearn"]),
        ("from sklearn.made_at_run_time import ensemble", ["sklearn"]),
        ("import nosuch.part", ["nosuch.part"]),
        ("x = 'import numpy'  # import pandas", []),
        ("import_numpy = 1", []),
    ],
)
def test_a_statement_names_what_it_imports(code: str, expected: list[str]) -> None:
    """The module that an import statement has to run, submodules included."""
    assert modules(code) == expected


def test_order_and_lines_are_those_of_the_code() -> None:
    """Imports come in the order in which they would run, each with its line."""
    found = imports("""\
        import numpy

        from sklearn import (
            ensemble,
        )
        import json
        """)
    assert found == [
        Import("numpy", 1),
        Import("sklearn.ensemble", 3),
        Import("json", 6),
    ]


@pytest.mark.parametrize(
    "guard",
    [
        "ImportError",
        "ModuleNotFoundError",
        "Exception",
        "(ValueError, ImportError)",
        "builtins.ImportError",
        "",
    ],
)
def test_a_guarded_import_is_optional(guard: str) -> None:
    """A handler that catches a missing module makes it one the code can do without."""
    code = f"try:\n    import nosuch\nexcept {guard}:\n    nosuch = None\nimport json"
    assert imports(code) == [Import("nosuch", 2, optional=True), Import("json", 5)]
    code = f"from contextlib import suppress\nwith suppress({guard or 'Exception'}):"
    assert imports(f"{code}\n    import nosuch")[1:] == [
        Import("nosuch", 3, optional=True)
    ]


def test_another_handler_guards_nothing() -> None:
    """A try for other errors leaves its imports necessary."""
    code = "try:\n    import json\nexcept KeyError:\n    import csv"
    assert imports(f"{code}\nfinally:\n    import io") == [
        Import("json", 2),
        Import("csv", 4, optional=True),
        Import("io", 6),
    ]


def test_the_way_out_is_taken_only_where_it_is_needed() -> None:
    """Handlers count if something in the body is missing, which only they replace."""
    code = (
        "try:\n    import {}\nexcept ImportError:\n    import csv\nelse:\n    import io"
    )
    assert modules(code.format("json")) == ["json", "io"]
    assert modules(code.format("nosuch")) == ["nosuch", "csv", "io"]
    assert not imports(code.format("nosuch"))[1].optional


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("TYPE_CHECKING", ["csv"]),
        ("typing.TYPE_CHECKING", ["csv"]),
        ("not TYPE_CHECKING", ["json"]),
        ("False", ["csv"]),
        ("0", ["csv"]),
        ("True", ["json"]),
        ("not False", ["json"]),
        ("sys.version_info > (3, 12)", ["json", "csv"]),
    ],
)
def test_of_a_condition_the_ways_that_may_run_are_taken(
    test: str, expected: list[str]
) -> None:
    """What only type checkers see is passed over; both ways of the rest are taken."""
    assert modules(f"if {test}:\n    import json\nelse:\n    import csv") == expected


def test_what_runs_with_the_code_is_taken() -> None:
    """Classes, with blocks, loops and cases run; what may not run is optional."""
    found = imports("""\
        class A:
            import json
        with open("f") as f:
            import csv
        for x in y:
            import io
        while x:
            pass
        else:
            import gc
        match x:
            case 1:
                import abc
        if __name__ == "__main__":
            import sys
        async def f():
            pass
        """)
    assert [(one.module, one.optional) for one in found] == [
        ("json", False),
        ("csv", False),
        *((name, True) for name in ("io", "gc", "abc", "sys")),
    ]


def test_what_is_imported_within_a_function_is_named_but_not_taken() -> None:
    """Functions, methods and all that is nested in them give their reason."""
    found = imports("""\
        def f():
            import json
            if x:
                import csv
        class A:
            async def g(self):
                from xml import dom
        """)
    assert [(one.module, one.reason) for one in found] == [
        (name, WITHIN) for name in ("json", "csv", "xml.dom")
    ]


def test_relative_imports_and_the_future_are_not_taken() -> None:
    """A notebook is in no package, and __future__ is no import."""
    found = imports("""\
        from __future__ import annotations
        from . import a, b
        from ..c.d import e
        """)
    assert [(one.module, one.reason) for one in found] == [
        ("__future__", FUTURE),
        (".a", RELATIVE),
        (".b", RELATIVE),
        ("..c.d", RELATIVE),
    ]


def test_the_top_level_may_await() -> None:
    """Cells may await, and import beside it."""
    assert modules("await f()\nasync with x:\n    import json") == ["json"]


@pytest.mark.parametrize(
    "code", ["'\\d'", "b'\\d'", "f'{x}\\d'", "'\\777'", "1if x else 2", "'''\\ \\\\'''"]
)
def test_nothing_is_said_of_its_style(code: str) -> None:
    """Not even an odd piece of code warns, whatever the warnings filters say."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert modules(f"x = 1\n{code}\nimport json") == ["json"]


PIECES = st.sampled_from(
    [*"\\'\"{}\n ()dNx1#", "\\\\", "\\'", '\\"', "\\\n", '"""', "r'", "f'", "\\N{DASH}"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_what_warns_is_taken_out_without_a_trace(code: str) -> None:
    """Code that Python can parse still is, with as many statements and imports."""
    code = f"{code}\nimport json\n"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = ast.parse(code)
        except (SyntaxError, ValueError):
            return
    tree = parse_code(code)
    assert [type(node) for node in tree.body] == [type(node) for node in expected.body]
    assert collect(tree) == collect(expected)


def test_the_finder_decides_what_is_a_module() -> None:
    """Nothing but the finder that is given is asked, and the cell is noted."""
    tree = parse_code("from a import b")
    assert [one.module for one in collect(tree, {"a": 1, "a.b": 1}.get, 3)] == ["a.b"]
    assert collect(tree, lambda _: None, 3) == [Import("a", 1, cell=3)]
