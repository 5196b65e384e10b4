"""A finished video: which file it becomes, what it is made from, and the proof that it is what it must be."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from faceblur import images, media
from faceblur.context import Context
from faceblur.domain import Json
from faceblur.errors import IncompleteError, SourceError, UsageError
from faceblur.job import Job
from faceblur.plan import Origin, Plan


class Film:
    """The finished video of a job. Whoever has its pictures says so in `stamps` and `pictures`."""

    def __init__(self, job: Job, context: Context) -> None:
        origin, fps = job.frames.origin(), context.options.fps
        if origin is None and fps is None:
            raise UsageError(f"{job.name} is a folder of frames without times: say how many a second with --fps")
        if origin and fps and str(fps) != origin.recipe["fps"]:
            raise UsageError(f"{job.name} has its source's times and --fps would change its speed; split it with --fps")
        self.job = job
        self.context = context

    @property
    def origin(self) -> Origin | None:
        """What is known of the source; None for frames from elsewhere."""
        return self.job.frames.origin()

    @cached_property
    def soundtrack(self) -> media.Soundtrack | None:
        """The source's sound, or the part that belongs to the pictures; SourceError when the source is not there."""
        origin = self.origin
        track = self._track(origin) if origin else None
        if not origin or not track:
            return None
        path = track.path
        if not path.is_file():
            raise SourceError(f"the sound of {self.job.name} is in {path}, which is not there; put it back")
        if path.stat().st_size != origin.size or self.context.sha256(path) != origin.sha256:
            advice = f"run `faceblur clean {self.job.name}` and start again"
            raise IncompleteError(f"{path} is no longer what {self.job.name} was made from; {advice}")
        begin = origin.offset * origin.shown.time_base
        end = begin + origin.shown.end * origin.shown.time_base
        part = media.present(replace(track, begin=begin or None, end=end if origin.is_part else None))
        return part if part.sounds or part.subtitles else None

    def ending(self, kind: str) -> str:
        """The ending that a file gets by default."""
        origin = self.origin
        fit = self.encoding(kind).codec.endings
        return media.family(self.job.source_path(origin) if origin else None, self._sounds, fit)

    def check(self, target: Path) -> None:
        """MediaError unless `target` names a kind of file that can hold the video, its sound and its subtitles."""
        origin = self.origin
        media.check_target(target, self._track(origin) if origin else None)
        self.encoding("blurred", target.suffix.lower())

    def encoding(self, kind: str, ending: str | None = None) -> media.Encoding:
        """How a "blurred" or "debug" video is encoded into a file with that ending, or with None into any that fits.

        Without an ending quality and effort count for nothing, as a file that is named may ask for another codec. A
        debug video is for looking at it: of 8 bits, and of the usual codec.
        """
        o, origin = self.context.options, self.origin
        wish = media.Wish(o.codec, o.encoder, *((o.crf, o.preset) if ending else ()))
        if origin is None:
            first, _, width, height = self.job.extent()
            layout = _layout(self.job.frames.path(first), o.codec)
            own = media.choose((width, height), ending=ending, wish=wish, layout=layout)
        else:
            width, height = origin.width, origin.height
            own = media.choose((width, height), ending=ending, wish=wish, video=origin.video)
        return own if kind == "blurred" else own.for_debugging((width, height), ending)

    @property
    def _sounds(self) -> tuple[media.Sound, ...]:
        origin = self.origin
        return origin.video.sounds if origin and self.context.options.audio != "drop" else ()

    def _track(self, origin: Origin) -> media.Soundtrack | None:
        """The source's sound, and its subtitles if they are asked for, whole."""
        path, options = self.job.source_path(origin), self.context.options
        words = media.subtitles(path) if options.subtitles == "keep" else ()
        if not self._sounds and not words:
            return None
        return media.Soundtrack(path, self._sounds, subtitles=words, distort=options.audio == "distort")

    def about(self, plan: Plan, kind: str, target: Path) -> list[object]:
        """All that the video is made from besides its pictures."""
        clock, origin, track = self.clock(plan), self.origin, self.soundtrack
        times = [str(clock.time_base), list(clock.pts), clock.end]
        source = [origin.sha256, origin.video.to_json(), origin.recipe] if origin else []
        streams = [[s.index for s in streams] for streams in (track.sounds, track.subtitles)] if track else []
        part = [str(track.begin), str(track.end), track.distort, streams] if track else []
        return ["video", media.VERSION, times, source, part, repr(self._encoding(kind, target, clock))]

    def write(self, path: Path, plan: Plan, kind: str, stamps: Sequence[str]) -> Json:
        """Encode the "blurred" or "debug" pictures to a temporary path and check the result; figures for the report."""
        clock = self.clock(plan)
        encoding = self._encoding(kind, path, clock)
        if encoding.note and kind == "blurred":
            self.context.progress.warn(f"{self.job.name}: {encoding.note}")
        self._tell_recoded(path)
        with self.context.timed("encode"):
            media.write(path, self.pictures(plan, kind, stamps), clock, encoding, self.soundtrack)
        with self.context.timed("verify"):
            return media.verify(path, clock, (plan.width, plan.height), self.soundtrack, encoding)

    def _tell_recoded(self, path: Path) -> None:
        """Warn of sound that is encoded anew although nobody asked for it to be distorted."""
        track = self.soundtrack
        if track and not track.distort and (recoded := track.recoded(path)):
            names = ", ".join(sorted({sound.codec for sound in recoded}))
            self.context.progress.warn(
                f"{self.job.name}: {path.suffix} cannot hold the source's {names} sound, so it is encoded anew; "
                f"an output named .mkv keeps it as it is"
            )

    def clock(self, plan: Plan) -> media.Clock:
        return self.job.frames.clock(plan, self.context.options.fps)

    def stamps(self, plan: Plan, kind: str) -> list[str]:
        """The stamps that the pictures must have, in order; IncompleteError when their regions are not those of now."""
        return self.job.pictures.stamps(plan, kind)

    def pictures(self, plan: Plan, kind: str, stamps: Sequence[str]) -> Iterator[media.Picture]:
        """The pictures, each of them made from what its stamp says."""
        raise NotImplementedError

    def _encoding(self, kind: str, target: Path, clock: media.Clock) -> media.Encoding:
        origin = self.origin
        average = (len(clock.pts) / clock.seconds).limit_denominator(60000)
        rate = average if origin is None or origin.recipe["fps"] else origin.video.rate
        return replace(self.encoding(kind, target.suffix.lower()), rate=rate)


def _layout(frame: Path, codec: str) -> media.Layout:
    """How frames from elsewhere, which are RGB of 8 or 16 bits, are encoded: so that everybody can play them."""
    depth, alpha = images.samples(frame)
    if codec in ("ffv1", "prores"):
        return media.Layout("rgb", depth, alpha) if codec == "ffv1" else media.Layout("444", 10, alpha)
    return media.Layout("420", min(depth, 10))
