"""The wish to stop: set by a signal, looked at between two frames."""

import signal
import threading
from types import FrameType

from faceblur.errors import Interrupted


class Stop:
    """Tells long work to end soon. Without `listen` nobody ever asks."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def listen(self) -> None:
        """Take Ctrl-C and SIGTERM as a wish to stop after the frame in hand; a second Ctrl-C stops at once."""
        signal.signal(signal.SIGINT, self._ask)
        signal.signal(signal.SIGTERM, self._ask)

    def ask(self) -> None:
        self._event.set()

    def check(self) -> None:
        """Raise Interrupted when somebody asked to stop."""
        if self._event.is_set():
            raise Interrupted("stopped; run the same command again and it goes on from here")

    def wait(self, seconds: float) -> None:
        """Sleep, but not through a wish to stop."""
        self._event.wait(seconds)
        self.check()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._event.is_set():
            raise KeyboardInterrupt
        self._event.set()
