"""Which names a cell uses."""

from __future__ import annotations

import ast

import pytest

from ipywarmup.sources.uses import names_in_functions, used_names

SHELL = "get_ipython().run_line_magic"


@pytest.mark.parametrize(
    ("code", "used"),
    [
        ("np.zeros(3)", {"np": {"np.zeros"}}),
        ("a.b.c = d", {"a": {"a.b.c"}, "d": {"d"}}),
        ("x = 1\nx.y\nz", {"z": {"z"}}),
        ("x += 1", {"x": {"x"}}),
        ("del x", {"x": {"x"}}),
        ("import x\nx.y", {}),
        ("import x.y\nx.z", {"x": {"x.z"}}),
        ("def f(x):\n    return x.y + z", {"z": {"z"}}),
        ("f = lambda x: x + z.a.b", {"z": {"z.a.b"}}),
        ("def x(): pass\nx()", {}),
        ("class A(b.C):\n    d = e", {"b": {"b.C"}, "e": {"e"}}),
        ("f'{x.y}'", {"x": {"x.y"}}),
        ("@x.y\ndef f(): pass", {"x": {"x.y"}}),
        ("if a:\n    x = 1\nx", {"a": {"a"}, "x": {"x"}}),
        ("x().y", {"x": {"x"}}),
        (f"{SHELL}('timeit', '-n 3 x . y(z)')", {"x": {"x.y"}, "z": {"z"}}),
        (f"{SHELL}('reset', '-f')", {}),
        ("get_ipython().system('echo {x.y}')", {"echo": {"echo"}, "x": {"x.y"}}),
        (f"{SHELL}('warmup', 'x')", {}),
    ],
)
def test_names_and_their_attributes(code: str, used: dict[str, set[str]]) -> None:
    """What is bound before does not count, and text of magics does."""
    assert used_names(ast.parse(code), but_not_in="warmup") == used


def test_functions_and_classes_use_names_too() -> None:
    """Those of the namespace, and what they call in turn; not those of modules."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    source = """
def f():
    return g()
def g():
    return [np.zeros(n) for n in 'x']
class A:
    @staticmethod
    def h():
        return pd
    @property
    def i(self):
        return plt
"""
    exec(source, namespace)  # noqa: S102 - our own
    namespace["elsewhere"] = ast.parse
    assert set(names_in_functions(["f"], namespace)) >= {"g", "np"}
    assert "pd" not in names_in_functions(["f"], namespace)
    assert {"pd", "plt"} <= set(names_in_functions(["A"], namespace))
    assert names_in_functions(["elsewhere", "nothing"], namespace) == {}
