"""What a thread prints within `collected`, outside a kernel."""

# ruff: noqa: T201 - printing is what is tested

from __future__ import annotations

import contextlib
import functools
import io
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ipywarmup.output import LIMIT, Output, collected, shown

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    UseStreams = Callable[[], tuple[io.StringIO, io.StringIO]]
    Elsewhere = Callable[[], tuple[Output, Callable[[], None]]]
    OnThread = Callable[[Callable[[], object]], threading.Thread]

TIMEOUT = 10.0


@pytest.fixture
def use_streams(
    monkeypatch: pytest.MonkeyPatch,
) -> UseStreams:
    """Return a function that puts new streams in the place of the standard ones.

    To be called by the test itself, since pytest sets its own when the test begins.
    """

    def use() -> tuple[io.StringIO, io.StringIO]:
        stdout, stderr = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "stderr", stderr)
        return stdout, stderr

    return use


@pytest.fixture
def elsewhere(
    on_thread: OnThread,
) -> Iterator[Elsewhere]:
    """Return a function that makes another thread stay within `collected`.

    It returns what that thread prints, and a function that makes it leave.
    """
    gates: list[threading.Event] = []

    def stay() -> tuple[Output, Callable[[], None]]:
        entered, gate = threading.Event(), threading.Event()
        gates.append(gate)
        outputs: list[Output] = []

        def hold() -> None:
            with collected() as output:
                outputs.append(output)
                entered.set()
                gate.wait()
                sys.stdout.write("last words")

        thread = on_thread(hold)
        assert entered.wait(TIMEOUT)

        def leave() -> None:
            gate.set()
            thread.join(TIMEOUT)

        return outputs[0], leave

    yield stay
    for gate in gates:
        gate.set()


@contextlib.contextmanager
def tee() -> Iterator[list[str]]:
    """Do to a stream what IPython 9 does for the time of a cell."""
    stream, seen = sys.stdout, list[str]()
    write = stream.write

    def tee(text: str) -> int:
        seen.append(text)
        return write(text)

    stream.write = tee  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        stream.write = write  # type: ignore[method-assign]


def test_what_is_printed_is_collected_and_not_shown(use_streams: UseStreams) -> None:
    """Both streams end up in one text, in order, by whichever way they are written."""
    stdout, stderr = use_streams()
    with collected() as output:
        print("one", 2, flush=True)
        print("three", end="", file=sys.stderr)
        assert sys.stdout.write("four\n") == 5
        sys.stdout.writelines(["five\n", "six\n"])
    assert output.text() == "one 2\nthreefour\nfive\nsix\n"
    assert stdout.getvalue() == stderr.getvalue() == ""
    assert (sys.stdout, sys.stderr) == (stdout, stderr)


def test_nothing_printed_is_none(use_streams: UseStreams) -> None:
    """No output, or an empty one, is None."""
    use_streams()
    with collected() as output:
        print(end="")
    assert output.text() is None


def test_the_streams_are_the_same_after_an_exception(use_streams: UseStreams) -> None:
    """An import that raises leaves the streams as they were found."""
    streams = use_streams()

    def fail() -> None:
        with collected():
            print("before")
            raise SystemExit

    with pytest.raises(SystemExit):
        fail()
    assert (sys.stdout, sys.stderr) == streams
    print("after")
    assert streams[0].getvalue() == "after\n"


def test_other_threads_write_as_they_always_did(
    use_streams: UseStreams, elsewhere: Elsewhere
) -> None:
    """Only the thread within `collected` is heard; the stream keeps its abilities."""
    stdout, stderr = use_streams()
    output, leave = elsewhere()
    print("hello")
    print("world", file=sys.stderr)
    sys.stdout.flush()
    assert sys.stdout.isatty() is False
    assert sys.stdout.encoding is stdout.encoding
    with pytest.raises(TypeError):
        sys.stdout.write(b"bytes")  # type: ignore[arg-type]
    leave()
    assert (stdout.getvalue(), stderr.getvalue()) == ("hello\n", "world\n")
    assert output.text() == "last words"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_threads_are_kept_apart(
    use_streams: UseStreams, elsewhere: Elsewhere, order: tuple[int, ...]
) -> None:
    """Each thread has its own text, in whatever order they come and go."""
    streams = use_streams()
    others = [elsewhere() for _ in range(3)]
    with collected() as output:
        for index in order:
            others[index][1]()
        print("here")
    assert output.text() == "here\n"
    assert [other.text() for other, _ in others] == ["last words"] * 3
    assert (sys.stdout, sys.stderr) == streams
    assert streams[0].getvalue() == ""


def test_threads_that_print_at_once(
    use_streams: UseStreams, on_thread: OnThread
) -> None:
    """Eight threads that enter, print and leave together mix nothing up."""
    streams = use_streams()
    together = threading.Barrier(8)
    texts: dict[int, str | None] = {}

    def work(number: int) -> None:
        together.wait(TIMEOUT)
        for _ in range(50):
            with collected() as output:
                print(number, number)
            texts[number] = output.text()
            assert texts[number] == f"{number} {number}\n"

    threads = [on_thread(functools.partial(work, number)) for number in range(8)]
    for thread in threads:
        thread.join(TIMEOUT)
    assert texts == {number: f"{number} {number}\n" for number in range(8)}
    assert (sys.stdout, sys.stderr) == streams
    assert streams[0].getvalue() == ""


def test_a_nested_block_collects_for_itself(use_streams: UseStreams) -> None:
    """An import within an import has a text of its own; the outer one goes on."""
    streams = use_streams()
    with collected() as outer:
        print("before")
        with collected() as inner:
            print("inner")
        print("after")
    assert inner.text() == "inner\n"
    assert outer.text() == "before\nafter\n"
    assert (sys.stdout, sys.stderr) == streams


def test_a_block_within_may_be_shown(use_streams: UseStreams) -> None:
    """Within `shown` the stream gets the text; afterwards it is collected again."""
    stdout, _ = use_streams()
    with collected() as output:
        print("kept")
        with shown():
            print("shown")
        print("kept, too")
    with shown():
        print("shown, too")
    assert output.text() == "kept\nkept, too\n"
    assert stdout.getvalue() == "shown\nshown, too\n"


def test_a_redirection_that_ends_meanwhile(
    use_streams: UseStreams, elsewhere: Elsewhere
) -> None:
    """A redirection around the start of `collected` keeps what it got, and ends."""
    streams = use_streams()
    target = io.StringIO()
    with contextlib.redirect_stdout(target):
        _, leave = elsewhere()
        print("redirected")
    print("direct")
    leave()
    assert target.getvalue() == "redirected\n"
    assert streams[0].getvalue().startswith("direct\n")
    assert (sys.stdout, sys.stderr) == streams


def test_a_redirection_within_takes_what_is_printed(use_streams: UseStreams) -> None:
    """A module that redirects its own output gets it."""
    streams = use_streams()
    target = io.StringIO()
    with collected() as output:
        with contextlib.redirect_stdout(target):
            print("redirected")
        print("collected")
    assert target.getvalue() == "redirected\n"
    assert output.text() == "collected\n"
    assert (sys.stdout, sys.stderr) == streams


def test_a_redirection_that_outlasts_it(
    use_streams: UseStreams, elsewhere: Elsewhere
) -> None:
    """What a redirection brings back writes to the stream, until it goes for good."""
    streams = use_streams()
    _, leave = elsewhere()
    target = io.StringIO()
    with contextlib.redirect_stdout(target):
        leave()
        print("redirected")
    print("direct")
    assert target.getvalue() == "last wordsredirected\n"
    assert streams[0].getvalue() == "direct\n"
    with collected() as output:
        print("collected")
    assert output.text() == "collected\n"
    assert (sys.stdout, sys.stderr) == streams


@pytest.mark.parametrize("starts", ["before", "within"])
@pytest.mark.parametrize("ends", ["within", "after"])
def test_a_cell_that_steps_in_front_of_write(
    use_streams: UseStreams, elsewhere: Elsewhere, starts: str, ends: str
) -> None:
    """IPython's tee hears a cell's text, never a worker's, and goes without trace."""
    streams = use_streams()
    own_write = streams[0].write
    with contextlib.ExitStack() as cell:
        if starts == "before":
            seen = cell.enter_context(tee())
        output, leave = elsewhere()
        if starts == "within":
            seen = cell.enter_context(tee())
        print("cell")
        if ends == "within":
            cell.close()
        leave()
    assert "".join(seen) == "cell\n"
    assert output.text() == "last words"
    assert (sys.stdout, sys.stderr) == streams
    assert streams[0].write == own_write
    print("next")
    assert streams[0].getvalue() == "cell\nnext\n"
    assert "".join(seen) == "cell\n"


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, _closed(), object()], ids=repr)
def test_a_stream_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, stream: object
) -> None:
    """Without a usable stdout the other stream is collected, and both stay."""
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stderr)
    with collected() as output:
        if hasattr(stream, "write"):
            print("to nowhere ", end="")
        print("kept", file=sys.stderr)
    assert sys.stdout is stream
    assert sys.stderr is stderr
    assert (output.text() or "").endswith("kept\n")
    assert stderr.getvalue() == ""


def test_an_output_has_room_for_so_much(use_streams: UseStreams) -> None:
    """The first characters are kept, the rest is counted; a writer sees no error."""
    use_streams()
    exact, more = Output(), Output()
    assert exact.write("x" * LIMIT) == LIMIT
    assert exact.text() == "x" * LIMIT
    assert more.write("x" * (LIMIT - 1)) == LIMIT - 1
    assert more.write("yz") == 2
    assert more.write("more") == 4
    assert more.text() == "x" * (LIMIT - 1) + "y\n[5 more characters were not kept]"


def test_bytes_are_refused_as_by_any_text_stream(use_streams: UseStreams) -> None:
    """A module that writes bytes fails the way it would without a warmup."""
    use_streams()
    with collected() as output, pytest.raises(TypeError, match="must be str"):
        sys.stdout.write(b"bytes")  # type: ignore[arg-type]
    assert output.text() is None


def test_warnings_and_logging_reach_the_record(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """A module's prints, warnings and log lines are in its record, not on stderr."""
    result = run_python("""
        import pathlib, sys, tempfile, warnings
        from ipywarmup import WarmupManager
        warnings.simplefilter("always")
        folder = tempfile.TemporaryDirectory()
        sys.path.insert(0, folder.name)
        pathlib.Path(folder.name, "talkative.py").write_text(
            "import logging, sys, warnings\\n"
            "print('printed')\\n"
            "print('on stderr', file=sys.stderr)\\n"
            "warnings.warn('mind the step', FutureWarning)\\n"
            "logging.getLogger('talkative').error('logged')\\n"
        )
        streams = sys.stdout, sys.stderr
        manager = WarmupManager(log_to_stderr=False)
        manager.submit(["talkative"])
        assert manager.wait(10)
        assert (sys.stdout, sys.stderr) == streams
        folder.cleanup()
        print(manager.canaries()[0]["output"])
    """)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[:2] == ["printed", "on stderr"]
    assert lines[2].endswith("talkative.py:4: FutureWarning: mind the step")
    assert lines[4] == "logged"
