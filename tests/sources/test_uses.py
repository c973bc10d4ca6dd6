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
        ("get_ipython().system('echo {x.y}')", {"x": {"x.y"}}),
        ("get_ipython().getoutput('echo $x.y z')", {"x": {"x.y"}}),
        (f"{SHELL}('pip', 'install x')", {}),
        (f"{SHELL}('unknown', 'install x')", {"install": {"install"}, "x": {"x"}}),
        ("[x for x in x.y]", {"x": {"x.y"}}),
        ("{a: z for a, b in y if a}", {"y": {"y"}, "z": {"z"}}),
        ("def f():\n    x = 3\n    return x.y", {}),
        ("def f():\n    global x\n    x = x.y", {"x": {"x.y"}}),
        ("def f(x=x.y):\n    return x.z", {"x": {"x.y"}}),
        ("@x.y\ndef f():\n    x = 3", {"x": {"x.y"}}),
        ("match a:\n    case x.Y: pass", {"a": {"a"}, "x": {"x.Y"}}),
        (f"{SHELL}('warmup', 'x')", {}),
    ],
)
def test_names_and_their_attributes(code: str, used: dict[str, set[str]]) -> None:
    """What is bound before does not count, and text of magics does."""
    assert used_names(ast.parse(code), but_not_in="warmup") == used


@pytest.mark.parametrize(
    ("code", "used"),
    [
        ("x.y", {"x": {"x.y"}}),
        ("x = x.y\nx.z", {"x": {"x.y"}}),
        ("for x in a:\n    x.y\nx.z", {"a": {"a"}}),
        ("try:\n    import x.a\nexcept A:\n    x = 3\nx.y", {"A": {"A"}}),
        ("with a as x: x.y", {"a": {"a"}}),
        ("try: a\nexcept b as x: x.y", {"a": {"a"}, "b": {"b"}}),
        ("match a:\n    case {'b': x, **y}: x, y\n    case [*z]: z", {"a": {"a"}}),
        ("if (x := a): x.y", {"a": {"a"}}),
        ("[(x := b) for b in a]\nx.y", {"a": {"a"}}),
        ("def f():\n    x = 1\nx.y", {"x": {"x.y"}}),
        ("def f():\n    f()", {}),
        (f"{SHELL}('timeit', 'x.y')", {}),
        (f"{SHELL}('prun', 'x.y')", {"x": {"x.y"}}),
        ("get_ipython().system('echo {x}')", {}),
    ],
)
def test_certain_uses(code: str, used: dict[str, set[str]]) -> None:
    """What the code may have bound before is left out, and so are words."""
    assert used_names(ast.parse(code), certain=True) == used


def test_functions_and_classes_use_names_too() -> None:
    """Those of the namespace, and what they call in turn; not those of modules."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    source = """
import functools
def f():
    return g().attribute
def g():
    return [np.zeros(n) for n in 'x']
class A:
    @staticmethod
    def h():
        return pd
    @property
    def i(self):
        return plt
    def __getattr__(self, name):
        raise SystemExit
@functools.lru_cache
def cached():
    return sp
a, method, part = A(), A().__getattr__, functools.partial(f, 3)
class Child(A):
    @functools.cached_property
    def slow(self):
        return nx
child = Child()
def plainly(function):
    return lambda: function()
@plainly
def decorated():
    return sns
table = [[{"f": decorated}]]
def generate():
    yield sy
begun = generate()
async def generate_too():
    yield sm
begun_too = generate_too()
"""
    exec(source, namespace)  # noqa: S102 - our own
    namespace["elsewhere"] = ast.parse
    assert set(names_in_functions(["f"], namespace)) >= {"g", "np"}
    assert "pd" not in names_in_functions(["f"], namespace)
    assert "attribute" not in names_in_functions(["f"], namespace)
    assert {"pd", "plt"} <= set(names_in_functions(["A"], namespace))
    assert {"pd", "plt"} <= set(names_in_functions(["a"], namespace))
    assert set(names_in_functions(["method"], namespace)) == {"SystemExit"}
    assert set(names_in_functions(["cached"], namespace)) == {"sp"}
    assert "np" in names_in_functions(["part"], namespace)
    assert {"nx", "pd", "plt"} <= set(names_in_functions(["child"], namespace))
    assert "sns" in names_in_functions(["decorated"], namespace)
    assert "sns" in names_in_functions(["table"], namespace)
    assert set(names_in_functions(["begun"], namespace)) == {"sy"}
    assert set(names_in_functions(["begun_too"], namespace)) == {"sm"}
    assert names_in_functions(["elsewhere", "nothing"], namespace) == {}


def test_what_holds_itself_ends() -> None:
    """Data is looked through only so far."""
    data: list[object] = [[number] for number in range(3)]
    data.append(data)
    namespace = {"__name__": "__main__", "data": data}
    assert names_in_functions(["data"], namespace) == {}


def test_values_are_not_asked_for_their_class() -> None:
    """Which may run code of theirs, or raise, as that of a proxy for what is gone."""

    class Lazy:
        asked = 0

        @property  # type: ignore[misc]
        def __class__(self) -> type:
            Lazy.asked += 1
            raise ReferenceError

    class Meta(type):
        @property
        def __module__(cls) -> str:  # type: ignore[override]
            raise RuntimeError

    class Odd(metaclass=Meta):
        pass

    values = [Lazy(), Odd(), Odd]
    namespace = {"__name__": "__main__", "values": values}
    assert names_in_functions(["values"], namespace) == {}
    assert Lazy.asked == 0
