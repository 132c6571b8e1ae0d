"""What is asked again, and what is not, since it may have been paid for."""

import pytest

from studio.providers import images
from studio.providers.errors import ProviderBusyError, ProviderError
from studio.providers.images.wrapper import ReliableImages
from tests.fakes.pictures_server import HalfBody, Status
from tests.providers.images.asking import REQUEST, Stopped, quiet


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
