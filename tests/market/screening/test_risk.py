from hypothesis import given
from hypothesis import strategies as st

from studio.market.screening import risk
from studio.market.screening.risk import Factor, Facts

SOME = st.integers(0, 50)
FACTS = st.builds(
    Facts,
    severe=SOME,
    warnings=SOME,
    unscreened=st.integers(0, 2),
    copies_of_others=SOME,
    pictures_of_others=SOME,
    approved=SOME,
    rejected=SOME,
    taken_down=SOME,
    reports_upheld=SOME,
    open_reports=SOME,
    is_rated_explicit=st.booleans(),
    has_live_version=st.booleans(),
)


class TestOf:
    @given(FACTS)
    def test_is_the_sum_of_what_it_shows_within_its_bounds(self, facts):
        found = risk.of(facts)
        assert found.score == max(0, min(100, sum(factor.weight for factor in found.factors)))
        assert all(factor.weight for factor in found.factors)
        assert risk.from_json([factor.to_json() for factor in found.factors]) == list(found.factors)

    @given(FACTS)
    def test_every_factor_says_why(self, facts):
        assert {factor.name for factor in risk.of(facts).factors} <= set(risk.WHY)

    @given(FACTS)
    def test_what_is_worse_never_scores_less(self, facts):
        worse = Facts(
            **{name: getattr(facts, name) for name in Facts.__slots__}
            | {"severe": facts.severe + 1, "copies_of_others": facts.copies_of_others + 1, "open_reports": 3}
        )
        if facts.open_reports <= 3:
            assert risk.of(worse).score >= risk.of(facts).score

    def test_a_first_clean_card_scores_a_little_and_a_known_creator_nothing(self):
        assert risk.of(Facts()) == risk.Risk(10, (Factor("new_creator", 10),))
        assert risk.of(Facts(approved=4)).score == 0

    def test_a_copy_with_a_severe_finding_is_high(self):
        assert risk.of(Facts(severe=1, copies_of_others=1)).score >= risk.HIGH

    def test_being_sent_back_once_is_no_habit(self):
        names = {factor.name for factor in risk.of(Facts(rejected=1)).factors}
        assert "rejections" not in names
        assert "rejections" in {factor.name for factor in risk.of(Facts(rejected=2)).factors}
