"""One request to an OpenAI-compatible server, over a real connection, when the server is well and when it is not."""

import logging
import socket
import traceback

import numpy as np
import pytest

from studio.providers.embeddings.openai_compatible import OpenAICompatibleEmbeddings
from studio.providers.errors import ProviderBrokenError, ProviderBusyError, ProviderError, ProviderRefusedError
from tests.fakes import openai_server as fake
from tests.fakes.openai_server import vector_for

TEXTS = ["侦探", "a detective", "soup"]


@pytest.fixture
def client(server):
    made = OpenAICompatibleEmbeddings(base_url=server.url, key="sk-secret", model="fake-model", dimensions=8)
    yield made
    made.close()


class TestRequest:
    def test_sends_texts_model_dimensions_and_key_and_nothing_of_the_environment(self, monkeypatch, server, client):
        for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
            monkeypatch.setenv(name, "of-another-program")
        client.request(TEXTS, timeout=10)
        (received,) = server.requests
        assert received.inputs == tuple(TEXTS)
        assert (received.model, received.dimensions) == ("fake-model", 8)
        assert received.headers["authorization"] == "Bearer sk-secret"
        assert "of-another-program" not in received.headers.values()

    @pytest.mark.parametrize("knows_base64", [True, False])
    def test_reads_base64_and_numbers_alike(self, server, client, knows_base64):
        server.knows_base64 = knows_base64
        vectors = client.request(TEXTS, timeout=10)
        assert np.allclose(vectors, [vector_for(text, 8) for text in TEXTS], atol=1e-6)

    @pytest.mark.parametrize("order", [fake.Shuffled(), fake.Unnumbered()])
    def test_puts_answers_in_the_order_of_the_texts(self, server, client, order):
        server.script(order)
        vectors = client.request(TEXTS, timeout=10)
        assert np.allclose(vectors, [vector_for(text, 8) for text in TEXTS], atol=1e-6)

    def test_asks_without_dimensions_where_the_model_has_one_length_only(self, server, client):
        server.accepts_dimensions = False
        client.request(TEXTS, timeout=10)
        client.request(TEXTS, timeout=10)
        assert [received.dimensions for received in server.requests] == [8, None, None]

    def test_opens_connections_of_its_own_in_a_forked_process(self, monkeypatch, server, client):
        client.request(TEXTS, timeout=10)
        parents = client._sdk.get()
        monkeypatch.setattr("studio.providers.openai_client.os.getpid", lambda: -1)
        client.request(TEXTS, timeout=10)
        assert client._sdk.get() is not parents
        parents.close()

    def test_does_not_repeat_by_itself(self, server, client):
        server.script(fake.Status(500))
        with pytest.raises(ProviderBusyError):
            client.request(TEXTS, timeout=10)
        assert server.calls == 1

    @pytest.mark.parametrize(
        ("answer", "error", "is_transient"),
        [
            (fake.Status(429, {"retry-after": "2"}), ProviderBusyError, True),
            (fake.Status(500), ProviderBusyError, True),
            (fake.Status(401), ProviderRefusedError, False),
            (fake.HangUp(), ProviderBusyError, True),
            (fake.HalfBody(), ProviderBrokenError, True),
            (fake.Raw(b"<html>Bad gateway</html>", "text/html"), ProviderBrokenError, True),
            (fake.Raw(b"[" * 60_000), ProviderBrokenError, True),
            (fake.Raw(b'{"error": "no model loaded"}'), ProviderBrokenError, False),
            (fake.Raw(b'{"data": [1, 2, 3]}'), ProviderBrokenError, False),
            (fake.Raw(b'{"data": [{"embedding": "!"}, {"embedding": {}}, {}]}'), ProviderBrokenError, False),
            (fake.Raw(b'{"data": [{"embedding": [[1]]}, {"embedding": [[1]]}, {}]}'), ProviderBrokenError, False),
            (fake.Raw(b" " * 1_000_000), ProviderBrokenError, False),
            (fake.Dimensions(7), ProviderBrokenError, False),
            (fake.Count(2), ProviderBrokenError, False),
            (fake.Count(4), ProviderBrokenError, False),
            (fake.Count(0), ProviderBrokenError, False),
            (fake.Doubled(), ProviderBrokenError, False),
        ],
        ids=lambda given: repr(given)[:40],
    )
    def test_says_what_is_wrong_and_whether_it_may_pass(self, server, client, answer, error, is_transient):
        server.script(answer)
        with pytest.raises(error) as caught:
            client.request(TEXTS, timeout=10)
        assert type(caught.value) is error
        assert caught.value.is_transient is is_transient
        assert str(caught.value).endswith((".", ")."))
        assert np.isfinite(client.request(TEXTS, timeout=10)).all()

    @pytest.mark.parametrize("answer", [fake.Silence(), fake.Drops(0.05)], ids=lambda given: repr(given)[:40])
    def test_leaves_a_server_that_takes_too_long(self, server, client, answer):
        server.script(answer)
        with pytest.raises(ProviderBusyError, match="too long"):
            client.request(TEXTS, timeout=0.2)

    def test_calls_a_server_that_is_not_there_busy(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
            client = OpenAICompatibleEmbeddings(base_url=url, key="k", model="m", dimensions=8)
            with pytest.raises(ProviderBusyError, match="cannot be reached"):
                client.request(TEXTS, timeout=2)
            client.close()

    @pytest.mark.parametrize(
        "answer",
        [
            fake.Status(400, message="cannot read: she is a detective; key sk-secret"),
            fake.Status(401, message="Incorrect API key provided: sk-secret"),
            fake.Status(500, message="crashed on: she is a detective"),
            fake.Raw(b'{"she is a detective": sk-secret'),
            fake.HangUp(),
            fake.HalfBody(),
        ],
        ids=lambda given: repr(given)[:40],
    )
    def test_keeps_key_and_text_out_of_errors_and_logs(self, caplog, server, client, answer):
        caplog.set_level(logging.DEBUG)
        server.script(answer)
        with pytest.raises(ProviderError) as caught:
            client.request(["she is a detective"], timeout=10)
        said = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
        assert caught.value.__context__ is None
        assert "sk-secret" not in said
        assert "she is" not in said.replace('client.request(["she is a detective"], timeout=10)', "")


class TestLabel:
    def test_names_the_model_and_the_host_only(self):
        client = OpenAICompatibleEmbeddings(
            base_url="http://gpu.lan:8080/v1?k=1", key="k", model="bge-m3", dimensions=8
        )
        assert client.label == "bge-m3, at gpu.lan"
