"""What the tests of pictures share: a server that misbehaves as told, and providers that look at it often."""

import pytest

from studio.providers import images
from studio.providers.images import comfyui, watching, webui, wrapper
from tests.fakes.pictures_server import PicturesServer


@pytest.fixture
def server():
    with PicturesServer() as running:
        yield running


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    """What is done a few times in a second or two is done ten times as often: drawings here take less than one."""
    monkeypatch.setattr(watching, "_LOOK", 0.02)
    monkeypatch.setattr(webui, "_BETWEEN", 0.05)
    monkeypatch.setattr(comfyui, "_LOOK", 0.02)
    monkeypatch.setattr(comfyui, "_LOOK_AT_HISTORY", 0.2)
    monkeypatch.setattr(wrapper, "FIRST_BACKOFF", 0.05)


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
