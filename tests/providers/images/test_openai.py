"""OpenAI and its like: parameters by model, results by address, keys that are ours."""

import pytest

from studio.providers.errors import ProviderBrokenError, ProviderNotConfiguredError
from tests.fakes.pictures_server import Address, Raw, drawn
from tests.providers.images.asking import REQUEST, quiet


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
