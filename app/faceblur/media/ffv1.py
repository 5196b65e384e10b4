"""The checksums in FFV1: FFmpeg only logs that one is wrong, and hands the frame on as if it were whole."""

import zlib

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_SIZE_BYTES = 3  # behind a slice stand its size and, where it has a checksum, an error status and that
_CHECKED_BYTES = _SIZE_BYTES + 5
_STARTS = (0, 0x79408C7A)  # version 4 may begin with the other one
_ONES = 0xFFFFFFFF
_VERSION_3 = b"\x4f\xb0"  # a header begins with its version, arithmetically coded: 2 lies below this, 3 and 4 above


def has_sizes(header: bytes | None) -> bool:
    """Whether frames behind a header are of version 3 or 4: 2 has no size behind the first slice, 0 and 1 no header."""
    return bool(header and header >= _VERSION_3)


def is_whole(packet: bytes) -> bool:
    """Whether a frame of version 3 or 4 is what its checksums say; without checksums, whether its sizes add up.

    Of a slice and the checksum behind it, the checksum is that with which it began (RFC 9043, "Slice Footer").
    """
    checked = _slices(packet, _CHECKED_BYTES)
    if not checked:
        return bool(_slices(packet, _SIZE_BYTES))
    return any(all(_crc(part, start) == start for part in checked) for start in _STARTS)


def _slices(packet: bytes, behind: int) -> list[bytes]:
    """The slices of a frame with what stands `behind` each of them, so many bytes; none if the sizes do not add up."""
    found, end = [], len(packet)
    while end >= behind:
        start = end - behind - int.from_bytes(packet[end - behind :][:_SIZE_BYTES])
        if start < 0:
            break
        found.append(packet[start:end])
        end = start
    return found if end == 0 else []


def _crc(data: bytes, start: int) -> int:
    """The CRC-32 of the polynomial 0x04C11DB7, highest bit first: zlib's takes the lowest first, and inverts it."""
    turned = zlib.crc32(data.translate(_REVERSED), _turned(start) ^ _ONES) ^ _ONES
    return _turned(turned)


def _turned(value: int) -> int:
    return int(f"{value:032b}"[::-1], 2)
