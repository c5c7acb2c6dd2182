"""Real audio of a wanted length, in every format that speech comes in: a tone where samples are sent, silence where a codec
would be needed to make one."""

from __future__ import annotations

import functools
import io
import math
import struct
import wave

RATE = 24_000
_TONE_HZ, _LOUDNESS = 220, 6000
#: Content types by format. Source: API reference, 2026-11.
CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


def audio(kind: str, duration_s: float) -> bytes:
    """Audio of a format in `CONTENT_TYPES`: mono, 24 kHz (Opus 48 kHz), 16 bits; at least as long as wanted."""
    return {"mp3": _mp3, "opus": _opus, "aac": _aac, "flac": _flac, "wav": _wav, "pcm": _pcm}[kind](duration_s)


def _samples(duration_s: float) -> list[int]:
    step = 2 * math.pi * _TONE_HZ / RATE
    return [round(_LOUDNESS * math.sin(step * number)) for number in range(max(1, int(duration_s * RATE)))]


def _pcm(duration_s: float) -> bytes:
    samples = _samples(duration_s)
    return struct.pack(f"<{len(samples)}h", *samples)


def _wav(duration_s: float) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(_pcm(duration_s))
    return data.getvalue()


def _mp3(duration_s: float) -> bytes:
    """Frames of MPEG-2 Layer III at 64 kbit/s without any coefficients. Source: ISO/IEC 13818-3, 2.4.1."""
    frame = b"\xff\xf3\x84\xc0".ljust(72 * 64_000 // RATE, b"\0")
    return frame * math.ceil(duration_s * RATE / 576)


def _aac(duration_s: float) -> bytes:
    """ADTS frames of AAC-LC: one channel element with no bands, then the end. Source: ISO/IEC 13818-7, 6.2 and 6.3."""
    block = b"\0\0\0\x07"
    length = 7 + len(block)
    header = (0xFFF << 44 | 1 << 40 | 1 << 38 | 6 << 34 | 1 << 30 | length << 13 | 0x7FF << 2).to_bytes(7, "big")
    return (header + block) * math.ceil(duration_s * RATE / 1024)


def _opus(duration_s: float) -> bytes:
    """An Ogg stream of packets of 20 ms of silence. Source: RFC 3533 (pages), RFC 6716, RFC 7845 (headers)."""
    packets = [b"\xf8\xff\xfe"] * math.ceil(duration_s * 50)
    head = b"OpusHead\1\1" + struct.pack("<HIhB", 0, RATE, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"mock" + struct.pack("<I", 0)
    pages = [_ogg_page(0, 2, 0, [head]), _ogg_page(1, 0, 0, [tags])]
    for number, start in enumerate(range(0, len(packets), 50), 2):
        some = packets[start : start + 50]
        last = start + 50 >= len(packets)
        pages.append(_ogg_page(number, 4 if last else 0, (start + len(some)) * 960, some))
    return b"".join(pages)


def _ogg_page(number: int, kind: int, position: int, packets: list[bytes]) -> bytes:
    head = struct.pack("<4sBBqIII", b"OggS", 0, kind, position, 1, number, 0)
    page = head + bytes([len(packets), *map(len, packets)]) + b"".join(packets)
    return page[:22] + struct.pack("<I", _crc(page, 32, 0x04C11DB7)) + page[26:]


def _flac(duration_s: float) -> bytes:
    """Frames of samples as they are. Source: RFC 9639."""
    samples, size = _samples(duration_s), 4096
    info = struct.pack(">HH", size, size) + bytes(6)
    info += (RATE << 44 | 0 << 41 | 15 << 36 | len(samples)).to_bytes(8, "big") + bytes(16)
    frames = (_flac_frame(start // size, samples[start : start + size]) for start in range(0, len(samples), size))
    return b"fLaC" + bytes([0x80, 0, 0, len(info)]) + info + b"".join(frames)


def _flac_frame(number: int, samples: list[int]) -> bytes:
    coded = chr(number).encode() if number < 0x800 else chr(number % 0x800).encode()
    head = b"\xff\xf8\x77\x08" + coded + struct.pack(">H", len(samples) - 1)
    head += bytes([_crc(head, 8, 0x07)])
    body = head + b"\x02" + struct.pack(f">{len(samples)}h", *samples)
    return body + struct.pack(">H", _crc(body, 16, 0x8005))


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    table = _crc_table(bits, polynomial)
    mask, value = (1 << bits) - 1, 0
    for byte in data:
        value = ((value << 8) ^ table[(value >> (bits - 8)) ^ byte]) & mask
    return value


@functools.cache
def _crc_table(bits: int, polynomial: int) -> tuple[int, ...]:
    top, mask, table = 1 << (bits - 1), (1 << bits) - 1, []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial) & mask if value & top else value << 1 & mask
        table.append(value)
    return tuple(table)
