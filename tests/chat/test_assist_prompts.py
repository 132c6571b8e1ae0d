"""How help is asked for: the card is material, the field is never cut, and what comes back is cleaned."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.authoring.rules import tokens
from studio.chat import assist_prompts
from studio.chat.assist_prompts import CONTEXT_FIELDS, FIELDS, Wish
from studio.chat.models import AssistKind


@settings(deadline=None)
@given(
    st.sampled_from(list(AssistKind)),
    st.sampled_from(sorted(FIELDS)),
    st.text('ab "\\}{<>侦探\n', max_size=2_000),
    st.dictionaries(st.sampled_from(CONTEXT_FIELDS), st.text('ab "\\侦\n', max_size=4_000)),
    st.integers(600, 4_000),
)
def test_keeps_the_field_whole_the_window_and_the_card_apart_from_the_task(kind, field, text, card, window):
    asked = assist_prompts.build(Wish(kind, field, text), card=card, window=window)
    if not asked.fits:
        assert asked.messages == ()
        return
    system, message = asked.messages
    assert (system.role, message.role) == ("system", "user")
    body = json.loads(message.content)
    assert body["text"] == text
    assert field not in body["card"]
    for name, cut in body["card"].items():
        assert card[name].strip().startswith(cut)
    assert sum(tokens(one.content) + 4 for one in asked.messages) + asked.max_output <= window


@pytest.mark.parametrize(
    ("answer", "text"),
    [("  A knight.\n", "A knight."), ("```text\nA\nknight.\n```", "A\nknight."), ("a ``` b", "a ``` b"), ("", "")],
)
def test_takes_a_fence_off_an_answer(answer, text):
    assert assist_prompts.cleaned(answer) == text
