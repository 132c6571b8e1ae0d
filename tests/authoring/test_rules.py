from hypothesis import given
from hypothesis import strategies as st

from studio.authoring import rules
from studio.authoring.models import ContentRating
from studio.authoring.rules import Facts, Greetings, ReplyDraft

TEXT = st.text(max_size=300)


class TestCleaned:
    def test_tidies_names_and_keeps_line_breaks_in_texts(self):
        kept, wrong = rules.cleaned({"name": " Du\u200bgu \n Qiubai ", "description": "one\r\ntwo\x00"})
        assert (kept, wrong) == ({"name": "Dugu Qiubai", "description": "one\ntwo"}, {})

    def test_names_each_field_that_cannot_be_kept(self):
        _, wrong = rules.cleaned(
            {
                "name": "  ",
                "tagline": "x" * 501,
                "description": "x" * 200_001,
                "tags": ["x" * 101],
                "content_rating": "harmless",
                "language": "Chinese!",
                "owner_id": "somebody",
            }
        )
        assert set(wrong) == {"name", "tagline", "description", "tags", "content_rating", "language", "owner_id"}
        assert all(sentence.endswith(".") for sentence in wrong.values())

    def test_refuses_more_than_a_hundred_tags(self):
        _, wrong = rules.cleaned({"tags": [f"tag{n}" for n in range(101)]})
        assert set(wrong) == {"tags"}

    @given(name=TEXT, description=TEXT, tags=st.lists(TEXT, max_size=5))
    def test_changes_nothing_the_second_time(self, name, description, tags):
        once, _ = rules.cleaned({"name": name, "description": description, "tags": tags})
        again, _ = rules.cleaned(once)
        assert again == once


class TestTags:
    def test_keeps_each_once_whatever_its_case_or_width(self):
        assert rules.tags(["Wuxia", " wuxia ", "ＷＵＸＩＡ", "", "武侠"]) == ["Wuxia", "武侠"]


class TestCleanedGreetings:
    def test_leaves_out_empty_ones_in_order(self):
        kept, wrong = rules.cleaned_greetings(Greetings(first=" ", alternate=("a", "  ", "b"), group_only=("",)))
        assert (kept, wrong) == (Greetings(alternate=("a", "b")), {})

    def test_refuses_more_than_a_hundred_of_a_kind(self):
        _, wrong = rules.cleaned_greetings(Greetings(alternate=("x",) * 101))
        assert set(wrong) == {"greetings.alternate"}


class TestCleanedReplies:
    def test_leaves_out_empty_ones(self):
        kept, wrong = rules.cleaned_replies([ReplyDraft("a"), ReplyDraft(" \n"), ReplyDraft("b", 5, " zh-Hans ")])
        assert (kept, wrong) == ([ReplyDraft("a"), ReplyDraft("b", 5, "zh-Hans")], {})

    def test_names_the_reply_that_cannot_be_kept(self):
        _, wrong = rules.cleaned_replies(
            [ReplyDraft("ok"), ReplyDraft("x", 0), ReplyDraft("x" * 10_001), ReplyDraft("x", 1, "??")]
        )
        assert set(wrong) == {"replies.1", "replies.2", "replies.3"}


class TestSearchText:
    def test_is_folded_and_starts_with_the_name(self):
        text = rules.search_text({"name": "ＤＵＧＵ 独孤求败", "tags": ["Wuxia"], "description": "A Swordsman"})
        assert text.startswith("dugu 独孤求败")
        assert "wuxia" in text
        assert "a swordsman" in text

    def test_holds_what_stands_beside_a_long_text(self):
        assert "a title" in rules.search_text({"name": "x", "description": "y" * 30_000}, more=["A Title"])

    @given(description=st.text(max_size=500).map(lambda text: text * 60))
    def test_is_bounded(self, description):
        assert len(rules.search_text({"name": "x", "description": description})) <= rules.SEARCH_LENGTH

    def test_finds_two_characters_through_bigrams(self):
        found = rules.bigrams(rules.search_text({"name": "独孤求败", "description": "剑魔"}))
        assert {"求败", "剑魔"} <= set(found)


class TestTokens:
    def test_counts_chinese_by_the_character_and_english_by_four(self):
        assert rules.tokens("") == 0
        assert rules.tokens("独孤求败") == 4
        assert rules.tokens("abcdefgh") == 2


class TestCompleteness:
    def test_is_a_hundred_where_nothing_is_missing(self):
        values = {
            "description": "x" * 200,
            "personality": "x",
            "tagline": "x",
            "tags": ["x"],
            "content_rating": ContentRating.TEEN,
        }
        found = rules.completeness(Facts(values=values, greeting="x", replies=3, has_portrait=True))
        assert (found.score, found.missing) == (100, ())

    def test_explains_each_missing_item_the_weightiest_first(self):
        found = rules.completeness(Facts(values={}))
        assert found.score == 0
        assert [item.points for item in found.missing] == sorted((i.points for i in found.missing), reverse=True)
        assert all(item.sentence.endswith(".") for item in found.missing)

    def test_asks_less_length_of_chinese(self):
        found = rules.completeness(Facts(values={"description": "剑" * 70}))
        assert "description_length" not in {item.code for item in found.missing}

    @given(
        values=st.fixed_dictionaries({"description": TEXT, "tagline": TEXT, "personality": TEXT}),
        replies=st.integers(0, 9),
        has_portrait=st.booleans(),
    )
    def test_stays_between_0_and_100(self, values, replies, has_portrait):
        assert 0 <= rules.completeness(Facts(values=values, replies=replies, has_portrait=has_portrait)).score <= 100
