from hypothesis import given
from hypothesis import strategies as st

from studio.authoring import fields, rules, scenes
from studio.authoring.chat_settings import EMOTIONS, ContextSettings
from studio.authoring.fields import Parts
from studio.authoring.models import ContentRating, License
from studio.authoring.rules import Greetings, ReplyDraft
from studio.authoring.scenes import SceneDraft
from studio.cards.documents import copy_json
from studio.cards.editing import apply_edits
from studio.cards.normalise import normalise
from tests.factories.authoring import card_document

TEXT = st.text(max_size=80)
SAID = TEXT.map(lambda text: f"{text} said")
VALUES = st.fixed_dictionaries(
    {
        "name": SAID,
        "nickname": TEXT,
        "description": TEXT,
        "personality": TEXT,
        "scenario": TEXT,
        "example_dialogue": TEXT,
        "system_prompt": TEXT,
        "post_history_instructions": TEXT,
        "creator_notes": TEXT,
        "tags": st.lists(TEXT, max_size=4),
        "tagline": TEXT,
        "relationships": TEXT,
        "current_state": TEXT,
        "language": st.sampled_from(["", "en", "zh-Hans"]),
        "content_rating": st.sampled_from(ContentRating),
        "content_warnings": st.lists(TEXT, max_size=3),
        "license": st.sampled_from(License),
        "ai_model": TEXT,
        "context_tokens": st.integers(512, 10_000_000),
        "emotional_range": st.dictionaries(st.sampled_from(EMOTIONS), st.floats(0, 1)),
        "is_learning_enabled": st.booleans(),
        "memory_retention_days": st.none() | st.integers(1, 3650),
        "is_context_aware": st.booleans(),
    }
)
PERCENTAGES = st.integers(0, 100)
PARTS = st.builds(
    Parts,
    replies=st.lists(st.builds(ReplyDraft, TEXT, st.integers(1, 1000), st.sampled_from(["", "en"])), max_size=3),
    scenes=st.lists(st.builds(SceneDraft, SAID, TEXT, PERCENTAGES, TEXT, PERCENTAGES), max_size=3),
    context=st.builds(
        ContextSettings, st.integers(1, 1000), st.integers(0, 1000), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)
    ),
)
GREETINGS = st.builds(Greetings, TEXT, st.lists(TEXT, max_size=3).map(tuple), st.lists(TEXT, max_size=3).map(tuple))


def v1_document() -> dict:
    """An old card with a stranger's key at its root."""
    data = card_document()["data"]
    keys = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
    return {**{key: data[key] for key in keys}, "odd": {"kept": [1]}}


def cleaned(parts: Parts) -> Parts:
    """The parts as they are kept."""
    return Parts(tuple(rules.cleaned_replies(parts.replies)[0]), tuple(scenes.cleaned(parts.scenes)[0]), parts.context)


def edited(document: dict, values: dict, greetings: Greetings, parts: Parts) -> dict:
    """The document after an author saved these."""
    wanted = fields.edits(normalise(document).card, values=values, greetings=greetings, parts=parts)
    return apply_edits(document, wanted)


class TestEdits:
    @given(values=VALUES, greetings=GREETINGS, parts=PARTS, document=st.sampled_from([card_document(), v1_document()]))
    def test_make_the_card_say_what_was_saved(self, values, greetings, parts, document):
        kept, wrong = rules.cleaned(values)
        said, _ = rules.cleaned_greetings(greetings)
        assert not wrong
        card = normalise(edited(document, kept, said, cleaned(parts))).card
        found, problems = fields.read(card)
        assert ({**fields.DEFAULTS, **found}, problems) == (kept, {})
        assert fields.read_greetings(card) == (said, {})
        assert fields.read_parts(card) == cleaned(parts)

    @given(values=VALUES, greetings=GREETINGS, parts=PARTS)
    def test_leave_what_they_do_not_know(self, values, greetings, parts):
        document = card_document(odd={"a": [1, None]}, character_version="7")
        kept, _ = rules.cleaned(values)
        after = edited(document, kept, rules.cleaned_greetings(greetings)[0], cleaned(parts))
        assert after["data"]["odd"] == {"a": [1, None]}
        assert after["data"]["character_version"] == "7"
        assert after["data"]["extensions"]["somebody/else"] == {"kept": True}

    @given(values=VALUES, parts=PARTS)
    def test_leave_the_content_hash_where_only_our_own_extension_changed(self, values, parts):
        card = normalise(card_document()).card
        was, _ = fields.read(card)
        own = {column: value for column, value in rules.cleaned(values)[0].items() if column in fields.PROFILE}
        after = edited(card, {**was, **own}, fields.read_greetings(card)[0], cleaned(parts))
        assert rules.content_hash(normalise(after).card) == rules.content_hash(card)

    def test_are_none_where_nothing_was_changed(self):
        untidy = card_document(name="Du\u200bgu ", description="one\r\ntwo", tags=["a", "A", " b "], first_mes="x\r\ny")
        card = normalise(copy_json(untidy)).card
        values, _ = fields.read(card)
        greetings, _ = fields.read_greetings(card)
        assert fields.edits(card, values={**fields.DEFAULTS, **values}, greetings=greetings, parts=Parts()) == {}


class TestReading:
    @given(
        st.dictionaries(
            st.sampled_from([*fields.PROFILE, "unknown"]),
            st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.lists(TEXT | st.integers()),
        ),
        st.sampled_from(["replies", "scenes", "context"]),
        st.none()
        | TEXT
        | st.lists(
            st.dictionaries(
                st.sampled_from(["content", "weight", "title", "progress", "memory_count"]), TEXT | st.none()
            )
        )
        | st.dictionaries(st.sampled_from(["memory_count", "consistency", "odd"]), TEXT | st.booleans() | st.floats()),
    )
    def test_puts_right_what_somebody_else_wrote_into_our_extension(self, profile, part, value):
        document = card_document(extensions={"greenroom": {"profile": profile, part: value}})
        card = normalise(document).card
        values, wrong = fields.read(card)
        assert not wrong
        assert rules.cleaned(values) == (values, {})
        parts = fields.read_parts(card)
        assert cleaned(parts) == parts
