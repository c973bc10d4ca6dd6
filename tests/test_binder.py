"""The Binder image: what repo2docker makes of binder/, and the link to it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="repo2docker and postBuild need a POSIX system"
)

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8").strip()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# A Markdown image inside a Markdown link to Binder.
BADGE = re.compile(r"\[!\[[^\]]*\]\([^)]*\)\]\((https://mybinder\.org/v2/[^)\s]+)\)")

COPY_CHECKOUT = re.compile(r"^COPY .*\bsrc/ \$\{REPO_DIR\}/$", re.MULTILINE)
INSTALL_REQUIREMENTS = re.compile(
    r'^RUN \S+/bin/pip install .*-r "?binder/requirements\.txt"?$', re.MULTILINE
)
RUN_POST_BUILD = re.compile(r"^RUN \./binder/postBuild$", re.MULTILINE)
COPY_LOCK = re.compile(r"^COPY .*/(\S+) /tmp/env/environment\.lock$", re.MULTILINE)

# Stands in for the image's Python: notes where and how it was called.
STAND_IN = """\
#!/bin/sh
{ pwd -P; printf '%s\\n' "$@"; } >>"$CALLS"
exit "$STATUS"
"""


def copy_checkout(target: Path) -> Path:
    """Copy the files that repo2docker looks at."""
    shutil.copytree(ROOT / "binder", target / "binder")
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def run_post_build(tmp_path: Path, status: int) -> tuple[int, list[str]]:
    """Run postBuild with a `python` that exits with `status`.

    Returns postBuild's own exit status and what it gave `python` as arguments.
    """
    checkout = copy_checkout(tmp_path / "checkout")
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(STAND_IN, encoding="utf-8")
    python.chmod(0o755)
    calls = tmp_path / "calls"
    environment = os.environ | {
        "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
        "CALLS": str(calls),
        "STATUS": str(status),
    }
    done = subprocess.run(
        ["./binder/postBuild"], cwd=checkout, env=environment, check=False, timeout=60
    )
    directory, *arguments = calls.read_text(encoding="utf-8").splitlines()
    assert Path(directory) == checkout.resolve()
    return done.returncode, arguments


def only_position(pattern: re.Pattern[str], dockerfile: str) -> int:
    """Return where the pattern's only match in the Dockerfile starts."""
    (match,) = pattern.finditer(dockerfile)
    return match.start()


@pytest.fixture(scope="module")
def dockerfile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the Dockerfile that repo2docker renders; it asks for no Docker."""
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."],
        cwd=copy_checkout(tmp_path_factory.mktemp("binder") / "checkout"),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_requirements_are_installed_before_the_checkout_is_copied(
    dockerfile: str,
) -> None:
    """The image installs binder/requirements.txt before the code, so caches it."""
    assert only_position(INSTALL_REQUIREMENTS, dockerfile) < only_position(
        COPY_CHECKOUT, dockerfile
    )


def test_image_has_the_python_of_runtime_txt(dockerfile: str) -> None:
    """The image is made from repo2docker's lock file for runtime.txt's Python."""
    lock = COPY_LOCK.search(dockerfile)
    assert lock is not None
    # repo2docker writes a character that is not alphanumeric as `-` and its code.
    name = re.sub(r"-([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), lock[1])
    assert f"/environment.py-{RUNTIME.removeprefix('python-')}-linux-" in name


def test_post_build_runs_in_the_checkout(dockerfile: str) -> None:
    """The image runs postBuild once the whole checkout is there."""
    assert only_position(COPY_CHECKOUT, dockerfile) < only_position(
        RUN_POST_BUILD, dockerfile
    )


def test_pyproject_allows_the_python_of_runtime_txt() -> None:
    """Pip in the image does not refuse the package for its requires-python."""
    name, version = RUNTIME.split("-")
    assert name == "python"
    needed = Requirement(f"python {PYPROJECT['project']['requires-python']}")
    assert f"{version}.0" in needed.specifier


def test_requirements_are_among_those_of_the_demo_extra() -> None:
    """binder/requirements.txt names nothing that the extra `demo` does not."""
    lines = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8")
    listed = {
        Requirement(line).name
        for line in lines.splitlines()
        if line and not line.startswith("#")
    }
    demo = PYPROJECT["project"]["optional-dependencies"]["demo"]
    assert {"matplotlib", "numpy", "pandas", "scikit-learn"} <= listed
    assert listed <= {Requirement(line).name for line in demo}


def test_post_build_is_an_executable_script() -> None:
    """Everyone may execute postBuild, and bash can parse it."""
    script = ROOT / "binder" / "postBuild"
    assert script.stat().st_mode & 0o111 == 0o111
    done = subprocess.run(
        ["bash", "-n", str(script)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_post_build_installs_the_checkout_with_its_demo_extra(tmp_path: Path) -> None:
    """The checkout is installed by postBuild, with what the demo needs."""
    status, arguments = run_post_build(tmp_path, status=0)
    assert status == 0
    assert arguments[:3] == ["-m", "pip", "install"]
    assert arguments[-1] == ".[demo]"


def test_failed_install_fails_post_build(tmp_path: Path) -> None:
    """No image is made when pip could not install the checkout."""
    status, _ = run_post_build(tmp_path, status=3)
    assert status == 3


def test_binder_badge_opens_an_existing_notebook() -> None:
    """README.md's Binder badge opens the quickstart, and each opens a notebook."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    paths = [
        path
        for link in BADGE.findall(readme)
        for path in parse_qs(urlsplit(link).query)["urlpath"]
    ]
    assert "lab/tree/notebooks/01-quickstart.ipynb" in paths
    for path in paths:
        assert path.startswith("lab/tree/notebooks/")
        assert (ROOT / path.removeprefix("lab/tree/")).is_file()
