import json
import shutil
import subprocess
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.authoring import queries, rules, token_budget
from studio.authoring.models import Lorebook, LorebookEntry
from studio.settings import ROOT
from tests.factories.authoring import make_character

TEXTS = (
    "",
    "a",
    "four",
    "fives",
    "剑魔独孤求败",
    "Mixed 中文 and English, 한국어 ひらがな カタカナ",
    "𠀀𠀁 beyond the first plane 😀😀😀😀😀",
    "line\nbreaks\n\n\ttabs",
    "豈更 compatibility",
    "ﾊﾝｶｸ half width ｡",
    "e\u0301 combining",
    "x" * 1001,
    "长" * 999 + "x",
)
NODE = shutil.which("node")
SCRIPT = """
require(process.argv[1]);
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(texts.map((text) => [studioTokens.length(text), studioTokens.tokens(text)])));
"""


def counted_by_javascript(texts):
    script = ROOT / "studio" / "static" / "tokens.js"
    done = subprocess.run(
        [NODE, "-e", SCRIPT, str(script)], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(NODE is None, reason="no node is here; the browser tests compare both too")
class TestTheTwoEstimates:
    def test_are_the_same_for_texts_of_every_script(self):
        expected = [[len(text), rules.tokens(text)] for text in TEXTS]
        assert counted_by_javascript(list(TEXTS)) == expected

    @settings(max_examples=3, deadline=None)
    @given(st.lists(st.text(max_size=60), min_size=150, max_size=150))
    def test_are_the_same_for_any_text(self, texts):
        assert counted_by_javascript(texts) == [[len(text), rules.tokens(text)] for text in texts]


class TestTokens:
    def test_are_one_for_a_wide_sign_and_one_for_four_others(self):
        assert rules.tokens("剑魔") == 2
        assert rules.tokens("剑" + "abcde") == 1 + ceil(5 / 4)


class TestBudget:
    def test_sums_what_is_sent_always_once_and_for_a_while(self):
        texts = {
            "description": "d" * 400,
            "post_history_instructions": "p" * 40,
            "greeting-first": "g" * 80,
            "example_dialogue": "e" * 120,
            "creator_notes": "n" * 4000,
            "greeting-alternate-0": "a" * 4000,
        }
        budget = token_budget.measured(texts, lore=15, window=200)
        assert [budget.of(group) for group in ("permanent", "greeting", "example")] == [125, 20, 30]
        assert budget.total == 175
        assert budget.is_much
        assert budget.share(budget.total) == 87.5
        assert not token_budget.measured(texts, lore=15, window=250).is_much
        assert token_budget.measured({"description": "d" * 9000}, lore=0, window=10).share(2250) == 100


class TestConstantLore:
    def test_is_counted_by_postgresql_as_by_us_and_only_what_is_always_on(self, session, creator):
        character = make_character(session, owner=creator)
        assert queries.constant_lore_tokens(session, character_id=character.id) == 0
        book = Lorebook(character_id=character.id)
        session.add(book)
        session.flush()
        entries = [(text, True, True) for text in TEXTS] + [("off" * 50, True, False), ("called" * 50, False, True)]
        session.add_all(
            LorebookEntry(lorebook_id=book.id, position=place, content=text, is_constant=constant, is_enabled=enabled)
            for place, (text, constant, enabled) in enumerate(entries)
        )
        session.flush()
        found = queries.constant_lore_tokens(session, character_id=character.id)
        assert found == sum(rules.tokens(text) for text in TEXTS)
