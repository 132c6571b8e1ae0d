"""Answers from a language model: what every kind keeps, what a server may do wrong, and what the wrapper adds."""

import logging
import socket
import threading
import traceback
from collections.abc import Iterator
from decimal import Decimal
from typing import get_args

import pytest
from pydantic import SecretStr

from studio.providers import language
from studio.providers.errors import (
    ProviderBrokenError,
    ProviderBusyError,
    ProviderError,
    ProviderNotConfiguredError,
    ProviderRefusedError,
    ProviderTooLargeError,
)
from studio.providers.language import KINDS, Cancel, Delta, Finish, Message, Usage
from studio.providers.language.openai_compatible import OpenAICompatibleLanguage
from studio.providers.language.prices import Prices, minor_of
from studio.providers.language.wrapper import LONGEST_WAIT, ReliableLanguage
from studio.settings import ModelPrice, Settings
from tests.fakes import language_server as fake
from tests.fakes.language_server import LanguageServer

PATIENCE = 60
"""Seconds in which a busy machine does what takes a moment; where all is well nobody waits for them."""

MESSAGES = [Message("system", "You are a swordsman."), Message("user", "Hello, 独孤求败")]


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)


@pytest.fixture
def server() -> Iterator[LanguageServer]:
    with LanguageServer() as running:
        yield running


@pytest.fixture
def client(server):
    made = OpenAICompatibleLanguage(base_url=server.url, key="sk-secret", model="fake-model")
    yield made
    made.close()


def ask(client, *, cancel=None, timeout=60.0, time_limit=120.0, messages=MESSAGES):
    return client.stream(
        messages, model="fake-model", max_output=100, timeout=timeout, time_limit=time_limit, cancel=cancel or Cancel()
    )


def text_of(events) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


class Pauses:
    """A clock that pauses move on."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.now = 1000.0

    def pause(self, _cancel, seconds):
        self.seconds.append(seconds)
        self.now += seconds

    def clock(self):
        return self.now


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def provider(client, pauses) -> ReliableLanguage:
    return ReliableLanguage(
        client, models=["other"], pause=pauses.pause, clock=pauses.clock, jitter=lambda ceiling: ceiling, timeout=5.0
    )


class TestKinds:
    def test_are_those_that_the_setting_offers(self):
        assert set(KINDS) == set(get_args(Settings.model_fields["language_provider"].annotation))


@pytest.fixture(params=sorted(KINDS))
def any_provider(request, server):
    provider = language.from_settings(settings(language_provider=request.param, language_url=server.url))
    yield provider
    provider.close()


class TestEveryKind:
    def test_describes_itself(self, any_provider):
        assert any_provider.name in KINDS
        assert any_provider.label
        assert bool(any_provider.model) == any_provider.is_configured == bool(any_provider.models)

    def test_answers_or_says_that_there_is_no_model(self, any_provider):
        if not any_provider.is_configured:
            with pytest.raises(ProviderNotConfiguredError, match="No language model is configured"):
                list(any_provider.stream(MESSAGES))
            return
        events = list(any_provider.stream(MESSAGES))
        assert text_of(events) == "You said: Hello, 独孤求败"
        assert [isinstance(event, Finish) for event in events[:-1]] == [False] * (len(events) - 1)
        assert events[-1].reason == "stop"

    def test_works_again_after_close(self, any_provider):
        any_provider.close()
        self.test_answers_or_says_that_there_is_no_model(any_provider)

    def test_tells_a_budget_before_anything_goes_out(self, any_provider, server):
        class Spent(Exception):  # noqa: N818
            pass

        def spend(most):
            assert most > 0
            raise Spent

        with pytest.raises(Spent):
            list(any_provider.stream(MESSAGES, spend=spend))
        assert not server.requests


class TestFromSettings:
    def test_is_no_model_when_nothing_is_set(self):
        assert not language.from_settings(settings()).is_configured

    def test_asks_openai_itself_where_only_a_key_is_set(self):
        provider = language.from_settings(settings(language_provider="openai", language_key=SecretStr("sk-1")))
        assert provider.label == "gpt-4.1-mini, at api.openai.com"

    def test_offers_further_models_after_the_usual_one(self):
        provider = language.from_settings(
            settings(language_provider="openai", language_url="http://h/v1", language_models="b, a ,gpt-4.1-mini,")
        )
        assert provider.models == ("gpt-4.1-mini", "b", "a")

    @pytest.mark.parametrize(
        ("given", "setting"),
        [
            ({}, "STUDIO_LANGUAGE_KEY"),
            ({"language_key": SecretStr("sk-钥匙")}, "STUDIO_LANGUAGE_KEY"),
            ({"language_url": "localhost:8080"}, "STUDIO_LANGUAGE_URL"),
            ({"language_url": "http://me:pass@host/v1"}, "STUDIO_LANGUAGE_URL"),
        ],
    )
    def test_names_the_setting_that_cannot_be_right_at_the_first_request(self, given, setting):
        provider = language.from_settings(settings(language_provider="openai", **given))
        assert not provider.is_configured
        with pytest.raises(ProviderNotConfiguredError) as caught:
            list(provider.stream(MESSAGES))
        assert setting in caught.value.msgid % caught.value.params


class TestRequest:
    def test_sends_messages_model_limits_and_key_and_nothing_of_the_environment(self, monkeypatch, server, client):
        for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
            monkeypatch.setenv(name, "of-another-program")
        list(ask(client))
        (asked,) = server.requests
        assert asked.messages == (("system", "You are a swordsman."), ("user", "Hello, 独孤求败"))
        assert (asked.model, asked.body["max_tokens"], asked.body["stream"]) == ("fake-model", 100, True)
        assert asked.headers["authorization"] == "Bearer sk-secret"
        assert "of-another-program" not in asked.headers.values()

    def test_gives_the_pieces_as_they_come_and_what_the_server_counted(self, server, client):
        server.script(fake.Says("Draw your sword."))
        events = list(ask(client))
        assert [event.text for event in events[:-1]] == ["Draw ", "your ", "sword."]
        assert events[-1] == Finish("stop", Usage(7, 3), "fake-model")

    def test_says_that_an_answer_was_cut_at_its_length(self, server, client):
        server.script(fake.Says("Draw your", reason="length"))
        assert list(ask(client))[-1].reason == "length"

    @pytest.mark.parametrize("refuses", [("stream_options",), ("max_tokens",), ("stream_options", "max_tokens")])
    def test_leaves_out_what_a_server_does_not_know_and_remembers_it(self, server, client, refuses):
        server.refuses = refuses
        assert text_of(ask(client)).startswith("You said")
        assert text_of(ask(client)).startswith("You said")
        assert len(server.requests) == 2
        assert ("max_completion_tokens" in server.requests[0].body) == ("max_tokens" in refuses)

    @pytest.mark.parametrize(
        ("answer", "error", "is_transient", "words"),
        [
            (fake.Status(401), ProviderRefusedError, False, "STUDIO_LANGUAGE_KEY"),
            (fake.Status(402), ProviderRefusedError, False, "credit"),
            (fake.Status(404), ProviderRefusedError, False, "STUDIO_LANGUAGE_MODEL"),
            (fake.Status(400, message="maximum context length is 4096"), ProviderTooLargeError, False, "longer"),
            (fake.Status(400, message="flagged by our content policy"), ProviderRefusedError, False, "declines"),
            (fake.Status(418), ProviderRefusedError, False, "418"),
            (fake.Status(429), ProviderBusyError, True, "minute"),
            (fake.Status(429, {"retry-after": "7"}), ProviderBusyError, True, "7 seconds"),
            (fake.Status(429, message="insufficient_quota"), ProviderRefusedError, False, "credit"),
            (fake.Status(500), ProviderBusyError, True, "500"),
            (fake.HangUp(), ProviderBusyError, True, "reached"),
            (fake.Dies(), ProviderBrokenError, True, "middle"),
            (fake.HalfLine(), ProviderBrokenError, True, "middle"),
            (fake.Says("no end", reason=None), ProviderBrokenError, True, "middle"),
            (fake.Says("", reason="stop"), ProviderBrokenError, True, "without a word"),
            (fake.Says("", reason="length"), ProviderBrokenError, False, "STUDIO_LANGUAGE_MAX_OUTPUT"),
            (fake.Says("half", reason="content_filter"), ProviderRefusedError, False, "declines"),
            (fake.Chunks(("{not json",)), ProviderBrokenError, True, "protocol"),
            (fake.Chunks(('{"choices": 3}', "[]")), ProviderBrokenError, True, "middle"),
            (fake.Chunks(('{"error": {"message": "overloaded: Hello"}}',)), ProviderBusyError, True, "error"),
            (fake.Raw(b"<html>Bad gateway</html>", "text/html"), ProviderBrokenError, True, "middle"),
            (fake.Says("x" * 40_000), ProviderBrokenError, False, "far more"),
        ],
        ids=lambda given: repr(given)[:50],
    )
    def test_says_what_is_wrong_and_whether_it_may_pass(self, server, client, answer, error, is_transient, words):
        server.script(answer)
        with pytest.raises(error, match=words) as caught:
            list(ask(client))
        assert type(caught.value) is error
        assert caught.value.is_transient is is_transient
        assert caught.value.__context__ is None
        assert text_of(ask(client)).startswith("You said")

    @pytest.mark.parametrize("answer", [fake.Silence(), fake.Stalls()], ids=repr)
    def test_leaves_a_server_that_is_silent_for_too_long(self, server, client, answer):
        server.script(answer)
        with pytest.raises(ProviderBusyError, match="silent"):
            list(ask(client, timeout=0.2))

    def test_leaves_a_server_that_gives_signs_of_life_for_ever(self, server, client):
        server.script(fake.Stalls(pings=True))
        with pytest.raises(ProviderBusyError, match="finish"):
            list(ask(client, timeout=5, time_limit=0.4))

    def test_calls_a_server_that_is_not_there_busy(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
            client = OpenAICompatibleLanguage(base_url=url, key="k", model="m")
            with pytest.raises(ProviderBusyError, match="cannot be reached"):
                list(ask(client))
            client.close()

    @pytest.mark.parametrize(
        "answer",
        [
            fake.Status(400, message="cannot read: Hello, 独孤求败; key sk-secret"),
            fake.Status(401, message="Incorrect API key provided: sk-secret"),
            fake.Status(500, message="crashed on: Hello, 独孤求败"),
            fake.Chunks(('{"error": {"message": "Hello, 独孤求败 sk-secret"}}',)),
            fake.HalfLine(),
        ],
        ids=lambda given: repr(given)[:40],
    )
    def test_keeps_key_and_text_out_of_errors_and_logs(self, caplog, server, client, answer):
        caplog.set_level(logging.INFO)
        server.script(answer)
        with pytest.raises(ProviderError) as caught:
            list(ask(client))
        said = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
        assert "sk-secret" not in said
        assert "独孤求败" not in said


class TestCancel:
    def test_ends_a_request_that_waits_for_the_servers_next_word(self, server, client):
        server.script(fake.Stalls(after=2))
        cancel = Cancel()
        events = []
        for event in ask(client, cancel=cancel, timeout=30):
            events.append(event)
            if len(events) == 2:
                threading.Timer(0.05, cancel.ask).start()
        assert text_of(events) == "The tavern "
        assert events[-1].reason == "stopped"
        assert server.left.wait(PATIENCE)

    def test_that_came_before_the_request_sends_nothing(self, server, client):
        cancel = Cancel()
        cancel.ask()
        assert [event.reason for event in ask(client, cancel=cancel)] == ["stopped"]
        assert not server.requests

    def test_by_closing_the_iterator_ends_the_request_too(self, server, client):
        server.script(fake.Stalls(after=1))
        events = ask(client)
        next(events)
        events.close()
        assert server.left.wait(PATIENCE)


class TestRetries:
    def test_repeat_what_may_pass_before_the_first_word(self, server, provider, pauses):
        server.script(fake.Status(500), fake.HangUp())
        assert text_of(provider.stream(MESSAGES)) == "You said: Hello, 独孤求败"
        assert pauses.seconds == [0.4, 0.8]

    def test_wait_as_long_as_the_server_asks(self, server, provider, pauses):
        server.script(fake.Status(429, {"retry-after": "3"}))
        list(provider.stream(MESSAGES))
        assert pauses.seconds == [3.4]

    @pytest.mark.parametrize(
        "answer", [fake.Status(401), fake.Status(429, {"retry-after": str(LONGEST_WAIT + 1)})], ids=repr
    )
    def test_are_not_made_where_they_would_not_help(self, server, provider, answer):
        server.script(answer)
        with pytest.raises(ProviderError):
            list(provider.stream(MESSAGES))
        assert len(server.requests) == 1

    def test_are_not_made_after_the_first_word(self, server, provider):
        server.script(fake.Dies(after=1))
        events = []
        with pytest.raises(ProviderBrokenError, match="middle"):
            events.extend(provider.stream(MESSAGES))
        assert len(server.requests) == 1

    def test_end_after_the_attempts(self, server, provider):
        server.script(*[fake.Status(503)] * 3)
        with pytest.raises(ProviderBusyError, match="503"):
            list(provider.stream(MESSAGES))
        assert len(server.requests) == 3


class TestCircuit:
    def test_opens_after_failures_in_a_row_and_answers_at_once(self, server, provider, pauses):
        server.script(*[fake.Dies(after=1)] * 4)
        for _ in range(4):
            with pytest.raises(ProviderBrokenError):
                list(provider.stream(MESSAGES))
        with pytest.raises(ProviderBusyError, match="30 seconds"):
            list(provider.stream(MESSAGES))
        assert len(server.requests) == 4

    def test_lets_one_request_try_after_a_while_and_closes_when_it_succeeds(self, server, provider, pauses):
        server.script(*[fake.Dies(after=1)] * 4)
        for _ in range(4):
            with pytest.raises(ProviderBrokenError):
                list(provider.stream(MESSAGES))
        pauses.now += 31
        list(provider.stream(MESSAGES))
        list(provider.stream(MESSAGES))
        assert len(server.requests) == 6

    def test_is_not_opened_by_refusals(self, server, provider):
        server.script(*[fake.Status(401)] * 6)
        for _ in range(6):
            with pytest.raises(ProviderRefusedError):
                list(provider.stream(MESSAGES))
        assert len(server.requests) == 6


class TestModels:
    def test_are_only_those_that_are_offered(self, server, provider):
        list(provider.stream(MESSAGES, model="other"))
        list(provider.stream(MESSAGES, model="somebody-elses"))
        assert [asked.model for asked in server.requests] == ["other", "fake-model"]


class TestPrices:
    PRICES = Prices(
        {"gpt-4.1": ModelPrice(input="2", output="8"), "gpt-4.1-mini": ModelPrice(input="0.4", output="1.6")}, "USD"
    )

    def test_are_millionths_rounded_up(self):
        assert self.PRICES.cost_micro("gpt-4.1-mini", tokens_in=1000, tokens_out=101) == 562
        assert self.PRICES.cost_micro("gpt-4.1-mini", tokens_in=1, tokens_out=0) == 1

    def test_know_a_model_by_its_date_too(self):
        assert self.PRICES.cost_micro("gpt-4.1-mini-2025-04-14", tokens_in=10, tokens_out=0) == 4
        assert self.PRICES.cost_micro("gpt-4.1-2025-04-14", tokens_in=10, tokens_out=0) == 20

    def test_of_a_model_that_nobody_priced_are_unknown_and_not_zero(self):
        assert self.PRICES.cost_micro("llama", tokens_in=10, tokens_out=10) is None

    def test_become_minor_units_rounded_up(self):
        assert minor_of(10_001, exponent=2) == 2
        assert minor_of(0, exponent=2) == 0

    def test_are_read_from_json(self, monkeypatch):
        monkeypatch.setenv("STUDIO_LANGUAGE_PRICES", '{"m": {"input": 0.25, "output": "2"}}')
        assert settings().language_prices["m"] == ModelPrice(input=Decimal("0.25"), output=2)
