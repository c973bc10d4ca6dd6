"""What a %warmup line is completed to."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ipywarmup.sources.completions import completions
from ipywarmup.sources.line import SUBCOMMANDS


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stat", ["stat", "statistics", "status"]),
        ("numpy, pand", ["pandas"]),
        ("xml.do", ["xml.dom"]),
        ("xml.dom.mini", ["xml.dom.minicompat", "xml.dom.minidom"]),
        ("nosuch_package.x", []),
        ("--w", ["--wait"]),
        ("numpy --", ["--quiet", "--timeout", "--wait"]),
        ("wait --", ["--timeout"]),
        ("cancel --", []),
        ("wait re", ["required"]),
        ("reset nu", []),
        ("notebook --q", ["--quiet"]),
        ("notebook an", None),
        ("sug", ["suggest"]),
        ("report re", ["required"]),
        ("report --", ["--json", "--trace"]),
        ("report --trace an", None),
        ("report required --json an", None),
        ("file an", None),
        ("-- file pand", ["pandas"]),
        ("numpy stat", ["stat", "statistics"]),
    ],
)
def test_last_word_is_completed(line: str, words: list[str] | None) -> None:
    """By subcommands where one may stand, flags, modules, what can be waited for."""
    found = completions(line, asked_for={"required": 1, "other": 2})
    if words is None:
        assert found is None
        return
    assert found is not None
    # What else is installed here may begin alike.
    assert [word for word in found if word in words or not words] == words


def test_an_empty_line_offers_everything_but_private_modules() -> None:
    """Subcommands and top-level modules; those with an underscore for who types it."""
    found = completions("")
    assert found is not None
    assert {*SUBCOMMANDS, "numpy", "json"} <= {*found}
    assert not any(word.startswith("_") for word in found)
    assert "_json" in (completions("_js") or ())


def test_line_above_a_cell_has_no_subcommands() -> None:
    """Only modules and flags go there."""
    assert "status" not in (completions("stat", above_cell=True) or ())
    assert "statistics" in (completions("stat", above_cell=True) or ())


def test_nothing_is_imported() -> None:
    """To complete names within a package does not import it."""
    program = (
        "import sys\n"
        "from ipywarmup.sources.completions import completions\n"
        "found = completions('sklearn.ens') + completions('pandas.core.fr')\n"
        "assert found == ['sklearn.ensemble', 'pandas.core.frame'], found\n"
        "assert not {'sklearn', 'pandas', 'numpy'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
