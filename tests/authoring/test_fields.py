from hypothesis import given
from hypothesis import strategies as st

from studio.authoring import fields, rules
from studio.authoring.models import ContentRating
from studio.authoring.rules import Greetings
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
    }
)
GREETINGS = st.builds(Greetings, TEXT, st.lists(TEXT, max_size=3).map(tuple), st.lists(TEXT, max_size=3).map(tuple))


def v1_document() -> dict:
    """An old card with a stranger's key at its root."""
    data = card_document()["data"]
    keys = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
    return {**{key: data[key] for key in keys}, "odd": {"kept": [1]}}


def edited(document: dict, values: dict, greetings: Greetings) -> dict:
    """The document after an author saved these."""
    return apply_edits(document, fields.edits(normalise(document).card, values=values, greetings=greetings))


class TestEdits:
    @given(values=VALUES, greetings=GREETINGS, document=st.sampled_from([card_document(), v1_document()]))
    def test_make_the_card_say_what_was_saved(self, values, greetings, document):
        kept, wrong = rules.cleaned(values)
        said, _ = rules.cleaned_greetings(greetings)
        assert not wrong
        card = normalise(edited(document, kept, said)).card
        found, problems = fields.read(card)
        assert ({**_blank_profile(), **found}, problems) == (kept, {})
        assert fields.read_greetings(card) == (said, {})

    @given(values=VALUES, greetings=GREETINGS)
    def test_leave_what_they_do_not_know(self, values, greetings):
        document = card_document(odd={"a": [1, None]}, character_version="7")
        kept, _ = rules.cleaned(values)
        after = edited(document, kept, rules.cleaned_greetings(greetings)[0])
        assert after["data"]["odd"] == {"a": [1, None]}
        assert after["data"]["character_version"] == "7"
        assert after["data"]["extensions"]["somebody/else"] == {"kept": True}

    def test_are_none_where_nothing_was_changed(self):
        untidy = card_document(name="Du\u200bgu ", description="one\r\ntwo", tags=["a", "A", " b "], first_mes="x\r\ny")
        card = normalise(copy_json(untidy)).card
        values, _ = fields.read(card)
        greetings, _ = fields.read_greetings(card)
        assert fields.edits(card, values={**_blank_profile(), **values}, greetings=greetings) == {}


def _blank_profile() -> dict:
    return {**dict.fromkeys(fields.PROFILE, ""), "content_rating": ContentRating.UNRATED}
