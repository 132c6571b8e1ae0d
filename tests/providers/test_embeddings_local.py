"""The model on this machine."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from studio.providers.embeddings.local import LocalEmbeddings
from studio.providers.embeddings.wrapper import ReliableEmbeddings

TEXTS = ["侦探", "a detective", "a recipe for soup", "女巫住在森林里", "a witch in the forest"]


@pytest.fixture(scope="module")
def local() -> ReliableEmbeddings:
    return ReliableEmbeddings(LocalEmbeddings(), parallel=1)


class TestEmbed:
    def test_gives_unit_vectors_of_512_float32(self, local):
        vectors = local.embed(TEXTS)
        assert vectors.shape == (len(TEXTS), 512)
        assert vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    def test_puts_chinese_nearest_to_what_it_means_in_english(self, local):
        detective, english, soup, witch, english_witch = local.embed(TEXTS)
        assert detective @ english > 0.5 > detective @ soup + 0.3
        assert witch @ english_witch > 0.5 > witch @ english + 0.3

    def test_gives_the_same_from_many_threads(self, local):
        texts = [f"{text} {number}" for number in range(20) for text in TEXTS]
        alone = local.embed(texts)
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda _: local.embed(texts), range(8)))
        assert all(np.allclose(vectors, alone, atol=1e-5) for vectors in together)

    def test_does_not_depend_on_the_company_that_a_text_keeps(self, local):
        texts = [f"{text} {number}" for number in range(30) for text in TEXTS]
        assert np.allclose(local.embed(texts)[77], local.embed([texts[77]])[0], atol=1e-5)

    @pytest.mark.parametrize("text", ["\ud800 detective", "🧙‍♀️", "\u200b侦探", "x" * 100_000, "侦" * 20_000])
    def test_takes_odd_and_long_texts(self, local, text):
        assert np.isfinite(local.embed([text])).all()

    def test_reports_progress_in_small_steps(self, local):
        seen = []
        local.embed(["侦探"] * 130, on_batch=lambda done, total: seen.append((done, total)))
        assert seen == [(64, 130), (128, 130), (130, 130)]
