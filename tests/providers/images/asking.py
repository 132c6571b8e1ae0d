"""What the tests of pictures ask for, and how they stop."""

from studio.providers.images.protocol import PictureRequest

REMOTE = ("openai", "webui", "comfyui")
REQUEST = PictureRequest("a keeper of the tower", width=512, height=768, steps=20, guidance=7.0, seed=77, count=2)


class Stopped(BaseException):
    """What a job raises when somebody stopped it."""


def quiet(_step, _percent):
    pass
