"""WebUI and ComfyUI, which draw on a machine of one's own: what they are sent, how far they are, how they are stopped."""

import json
import time
from dataclasses import replace
from importlib import resources

import pytest
from pydantic import SecretStr

from studio.providers.errors import ProviderBrokenError, ProviderNotConfiguredError
from studio.providers.images import comfyui
from studio.providers.images.protocol import OPTIONS, PictureRequest
from tests.fakes.pictures_server import DrawingFails, LineBreaks, Silence, ViewHangs
from tests.providers.images.asking import REQUEST, Stopped, quiet


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
        stops_at = time.monotonic() + 0.4

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
        server.seconds = 0.8
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
        server.seconds = 0.4
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
