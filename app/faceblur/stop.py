"""The wish to stop: set by a signal, looked at between two frames."""

import signal
import time
from types import FrameType

from faceblur.errors import Interrupted

_NAP_S = 0.1


class Stop:
    """Tells long work to end soon. Without `listen` nobody ever asks.

    A plain flag and short naps: the locks inside threading.Event hang for ever when a signal comes at a bad moment.
    """

    def __init__(self) -> None:
        self._asked = False

    def listen(self) -> None:
        """Take Ctrl-C and SIGTERM as a wish to stop after the frame in hand; a second Ctrl-C stops at once."""
        signal.signal(signal.SIGINT, self._ask)
        signal.signal(signal.SIGTERM, self._ask)

    def ask(self) -> None:
        self._asked = True

    def check(self) -> None:
        """Raise Interrupted when somebody asked to stop."""
        if self._asked:
            raise Interrupted("stopped; run the same command again and it goes on from here")

    def wait(self, seconds: float) -> None:
        """Sleep, but not through a wish to stop."""
        end = time.monotonic() + seconds
        while not self._asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _NAP_S))
        self.check()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._asked:
            raise KeyboardInterrupt
        self._asked = True
