"""What the tests of pictures share: a server that misbehaves as told, and providers that look at it often."""

import pytest

from studio.providers import images
from tests.fakes.pictures_server import PicturesServer
from tests.providers.images.asking import look_often


@pytest.fixture
def server():
    with PicturesServer() as running:
        yield running


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    look_often(monkeypatch)


@pytest.fixture
def provider_of(settings, server):
    made = []

    def make(kind, **changes):
        url = f"{server.url}/v1" if kind == "openai" else server.url
        base = {
            "images_provider": kind,
            "images_url": url,
            "images_timeout": 20.0,
            "images_attempts": 1,
            "images_model": "test-model",
        }
        made.append(images.from_settings(settings.model_copy(update=base | changes)))
        return made[-1]

    yield make
    for one in made:
        one.close()
