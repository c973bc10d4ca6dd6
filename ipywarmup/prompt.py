"""
What a prompt does to the standard streams, for as long as it waits for a line.

prompt_toolkit, which IPython's prompt is made of, makes a StdoutProxy both
sys.stdout and sys.stderr then, and puts back what it found there once it has the
line. Whoever stood in front of the streams stands behind the proxy meanwhile, and
who steps in front of the proxy is gone afterwards. This file holds all that the
package knows of it; it was checked on prompt_toolkit 3.0.52. Where prompt_toolkit is
not loaded, nothing happens.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class PromptTap:
    """
    Hear what is written while a prompt waits, and when it waits no longer.

    Parameters
    ----------
    hear : callable
        Takes the text, on the thread that writes it; what it does not claim by
        returning True is shown above the prompt.
    at_end : callable
        Called on the prompt's thread as soon as it has put the streams back.
    """

    def __init__(self, hear: Callable[[str], bool], at_end: Callable[[], None]) -> None:
        self._hear = hear
        self._at_end = at_end
        self._proxy: Any = None
        self._former: tuple[Any, Any] = (None, None)
        self._own: tuple[Any, Any] = (None, None)

    def install(self) -> None:
        """Step in front of all proxies, present and future; once is enough."""
        module = sys.modules.get("prompt_toolkit.patch_stdout")
        proxy = getattr(module, "StdoutProxy", None)
        if proxy is None or self._proxy is not None:
            return
        former_write, former_close = proxy.write, proxy.close

        def write(stream: Any, data: str) -> Any:  # noqa: ANN401
            return len(data) if self._hear(data) else former_write(stream, data)

        def close(stream: Any) -> None:  # noqa: ANN401
            self._at_end()
            former_close(stream)

        self._proxy = proxy
        self._former = former_write, former_close
        self._own = proxy.write, proxy.close = write, close

    def remove(self) -> None:
        """Step out again, unless a prompt waits: then `at_end` comes first."""
        proxy = self._proxy
        if proxy is None or is_prompt_stream(sys.stdout):
            return
        # Who stands in front of ours keeps it; it does nothing then.
        if (proxy.write, proxy.close) == self._own:
            proxy.write, proxy.close = self._former
            self._proxy = None


def is_prompt_stream(stream: object) -> bool:
    """Whether a stream is the one that a prompt puts in place of the standard ones."""
    module = sys.modules.get("prompt_toolkit.patch_stdout")
    proxy = getattr(module, "StdoutProxy", None)
    return proxy is not None and isinstance(stream, proxy)
