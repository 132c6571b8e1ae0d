"""Audio by its content: that it is whole, how long it lasts, and its waveform."""

import io
import struct
from dataclasses import dataclass

import numpy as np

from studio.voices.errors import UnusableAudioError
from studio.voices.rules import PEAKS

_BLOCK = 65_536
"""Frames that are decoded at once: a long text is never in memory as samples."""

_MOST_SECONDS = 3_600
_MOST_CHANNELS = 2
_MEDIA_TYPES = {"WAV": "audio/wav", "MP3": "audio/mpeg"}
_SLACK = 0.02
"""A frame of MP3 lasts some hundredths of a second, and encoders pad both ends."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What audio is: its media type, its length in milliseconds, and loudness from 0 to 100 at PEAKS equal steps."""

    media_type: str
    duration_ms: int
    peaks: tuple[int, ...]


def measured(data: bytes) -> Measured:
    """The audio's facts, found by decoding it to its end. Raises UnusableAudioError for what is none, or not whole."""
    found = _decoded(data)
    if found is None or _is_cut(data):
        raise UnusableAudioError
    return found


def _decoded(data: bytes) -> Measured | None:
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, frames = int(file.samplerate), int(file.frames)
            media_type = _MEDIA_TYPES.get(file.format)
            if media_type is None or file.channels > _MOST_CHANNELS or not 0 < frames <= _MOST_SECONDS * rate:
                return None
            # The library seeks after every block to where it is; in an MP3 the next frames are then decoded as silence.
            file.seekable = lambda: False
            loud = np.zeros(PEAKS)
            done = 0
            for block in file.blocks(blocksize=_BLOCK, frames=frames, dtype="float32", always_2d=True):
                levels = np.abs(np.nan_to_num(block)).max(axis=1)
                places = (np.arange(done, done + len(levels)) * PEAKS) // frames
                np.maximum.at(loud, np.minimum(places, PEAKS - 1), levels)
                done += len(levels)
    except (soundfile.SoundFileError, RuntimeError, ValueError):
        return None
    # A header may promise more than there is.
    if done < frames - rate * _SLACK - _BLOCK * (media_type == "audio/mpeg") * _SLACK:
        return None
    top = float(loud.max()) or 1.0
    return Measured(
        media_type, max(1, round(1_000 * done / rate)), tuple(round(100 * float(one) / top) for one in loud)
    )


def _is_cut(data: bytes) -> bool:
    """Whether the file ends before the end that it announces: the decoder would play what there is and say nothing."""
    if data[:4] == b"RIFF":
        return struct.unpack("<I", data[4:8])[0] not in {0, 0xFFFFFFFF} and (
            struct.unpack("<I", data[4:8])[0] + 8 > len(data)
        )
    return _last_mp3_frame_is_cut(data)


# MPEG audio, layer III: kilobits and samples a second, by the bits of a frame's header (ISO 11172-3, 13818-3).
_BITRATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BITRATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def _frame_length(header: bytes) -> int | None:
    """The bytes of the MP3 frame that begins so, or None where none does."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:  # noqa: PLR2004 - Eleven bits that are one.
        return None
    version, layer = (header[1] >> 3) & 3, (header[1] >> 1) & 3
    bitrate, rate, padding = header[2] >> 4, (header[2] >> 2) & 3, (header[2] >> 1) & 1
    if version == 1 or layer != 1 or rate == 3 or bitrate in {0, 15}:  # noqa: PLR2004 - Reserved.
        return None
    is_first = version == 3  # noqa: PLR2004 - MPEG-1.
    kilobits = (_BITRATES_1 if is_first else _BITRATES_2)[bitrate]
    return (144 if is_first else 72) * kilobits * 1_000 // _RATES[version][rate] + padding


def _last_mp3_frame_is_cut(data: bytes) -> bool:
    """Whether the last frame, or all that a Xing or Info header promises, is not there."""
    place = 0
    if data[:3] == b"ID3" and len(data) > 10:  # noqa: PLR2004 - The header of a tag.
        size = data[6:10]
        place = 10 + ((size[0] << 21) | (size[1] << 14) | (size[2] << 7) | size[3])
    # A stream may begin in the middle of a frame.
    while place < len(data) and _frame_length(data[place : place + 4]) is None:
        place += 1
    promised = _promised_bytes(data, place)
    if promised is not None and promised > len(data) - place:
        return True
    while place < len(data):
        length = _frame_length(data[place : place + 4])
        if length is None:
            # What follows the last frame (a tag) is no part of the sound.
            return False
        if place + length > len(data):
            return True
        place += length
    return False


def _promised_bytes(data: bytes, place: int) -> int | None:
    """How many bytes the stream has by its Xing or Info header; None where it has none."""
    first = data[place : place + 200]
    for name in (b"Xing", b"Info"):
        at = first.find(name)
        if at >= 0 and len(first) >= at + 16 and first[at + 7] & 2:
            offset = at + 8 + (4 if first[at + 7] & 1 else 0)
            return int.from_bytes(first[offset : offset + 4])
    return None
