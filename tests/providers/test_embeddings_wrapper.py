"""What every provider gets around it: batches, retries, limits, progress, a budget, a deadline."""

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from email.utils import format_datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.kit.clock import utc_now
from studio.providers.embeddings.protocol import Vectors
from studio.providers.embeddings.texts import estimate_tokens
from studio.providers.embeddings.wrapper import LONGEST_WAIT, ReliableEmbeddings
from studio.providers.errors import (
    EmptyTextError,
    ProviderBrokenError,
    ProviderBusyError,
    ProviderRefusedError,
    ProviderTooLargeError,
)
from tests.fakes import openai_server as fake
from tests.fakes.openai_server import vector_for


def expected(texts: Sequence[str], dimensions: int = 8) -> np.ndarray:
    vectors = np.stack([vector_for(text, dimensions) for text in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def numbered(count: int) -> list[str]:
    return [f"character {number} 侦探" for number in range(count)]


class Recording:
    """A client in memory with small limits, for properties over many batches."""

    name = "recording"
    model = "recording-1"
    dimensions = 4
    is_local = True
    label = "recording (local)"

    def __init__(self, *, inputs: int, tokens: int, input_tokens: int) -> None:
        self.max_batch_inputs = inputs
        self.max_batch_tokens = tokens
        self.max_input_tokens = input_tokens
        self.sent: list[list[str]] = []
        self._lock = threading.Lock()

    def request(self, texts: Sequence[str], *, timeout: float) -> Vectors:
        with self._lock:
            self.sent.append(list(texts))
        return np.stack([vector_for(text, self.dimensions) for text in texts])

    def close(self) -> None:
        pass


class Stopped(Exception):  # noqa: N818
    """What a job's cancel check raises."""


class TestBatches:
    @settings(deadline=None)
    @given(
        st.lists(st.text("ab 侦探🧙", min_size=1, max_size=60).filter(str.strip), max_size=60),
        st.integers(1, 12),
        st.integers(8, 120),
        st.integers(4, 60),
        st.integers(1, 4),
    )
    def test_send_every_text_once_within_all_limits_and_keep_the_order(
        self, texts, inputs, tokens, input_tokens, parallel
    ):
        client = Recording(inputs=inputs, tokens=tokens, input_tokens=input_tokens)
        vectors = ReliableEmbeddings(client, parallel=parallel).embed(texts)
        for batch in client.sent:
            lengths = [estimate_tokens(text) for text in batch]
            assert 1 <= len(batch) <= inputs
            assert sum(lengths) <= tokens
            assert max(lengths) <= input_tokens
        assert sum(map(len, client.sent)) == len(texts)
        whole = {text: vector_for(text, 4) for batch in client.sent for text in batch}
        for text, vector in zip(texts, vectors, strict=True):
            sent = next(text[:end] for end in range(len(text), 0, -1) if text[:end] in whole)
            assert np.allclose(vector, whole[sent] / np.linalg.norm(whole[sent]), atol=1e-5)

    def test_hold_openais_limits(self, server, provider):
        texts = [f"{number} " + "她是一个侦探。" * 40 for number in range(2500)]
        vectors = provider.embed(texts)
        assert np.allclose(vectors, expected(texts), atol=1e-5)
        sent = Counter(text for received in server.requests for text in received.inputs)
        assert sent == Counter(texts)
        for received in server.requests:
            assert len(received.inputs) <= 2048
            assert sum(map(estimate_tokens, received.inputs)) <= 300_000

    def test_are_as_few_as_the_limits_allow(self, server, provider):
        provider.embed(numbered(4097))
        assert server.calls == 3

    def test_travel_side_by_side_up_to_the_limit(self, server, provider_at):
        server.latency = 0.1
        provider_at(server.url, parallel=3).embed(numbered(2048 * 4 + 1))
        assert server.calls == 5
        assert server.most_at_once == 3

    def test_cut_a_text_at_its_limit(self, server, provider):
        provider.embed(["侦" * 50_000])
        (received,) = server.requests
        assert received.inputs == ("侦" * 4096,)


class TestRetries:
    @pytest.mark.parametrize(
        "answer",
        [fake.Status(429), fake.Status(500), fake.Status(503), fake.HangUp(), fake.HalfBody(), fake.Raw(b"<html>")],
        ids=repr,
    )
    def test_get_over_what_passes_with_growing_waits(self, server, provider, pauses, answer):
        server.script(answer, answer, answer)
        assert np.allclose(provider.embed(["侦探"]), expected(["侦探"]), atol=1e-5)
        assert server.calls == 4
        assert pauses.seconds == [0.5, 1.0, 2.0]

    def test_get_over_a_server_that_falls_silent(self, server, provider_at, pauses):
        server.script(fake.Silence())
        provider_at(server.url, timeout=0.3).embed(["侦探"])
        assert server.calls == 2
        assert pauses.seconds == [0.5]

    def test_draw_each_wait_anew_between_nothing_and_the_ceiling(self, server, pauses):
        waits = []
        for _ in range(5):
            client = Failing(ProviderBusyError("busy"), times=3)
            ReliableEmbeddings(client, pause=lambda _stop, seconds: waits.append(seconds)).embed(["侦探"])
        assert all(0 <= wait <= 2.0 for wait in waits)
        assert len(set(waits)) > 5

    @pytest.mark.parametrize("header", ["7", "date"])
    def test_wait_no_less_than_the_server_asks(self, server, provider, pauses, header):
        value = format_datetime(utc_now() + timedelta(seconds=7), usegmt=True) if header == "date" else header
        server.script(fake.Status(429, {"retry-after": value}))
        provider.embed(["侦探"])
        assert server.calls == 2
        (waited,) = pauses.seconds
        assert 5 < waited <= 7.5

    def test_leave_a_long_wait_to_the_job(self, server, provider, pauses):
        server.script(fake.Status(429, {"retry-after": "3600"}))
        with pytest.raises(ProviderBusyError) as caught:
            provider.embed(["侦探"])
        assert caught.value.retry_after == 3600 > LONGEST_WAIT
        assert (server.calls, pauses.seconds) == (1, [])

    def test_end_after_the_attempts_that_are_set(self, server, provider_at, pauses):
        server.script(*[fake.Status(500)] * 9)
        with pytest.raises(ProviderBusyError, match="HTTP 500"):
            provider_at(server.url, attempts=3).embed(["侦探"])
        assert server.calls == 3
        assert len(pauses.seconds) == 2

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
    def test_are_not_tried_on_a_refusal(self, server, provider, pauses, status):
        server.script(fake.Status(status))
        with pytest.raises(ProviderRefusedError):
            provider.embed(["侦探"])
        assert (server.calls, pauses.seconds) == (1, [])

    @pytest.mark.parametrize("answer", [fake.Dimensions(7), fake.Count(2), fake.Doubled()], ids=repr)
    def test_are_not_paid_for_an_answer_of_the_wrong_shape(self, server, provider, answer):
        server.script(answer)
        with pytest.raises(ProviderBrokenError):
            provider.embed(["侦探", "soup", "witch"])
        assert server.calls == 1

    @pytest.mark.parametrize("value", [0.0, float("nan"), float("inf"), 1e300])
    def test_are_not_paid_for_vectors_without_direction(self, server, provider, value):
        server.script(fake.Constant(value))
        with pytest.raises(ProviderBrokenError, match="without direction"):
            provider.embed(["侦探"])
        assert server.calls == 1


class Failing(Recording):
    """A client that fails this many times before it works."""

    def __init__(self, error: Exception, *, times: int) -> None:
        super().__init__(inputs=10, tokens=1000, input_tokens=100)
        self.error, self.times = error, times

    def request(self, texts: Sequence[str], *, timeout: float) -> Vectors:
        if self.times:
            self.times -= 1
            raise self.error
        return super().request(texts, timeout=timeout)


class TestSmallerServers:
    def test_are_sent_shorter_texts_once_they_refuse_long_ones(self, server, provider):
        server.max_characters = 2000
        texts = ["a detective in the rain. " * 200, "soup"]
        provider.embed(texts)
        calls = server.calls
        assert server.requests[-1].inputs[0] == texts[0][: len(server.requests[-1].inputs[0])]
        assert server.requests[-1].inputs[1] == "soup"
        assert 256 <= provider.max_input_tokens < 8192
        provider.embed(texts)
        assert server.calls == calls + 1

    def test_are_sent_fewer_texts_once_they_refuse_many(self, server, provider):
        server.max_inputs = 32
        texts = numbered(300)
        assert np.allclose(provider.embed(texts), expected(texts), atol=1e-5)
        refused = sum(len(received.inputs) > 32 for received in server.requests)
        provider.embed(texts)
        assert refused == sum(len(received.inputs) > 32 for received in server.requests)

    def test_that_take_nothing_at_all_are_left(self, server, provider):
        server.max_characters = 1
        with pytest.raises(ProviderTooLargeError):
            provider.embed(["a detective"])
        assert server.calls < 10


class TestEmptyTexts:
    @pytest.mark.parametrize("empty", ["", "  \n\t", "\u3000"])
    def test_are_refused_before_anything_goes_out(self, server, provider, empty):
        with pytest.raises(EmptyTextError) as caught:
            provider.embed(["侦探", empty, "soup", empty])
        assert caught.value.positions == (1, 3)
        assert server.calls == 0

    def test_are_refused_before_the_iterator_is_asked(self, provider):
        with pytest.raises(EmptyTextError):
            provider.embed_batches([" "])


class TestEmbedBatches:
    def test_yields_every_position_once_with_its_vector(self, server, provider):
        texts = numbered(5000)
        rows = np.zeros((5000, 8))
        for positions, vectors in provider.embed_batches(texts):
            assert not rows[positions.start : positions.stop].any()
            rows[positions.start : positions.stop] = vectors
        assert np.allclose(rows, expected(texts), atol=1e-5)

    def test_hands_over_what_is_paid_for_before_it_fails(self, server, provider):
        server.latency = 0.05
        server.script(fake.Status(400))
        arrived = []
        with pytest.raises(ProviderRefusedError):
            for positions, _ in provider.embed_batches(numbered(2048 * 8)):
                arrived.append(positions)
        assert len(arrived) == server.calls - 1
        assert 1 <= len(arrived) < 8

    def test_pays_only_for_the_rest_after_a_crash(self, server, provider):
        texts = numbered(2048 * 4)
        server.script(fake.Shuffled(), fake.Shuffled(), fake.Status(400))
        kept: dict[str, np.ndarray] = {}

        def run() -> None:
            missing = [text for text in texts if text not in kept]
            for positions, vectors in provider.embed_batches(missing):
                kept.update(zip(missing[positions.start : positions.stop], vectors, strict=True))

        with pytest.raises(ProviderRefusedError):
            run()
        run()
        answered = server.inputs_seen - 2048
        assert answered == len(texts) == len(kept)

    def test_leaves_no_thread_behind_when_closed_early(self, server, provider):
        arrivals = provider.embed_batches(numbered(2048 * 12))
        next(arrivals)
        arrivals.close()
        assert server.calls < 12
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("embeddings")]

    def test_ends_waits_of_others_when_closed(self, server, provider_at):
        waiting = threading.Event()
        was_told: list[bool] = []

        def pause(stop: threading.Event, seconds: float) -> None:
            waiting.set()
            was_told.append(stop.wait(10))

        server.script(fake.Status(429, {"retry-after": "50"}))
        arrivals = provider_at(server.url, pause=pause).embed_batches(numbered(2048 * 6))
        next(arrivals)
        assert waiting.wait(10)
        arrivals.close()
        assert was_told == [True]
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("embeddings")]


class TestEmbed:
    def test_tells_of_progress_and_stops_when_told(self, server, provider_at):
        seen = []

        def on_batch(done: int, total: int) -> None:
            seen.append((done, total))
            if len(seen) == 2:
                raise Stopped

        with pytest.raises(Stopped):
            provider_at(server.url, parallel=1).embed(numbered(2048 * 5), on_batch=on_batch)
        assert seen == [(2048, 10240), (4096, 10240)]
        assert server.calls == 2

    @pytest.mark.parametrize("parallel", [1, 4])
    def test_sends_no_batch_that_the_budget_refuses(self, server, provider_at, parallel):
        spent = []

        def spend(texts: int, tokens: int) -> None:
            if len(spent) == 2:
                raise Stopped
            spent.append((texts, tokens))

        texts = numbered(2048 * 5)
        with pytest.raises(Stopped):
            provider_at(server.url, parallel=parallel).embed(texts, spend=spend)
        assert server.calls == 2
        assert spent[0] == (2048, sum(map(estimate_tokens, texts[:2048])))

    def test_gives_up_rather_than_wait_beyond_its_time(self, server, provider, pauses):
        server.script(*[fake.Status(503, {"retry-after": "4"})] * 9)
        with pytest.raises(ProviderBusyError) as caught:
            provider.embed(["侦探"], time_limit=10)
        assert sum(pauses.seconds) < 10
        assert server.calls == 3
        assert caught.value.retry_after == 4

    def test_gives_a_request_no_more_than_what_is_left_of_its_time(self, server, provider):
        server.script(fake.Silence())
        with pytest.raises(ProviderBusyError, match="too long"):
            provider.embed(["侦探"], time_limit=0.3)
        assert server.calls == 1

    def test_may_be_used_from_many_threads(self, server, provider):
        texts = numbered(40)
        found: list[np.ndarray] = []
        threads = [threading.Thread(target=lambda: found.append(provider.embed(texts))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert all(np.allclose(vectors, expected(texts), atol=1e-5) for vectors in found)
