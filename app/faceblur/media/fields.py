"""Fields: interlaced frames, which hold two moments in alternate rows, become pictures of one moment."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress

import av
from av.filter import Graph

from faceblur.media.pixels import canonical

_FILTER = ("bwdif", "mode=send_frame:parity=auto:deint=interlaced")  # one frame a frame; progressive ones stay


def deinterlaced(frames: Iterable[tuple[int, av.VideoFrame]]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Pairs of pts and decoded frame; of those that say that they are interlaced the first field is made whole.

    Rows that are missing are made from the rows, and the frames, around them. Each pts stays with its frame.
    """
    weave: _Weave | None = None
    for pts, frame in frames:
        if weave is None and not frame.interlaced_frame:
            yield pts, frame
            continue
        planar = canonical(frame, (frame.width, frame.height))
        if weave is None or not weave.takes(planar):
            if weave is not None:
                yield from weave.put(None)
            weave = _Weave(planar)
        yield from weave.put((pts, planar))
    if weave is not None:
        yield from weave.put(None)


class _Weave:
    """A filter for frames of one size and format. It answers a frame later, as it needs the next one."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self._shape = (frame.width, frame.height, frame.format.name)
        self._times: deque[tuple[int, int]] = deque()
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        bwdif, sink = self._graph.add(*_FILTER), self._graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        self._graph.configure()

    def takes(self, frame: av.VideoFrame) -> bool:
        return (frame.width, frame.height, frame.format.name) == self._shape

    def put(self, item: tuple[int, av.VideoFrame] | None) -> Iterator[tuple[int, av.VideoFrame]]:
        """Give a frame and its pts, or None at the end, and get what is done."""
        if item is not None:
            self._times.append((item[0], item[1].duration))
        self._graph.vpush(item and item[1])
        with suppress(av.BlockingIOError, av.EOFError):
            while True:
                frame = self._graph.vpull()
                pts, frame.duration = self._times.popleft()
                yield pts, frame
