"""What a copied stream says of itself before its packets, without the words in it.

Vorbis and FLAC keep tags there, and ASS subtitles a title, authors, and the name of the video.
"""

_ASS_LAYOUT = ("scripttype", "playresx", "playresy", "layoutresx", "layoutresy", "wrapstyle", "scaledborderandshadow")
_ASS_PARTS = (b"[script info]", b"[v4+ styles]", b"[v4 styles]", b"[events]")
_FLAC_INFO = 34  # bytes of the block that decoders need
_VORBIS_SILENT = b"\x03vorbis" + bytes(8) + b"\x01"  # a comment header with no vendor and no comments


def bare(codec: str, header: bytes) -> bytes:
    """The header of a stream without words; ValueError when it is not one of that codec."""
    if codec in ("vorbis", "libvorbis"):
        return _vorbis(header)
    if codec == "flac":
        return _flac(header)
    return _ass(header) if codec in ("ass", "ssa") else header


def _vorbis(header: bytes) -> bytes:
    """Three packets, in Matroska's lacing: identification, comments, setup."""
    if header[:1] != b"\x02":
        raise ValueError("not the headers of Vorbis")
    at, sizes = 1, []
    for _ in range(2):
        size = 0
        while header[at] == 255:
            size, at = size + 255, at + 1
        sizes.append(size + header[at])
        at += 1
    identification, setup = header[at : at + sizes[0]], header[at + sum(sizes) :]
    return bytes([2, sizes[0], len(_VORBIS_SILENT)]) + identification + _VORBIS_SILENT + setup


def _flac(header: bytes) -> bytes:
    """The block of stream information, with or without the mark of a file before it."""
    info = header[8 : 8 + _FLAC_INFO] if header.startswith(b"fLaC") else header[:_FLAC_INFO]
    if len(info) != _FLAC_INFO:
        raise ValueError("not the header of FLAC")
    return info


def _ass(header: bytes) -> bytes:
    kept, part = [], b""
    for line in header.splitlines():
        if line.startswith(b"["):
            part = line.strip().lower()
        name = line.partition(b":")[0].strip().lower().decode(errors="replace")
        spoken = part == _ASS_PARTS[0] and not line.startswith(b"[") and name not in _ASS_LAYOUT
        if part in _ASS_PARTS and not spoken and not line.startswith((b";", b"!:")):
            kept.append(line)
    return b"\n".join([*kept, b""])
