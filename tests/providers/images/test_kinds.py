"""Every picture provider through its protocol against a server that does what real ones do wrong."""

import io
import threading
import time
from dataclasses import replace
from decimal import Decimal

import pytest
from PIL import Image

from studio.providers import images
from studio.providers.errors import (
    ProviderBrokenError,
    ProviderBusyError,
    ProviderError,
    ProviderRefusedError,
)
from studio.providers.images.prices import price_of
from studio.providers.images.protocol import OPTIONS
from tests.fakes.pictures_server import Bytes, HalfBody, HangUp, Raw, Silence, StandsStill, Status
from tests.providers.images.asking import REMOTE, REQUEST, Stopped, quiet


class TestEveryKind:
    @pytest.mark.parametrize("kind", images.KINDS)
    def test_makes_pictures_that_are_pictures(self, provider_of, kind):
        provider = provider_of(kind)
        told = []
        made = provider.make(REQUEST, watch=lambda step, percent: told.append((step, percent)))
        assert len(made.pictures) == 2
        for picture in made.pictures:
            assert Image.open(io.BytesIO(picture.data)).size
        assert told
        assert provider.is_local == (kind == "local")
        assert provider.ignores <= set(OPTIONS)
        has_seed = all(isinstance(picture.seed, int) for picture in made.pictures)
        assert has_seed == ("seed" not in provider.ignores)

    @pytest.mark.parametrize("kind", REMOTE)
    @pytest.mark.parametrize(
        ("answer", "error", "words"),
        [
            (Status(401, message="bad key sk-secret"), ProviderRefusedError, "key"),
            (Status(402), ProviderRefusedError, "no credit left"),
            (Status(429, {"retry-after": "7"}), ProviderBusyError, "wait 7 seconds"),
            (Status(429), ProviderBusyError, "Try again in a minute"),
            (Status(500), ProviderBusyError, "failing just now"),
            (Status(400, message="Rejected by our safety system."), ProviderRefusedError, "rules do not allow"),
            (Silence(), ProviderBusyError, "in the time that there is"),
            (HalfBody(stall=True), ProviderError, ""),
            (HalfBody(), ProviderError, ""),
            (HangUp(), ProviderError, ""),
            (Raw(b"[[[["), ProviderError, ""),
            (Raw(b'{"data": 3, "images": 3, "prompt_id": 3}'), ProviderBrokenError, ""),
        ],
        ids=lambda value: str(value)[:40] if not isinstance(value, type) else value.__name__,
    )
    def test_says_in_plain_words_what_the_server_did_wrong(self, provider_of, server, kind, answer, error, words):
        server.script(answer)
        # WebUI says nothing while it draws: there the limit of the whole is what ends a silence.
        shortest = 0.5 if isinstance(answer, (Silence, HalfBody)) else 20.0
        limit = {"images_time_limit": 0.5} if kind == "webui" and shortest < 1 else {"images_time_limit": 30.0}
        provider = provider_of(kind, images_timeout=shortest, **limit)
        began = time.monotonic()
        with pytest.raises(error) as refusal:
            provider.make(REQUEST, watch=quiet)
        assert time.monotonic() - began < 15
        text = str(refusal.value)
        assert words in text
        assert text.endswith(".")
        # Nothing of the server's own words, which may quote a key.
        assert "sk-secret" not in text
        assert refusal.value.__cause__ is None
        assert refusal.value.__context__ is None or "sk-secret" not in str(refusal.value.__context__)

    @pytest.mark.parametrize("kind", REMOTE)
    def test_is_stopped_at_the_provider_too(self, provider_of, server, kind):
        server.seconds = 20.0
        provider = provider_of(kind, images_time_limit=30.0)

        def stop(_step, _percent):
            if any(one.is_running for one in server.drawings.values()):
                raise Stopped

        with pytest.raises(Stopped):
            provider.make(REQUEST, watch=stop)
        if kind == "openai":
            return  # Its protocol has no word for it; the connection is closed.
        drawing = next(iter(server.drawings.values()))
        assert drawing.stopped.wait(5)

    @pytest.mark.parametrize("kind", ["webui", "comfyui"])
    def test_lets_somebody_elses_drawing_be_while_ours_waits_behind_it(self, provider_of, server, kind):
        server.seconds = 8.0
        theirs = server.somebody()
        # However long theirs stands where it is, ours waits for it and is not taken for one that hangs.
        provider = provider_of(kind, images_timeout=0.5, images_stall=0.3, images_time_limit=30.0)
        told = []
        began = time.monotonic()

        def stop(step, percent):
            told.append((step, percent))
            if server.requests and time.monotonic() - began > 0.8 and theirs.step:
                raise Stopped

        with pytest.raises(Stopped):
            provider.make(REQUEST, watch=stop)
        # What is drawn there is theirs: it is neither shown as ours nor stopped.
        assert set(told) == {("Waiting for the provider", None)}
        assert theirs.step
        assert not theirs.stopped.is_set()
        if kind == "comfyui":
            ours = next(one for one in server.drawings.values() if one is not theirs)
            assert ours.stopped.is_set()

    @pytest.mark.parametrize("kind", ["webui", "comfyui"])
    def test_keeps_nothing_half_drawn_that_somebody_interrupted(self, provider_of, server, kind):
        server.seconds = 10.0

        def watch(_step, percent):
            if percent:
                server.interrupt()

        with pytest.raises(ProviderBrokenError, match="interrupted the drawing"):
            provider_of(kind).make(replace(REQUEST, count=1), watch=watch)

    @pytest.mark.parametrize("kind", ["webui", "comfyui"])
    def test_each_picture_comes_again_with_its_own_seed(self, provider_of, kind):
        provider = provider_of(kind)
        made = provider.make(replace(REQUEST, count=3), watch=quiet)
        assert [picture.seed for picture in made.pictures] == [77, 78, 79]
        assert len({picture.data for picture in made.pictures}) == 3
        for picture in made.pictures:
            again = provider.make(replace(REQUEST, count=1, seed=picture.seed), watch=quiet)
            assert again.pictures == [picture]

    @pytest.mark.parametrize("kind", ["webui", "comfyui"])
    def test_tells_its_progress(self, provider_of, server, kind):
        server.seconds = 0.4
        told = []
        provider_of(kind).make(REQUEST, watch=lambda _step, percent: told.append(percent or 0.0))
        assert told == sorted(told)
        assert any(0 < percent < 100 for percent in told)

    @pytest.mark.parametrize("kind", ["webui", "comfyui"])
    def test_gives_up_a_drawing_that_gets_no_further(self, provider_of, server, kind):
        server.script(StandsStill())
        provider = provider_of(kind, images_stall=0.5)
        with pytest.raises(ProviderBusyError, match="got no further with the drawing") as refusal:
            provider.make(REQUEST, watch=quiet)
        # It is counted against the server, and not asked for again by itself: it may have been paid for.
        assert refusal.value.breaker == f"images:{kind}"
        assert len(server.requests) == 1
        assert next(iter(server.drawings.values())).stopped.wait(5)

    def test_gives_up_a_server_that_takes_the_request_and_falls_silent(self, provider_of, server):
        server.script(Silence())
        with pytest.raises(ProviderBusyError, match="got no further with the drawing"):
            provider_of("webui", images_stall=0.4).make(REQUEST, watch=quiet)

    @pytest.mark.parametrize("kind", ["webui", "comfyui"])
    def test_leaves_a_slow_one_alone_that_moves(self, provider_of, server, kind):
        server.seconds = 2.0
        made = provider_of(kind, images_stall=1.0).make(replace(REQUEST, count=1), watch=quiet)
        assert len(made.pictures) == 1

    @pytest.mark.parametrize("kind", REMOTE)
    def test_survives_a_server_that_is_not_there(self, provider_of, kind):
        provider = provider_of(kind, images_url="http://127.0.0.1:9")
        with pytest.raises(ProviderBusyError, match="cannot be reached"):
            provider.make(REQUEST, watch=quiet)


class TestPrice:
    def test_is_by_the_price_list(self, settings, provider_of):
        provider = provider_of("openai", images_model="gpt-image-1-2025")
        priced = settings.model_copy(update={"images_prices": {"gpt-image-1": Decimal("0.042"), "gpt": Decimal(9)}})
        assert price_of(priced, provider=provider).micro(3) == 126_000
        assert price_of(priced, provider=provider_of("local")).micro(3) == 0

    @pytest.mark.parametrize(
        ("kind", "url", "micro"),
        [
            ("openai", None, 50_000),
            ("comfyui", "https://gpu.example.com", 50_000),
            # Of one's own: a price would keep people from what costs nobody anything.
            ("comfyui", None, 0),
            ("webui", "http://comfy:8188", 0),
            ("openai", "http://192.168.1.20:8000/v1", 0),
        ],
    )
    def test_of_a_model_without_one_is_what_staff_say_unless_the_server_is_the_studios_own(
        self, settings, provider_of, kind, url, micro
    ):
        found = price_of(settings.model_copy(update={"images_url": url}), provider=provider_of(kind))
        assert (found.micro(), found.is_assumed) == (micro, micro > 0)


def test_threads_share_a_provider(provider_of, server):
    provider = provider_of("webui")
    found = []
    threads = [threading.Thread(target=lambda: found.append(provider.make(REQUEST, watch=quiet))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4


def test_bytes_that_are_no_picture_come_as_they_are(provider_of, server):
    """What they are is looked at by whoever keeps them: providers know no limits of ours."""
    server.script(Bytes(b"<html>captive portal</html>"))
    assert provider_of("webui").make(REQUEST, watch=quiet).pictures[0].data.startswith(b"<html>")
