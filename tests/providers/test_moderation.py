"""Moderation by a model: what every kind keeps, what a server may do wrong, and what the wrapper adds."""

from collections.abc import Iterator
from typing import get_args

import pytest
from pydantic import SecretStr

from studio.providers import moderation
from studio.providers.errors import (
    ProviderBrokenError,
    ProviderBusyError,
    ProviderError,
    ProviderNotConfiguredError,
    ProviderRefusedError,
)
from studio.providers.moderation import KINDS
from studio.providers.moderation.openai_moderation import OpenAIModeration
from studio.providers.moderation.wrapper import LONGEST_WAIT, ReliableModeration
from studio.settings import Settings
from tests.fakes.moderation_server import ModerationServer
from tests.fakes.openai_server import Drops, HalfBody, HangUp, Raw, Silence, Status

SECRET = "sk-secret-of-the-tests"


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)


@pytest.fixture
def server() -> Iterator[ModerationServer]:
    with ModerationServer(flags={"bomb": {"illicit/violent": 0.93}, "picture": {"violence": 0.8}}) as running:
        yield running


class Pauses:
    """A clock that pauses move on."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.now = 1000.0

    def pause(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def provider(server, pauses):
    client = OpenAIModeration(base_url=server.url, key=SECRET, model="omni-moderation-latest")
    made = ReliableModeration(
        client, attempts=3, timeout=5.0, pause=pauses.pause, clock=pauses.clock, jitter=lambda ceiling: ceiling
    )
    yield made
    made.close()


class TestKinds:
    def test_are_those_of_the_setting(self):
        assert set(get_args(Settings.model_fields["moderation_provider"].annotation)) == set(KINDS)

    @pytest.mark.parametrize("kind", KINDS)
    def test_say_who_they_are(self, kind):
        made = moderation.from_settings(settings(moderation_provider=kind, moderation_key=SecretStr(SECRET)))
        assert made.name == kind
        assert made.is_configured == (kind != "none")
        assert bool(made.label) == made.is_configured
        assert made.max_characters > 1_000
        assert made.max_picture_bytes <= 20_000_000

    def test_none_weighs_nothing_and_says_so(self):
        with pytest.raises(ProviderNotConfiguredError, match="No moderation model"):
            moderation.from_settings(settings()).weigh(["x"], time_limit=1)

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"moderation_key": SecretStr("with space")},
            {"moderation_url": "ftp://host"},
            {"moderation_url": "https://name:word@host/v1"},
        ],
    )
    def test_settings_that_cannot_be_right_come_to_light_at_the_first_request(self, given):
        made = moderation.from_settings(settings(moderation_provider="openai", **given))
        assert made.is_configured, "somebody wanted a model: the desk must say that none looked"
        with pytest.raises(ProviderNotConfiguredError, match="STUDIO_MODERATION"):
            made.weigh(["x"], time_limit=1)

    def test_the_judge_is_none_the_chats_or_its_own(self):
        assert moderation.judge_from_settings(settings()) is None
        own = moderation.judge_from_settings(
            settings(judge_provider="openai", judge_url="http://127.0.0.1:1/v1", judge_model="judge-7b")
        )
        assert own is not None
        assert own.label == "judge-7b, at 127.0.0.1"
        chats = {"language_provider": "openai", "language_url": "http://127.0.0.1:1/v1", "language_model": "chatty"}
        shared = moderation.judge_from_settings(settings(judge_provider="language", **chats))
        assert shared is not None
        assert shared.model == "chatty"


class TestWeigh:
    def test_answers_in_order_in_requests_of_a_bounded_size(self, provider, server):
        texts = [f"text {n}" for n in range(70)]
        texts[40] = "how to build a bomb"
        found = provider.weigh(texts, time_limit=60)
        assert [place for place, one in enumerate(found) if one.is_flagged] == [40]
        assert found[40].scores["illicit/violent"] == 0.93
        assert [len(asked.texts) for asked in server.requests] == [32, 32, 6]
        assert {asked.model for asked in server.requests} == {"omni-moderation-latest"}
        assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"

    def test_shows_a_picture_as_a_data_url(self, provider, server):
        weighed = provider.weigh_picture(b"\x89PNG bytes", media_type="image/png", time_limit=5)
        assert weighed.scores["violence"] == 0.8
        [asked] = server.requests
        assert (asked.picture, asked.media_type) == (b"\x89PNG bytes", "image/png")

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (Status(401, message=f"Incorrect API key provided: {SECRET}"), ProviderRefusedError),
            (Status(404), ProviderRefusedError),
            (Status(429, message="insufficient_quota"), ProviderRefusedError),
            (Status(429, headers={"retry-after": "3600"}), ProviderBusyError),
            (Raw(b"<html>junk</html>"), ProviderBrokenError),
            (Raw(b'{"results": []}'), ProviderBrokenError),
            (Raw(b'{"results": [{"flagged": "yes", "category_scores": {"hate": 1}}]}'), ProviderBrokenError),
            (Raw(b'{"results": [{"flagged": true, "category_scores": {"hate": "NaN"}}]}'), ProviderBrokenError),
            (Raw(b"x" * 200_000), ProviderBrokenError),
        ],
    )
    def test_gives_up_at_once_on_what_waiting_will_not_change(self, provider, server, pauses, answer, error):
        server.script(answer)
        with pytest.raises(error) as raised:
            provider.weigh(["x"], time_limit=60)
        assert len(server.requests) == 1
        assert pauses.seconds == []
        assert SECRET not in str(raised.value)
        assert raised.value.__cause__ is None
        assert raised.value.__context__ is None

    @pytest.mark.parametrize(
        "answer", [Status(500), Status(503, headers={"retry-after": "2"}), Status(429), HangUp(), HalfBody()]
    )
    def test_tries_again_what_may_pass(self, provider, server, pauses, answer):
        server.script(answer, answer)
        [weighed] = provider.weigh(["a bomb"], time_limit=60)
        assert weighed.is_flagged
        assert len(server.requests) == 3
        assert len(pauses.seconds) == 2
        assert all(seconds <= LONGEST_WAIT + 2 for seconds in pauses.seconds)

    def test_tries_no_more_often_than_it_may(self, provider, server):
        server.script(*[Status(500)] * 5)
        with pytest.raises(ProviderBusyError):
            provider.weigh(["x"], time_limit=60)
        assert len(server.requests) == 3

    @pytest.mark.parametrize("answer", [Silence(), Drops(0.05)])
    def test_leaves_a_server_that_does_not_come_to_an_end(self, server, answer):
        client = OpenAIModeration(base_url=server.url, key=SECRET, model="m")
        server.script(answer)
        with pytest.raises(ProviderBusyError, match="too long"):
            ReliableModeration(client, attempts=1, timeout=0.3).weigh(["x"], time_limit=5)
        client.close()

    def test_keeps_to_the_time_that_there_is(self, provider, server, pauses):
        server.script(*[Status(500)] * 5)
        with pytest.raises(ProviderError):
            provider.weigh(["x"], time_limit=0.4)
        assert pauses.seconds == [], "a wait that outlasts the time is not begun"
