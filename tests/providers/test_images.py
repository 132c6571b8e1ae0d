"""Every picture provider through its protocol against a server that does what real ones do wrong."""

import io
import json
import threading
import time
from dataclasses import replace
from decimal import Decimal
from importlib import resources

import pytest
from PIL import Image
from pydantic import SecretStr

from studio.providers import images
from studio.providers.errors import (
    ProviderBrokenError,
    ProviderBusyError,
    ProviderError,
    ProviderNotConfiguredError,
    ProviderRefusedError,
)
from studio.providers.images import comfyui, fetching, local
from studio.providers.images.protocol import OPTIONS, PictureRequest
from studio.providers.images.wrapper import ReliableImages
from tests.fakes.pictures_server import (
    Address,
    Bytes,
    DrawingFails,
    HalfBody,
    HangUp,
    LineBreaks,
    PicturesServer,
    Raw,
    Silence,
    Status,
    ViewHangs,
    drawn,
)

REMOTE = ("openai", "webui", "comfyui")
REQUEST = PictureRequest("a keeper of the tower", width=512, height=768, steps=20, guidance=7.0, seed=77, count=2)


class Stopped(BaseException):
    """What a job raises when somebody stopped it."""


@pytest.fixture
def server():
    with PicturesServer() as running:
        yield running


@pytest.fixture
def provider_of(settings, server):
    made = []

    def make(kind, **changes):
        url = f"{server.url}/v1" if kind == "openai" else server.url
        base = {
            "images_provider": kind,
            "images_url": url,
            "images_timeout": 1.5,
            "images_attempts": 1,
            "images_model": "test-model",
        }
        made.append(images.from_settings(settings.model_copy(update=base | changes)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def quiet(_step, _percent):
    pass


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
        provider = provider_of(kind, images_time_limit=1.5 if kind == "webui" else 30.0)
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
        began = time.monotonic()

        def stop(_step, _percent):
            if server.requests and time.monotonic() - began > 0.7:
                raise Stopped

        with pytest.raises(Stopped):
            provider.make(REQUEST, watch=stop)
        if kind == "openai":
            return  # Its protocol has no word for it; the connection is closed.
        drawing = next(iter(server.drawings.values()))
        assert drawing.stopped.wait(5)

    @pytest.mark.parametrize("kind", ["webui", "comfyui"])
    def test_lets_somebody_elses_drawing_be_while_ours_waits_behind_it(self, provider_of, server, kind):
        server.seconds = 20.0
        theirs = server.somebody()
        provider = provider_of(kind, images_timeout=30.0, images_time_limit=30.0)
        told = []
        began = time.monotonic()

        def stop(step, percent):
            told.append((step, percent))
            if server.requests and time.monotonic() - began > 2.5:
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
        server.seconds = 3.0
        threading.Timer(1.0, server.interrupt).start()
        with pytest.raises(ProviderBrokenError, match="interrupted the drawing"):
            provider_of(kind).make(replace(REQUEST, count=1), watch=quiet)

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
        server.seconds = 2.0
        told = []
        provider_of(kind).make(REQUEST, watch=lambda _step, percent: told.append(percent or 0.0))
        assert told == sorted(told)
        assert any(0 < percent < 100 for percent in told)

    @pytest.mark.parametrize("kind", REMOTE)
    def test_survives_a_server_that_is_not_there(self, provider_of, kind):
        provider = provider_of(kind, images_url="http://127.0.0.1:9")
        with pytest.raises(ProviderBusyError, match="cannot be reached"):
            provider.make(REQUEST, watch=quiet)


class TestRetries:
    def test_a_request_that_was_turned_away_is_made_again(self, provider_of, server):
        server.script(Status(429, {"retry-after": "0.01"}), Status(500))
        made = provider_of("webui", images_attempts=3).make(REQUEST, watch=quiet)
        assert len(made.pictures) == 2
        assert len(server.requests) == 3

    def test_one_that_fell_silent_is_not_since_it_may_be_paid_for(self, provider_of, server):
        server.script(HalfBody(), HalfBody())
        with pytest.raises(ProviderError):
            provider_of("openai", images_attempts=3).make(REQUEST, watch=quiet)
        assert len(server.requests) == 1

    def test_a_long_wait_is_left_to_the_person(self, provider_of, server):
        server.script(Status(429, {"retry-after": "900"}))
        with pytest.raises(ProviderBusyError):
            provider_of("webui", images_attempts=3).make(REQUEST, watch=quiet)
        assert len(server.requests) == 1

    def test_the_wait_can_be_stopped(self, server, settings):
        server.script(Status(429, {"retry-after": "30"}))
        client = images.KINDS["webui"](settings.model_copy(update={"images_url": server.url}))
        provider = ReliableImages(client, attempts=3, sleep=lambda _seconds: None)
        seen = []

        def stop(step, _percent):
            seen.append(step)
            if step == "The provider asks to wait":
                raise Stopped

        with pytest.raises(Stopped):
            provider.make(REQUEST, watch=stop)


class TestOpenAI:
    def test_asks_in_the_way_that_the_model_knows(self, provider_of, server):
        made = provider_of("openai", images_model="strict-1").make(REQUEST, watch=quiet)
        assert len(made.pictures) == 2
        assert ["response_format" in body for body in server.requests] == [True, False]
        assert server.requests[-1]["size"] == "512x768"

    def test_fetches_a_result_from_its_own_server(self, provider_of, server):
        server.script(Address())
        made = provider_of("openai").make(REQUEST, watch=quiet)
        assert made.pictures[0].data == drawn("/result/picture.png")

    def test_says_that_an_address_has_expired(self, provider_of, server):
        server.script(Address())
        server.is_expired = True
        with pytest.raises(ProviderBrokenError, match="expired"):
            provider_of("openai").make(REQUEST, watch=quiet)

    @pytest.mark.parametrize(
        "url",
        ["http://169.254.169.254/latest/meta-data", "https://elsewhere.example/x.png", "file:///etc/passwd", "x"],
    )
    def test_fetches_from_nowhere_else(self, provider_of, server, url):
        server.script(Address(url))
        with pytest.raises(ProviderBrokenError):
            provider_of("openai").make(REQUEST, watch=quiet)

    def test_sends_no_key_of_another_program(self, provider_of, server, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
        provider_of("openai").make(REQUEST, watch=quiet)
        assert "sk-of-somebody-else" not in str(server.headers)

    def test_needs_a_key_or_a_server(self, provider_of):
        with pytest.raises(ProviderNotConfiguredError, match="STUDIO_IMAGES_KEY"):
            provider_of("openai", images_url=None).make(REQUEST, watch=quiet)

    def test_base64_that_is_none_is_no_picture(self, provider_of, server):
        server.script(Raw(b'{"data": [{"b64_json": "not base64!"}]}'))
        with pytest.raises(ProviderBrokenError, match="no picture"):
            provider_of("openai").make(REQUEST, watch=quiet)


class TestWebUI:
    def test_sends_what_the_person_set(self, provider_of, server):
        provider_of("webui", images_key=SecretStr("me:secret")).make(REQUEST, watch=quiet)
        body = server.requests[0]
        assert (body["steps"], body["cfg_scale"], body["seed"], body["n_iter"]) == (20, 7.0, 77, 2)
        assert body["override_settings"] == {"sd_model_checkpoint": "test-model"}
        assert server.headers[0]["Authorization"].startswith("Basic ")


class TestComfyUI:
    def test_puts_values_into_the_workflow(self, provider_of, server):
        request = PictureRequest("%seed% is only text", negative_prompt="x", width=513, height=768, seed=5)
        provider_of("comfyui").make(request, watch=quiet)
        graph = server.requests[0]["prompt"]
        assert graph["6"]["inputs"]["text"] == "%seed% is only text"
        assert graph["3"]["inputs"]["seed"] == 5
        assert graph["5"]["inputs"] == {"width": 512, "height": 768, "batch_size": 1}
        assert graph["4"]["inputs"]["ckpt_name"] == "test-model"

    @pytest.mark.parametrize("answer", [Silence(), ViewHangs()], ids=["prompt", "view"])
    def test_is_stopped_at_once_where_the_server_hangs(self, provider_of, server, answer):
        server.script(answer)
        provider = provider_of("comfyui", images_timeout=20.0)
        stops_at = time.monotonic() + 1.0

        def stop(_step, _percent):
            if time.monotonic() > stops_at:
                raise Stopped

        with pytest.raises(Stopped):
            provider.make(REQUEST, watch=stop)
        assert time.monotonic() < stops_at + 10
        # What it may have taken is taken back by the name that we gave it.
        assert server.interrupts[0]["delete"] == [server.requests[0]["prompt_id"]]

    def test_gives_each_sampler_its_share_of_the_progress(self, provider_of, server, tmp_path):
        flow = json.loads(resources.files("studio.providers.images").joinpath("workflow.json").read_text())
        second = json.loads(json.dumps(flow["3"]))
        second["inputs"] |= {"latent_image": ["3", 0], "steps": 10, "seed": 0}
        place = tmp_path / "flow.json"
        place.write_text(json.dumps({**flow, "10": second}))
        server.seconds = 2.0
        shares = {}

        def watch(_step, percent):
            drawing = next(iter(server.drawings.values()), None)
            if drawing is not None and drawing.is_running and percent is not None:
                shares[len(shares)] = percent

        provider_of("comfyui", images_workflow=place).make(replace(REQUEST, count=1), watch=watch)
        told = list(shares.values())
        assert told == sorted(told)
        # The first has twenty of the thirty steps, and is drawn for half of the time.
        assert any(percent < 60 for percent in told)
        assert max(told[: len(told) // 2 - 1]) < 70

    def test_goes_on_where_the_websocket_breaks(self, provider_of, server):
        server.seconds = 1.0
        server.script(LineBreaks())
        assert len(provider_of("comfyui", images_timeout=8.0).make(REQUEST, watch=quiet).pictures) == 2

    def test_says_that_the_workflow_failed(self, provider_of, server):
        server.script(DrawingFails())
        with pytest.raises(ProviderBrokenError, match="workflow failed"):
            provider_of("comfyui").make(REQUEST, watch=quiet)

    def test_takes_a_workflow_of_ones_own_and_says_what_it_ignores(self, provider_of, tmp_path):
        place = tmp_path / "flow.json"
        place.write_text('{"1": {"class_type": "T", "inputs": {"text": "masterpiece, %prompt%"}}}')
        assert provider_of("comfyui", images_workflow=place).ignores == set(OPTIONS)

    @pytest.mark.parametrize("text", ["", "[]", '{"nodes": []}', '{"1": {"class_type": "T", "inputs": {}}}'])
    def test_refuses_a_workflow_that_cannot_be_one(self, provider_of, tmp_path, text):
        place = tmp_path / "flow.json"
        place.write_text(text)
        with pytest.raises(ProviderNotConfiguredError, match="STUDIO_IMAGES_WORKFLOW"):
            provider_of("comfyui", images_workflow=place).make(REQUEST, watch=quiet)

    def test_own_workflow_is_complete(self, settings):
        assert comfyui.from_settings(settings).ignores == frozenset()


class TestLocal:
    def test_draws_the_same_for_the_same_seed(self):
        request = PictureRequest("x", width=256, height=384, name="独孤求败", hue=3)
        assert local.draw(request, 7) == local.draw(request, 7)
        assert local.draw(request, 7) != local.draw(request, 8)

    @pytest.mark.parametrize("name", ["", "Mei", "独孤求败", "A very long name of a very long person " * 4, "🜁"])
    def test_draws_every_name(self, name):
        data = local.draw(PictureRequest("prompt", width=2048, height=64, name=name), 1)
        assert Image.open(io.BytesIO(data)).size == (1024, 32)

    @pytest.mark.parametrize(
        ("name", "same_as"),
        [
            ("مريم Layla", "Layla"),
            ("😀 Bob 😀", "Bob"),
            ("独孤求败 👾", "独孤求败"),
            # Of these nothing can be drawn: the shapes stand alone.
            ("مريم", "한나"),
            ("👨\u200d👩\u200d👧", "مريم"),
        ],
    )
    def test_draws_no_boxes_for_signs_that_its_fonts_lack(self, name, same_as):
        made = [local.draw(PictureRequest("x", width=128, height=192, name=one, hue=3), 7) for one in (name, same_as)]
        assert made[0] == made[1]

    def test_draws_accents_and_other_alphabets(self):
        shapes = local.draw(PictureRequest("x", width=128, height=192, name="مريم"), 7)
        for name in ("Élodie", "Анна", "Ωμέγα", "独孤求败"):
            assert local.draw(PictureRequest("x", width=128, height=192, name=name), 7) != shapes


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1%eth0",
            "fc00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fec0::1",
            "192.88.99.1",
            "::ffff:192.88.99.1",
            "64:ff9b:1::1",
            "not an address",
        ],
    )
    def test_within_ones_own_network_are_not_public(self, address):
        assert not fetching.is_public(address)

    @pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
    def test_of_the_internet_are(self, address):
        assert fetching.is_public(address)

    def test_a_host_is_resolved_once_and_one_private_address_is_enough_to_refuse(self):
        asked = []

        def resolve(host, port):
            asked.append((host, port))
            return ["93.184.216.34", "::ffff:10.0.0.1"]

        with pytest.raises(ProviderBrokenError, match="private network"):
            fetching.fetch(
                "https://pictures.example/x.png",
                home=None,
                hosts={"pictures.example"},
                timeout=1.0,
                resolver=resolve,
            )
        assert asked == [("pictures.example", 443)]

    def test_of_the_providers_own_server_only_with_its_port(self, server):
        home = fetching.origin_of(server.url)
        with pytest.raises(ProviderBrokenError):
            fetching.fetch("http://127.0.0.1:1/x.png", home=home, hosts=set(), timeout=1.0)

    def test_ends_a_picture_without_end(self, monkeypatch, server):
        monkeypatch.setattr(fetching, "MOST_BYTES", 50)
        with pytest.raises(ProviderBrokenError, match="20 MB"):
            fetching.fetch(f"{server.url}/result/x", home=fetching.origin_of(server.url), hosts=(), timeout=2.0)


class TestCost:
    def test_is_by_the_price_list(self, settings, provider_of):
        provider = provider_of("openai", images_model="gpt-image-1-2025")
        priced = settings.model_copy(update={"images_prices": {"gpt-image-1": Decimal("0.042"), "gpt": Decimal(9)}})
        assert images.cost_estimate(priced, provider=provider, count=3) == 126_000
        assert images.cost_estimate(settings, provider=provider, count=3) is None
        assert images.cost_estimate(settings, provider=provider_of("local"), count=3) == 0


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
