"""The pure rules of search."""

from hypothesis import given
from hypothesis import strategies as st

from studio.memory import rules


class TestTermsOf:
    def test_tells_what_trigrams_find_from_what_they_cannot(self):
        terms = rules.terms_of('侦探 Lighthouse "slow burn" ai')
        assert terms.long == ("lighthouse", "slow burn")
        assert terms.short == ("侦探", "ai")

    @given(st.text(max_size=1000))
    def test_is_bounded_whatever_is_typed(self, query):
        terms = rules.terms_of(query)
        assert len(terms.long) + len(terms.short) <= rules.MOST_TERMS
        assert all(terms.long)
        assert all(terms.short)


class TestFuse:
    @given(st.lists(st.lists(st.integers(0, 20), unique=True, max_size=15), max_size=3))
    def test_holds_every_item_once_best_first(self, rankings):
        fused = rules.fuse(rankings)
        assert sorted(item for item, _ in fused) == sorted({item for ranking in rankings for item in ranking})
        scores = [score for _, score in fused]
        assert scores == sorted(scores, reverse=True)

    def test_puts_what_both_found_before_what_one_found(self):
        assert next(item for item, _ in rules.fuse([["words", "both"], ["both", "meaning"]])) == "both"


class TestMatchScore:
    def test_prefers_the_same_name_to_a_longer_one_to_a_mention(self):
        def score(name, tagline=""):
            return rules.match_score("岚月", {"name": name, "tagline": tagline}, [])[0]

        assert score("岚月") > score("岚月儿") > score("小岚月") > score("别人", "岚月的朋友") > score("别人")

    def test_says_where_the_word_was_found(self):
        fields = {"name": "Odile", "tagline": "a detective"}
        assert rules.match_score("Detective", fields, ["detective"])[1] == ("tagline", "tags")


class TestIndexName:
    @given(st.text(), st.integers(1, 4000))
    def test_fits_postgresql_and_tells_models_apart(self, model, dimensions):
        name = rules.index_name(model, dimensions)
        assert len(name) <= 63
        assert name != rules.index_name(model + "x", dimensions)
