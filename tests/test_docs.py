"""The documentation: it builds without a warning, and says something of everything."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import ipywarmup
from ipywarmup.canary import Canary
from ipywarmup.magics import WarmupMagics
from ipywarmup.sources.line import SUBCOMMANDS, flags_of

DOCS = Path(__file__).parent.parent / "docs"
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "srcset"}
"""Attributes that make a page ask for something when it is opened."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the pages."""
    folder = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-n",
            "-q",
            DOCS,
            folder,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


class Page(HTMLParser):
    """A page, and what it asks for."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note down what a tag loads."""
        values = dict(attrs)
        if tag == "link" and values.get("rel") in {"stylesheet", "preload", "icon"}:
            self.loads.append(values.get("href") or "")
        elif tag in LOADED:
            self.loads.append(values.get(LOADED[tag]) or "")

    def handle_data(self, data: str) -> None:
        """Collect the text."""
        self.text += data


def pages(built: Path) -> list[Path]:
    """Return the pages that somebody wrote."""
    return [page for page in built.rglob("*.html") if "_modules" not in page.parts]


def test_pages_ask_for_nothing_from_elsewhere(built: Path) -> None:
    """They can be read without a network, and tell nobody that they are read."""
    assert len(pages(built)) > 25
    for path in pages(built):
        loads = Page(path).loads
        assert loads
        assert not [each for each in loads if re.match("(https?:)?//", each)], path
    for sheet in built.rglob("*.css"):
        assert not re.search(r"url\(.?https?:", sheet.read_text(encoding="utf-8"))


def test_reference_says_something_of_everything(built: Path) -> None:
    """Each subcommand, flag, setting, public name and key of a record has its words."""
    text = " ".join(Page(path).text for path in (built / "reference").glob("*.html"))
    names = {
        *(f"%warmup {name}" for name in SUBCOMMANDS),
        *(flag for name in ("warm", *SUBCOMMANDS) for flag in flags_of(name)),
        *WarmupMagics.class_own_traits(config=True),
        *ipywarmup.__all__,
        *Canary(1, "json", 0.0).to_dict(),
    }
    assert not {name for name in names if name not in text}


def test_reference_names_every_command(built: Path) -> None:
    """What `--help` lists stands in the reference."""
    text = Page(built / "reference" / "command-line.html").text
    for arguments in ([], ["bench"], ["demo"], ["enable"]):
        usage = subprocess.run(
            [sys.executable, "-m", "ipywarmup", *arguments, "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        listed = re.findall(r"(?<=[{,])\w+(?=[,}])|--[a-z-]+", usage)
        assert listed
        assert not {each for each in listed if each not in text} - {"--help"}


def test_every_page_can_be_reached(built: Path) -> None:
    """Each file of the folder is a page of the tree that the first one opens."""
    sources = {path.relative_to(DOCS).with_suffix("") for path in DOCS.rglob("*.md")}
    assert {Path("tutorial"), Path("how-to/start"), Path("reference/api")} <= sources
    for source in sources:
        assert (built / source.with_suffix(".html")).exists()
