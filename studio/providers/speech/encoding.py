"""Sound as it comes in, sample by sample, as the MP3 that other providers send: nothing but the file is kept in memory."""

import io

SAMPLES_A_SECOND = 24_000
BYTES_A_SECOND = 2 * SAMPLES_A_SECOND
"""Of 16-bit samples of one channel."""


class Mp3:
    """An MP3 of one channel in the making."""

    def __init__(self) -> None:
        import soundfile

        self._file = io.BytesIO()
        self._sound = soundfile.SoundFile(
            self._file, "w", samplerate=SAMPLES_A_SECOND, channels=1, format="MP3", subtype="MPEG_LAYER_III"
        )

    def add(self, samples: bytes | bytearray) -> None:
        """What follows: 16-bit samples, the low byte first, and whole ones."""
        import numpy as np

        self._sound.write(np.frombuffer(samples, dtype="<i2"))

    def finished(self) -> bytes:
        """The file, with the header that says how long it is; nothing can be added any more."""
        self._sound.close()
        return self._file.getvalue()

    def close(self) -> None:
        """Let go of the encoder, whether or not the file was finished. May be repeated."""
        self._sound.close()
