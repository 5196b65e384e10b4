"""The streams of a video's file: opened, and read packet by packet."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageSequence

from faceblur.errors import SourceError
from faceblur.images import is_animated_webp

# What matters is raised, counted and reported. With a level set, decoder threads wait for Python's lock to log an
# error, and a decoder that is closed meanwhile waits for them, for ever (PyAV issues 751 and 909).
av.logging.set_level(None)


def opened(path: Path) -> Any:
    """An open container, to be closed by a `with`."""
    try:
        return av.open(_readable(path), metadata_errors="replace")
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist") from error
    except IsADirectoryError as error:
        raise SourceError(f"{path} is a folder, not a video") from error
    except (av.FFmpegError, OSError) as error:
        raise SourceError(f"{path} cannot be read as a video: {error.strerror}") from error


def _readable(path: Path) -> Path | io.BytesIO:
    """The file, or for an animated WebP, which FFmpeg does not decode, the same pictures and times as an APNG."""
    with path.open("rb") as file:
        if not is_animated_webp(file.read(21)):
            return path
    packed = io.BytesIO()
    try:
        with Image.open(path) as animation:
            times_ms = []
            for frame in ImageSequence.Iterator(animation):
                frame.load()  # only then is known how long it is shown
                times_ms.append(frame.info["duration"])
            animation.seek(0)
            animation.save(packed, "PNG", save_all=True, duration=times_ms, disposal=0, blend=0, compress_level=1)
    except (OSError, EOFError, KeyError, ValueError, SyntaxError, MemoryError) as error:
        raise SourceError(f"{path} cannot be read as an animation: {error}") from error
    return io.BytesIO(packed.getvalue())


def video_stream(container: Any, path: Path) -> Any:
    """The first stream of moving pictures, cover pictures left aside; SourceError when there is none."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic and stream.codec_context is not None:
            return stream
    raise SourceError(f"{path} has no video in it")


def decoded(
    container: Any, stream: Any, seen: Callable[[Any], bool], failed: Callable[[], None] = lambda: None
) -> Iterator[Any]:
    """The frames of `stream`. `seen` gets every packet of the file and says whether it may be decoded.

    `failed` is called for what cannot be decoded.
    """
    packets = container.demux()
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            failed()
            packet = None
        if packet is not None:
            wanted = seen(packet)
            if not wanted or not packet.size or packet.stream_index != stream.index:
                continue
        try:
            yield from stream.decode(packet)  # without a packet: the frames that the decoder holds back
        except av.FFmpegError:
            failed()
        if packet is None:
            return


def demuxed(container: Any, path: Path, *streams: Any) -> Iterator[Any]:
    """The packets of some streams, or of all; SourceError when the file cannot be read to its end."""
    try:
        yield from container.demux(*streams)
    except av.FFmpegError as error:
        raise SourceError(f"{path} cannot be read to its end: {error.strerror}") from error
