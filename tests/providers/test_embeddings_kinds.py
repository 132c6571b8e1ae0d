"""The list of kinds, the contract that each of them keeps, and what the settings choose."""

import os
import warnings
from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest
from pydantic import SecretStr

from studio.providers import embeddings
from studio.providers.embeddings import KINDS
from studio.providers.errors import ProviderNotConfiguredError
from studio.settings import Settings
from tests.fakes.openai_server import OpenAIServer


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)


@pytest.fixture(params=sorted(KINDS))
def any_provider(request) -> Iterator[embeddings.EmbeddingProvider]:
    with OpenAIServer() as server:
        provider = embeddings.from_settings(
            settings(embeddings_provider=request.param, embeddings_url=server.url, embeddings_dimensions=64)
        )
        yield provider
        provider.close()


class TestKinds:
    def test_are_those_that_the_setting_offers(self):
        assert set(KINDS) == set(get_args(Settings.model_fields["embeddings_provider"].annotation))


class TestEveryKind:
    def test_describes_itself(self, any_provider):
        assert any_provider.name in KINDS
        assert any_provider.model
        assert any_provider.label
        assert ("local" in any_provider.label) == any_provider.is_local
        assert any_provider.max_input_tokens > 0

    def test_gives_unit_vectors_of_its_length_in_order(self, any_provider):
        texts = ["侦探", "a witch in the forest", "a recipe for soup"]
        vectors = any_provider.embed(texts)
        assert vectors.shape == (3, any_provider.dimensions)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert np.allclose(vectors[1], any_provider.embed(texts[1:2])[0], atol=1e-5)

    def test_gives_no_rows_for_no_texts(self, any_provider):
        assert any_provider.embed([]).shape == (0, any_provider.dimensions)

    def test_works_again_after_close(self, any_provider):
        before = any_provider.embed(["侦探"])
        any_provider.close()
        assert np.allclose(any_provider.embed(["侦探"]), before, atol=1e-5)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    def test_works_on_both_sides_of_a_fork(self, any_provider):
        any_provider.embed(["侦探"])
        with warnings.catch_warnings():
            # Newer Pythons warn of forking beside threads, which is exactly the situation of a job worker.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:  # pragma: no cover
            try:
                os._exit(0 if any_provider.embed(["侦探"]).shape[0] == 1 else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert any_provider.embed(["侦探"]).shape[0] == 1


class TestFromSettings:
    def test_is_local_when_nothing_is_set(self):
        provider = embeddings.from_settings(settings())
        assert provider.is_local
        assert (provider.name, provider.dimensions) == ("local", 512)

    def test_asks_openai_itself_where_only_a_key_is_set(self):
        provider = embeddings.from_settings(
            settings(embeddings_provider="openai", embeddings_key=SecretStr("sk-1"), embeddings_dimensions=256)
        )
        assert provider.label == "text-embedding-3-small, at api.openai.com"
        assert provider.dimensions == 256

    @pytest.mark.parametrize(
        ("given", "setting"),
        [
            ({}, "STUDIO_EMBEDDINGS_KEY"),
            ({"embeddings_key": SecretStr("sk-钥匙")}, "STUDIO_EMBEDDINGS_KEY"),
            ({"embeddings_key": SecretStr("sk-1\nx")}, "STUDIO_EMBEDDINGS_KEY"),
            ({"embeddings_url": "localhost:8080"}, "STUDIO_EMBEDDINGS_URL"),
            ({"embeddings_url": "http://me:pass@host/v1"}, "STUDIO_EMBEDDINGS_URL"),
            ({"embeddings_url": "http://[broken/v1"}, "STUDIO_EMBEDDINGS_URL"),
        ],
    )
    def test_names_the_setting_that_cannot_be_right(self, given, setting):
        with pytest.raises(ProviderNotConfiguredError) as caught:
            embeddings.from_settings(settings(embeddings_provider="openai", **given))
        said = caught.value.msgid % caught.value.params
        assert setting in said
        assert "pass" not in said.replace("password", "")
        assert "钥匙" not in said
