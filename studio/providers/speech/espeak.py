"""The library of espeak-ng by ctypes: found, set up once in a process, and asked by one thread at a time."""

import contextlib
import ctypes
import ctypes.util
import io
import threading
import wave
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_UTF8 = 1
_RATE, _PITCH = 1, 3
_BUFFER_MS = 200
_SAMPLE_BYTES = 2

_lock = threading.Lock()
"""The library keeps its state in globals: whoever speaks, speaks alone."""


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class EspeakError(Exception):
    """The library did not do what was asked."""


@lru_cache(maxsize=1)
def where() -> tuple[str, str | None] | None:
    """(the library's file, the folder of its data or None for its own), or None where there is no espeak-ng."""
    with contextlib.suppress(ImportError, OSError):
        import espeakng_loader

        library, data = Path(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())
        if library.is_file() and data.is_dir():
            return str(library), str(data.parent)
    found = ctypes.util.find_library("espeak-ng")
    return (found, None) if found else None


@lru_cache(maxsize=1)
def _library() -> tuple[Any, int]:
    """The library, set up, and its samples per second. Raises EspeakError."""
    place = where()
    if place is None:
        raise EspeakError
    try:
        library = ctypes.CDLL(place[0])
    except OSError as error:
        raise EspeakError from error
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    library.espeak_Synth.argtypes = (
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    )
    folder = place[1].encode() if place[1] else None
    rate: int = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, folder, _DONT_EXIT)
    if rate <= 0:
        raise EspeakError
    return library, rate


def speak(
    text: str, *, voice: str, words_per_minute: int, pitch: int, alive: Callable[[], None], most_bytes: int
) -> bytes:
    """The text as a WAV file, mono, 16 bits a sample. Raises EspeakError, or what `alive` raises."""
    with _lock:
        library, rate = _library()
        samples = bytearray()
        failed: list[BaseException] = []

        def take(wave_in: Any, count: int, _events: Any) -> int:
            # Nothing may be raised through the library: what `alive` says is kept, and 1 makes it stop.
            try:
                alive()
            except BaseException as error:  # noqa: BLE001 - Raised again below.
                failed.append(error)
                return 1
            if wave_in and count > 0:
                samples.extend(ctypes.string_at(wave_in, count * _SAMPLE_BYTES))
            return 1 if len(samples) > most_bytes else 0

        callback = _Callback(take)
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise EspeakError
        library.espeak_SetParameter(_RATE, words_per_minute, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        data = text.encode()
        status = library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
        if failed:
            raise failed[0]
        if status != 0 or not samples or len(samples) > most_bytes:
            raise EspeakError
    file = io.BytesIO()
    with wave.open(file, "wb") as writing:
        writing.setnchannels(1)
        writing.setsampwidth(_SAMPLE_BYTES)
        writing.setframerate(rate)
        writing.writeframes(bytes(samples))
    return file.getvalue()


def voices() -> Sequence[tuple[str, str, str]]:
    """(file, language, name) of each of the library's voices; a voice is found by its file. Raises EspeakError."""
    with _lock:
        library, _rate = _library()
        listed = library.espeak_ListVoices(None)
        found = []
        place = 0
        while listed[place]:
            one = listed[place].contents
            place += 1
            # A byte of priority stands before the first language.
            language = ctypes.string_at(one.languages + 1).decode(errors="replace") if one.languages else ""
            file = (one.identifier or b"").decode(errors="replace")
            if language and file:
                found.append((file, language, (one.name or b"").decode(errors="replace").replace("_", " ")))
        return found
