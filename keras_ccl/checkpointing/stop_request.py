"""StopRequest: Ctrl-C and SIGTERM ask a run to stop after the step under way."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class StopRequest:
    """Whether Ctrl-C was pressed or SIGTERM received.

    Args:
        listens: False leaves signals as they are: a worker cannot stop without the others.
    """

    def __init__(self, listens: bool = True) -> None:
        self._listens = listens
        self._signal: int | None = None

    def __bool__(self) -> bool:
        return self._signal is not None

    def raise_if_asked(self) -> None:
        """Raises KeyboardInterrupt after Ctrl-C, SystemExit(143) after SIGTERM."""
        if self._signal == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        if self._signal is not None:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """A context in which the first signal only asks; the second does what it always does.

        Outside the main thread, where Python handles no signals, nothing changes.
        """
        in_main = threading.current_thread() is threading.main_thread()
        if not (in_main and self._listens):
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.getsignal(each) or signal.SIG_DFL for each in numbers}

        def handle_as_before() -> None:
            for each, handler in before.items():
                signal.signal(each, handler)

        def ask(number: int, frame: Any) -> None:
            self._signal = number
            handle_as_before()

        for each in numbers:
            signal.signal(each, ask)
        try:
            yield
        finally:
            handle_as_before()
