"""What is sent: every part in its place, never more than the window holds, and an account of what was left out."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.authoring.rules import tokens
from studio.cards.normalise import normalise
from studio.chat import prompts
from studio.chat.definitions import Definition
from studio.chat.prompts import Frame, PartKind, Reason, Turn
from tests.factories.authoring import card_document


def entry(content, *, keys=("sword",), **more):
    return {
        "keys": list(keys),
        "content": content,
        "extensions": {},
        "enabled": True,
        "insertion_order": 100,
        "use_regex": False,
        **more,
    }


def definition(*, scenes=(), profile=None, context=None, entries=None, book=None, **data) -> Definition:
    if entries is not None:
        data["character_book"] = {"extensions": {}, "entries": entries, **(book or {})}
    card = normalise(card_document(**data)).card
    studio = {"scenes": list(scenes), "profile": profile or {}, "fallback_replies": []}
    return Definition(card["data"], studio | ({"context": context} if context else {}))


def frame(window=4000, max_output=200, **more) -> Frame:
    return Frame(user_name="Sam", window=window, max_output=max_output, **more)


HELLO = [Turn("assistant", "You came for my sword?"), Turn("user", "Yes, the sword.")]


def build(made: Definition, history=HELLO, **more):
    return prompts.build(made, history=history, frame=frame(**more))


def spent(prompt) -> int:
    return sum(tokens(message.content) + 4 for message in prompt.messages)


def kinds(prompt, *, sent=True):
    return [part.kind for part in prompt.parts if (part.left_out is None) is sent]


class TestOrder:
    def test_is_sillytaverns(self):
        made = definition(
            system_prompt="S1",
            description="D1",
            personality="P1",
            scenario="C1",
            mes_example="<START>\nE1\n<START>\nE2",
            post_history_instructions="J1",
            entries=[entry("LB"), entry("LA", position="after_char")],
        )
        prompt = build(made)
        assert [message.role for message in prompt.messages] == ["system", "assistant", "user", "system"]
        head = prompt.messages[0].content
        places = [head.index(text) for text in ("S1", "LB", "D1", "P1", "C1", "LA", "E1", "E2")]
        assert places == sorted(places)
        assert prompt.messages[-1].content == "J1"

    def test_puts_the_note_and_deep_lore_where_they_say(self):
        history = [Turn("user" if n % 2 else "assistant", f"m{n} sword") for n in range(6)]
        made = definition(
            extensions={"depth_prompt": {"prompt": "NOTE", "depth": 1, "role": "user"}},
            entries=[entry("@@depth 2\n@@role assistant\nDEEP"), entry("@@reverse_depth 1\nEARLY")],
            mes_example="",
        )
        prompt = build(made, history)
        texts = [message.content for message in prompt.messages][1:]
        assert texts == [
            "m0 sword",
            "EARLY",
            "m1 sword",
            "m2 sword",
            "m3 sword",
            "DEEP",
            "m4 sword",
            "NOTE",
            "m5 sword",
        ]

    def test_resolves_macros_and_the_original_prompt(self):
        prompt = build(definition(name="Aria", system_prompt="First: {{original}} Then {{user}}."))
        assert prompt.messages[0].content.startswith(
            "First: Write Aria's next reply in a fictional chat between Aria and Sam. Then Sam."
        )

    def test_knows_the_studios_own_parts(self):
        made = definition(
            scenes=[{"title": "The cave", "stage": "second", "stage_prompt": "{{char}} is tired."}],
            profile={"relationships": "friend of a condor", "current_state": "hungry"},
            name="Aria",
        )
        head = build(made, scene=0).messages[0].content
        assert "[Scene: The cave – second]\nAria is tired." in head
        assert "Aria's relationships: friend of a condor" in head
        assert "Aria just now: hungry" in head
        assert PartKind.SCENE not in kinds(build(made))

    def test_never_sends_the_creators_notes(self):
        assert "secret note" not in json.dumps(
            [m.content for m in build(definition(creator_notes="secret note")).messages]
        )


class TestRoom:
    def test_is_taken_from_examples_first_then_from_the_oldest_messages(self):
        history = [Turn("user" if n % 2 else "assistant", f"message {n} " + "word " * 40) for n in range(12)]
        made = definition(description="D" * 400, mes_example="<START>\n" + "example " * 100)
        prompt = build(made, history, window=900)
        out = [part for part in prompt.parts if part.left_out]
        assert prompt.fits
        assert PartKind.EXAMPLE in {part.kind for part in out}
        sent = [part.text for part in prompt.parts if part.kind is PartKind.HISTORY and part.left_out is None]
        assert sent == [turn.text for turn in history[-len(sent) :]]
        assert 0 < len(sent) < 12
        assert {part.left_out for part in out} == {Reason.NO_ROOM}

    def test_ends_where_the_character_looks_back_no_further(self):
        history = [Turn("user" if n % 2 else "assistant", f"m{n}") for n in range(10)]
        prompt = build(definition(context={"context_window": 4}), history)
        said = [part for part in prompt.parts if part.kind is PartKind.HISTORY]
        assert [part.text for part in said if part.left_out is None] == ["m6", "m7", "m8", "m9"]
        assert {part.left_out for part in said[:6]} == {Reason.OLDER}

    def test_says_that_the_permanent_parts_do_not_fit_and_sends_nothing(self):
        prompt = build(definition(description="word " * 4000), window=1000)
        assert not prompt.fits
        assert prompt.messages == ()
        assert prompt.needed > 800

    def test_keeps_lore_within_the_books_budget_and_says_what_is_dropped(self):
        entries = [entry("first " * 20, insertion_order=2), entry("second " * 20, insertion_order=1)]
        prompt = build(definition(entries=entries, book={"token_budget": 40}))
        dropped = [part for part in prompt.parts if part.left_out]
        assert [part.text[:6] for part in dropped] == ["second"]
        assert dropped[0].left_out is Reason.OVER_BUDGET
        assert prompt.lore_budget == 40

    def test_keeps_lore_within_a_quarter_of_the_window_where_the_book_says_nothing(self):
        prompt = build(definition(entries=[entry("big " * 700)]), window=2000)
        assert [part.left_out for part in prompt.parts if part.name == "" and part.entry == 0] == [Reason.TOO_LARGE]


class TestLore:
    def test_says_why_it_fired(self):
        prompt = build(definition(entries=[entry("A blade.", name="Blade"), entry("Always.", keys=[], constant=True)]))
        found = {part.text: part for part in prompt.parts if part.entry is not None}
        assert (found["A blade."].name, found["A blade."].cause, found["A blade."].keys) == ("Blade", "key", ("sword",))
        assert found["Always."].cause == "constant"

    def test_can_switch_a_prompt_off(self):
        made = definition(
            post_history_instructions="J1", entries=[entry("@@disable_ui_prompt post_history_instructions\nOff.")]
        )
        assert PartKind.AFTER_HISTORY not in kinds(build(made))

    def test_greeting_number_is_known(self):
        made = definition(entries=[entry("@@is_greeting 1\nOnly there.")])
        assert "Only there." not in build(made, greeting=0).messages[0].content
        assert "Only there." in build(made, greeting=1).messages[0].content


TEXTS = st.text("ab c\n侦探{}<>🧙", max_size=300)
TURNS = st.lists(
    st.builds(
        Turn, st.sampled_from(["user", "assistant"]), st.text("ab 侦sword", min_size=1, max_size=200).filter(str.strip)
    ),
    min_size=1,
    max_size=12,
)
ENTRIES = st.lists(
    st.builds(
        lambda text, keys, head, constant, position: entry(
            head + text, keys=keys, constant=constant, position=position
        ),
        TEXTS,
        st.lists(st.sampled_from(["a", "侦", "sword", "zz"]), max_size=2),
        st.sampled_from(
            ["", "@@depth 0\n", "@@depth 3\n@@role user\n", "@@reverse_depth 2\n", "@@position after_desc\n"]
        ),
        st.booleans(),
        st.sampled_from(["before_char", "after_char"]),
    ),
    max_size=5,
)


@settings(deadline=None, max_examples=150)
@given(
    st.builds(
        definition,
        description=TEXTS,
        personality=TEXTS,
        scenario=TEXTS,
        system_prompt=TEXTS,
        post_history_instructions=TEXTS,
        mes_example=TEXTS.map(lambda text: f"<START>\n{text}\n<START>\nb"),
        entries=ENTRIES,
    ),
    TURNS,
    st.integers(64, 2000),
    st.integers(16, 400),
)
def test_holds_for_every_character_and_chat(made, history, window, max_output):
    prompt = build(made, history, window=max(window, max_output), max_output=max_output)
    again = build(made, history, window=max(window, max_output), max_output=max_output)
    assert prompt == again
    assert json.dumps(prompt.as_json())
    if not prompt.fits:
        assert prompt.messages == ()
        assert prompt.needed > max(window, max_output) - max_output
        return
    assert spent(prompt) == prompt.tokens <= max(window, max_output) - max_output
    contents = [message.content for message in prompt.messages]
    for part in prompt.parts:
        if part.left_out is None:
            assert any(part.text in content for content in contents)
    permanent = {PartKind.DESCRIPTION, PartKind.PERSONALITY, PartKind.SCENARIO, PartKind.SYSTEM_PROMPT}
    assert all(part.left_out is None for part in prompt.parts if part.kind in permanent)
    assert history[-1].text in contents
    order = list(PartKind)
    places = [order.index(part.kind) for part in prompt.parts]
    assert places == sorted(places)
    for first, second in zip(prompt.messages, prompt.messages[1:], strict=False):
        assert (first.role, second.role) != ("system", "system")


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("", []),
        ("<START>", []),
        ("a", ["a"]),
        ("<start>\na\nb\n<START>\n\n c ", ["a\nb", "c"]),
        ("x <START>", ["x <START>"]),
    ],
)
def test_examples_are_split_at_their_marks(text, blocks):
    assert list(prompts.block_texts(text)) == blocks
