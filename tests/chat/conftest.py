"""People, characters, a language server that does as told, and what streaming an answer needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from studio.accounts.permissions import RoleName
from studio.authoring.rules import Greetings, ReplyDraft
from studio.chat import answering
from studio.chat.answering import Ended
from studio.chat.models import ChatMessage
from studio.chat.rules import Limits
from studio.providers import language
from studio.providers.language import Cancel, Delta, Prices
from studio.settings import ModelPrice
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character
from tests.fakes.language_server import LanguageServer

LIMITS = Limits(window=4096, max_output=200, daily_tokens=100_000, time_limit=60)
PRICES = Prices({"gpt-4.1-mini": ModelPrice(input="0.4", output="1.6")}, "USD")


@pytest.fixture
def server() -> Iterator[LanguageServer]:
    with LanguageServer() as running:
        yield running


@pytest.fixture
def provider(server, settings):
    changes = {"language_provider": "openai", "language_url": server.url, "language_attempts": 1}
    made = language.from_settings(settings.model_copy(update=changes))
    yield made
    made.close()


@pytest.fixture
def creator(session):
    return make_actor(session, RoleName.CREATOR, name="Mei")


@pytest.fixture
def outsider(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def character(session, creator):
    return make_character(
        session,
        owner=creator,
        name="独孤求败",
        description="{{char}} looks for one defeat.",
        greetings=Greetings("You came for my sword, {{user}}?", ("The condor cries.",)),
        replies=[
            ReplyDraft("The wind takes my words.", 1, "en"),
            ReplyDraft("风太大了，{{user}}。", 1, "zh-Hans"),
        ],
    )


@dataclass
class Stage:
    """Streams answers on the test's own connection, and keeps what was reported."""

    session: object
    provider: object
    reported: list[BaseException] = field(default_factory=list)

    @contextmanager
    def open(self):
        yield self.session
        self.session.flush()

    def report(self, error: BaseException) -> str:
        self.reported.append(error)
        return "7K2M-9QXW"

    def events(self, task, cancel=None):
        return answering.stream(
            task,
            provider=self.provider,
            prices=PRICES,
            open_session=self.open,
            report=self.report,
            cancel=cancel or Cancel(),
        )

    def answer(self, task, cancel=None) -> ChatMessage:
        pieces = list(self.events(task, cancel))
        assert isinstance(pieces[-1], Ended)
        assert all(isinstance(piece, Delta) for piece in pieces[:-1])
        return self.message(task.message_id)

    def message(self, message_id) -> ChatMessage:
        self.session.expire_all()
        return self.session.get(ChatMessage, message_id)


@pytest.fixture
def stage(session, provider) -> Stage:
    return Stage(session, provider)
