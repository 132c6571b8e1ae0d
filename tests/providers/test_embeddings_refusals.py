"""What a server's error answers mean."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.providers.embeddings.refusals import error_from_response, retry_after
from studio.providers.errors import (
    ProviderBusyError,
    ProviderRefusedError,
    ProviderTooLargeError,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def answer(status: int, body: str = "", inputs: int = 5, **headers: str):
    return error_from_response(status=status, headers=headers, body=body, inputs=inputs, now=NOW)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"retry-after": "7"}, 7.0),
            ({"retry-after": "0.5"}, 0.5),
            ({"retry-after": " 3 "}, 3.0),
            ({"retry-after": "9", "retry-after-ms": "250"}, 0.25),
            ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90.0),
            ({"retry-after": format_datetime(NOW - timedelta(seconds=90), usegmt=True)}, 0.0),
            ({"retry-after": "-1"}, None),
            ({"retry-after": "nan"}, None),
            ({"retry-after": "inf"}, None),
            ({"retry-after": "soon"}, None),
            ({"retry-after": ""}, None),
        ],
    )
    def test_reads_seconds_milliseconds_and_dates(self, headers, seconds):
        assert retry_after(headers, now=NOW) == seconds

    @settings(deadline=None)
    @given(st.text(max_size=40))
    def test_never_fails_and_is_never_negative(self, value):
        seconds = retry_after({"retry-after": value}, now=NOW)
        assert seconds is None or seconds >= 0


class TestErrorFromResponse:
    @pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
    def test_calls_what_may_pass_busy(self, status):
        error = answer(status, **{"retry-after": "4"})
        assert isinstance(error, ProviderBusyError)
        assert error.is_transient
        assert error.retry_after == 4
        assert error.http_status == status

    @pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 410, 422, 451])
    def test_calls_what_stays_refused(self, status):
        error = answer(status)
        assert isinstance(error, ProviderRefusedError)
        assert not error.is_transient

    def test_calls_an_empty_account_refused_although_it_says_429(self):
        error = answer(429, '{"error": {"code": "insufficient_quota"}}')
        assert isinstance(error, ProviderRefusedError)
        assert "credit" in str(error)

    @pytest.mark.parametrize(
        ("status", "body", "inputs", "what"),
        [
            (400, "This model's maximum context length is 8192 tokens, however you requested 9000.", 5, "text"),
            (413, "inputs must have less than 512 tokens. Given: 600", 5, "text"),
            (400, "the input exceeds the available context size", 1, "text"),
            (413, "batch size 2048 > maximum allowed batch size 32", 5, "batch"),
            (422, "`input`: too many inputs", 5, "batch"),
            (413, "<html>Request Entity Too Large</html>", 1, "text"),
            (413, "", 5, "batch"),
        ],
    )
    def test_tells_a_long_text_from_a_large_batch(self, status, body, inputs, what):
        error = answer(status, body, inputs)
        assert isinstance(error, ProviderTooLargeError)
        assert error.what == what

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500])
    def test_repeats_nothing_that_the_server_quotes(self, status):
        error = answer(
            status, "Incorrect API key sk-secret for text: she is a detective", **{"x-request-id": "req 1\n"}
        )
        assert "secret" not in str(error) + repr(vars(error))
        assert "detective" not in str(error) + repr(vars(error))
        assert error.request_id is None
