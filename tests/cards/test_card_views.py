"""What screening and embedding see of a card."""

from studio.cards.views import embedding_text, plain_text, text_strings
from tests.cards import builders as make


class TestTextStrings:
    def test_names_values_and_keys_with_their_paths(self):
        document = {"data": {"tags": ["a"], "x": {"<script>": 1}}, "root": "b"}
        assert list(text_strings(document)) == [
            ("data~key", "data"),
            ("data.tags~key", "tags"),
            ("data.tags[0]", "a"),
            ("data.x~key", "x"),
            ("data.x.<script>~key", "<script>"),
            ("root~key", "root"),
            ("root", "b"),
        ]


class TestEmbeddingText:
    def test_says_what_the_character_is_about(self):
        document = make.v2_document(
            description="**{{char}}** keeps a <b>tavern</b> for {{user}}.", system_prompt="secret", mes_example="secret"
        )
        assert embedding_text(document, tagline="A host") == (
            "苏晚\nA host\ntavern, 酒馆\n苏晚 keeps a tavern for user.\ncalm, wise\nAn evening at the bar."
        )

    def test_uses_the_nickname_inside_the_texts(self):
        assert "晚晚 keeps" in embedding_text(make.v3_document())


class TestPlainText:
    def test_takes_off_markup(self):
        text = (
            "# Title\n\n<script>alert(1)</script>![pic](http://x/y.png) [link](http://z)  &amp;\n> *quote*\n---\n- item"
        )
        assert plain_text(text) == "Title\npic link &\nquote\n- item"

    def test_stays_quick_on_hostile_text(self):
        for hostile in ("![" * 200_000, "<script>" * 200_000, "<a" * 200_000, "\u00a0" * 200_000, "[](" * 200_000):
            assert isinstance(plain_text(hostile), str)
