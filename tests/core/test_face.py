"""The face of the package: what `import ipywarmup` shows, and what it costs."""

from __future__ import annotations

import importlib.resources
import inspect
import re
from typing import TYPE_CHECKING

import pytest

import ipywarmup
import ipywarmup.manager
import ipywarmup.pool

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    RunPython = Callable[..., subprocess.CompletedProcess[str]]


def run(run_python: RunPython, script: str) -> str:
    """Run a script that has to go well, and return what it prints."""
    result = run_python(script)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def test_all_is_what_users_see() -> None:
    """Each public name is the thing of its own file, documented."""
    assert ipywarmup.__all__ == sorted(ipywarmup.__all__)
    assert {name: getattr(ipywarmup, name) for name in ipywarmup.__all__} == {
        "WarmupManager": ipywarmup.manager.WarmupManager,
        "WarmupPool": ipywarmup.pool.WarmupPool,
        "get_manager": ipywarmup.manager.get_manager,
        "require": ipywarmup.manager.require,
    }
    for name in ipywarmup.__all__:
        assert inspect.getdoc(getattr(ipywarmup, name))


def test_dir_names_what_is_public_before_its_first_use(run_python: RunPython) -> None:
    """Completion offers all public names in a fresh process, and imports nothing."""
    out = run(
        run_python,
        """
        import sys, ipywarmup
        print(sorted(set(ipywarmup.__all__) - set(dir(ipywarmup))))
        print({"load_ipython_extension", "__version__"} <= set(dir(ipywarmup)))
        print([name for name in sys.modules if name.startswith("ipywarmup.")])
        """,
    )
    assert out == "[]\nTrue\n[]\n"


def test_a_star_import_brings_the_public_names(run_python: RunPython) -> None:
    """`from ipywarmup import *` gives what `__all__` lists, and no more."""
    out = run(
        run_python,
        """
        before = {*globals(), "before"}
        from ipywarmup import *
        names = sorted(set(globals()) - before)
        import ipywarmup
        print(names == ipywarmup.__all__)
        """,
    )
    assert out == "True\n"


@pytest.mark.parametrize(
    "statement",
    [
        "import ipywarmup",
        "from ipywarmup import *",
        "import ipywarmup; ipywarmup.get_manager().submit(['json'])",
    ],
)
def test_the_import_brings_in_nothing_of_ipython(
    run_python: RunPython, statement: str
) -> None:
    """The package and its core import the standard library alone."""
    out = run(
        run_python,
        f"""
        import sys
        before = set(sys.modules)
        {statement}
        roots = {{name.partition(".")[0] for name in set(sys.modules) - before}}
        print(sorted(roots - sys.stdlib_module_names))
        """,
    )
    assert out == "['ipywarmup']\n"


@pytest.mark.parametrize("name", ["nosuch", "_private", "Manager", "__wrapped__"])
def test_an_unknown_attribute_is_a_plain_attribute_error(name: str) -> None:
    """The message is that of any module, which names it and the attribute."""
    message = f"module 'ipywarmup' has no attribute {name!r}"
    with pytest.raises(AttributeError, match=f"^{re.escape(message)}$"):
        getattr(ipywarmup, name)
    assert not hasattr(ipywarmup, name)
    assert getattr(ipywarmup, name, None) is None


def test_an_unknown_name_is_an_import_error() -> None:
    """`from ipywarmup import nosuch` fails as it does with any package."""
    with pytest.raises(ImportError, match="cannot import name 'nosuch'"):
        exec("from ipywarmup import nosuch")  # noqa: S102


def test_the_package_says_that_it_is_typed() -> None:
    """py.typed lies beside the code, so that type checkers read its annotations."""
    assert importlib.resources.files("ipywarmup").joinpath("py.typed").is_file()
