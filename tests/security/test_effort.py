"""What one person may make the server do: comparing, locating, rendering and reading forms stay bounded.

Steps and sizes are counted, never seconds.
"""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from admin_views.forms import marked
from studio.accounts.models import User
from studio.accounts.permissions import RoleName
from studio.cards import macros
from studio.kit import differences
from studio.kit.errors import InvalidError
from studio.kit.matching import BoundedMatcher, Effort
from studio.kit.money import parse_price
from studio.market.screening.checks import hidden, submission
from studio.market.screening.checks.submission import Submission
from tests.admin_views.conftest import token_of
from tests.factories import accounts

REPEATING = "".join(chr(0x4E00 + number % 5) for number in range(1_500))
SHUFFLED = "".join(chr(0x4E00 + number * 7 % 5) for number in range(1_500))


class TestBoundedMatcher:
    @given(st.text("ab的", max_size=60), st.text("ab的", max_size=60), st.integers(0, 500))
    def test_tells_the_truth_with_whatever_effort_it_has(self, before: str, after: str, steps: int) -> None:
        made = ""
        for kind, a, b, c, d in BoundedMatcher(before, after, effort=Effort(steps)).get_opcodes():
            if kind == "equal":
                assert before[a:b] == after[c:d]
            made += after[c:d]

        assert made == after

    def test_stops_looking_when_the_effort_is_used_up(self) -> None:
        looked = 0

        class Counting(BoundedMatcher):
            def find_longest_match(self, *given: int) -> object:
                nonlocal looked
                looked += self._effort.left > 0
                return super().find_longest_match(*given)

        Counting(REPEATING, SHUFFLED, effort=Effort(1_000_000), autojunk=False).get_opcodes()

        # Without an end it looks about 1,000 times, at up to half a million steps each.
        assert looked < 20


class TestWords:
    def test_gives_both_texts_back_whatever_the_effort(self) -> None:
        pieces = differences.words(REPEATING, SHUFFLED, effort=Effort(10_000))

        assert "".join(p.text for p in pieces if p.change is not differences.Change.GONE) == SHUFFLED
        assert "".join(p.text for p in pieces if p.change is not differences.Change.COME) == REPEATING


class TestMarked:
    def test_keeps_all_of_a_text_that_is_made_to_be_slow(self) -> None:
        assert str(marked("", SHUFFLED)).count(SHUFFLED[:5]) == str(f"<ins>{SHUFFLED}</ins>").count(SHUFFLED[:5])
        shown = str(marked(REPEATING * 3, SHUFFLED * 3))
        assert len(shown) >= len(SHUFFLED) * 3


class TestLocate:
    def test_encodes_each_text_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        encoded: list[str] = []
        encode = submission._encode
        monkeypatch.setattr(submission, "_encode", lambda text: encoded.append(text) or encode(text))
        text = "a\u200b" * 1_000

        found = hidden.CHECK.look(Submission(card={"data": {"description": text}}))

        assert len(found.evidence) == 50
        assert encoded.count(text) == 1


class TestRender:
    def test_lets_names_lengthen_a_text_only_so_far(self) -> None:
        text = "{{char}}<bot>" * 20_000

        rendered = macros.render(text, char="A" * 200, user="You")

        assert len(rendered) <= len(text) + 50_000
        assert rendered.count("A") >= 50_000
        assert rendered.endswith("{{char}}<bot>")

    def test_resolves_every_macro_of_an_honest_text(self) -> None:
        assert "{{" not in macros.render("{{char}} looks at {{user}}. " * 500, char="Seraphina", user="You")


class TestForms:
    def test_with_too_many_fields_are_refused(
        self, session: Session, browser_of: Callable[[User], FlaskClient]
    ) -> None:
        creator = browser_of(accounts.make_user(session, RoleName.CREATOR))
        fields = {"csrf_token": token_of(creator), "name": "Mei"}

        answer = creator.post("/characters/new", data={**fields, "greeting_alternate": ["x"] * 20_000})

        assert answer.status_code == 413
        assert creator.post("/characters/new", data=fields).status_code == 303


class TestParsePrice:
    @pytest.mark.parametrize("amount", ["1e999999", "1E+400000", "-1e999999", "9" * 400, "1e21"])
    def test_refuses_numbers_beyond_reckoning(self, amount: str) -> None:
        with pytest.raises(InvalidError) as caught:
            parse_price(amount, "USD")
        assert "price" in caught.value.fields
