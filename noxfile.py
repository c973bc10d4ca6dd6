"""The checks, each in an environment of its own: `nox --list` names them."""

from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = False

TEST = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"][
    "test"
]
OLDEST = ["ipython==8.18.*", "ipykernel==6.29.*", "ipywidgets==8.0.5"]


def listed(*names: str) -> list[str]:
    """Return these packages as the extra `test` lists them, with their versions."""
    return [line for line in TEST if Requirement(line).name in names]


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and the layering of the modules."""
    session.install(*listed("ruff", "import-linter"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package and the tests."""
    session.install(".[test]")
    session.run("mypy", *session.posargs)


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run all tests, the notebooks too, on each supported Python that is found."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def notebooks(session: nox.Session) -> None:
    """Run the notebooks and compare their output with what is saved."""
    session.install(".[test]")
    session.run("pytest", "--nbval", "notebooks", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into build/docs; warnings are errors."""
    session.install(".[docs]")
    session.run("sphinx-build", "-W", "-n", "docs", "build/docs", *session.posargs)


@nox.session
def execute(session: nox.Session) -> None:
    """Run the notebooks and save their output in place."""
    session.install(".[test]")
    notebooks = sorted(str(path) for path in Path("notebooks").glob("*.ipynb"))
    keep_no_widgets = "--ExecutePreprocessor.store_widget_state=False"
    session.run(
        *("jupyter", "nbconvert", "--to=notebook", "--execute", "--inplace"),
        *(keep_no_widgets, *notebooks),
    )


@nox.session(python="3.11")
def kernels(session: nox.Session) -> None:
    """Run what needs IPython with the oldest of it, of ipykernel and ipywidgets."""
    session.install(".[test]", *OLDEST)
    session.run("pytest", "tests/kernel", "tests/terminal", *session.posargs)


@nox.session(python="3.11")
def promises(session: nox.Session) -> None:
    """Try what the README guarantees, with heavy packages and beside it without us."""
    # One release of torch, so that a run can be compared with another.
    heavy = ("torch==2.13.0", "pyarrow", "polars", "seaborn", "statsmodels", "sympy")
    session.install(".[demo]", *heavy, "plotly", "joblib")
    session.run("python", "-m", "tests.promises", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel into dist/."""
    session.run("python", "-m", "pip", "wheel", ".", "--no-deps", "--wheel-dir", "dist")
