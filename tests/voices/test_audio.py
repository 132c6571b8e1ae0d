"""Audio is known by its content: whole, with its length and its waveform, or refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from studio.voices import audio
from studio.voices.errors import UnusableAudioError
from studio.voices.rules import PEAKS
from tests.fakes.speech_server import tone


class TestMeasured:
    @pytest.mark.parametrize(("kind", "media_type"), [("WAV", "audio/wav"), ("MP3", "audio/mpeg")])
    def test_tells_the_kind_the_length_and_the_waveform(self, kind, media_type):
        found = audio.measured(tone(2.0, kind))
        assert found.media_type == media_type
        assert abs(found.duration_ms - 2_000) < 120
        assert len(found.peaks) == PEAKS
        # The tone swells and fades.
        assert max(found.peaks) == 100
        assert found.peaks[PEAKS // 2] > 90
        assert found.peaks[0] < 40

    @pytest.mark.parametrize("kind", ["WAV", "MP3"])
    def test_draws_no_silence_where_a_long_text_is_read_on(self, kind):
        found = audio.measured(tone(9.0, kind))
        assert abs(found.duration_ms - 9_000) < 120
        assert min(found.peaks[PEAKS // 4 : -PEAKS // 4]) > 60

    @pytest.mark.parametrize("kind", ["WAV", "MP3"])
    @pytest.mark.parametrize("missing", [1, 100, 5_000])
    def test_refuses_audio_that_was_cut_off(self, kind, missing):
        with pytest.raises(UnusableAudioError):
            audio.measured(tone(2.0, kind)[:-missing])

    @pytest.mark.parametrize("data", [b"", b"not audio", b"<html>", b"RIFF\x00\x00\x00\x00WAVE", b"\xff\xfb" * 40])
    def test_refuses_what_is_no_audio(self, data):
        with pytest.raises(UnusableAudioError):
            audio.measured(data)

    def test_refuses_a_kind_that_no_provider_was_asked_for(self):
        with pytest.raises(UnusableAudioError):
            audio.measured(tone(1.0, "FLAC"))

    def test_refuses_a_header_that_promises_more_than_there_is(self):
        whole = tone(1.0, "WAV")
        longer = whole[:4] + struct.pack("<I", len(whole) + 10_000) + whole[8:]
        with pytest.raises(UnusableAudioError):
            audio.measured(longer)

    @effort(max_examples=40, deadline=None)
    @given(st.binary(max_size=600))
    def test_answers_any_bytes_with_facts_or_a_refusal(self, data):
        try:
            found = audio.measured(data)
        except UnusableAudioError:
            return
        assert found.duration_ms > 0
