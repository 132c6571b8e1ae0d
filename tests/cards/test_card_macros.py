"""Macros are rendered for previews without a template engine, and mistakes are found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.cards.macros import display_name, fix_single_braces, fixed, lint, reader_in, render


class TestRender:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("{{char}} greets {{USER}}.", "Su greets Ann."),
            ("<BOT> greets <user>.", "Su greets Ann."),
            ("{{ char }}", "Su"),
            ("a{{// hidden}}b{{comment: x}}c{{hidden_key:k}}d", "abcd"),
            ("{{reverse:abc}}", "cba"),
            ("{{newline}}", "\n"),
            ("{{original}}!", "Be kind.!"),
            ("{{random:one}} {{pick:one}} {{random::one}}", "one one one"),
            ("{{roll:1}} {{roll:d1}}", "1 1"),
            ("{{roll:x}} {{getvar::a}} {{uset}}", "{{roll:x}} {{getvar::a}} {{uset}}"),
            ("{{random:{{char}}}}", "Su"),
            ("{% for x in y %} ${x} {{ 7 * 7 }}", "{% for x in y %} ${x} {{ 7 * 7 }}"),
        ],
    )
    def test_resolves_what_chats_resolve(self, text, shown):
        assert render(text, char="Su", user="Ann", original="Be kind.") == shown

    def test_never_renders_a_name(self):
        assert render("{{char}}", char="{{user}}{{char}}", user="Ann") == "{{user}}{{char}}"

    def test_chooses_alike_from_an_equal_seed(self):
        text = "{{random:a,b\\,c,d}} {{roll:d20}}"
        assert render(text, char="", user="", seed=5) == render(text, char="", user="", seed=5)
        seen = {render("{{random:a,b\\,c}}", char="", user="", seed=seed) for seed in range(50)}
        assert seen == {"a", "b,c"}

    @given(text=st.text(alphabet="{}:/ acharusep,\\<>\n", max_size=60))
    def test_takes_any_text(self, text):
        assert isinstance(render(text, char="{{char}}", user="}}"), str)


class TestDisplayName:
    def test_prefers_the_nickname(self):
        assert display_name({"name": "A", "nickname": "B"}) == "B"
        assert display_name({"name": "A", "nickname": ""}) == "A"


class TestLint:
    def test_finds_single_braces_and_unknown_macros_in_order(self):
        issues = lint("{{uset}} and {char}, {{user}}, {{getvar::x}}, {{// note}}")
        assert [(issue.code, issue.found, issue.fix) for issue in issues] == [
            ("unknown_macro", "{{uset}}", "{{user}}"),
            ("single_brace", "{char}", "{{char}}"),
        ]
        assert [(issue.start, issue.end) for issue in issues] == [(0, 8), (13, 19)]

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("{{usr}}", "{{user}}"),
            ("{{Cahr}}", "{{char}}"),
            ("{{ randm:a,b}}", "{{ random:a,b}}"),
            ("{{rol:d6}}", "{{roll:d6}}"),
            ("{{mood of the day}}", None),
            ("{{}}", None),
            ("{{他}}", None),
        ],
    )
    def test_guesses_what_was_meant_only_where_it_is_near(self, written, meant):
        (issue,) = lint(f"a {written} b")
        assert issue.fix == meant


class TestFixed:
    def test_puts_right_every_macro_that_is_written_like_it_and_no_other(self):
        text = "{char} {{char}} {CHAR} {char}, {user} {{uset}}"
        issues = {issue.found: issue for issue in lint(text)}
        assert fixed(text, issues["{char}"]) == "{{char}} {{char}} {CHAR} {{char}}, {user} {{uset}}"
        assert fixed(text, issues["{{uset}}"]) == "{char} {{char}} {CHAR} {char}, {user} {{user}}"

    @given(text=st.text(alphabet="{}:/ acharusep,\n", max_size=60))
    def test_takes_away_exactly_the_issues_that_it_puts_right(self, text):
        for issue in lint(text):
            after = fixed(text, issue)
            if issue.fix is None:
                assert after == text
            else:
                assert issue.found not in {other.found for other in lint(after) if other.code == issue.code}


class TestReaderIn:
    @pytest.mark.parametrize(
        ("text", "language", "reader"),
        [
            ("*He nods to {{user}}.*", "", "you"),
            ("*他向{{user}}点头。*", "", "你"),
            ("*…*", "zh-Hans", "你"),
            ("*彼は頷く。*", "ja", "あなた"),
            ("A card in English that quotes 茶.", "en", "you"),
        ],
    )
    def test_is_you_in_the_language_of_the_card_else_of_the_text(self, text, language, reader):
        assert reader_in(text, language=language) == reader


class TestFixSingleBraces:
    def test_doubles_them_once(self):
        fixed = fix_single_braces("{character} and {User} and {{char}} and {x}")
        assert fixed == "{{char}} and {{user}} and {{char}} and {x}"
        assert fix_single_braces(fixed) == fixed
