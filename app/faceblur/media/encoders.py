"""Encoders: which codec holds what, and which one a video is encoded with."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av

from faceblur.errors import MediaError, MissingError, UsageError
from faceblur.media.pixels import FULL, SUBSAMPLING, UNKNOWN, Colour, Layout
from faceblur.media.video import Video

_BT709 = (1, 1, 1, 1)  # limited range; primaries, transfer and matrix of HD video
_PRIMARIES = (1, *range(4, 13))
_VP9_MATRICES = (1, UNKNOWN, 5, 6, 7, 9)
_RGB = 0  # the "matrix" of pictures that are no YUV
_MP4 = (".mp4", ".m4v", ".mov")
_X26 = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
# What each kind of chroma can be kept in, the nearest first.
_HOLDERS = {
    "420": ("420", "422", "444"),
    "422": ("422", "444"),
    "411": ("411", "422", "444"),
    "440": ("440", "444"),
    "444": ("444",),
    "grey": ("grey", "420", "422", "444"),
    "rgb": ("rgb",),
}


@dataclass(frozen=True, slots=True)
class Codec:
    """What one of our encoders does.

    `endings` are the files that may hold it and `pixel_formats` what it takes. `crf` and `preset` are its defaults;
    None where it has no such thing. `whole` says that chroma samples must not reach over the border, as they would in
    4:2:0 of an odd size; `light` that it tells about HDR displays and light.
    """

    name: str
    encoder: str
    endings: tuple[str, ...]
    pixel_formats: tuple[str, ...]
    crf: int | None = None
    most: int = 51
    preset: str | None = None
    presets: tuple[str, ...] = ()
    whole: bool = False
    light: bool = False


def _formats(chromas: str, depths: str) -> tuple[str, ...]:
    return tuple(Layout(c, int(d)).pixel_format for c in chromas.split() for d in depths.split())


def _described() -> Iterator[Codec]:
    yield Codec(
        "h264",
        "libx264",
        (*_MP4, ".mkv"),
        _formats("420 422 444 grey", "8 10"),
        crf=18,
        preset="medium",
        presets=_X26,
        whole=True,
        light=True,
    )
    yield Codec(
        "hevc",
        "libx265",
        (*_MP4, ".mkv"),
        (*_formats("420 422 444 grey", "8 10 12"), "gbrp", "gbrp10le", "gbrp12le"),
        crf=18,
        preset="fast",
        presets=_X26,
        whole=True,
        light=True,
    )
    yield Codec(
        "av1",
        "libsvtav1",
        (".mp4", ".m4v", ".mkv", ".webm"),
        _formats("420", "8 10"),
        crf=20,
        most=63,
        preset="8",
        presets=tuple(map(str, range(14))),
        light=True,
    )
    yield Codec(
        "vp9",
        "libvpx-vp9",
        (".webm", ".mkv", ".mp4"),
        (*_formats("420 422 444 440", "8"), "gbrp"),
        crf=24,
        most=63,
        preset="4",
        presets=tuple(map(str, range(9))),
    )
    yield Codec("prores", "prores_ks", (".mov", ".mkv"), ("yuv422p10le", "yuv444p10le", "yuva444p10le"))
    yuv = _formats("420 422 444", "8 10 12 16")
    others = ("yuv411p", *_formats("440", "8 10 12"), *_formats("grey", "8 10 12 16"))
    rgb = ("bgr0", "gbrp10le", "gbrp12le", "gbrp16le", "bgra", "gbrap10le", "gbrap12le", "gbrap16le")
    alpha = tuple(name.replace("yuv", "yuva") for name in yuv if name != "yuv420p12le")
    yield Codec("ffv1", "ffv1", (".mkv",), (*yuv, *alpha, *others, *rgb))


CODECS = {codec.name: codec for codec in _described()}
_OWN = {"libdav1d": "av1", "libaom-av1": "av1", "vp8": "vp9", "libvpx-vp9": "vp9", "libvpx": "vp9"}  # by decoder
# Sources in RGB that lost nothing when they were encoded.
_LOSSLESS = {"ffv1", "png", "apng", "qtrle", "rawvideo", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "r10k", "r210"}
_DEVICES = {
    "nvenc": ("p5", ("p1", "p2", "p3", "p4", "p5", "p6", "p7"), ("yuv420p", "p010le", "yuv444p")),
    "qsv": ("medium", ("veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"), ("nv12", "p010le")),
    "amf": ("balanced", ("speed", "balanced", "quality"), ("nv12", "p010le")),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for: a codec or "same", an encoder by its FFmpeg name, its quality and its effort."""

    codec: str = "same"
    encoder: str | None = None
    crf: int | None = None
    preset: str | None = None


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to encode, and what the output must say of its pictures.

    `options` are the encoder's own; `colour` is range, primaries, transfer and matrix, numbered as in FFmpeg;
    `mastered` and `light` are those of `Video`, None where they are unknown or the encoder cannot tell them. `note`
    is for people: what is not as they might expect.
    """

    codec: Codec
    pixel_format: str
    options: tuple[tuple[str, str], ...]
    rate: Fraction = Fraction(25)
    aspect: Fraction = Fraction(1)
    colour: Colour = _BT709
    mastered: tuple[float, ...] | None = None
    light: tuple[int, int] | None = None
    note: str = ""

    def for_debugging(self, size: tuple[int, int], ending: str | None) -> "Encoding":
        """The same for pictures that were drawn upon: 8 bits of RGB in any case, to be played anywhere."""
        codec = CODECS["vp9" if ending == ".webm" else "h264"]
        if self.codec == codec:
            options = tuple((name, value) for name, value in self.options if not name.endswith("-params"))
        else:
            options = tuple(_options(codec, Wish()).items())
        return Encoding(codec, str(_fit(codec, Layout(), size)), options, self.rate, self.aspect)


def choose(
    size: tuple[int, int],
    *,
    ending: str | None = None,
    wish: Wish = Wish(),
    video: Video | None = None,
    layout: Layout | None = None,
) -> Encoding:
    """How pictures of `size` (width, height) are encoded into a file with this ending, or with None into any that fits.

    Without a `video` they come from elsewhere, in BT.709, to be encoded in 4:2:0 unless `layout` says otherwise.
    "same" takes the source's own codec if that is one of ours, else FFV1 for RGB and for alpha, else H.264; where it
    cannot hold the pictures here HEVC, then FFV1 takes its place, and the encoding's note says so. Raises UsageError
    for a preset or quality that the encoder does not have, MissingError where the encoder cannot be had, and MediaError
    where nothing asked for can hold the pictures.
    """
    layout = layout or (video.layout if video else Layout())
    source = own_name(video.codec) if video else ""
    note = ""
    if layout.alpha and source == "gif" and wish.codec in ("same", "h264", "hevc", "av1", "vp9"):
        layout, note = replace(layout, alpha=False), "the see-through parts of the GIF become opaque"
    codec, pixel_format = _codec(wish, source, layout, size, ending)
    expected = source if source in CODECS else "h264"
    if wish.codec == "same" and wish.encoder is None and video and codec.name != expected:
        able = _fit(CODECS[expected], _for(expected, layout, source), size)
        why = f"{ending} cannot hold {expected}" if able else f"{expected} cannot hold {_say(layout)} here"
        note = f"{why}: the video is encoded as {codec.name}"
    mastered, light = (video.mastered, video.light) if video else (None, None)
    if not codec.light and (mastered or light):
        note = f"{note}; " * bool(note) + f"{codec.name} cannot tell of the source's HDR display and light"
        mastered = light = None
    colour = _colour(codec, Layout.of(pixel_format), video.colour if video else _BT709)
    return Encoding(
        codec,
        pixel_format,
        tuple(_options(codec, wish, mastered, light).items()),
        aspect=video.aspect if video else Fraction(1),
        colour=colour,
        mastered=mastered,
        light=light,
        note=note,
    )


def _colour(codec: Codec, layout: Layout, colour: Colour) -> Colour:
    """What an output says of its colours; numbers that are reserved, or not known to all encoders, become unknown."""
    range_, primaries, transfer, matrix = colour
    primaries = primaries if primaries in _PRIMARIES else UNKNOWN
    if layout.chroma == "rgb":
        return FULL, primaries, transfer or UNKNOWN, _RGB
    if codec.name == "vp9" and (matrix or UNKNOWN) not in _VP9_MATRICES:
        raise MediaError(f"vp9 cannot tell of the source's colours (matrix {matrix} of H.273); h264, hevc or av1 can")
    # ProRes is of limited range alone: values of full range are brought to it.
    return 1 if codec.name == "prores" else range_, primaries, transfer or UNKNOWN, matrix or UNKNOWN


def own_name(codec: str) -> str:
    """What we call a codec that FFmpeg names after a decoder: its name in `CODECS`, if it is one of ours."""
    return _OWN.get(codec, codec)


def _codec(wish: Wish, source: str, layout: Layout, size: tuple[int, int], ending: str | None) -> tuple[Codec, str]:
    """The codec to encode with, and the pixel format."""
    if wish.encoder or wish.codec != "same":
        codec = _device(wish) if wish.encoder else CODECS[wish.codec]
        found = _fit(codec, _for(codec.name, layout, ""), size)
        if found is None:
            able = [c.name for c in CODECS.values() if _fit(c, _for(c.name, layout, ""), size)]
            raise MediaError(f"{codec.encoder} cannot hold {_say(layout)}; {_listed(able)} can")
        if ending and ending not in codec.endings:
            raise MediaError(f"{ending} cannot hold {codec.name}; name the output {_listed(codec.endings)}")
        if codec not in CODECS.values():
            _open(codec.encoder, found, size)
        return codec, found
    first = source if source in CODECS else "h264"
    if layout.alpha or (layout.chroma == "rgb" and source in _LOSSLESS):
        first = source if source in CODECS else "ffv1"
    usual = ("vp9", "av1") if ending == ".webm" else ("h264", "hevc", "ffv1")
    for name in dict.fromkeys((first, *usual)):
        codec = CODECS[name]
        found = _fit(codec, _for(name, layout, source), size)
        if found and (ending is None or ending in codec.endings):
            return codec, found
    raise MediaError(f"nothing that {ending} holds keeps {_say(layout)}; name the output .mkv")


def _for(name: str, layout: Layout, source: str) -> Layout:
    """What of a layout a codec is to hold: H.264, which has no RGB, takes it to 4:4:4 unless its source is lossless."""
    lossy = layout.chroma == "rgb" and source not in _LOSSLESS
    return replace(layout, chroma="444") if lossy and name == "h264" else layout


def _fit(codec: Codec, layout: Layout, size: tuple[int, int]) -> str | None:
    """The pixel format of a codec that holds a layout with the least that is too much; None when none does."""
    able = []
    for name in codec.pixel_formats:
        own = Layout.of(name)
        spans = SUBSAMPLING.get(own.chroma, (1, 1))
        if codec.whole and any(side % span for side, span in zip(size, spans, strict=True)):
            continue
        if own.chroma in _HOLDERS[layout.chroma] and own.depth >= layout.depth and own.alpha >= layout.alpha:
            able.append((_HOLDERS[layout.chroma].index(own.chroma), own.depth, own.alpha, name))
    return min(able)[-1] if able else None


def _say(layout: Layout) -> str:
    chroma = {"rgb": "RGB", "grey": "grey"}.get(layout.chroma, ":".join(layout.chroma))
    return f"{chroma} of {layout.depth} bits{' with alpha' * layout.alpha}"


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _device(wish: Wish) -> Codec:
    """The description of an encoder that was asked for by its own name."""
    name = str(wish.encoder)
    known = next((codec for codec in CODECS.values() if codec.encoder == name), None)
    if known is None:
        family, _, kind = name.partition("_")
        if family not in CODECS or kind not in _DEVICES:
            all_ = [c.encoder for c in CODECS.values()] + [
                f"{f}_{k}" for f in ("h264", "hevc", "av1") for k in _DEVICES
            ]
            raise UsageError(f"--encoder {name!r}: must be one of {', '.join(all_)}")
        preset, presets, formats = _DEVICES[kind]
        base = CODECS[family]
        known = Codec(family, name, base.endings, formats, base.crf, 51, preset, presets, whole=True)
    if wish.codec not in ("same", known.name):
        raise UsageError(f"--encoder {name} makes {known.name}, not {wish.codec}")
    return known


def _open(encoder: str, pixel_format: str, size: tuple[int, int]) -> None:
    """MissingError unless the encoder can be had here, for such pictures."""
    try:
        context: Any = av.CodecContext.create(encoder, "w")
        context.width, context.height = size
        context.pix_fmt, context.time_base = pixel_format, Fraction(1, 25)
        context.open()
    except (av.FFmpegError, OSError) as error:
        why = f"cannot be opened here for {size[0]}x{size[1]} in {pixel_format}"
        raise MissingError(f"--encoder {encoder} {why}: is there such a device? Or leave it out") from error
    except ValueError as error:  # not built in
        raise MissingError(f"--encoder {encoder} is not in this build of FFmpeg's libraries; leave it out") from error


def _options(
    codec: Codec, wish: Wish, mastered: tuple[float, ...] | None = None, light: tuple[int, int] | None = None
) -> dict[str, str]:
    """The encoder's own options. Those without losses, or with a fixed rate, have neither quality nor effort."""
    if codec.crf is None:
        return _FIXED[codec.encoder]
    crf = codec.crf if wish.crf is None else wish.crf
    preset = codec.preset if wish.preset is None else wish.preset
    if not 0 <= crf <= codec.most:
        raise UsageError(f"--crf {crf}: must be from 0 to {codec.most} for {codec.encoder}")
    if preset not in codec.presets:
        raise UsageError(f"--preset {preset!r}: {codec.encoder} has {', '.join(codec.presets)}")
    quality, effort = {"crf": str(crf)}, {"preset": str(preset)}
    match codec.encoder:
        case "libx264":
            told = quality | effort | _joined("x264-params", _x26_light("mastering-display", "cll", mastered, light))
        case "libx265":
            hdr = _x26_light("master-display", "max-cll", mastered, light)
            told = quality | effort | _joined("x265-params", ["log-level=none", *hdr])
        case "libsvtav1":
            told = quality | effort | _joined("svtav1-params", _svt_light(mastered, light))
        case "libvpx-vp9":
            told = quality | {"b": "0", "row-mt": "1", "cpu-used": str(preset)}
        case name if name.endswith("_nvenc"):
            told = effort | {"rc": "vbr", "cq": str(crf), "b": "0"}
        case name if name.endswith("_qsv"):
            told = effort | {"global_quality": str(crf)}
        case _:
            told = {"quality": str(preset), "rc": "cqp", "qp_i": str(crf), "qp_p": str(crf)}
    return told


_FIXED = {
    "prores_ks": {"vendor": "apl0", "alpha_bits": "16"},
    "ffv1": {
        "level": "3",
        "slicecrc": "1",
        "g": "1",
    },  # it knows best how many slices fit: a fixed number fails for most odd sizes
}


def _joined(name: str, parameters: Sequence[str]) -> dict[str, str]:
    return {name: ":".join(parameters)} if parameters else {}


def _x26_light(display: str, most: str, mastered: tuple[float, ...] | None, light: tuple[int, int] | None) -> list[str]:
    """What x264 and x265 are told: colours in 1/50000, luminance in 1/10000 cd/m²."""
    told = []
    if mastered:
        red, green, blue, white = (
            f"({round(x * 50000)},{round(y * 50000)})" for x, y in zip(mastered[:8:2], mastered[1:8:2], strict=True)
        )
        low, high = (round(value * 10000) for value in mastered[8:])
        told.append(f"{display}=G{green}B{blue}R{red}WP{white}L({high},{low})")
    return told + ([f"{most}={light[0]},{light[1]}"] if light else [])


def _svt_light(mastered: tuple[float, ...] | None, light: tuple[int, int] | None) -> list[str]:
    told = []
    if mastered:
        red, green, blue, white = (f"({x:.5f},{y:.5f})" for x, y in zip(mastered[:8:2], mastered[1:8:2], strict=True))
        told.append(f"mastering-display=G{green}B{blue}R{red}WP{white}L({mastered[9]:.4f},{mastered[8]:.4f})")
    return told + ([f"content-light={light[0]},{light[1]}"] if light else [])
