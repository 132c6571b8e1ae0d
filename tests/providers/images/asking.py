"""What the tests of pictures ask for, and how they stop."""

from studio.providers.images import comfyui, watching, webui, wrapper
from studio.providers.images.protocol import PictureRequest

REMOTE = ("openai", "webui", "comfyui")
REQUEST = PictureRequest("a keeper of the tower", width=512, height=768, steps=20, guidance=7.0, seed=77, count=2)


class Stopped(BaseException):
    """What a job raises when somebody stopped it."""


def look_often(monkeypatch):
    """What is done a few times in a second or two is done ten times as often: drawings of tests take less than one."""
    monkeypatch.setattr(watching, "_LOOK", 0.02)
    monkeypatch.setattr(webui, "_BETWEEN", 0.05)
    monkeypatch.setattr(comfyui, "_LOOK", 0.02)
    monkeypatch.setattr(comfyui, "_LOOK_AT_HISTORY", 0.2)
    monkeypatch.setattr(wrapper, "FIRST_BACKOFF", 0.05)


def quiet(_step, _percent):
    pass
