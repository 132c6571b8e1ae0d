"""A pasted chat, read into messages."""

from hypothesis import given
from hypothesis import strategies as st

from studio.cards.lore_chats import parse_chat


def read(text):
    return [(message.role, message.text) for message in parse_chat(text, char="Aria", user="Sam")]


def test_names_and_usual_words_begin_messages_and_other_lines_belong_to_the_one_above():
    text = "User: Hello\nthere: friend\n**Aria**: Hi.\n\nSam：你好\nsystem: rain\n{{char}}: So."
    assert read(text) == [
        ("user", "Hello\nthere: friend"),
        ("assistant", "Hi."),
        ("user", "你好"),
        ("system", "rain"),
        ("assistant", "So."),
    ]


def test_without_names_every_paragraph_is_the_users():
    assert read("one: 1\nmore\n\n\ntwo") == [("user", "one: 1\nmore"), ("user", "two")]


def test_nothing_is_nothing():
    assert read(" \n\n") == read("User:") == []


@given(st.text(max_size=200))
def test_whatever_is_pasted_is_read(text):
    assert all(text.strip() for _role, text in read(text))
