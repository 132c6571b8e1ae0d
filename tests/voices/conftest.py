"""People and a character that is to have voices, and a runtime whose provider is a local server."""

import pytest
from pydantic import SecretStr

from jobs import registry
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio.accounts.permissions import RoleName
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character
from tests.factories.media import make_storage
from tests.fakes.speech_server import SpeechServer


@pytest.fixture
def creator(session):
    return make_actor(session, RoleName.CREATOR, name="Mei")


@pytest.fixture
def outsider(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def character(session, creator):
    return make_character(session, owner=creator, name="Dugu")


@pytest.fixture
def storage(settings):
    return make_storage(settings.data)


@pytest.fixture
def server():
    with SpeechServer() as running:
        yield running


@pytest.fixture
def engine(committed_database):
    return committed_database.engine


@pytest.fixture
def speech_timeout():
    """So many seconds the runtime waits for the server; a file of tests may say otherwise."""
    return 2.0


@pytest.fixture
def runtime(settings, committed_database, redis_client, server, speech_timeout):
    """What workers run, with ElevenLabs at the local server, at 0.1 of a unit for each character."""
    own = settings.model_copy(
        update={
            "database_url": SecretStr(committed_database.url),
            "speech_elevenlabs_key": SecretStr("k"),
            "speech_elevenlabs_url": server.url,
            "speech_attempts": 1,
            "speech_timeout": speech_timeout,
            "speech_prices": {"elevenlabs": 100_000},
        }
    )
    resources = Resources(own)
    yield Runtime(resources, Pulse(resources, name="here", kind="worker"), registry.load())
    resources.close()
