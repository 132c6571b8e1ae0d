import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from studio.authoring import characters, chat_settings, documents, drafts, queries, scenes, versions
from studio.authoring.chat_settings import ContextSettings
from studio.authoring.errors import StaleCharacterError
from studio.authoring.models import CharacterScene, ContextAwarenessConfig
from studio.authoring.scenes import SceneDraft
from studio.cards.documents import dump_document
from studio.kit.errors import InvalidError
from tests.factories.authoring import import_character, make_character

SCENES = [
    SceneDraft("Strangers", "first meeting", 0, "Be cool.", 0),
    SceneDraft("相识", "朋友", 40, "温柔一些。", 20),
    SceneDraft("Bound", "", 100, "", 90),
]


def save(session, actor, character, now, *, row_version=None, **parts):
    return characters.update(
        session,
        actor=actor,
        character_id=character.id,
        row_version=character.row_version if row_version is None else row_version,
        changes=parts.pop("changes", {}),
        now=now,
        **parts,
    )


class TestScenes:
    def test_are_kept_in_their_order_and_replaced_as_a_whole(self, session, creator, now):
        character = make_character(session, owner=creator)
        save(session, creator, character, now, scenes=SCENES)
        assert queries.scenes_of(session, character_id=character.id) == SCENES
        save(session, creator, character, now, scenes=[SCENES[2], SceneDraft(" "), SCENES[0]])
        assert drafts.state(session, character)["scenes"] == [SCENES[2], SCENES[0]]

    def test_change_neither_the_content_hash_nor_the_row_where_they_stay_the_same(self, session, creator, now):
        character = make_character(session, owner=creator)
        content_hash = character.content_hash
        save(session, creator, character, now, scenes=SCENES)
        assert character.content_hash == content_hash
        version = character.row_version
        save(session, creator, character, now, scenes=SCENES)
        assert character.row_version == version

    def test_are_compared_where_somebody_saved_in_between(self, session, creator, now):
        character = make_character(session, owner=creator)
        stale = character.row_version
        save(session, creator, character, now, scenes=SCENES)
        with pytest.raises(StaleCharacterError) as refusal:
            save(session, creator, character, now, row_version=stale, scenes=SCENES[:1], context={"memory_count": "3"})
        assert {one.field for one in refusal.value.differences} == {"scenes", "context"}

    @pytest.mark.parametrize(
        ("scene", "words"),
        [
            (SceneDraft("", "stage"), "needs a title"),
            (SceneDraft("x" * 201), "more than 200"),
            (SceneDraft("x", progress=101), "progress is a whole number"),
            (SceneDraft("x", required_progress=-1), "required progress"),
            (SceneDraft("x", stage_prompt="x" * 200_001), "more than 200,000"),
        ],
    )
    def test_are_refused_with_a_sentence_at_their_row(self, session, creator, now, scene, words):
        character = make_character(session, owner=creator)
        with pytest.raises(InvalidError) as refusal:
            save(session, creator, character, now, scenes=[SCENES[0], SceneDraft(""), scene])
        assert words in refusal.value.fields["scenes.2"]
        assert queries.scenes_of(session, character_id=character.id) == []

    @pytest.mark.parametrize("nothing", ["", " \n", "\x1b", "\x00 \u200b"])
    def test_of_signs_that_are_not_kept_are_left_out(self, nothing):
        assert scenes.cleaned([SceneDraft(nothing, stage=nothing, stage_prompt=nothing.replace("\u200b", ""))]) == (
            [],
            {},
        )

    def test_are_at_most_a_hundred(self):
        assert set(scenes.cleaned([SceneDraft("x")] * 101)[1]) == {"scenes"}

    @example([SceneDraft("", stage_prompt="\x1b")])
    @given(
        st.lists(
            st.builds(SceneDraft, st.text(max_size=30), st.text(max_size=9), st.integers(-3, 103), st.text(max_size=9))
        )
    )
    def test_stay_the_same_when_cleaned_again(self, drafted):
        kept, _ = scenes.cleaned(drafted)
        assert scenes.cleaned(kept)[0] == kept

    @pytest.mark.parametrize("column", ["progress", "required_progress"])
    def test_never_stand_outside_of_their_path(self, session, creator, column):
        character = make_character(session, owner=creator)
        with pytest.raises(IntegrityError, match="is_a_percentage"), session.begin_nested():
            session.add(CharacterScene(character_id=character.id, position=0, title="x", **{column: 101}))
            session.flush()


class TestContext:
    def test_is_the_default_where_nobody_chose_and_needs_no_row(self, session, creator):
        character = make_character(session, owner=creator)
        assert drafts.state(session, character)["context"] == ContextSettings()
        assert session.scalar(sa.select(sa.func.count()).select_from(ContextAwarenessConfig)) == 0

    def test_takes_numbers_as_forms_send_them_and_keeps_one_row(self, session, creator, now):
        character = make_character(session, owner=creator)
        save(session, creator, character, now, context={"context_window": "40", "emotion_weight": "0,5"})
        save(session, creator, character, now, context={"context_window": "41", "emotion_weight": "0.5"})
        assert queries.context_of(session, character_id=character.id) == ContextSettings(41, emotion_weight=0.5)
        assert session.scalar(sa.select(sa.func.count()).select_from(ContextAwarenessConfig)) == 1

    @pytest.mark.parametrize("name", list(chat_settings.RANGES))
    def test_accepts_exactly_what_postgresql_accepts(self, session, creator, name):
        character = make_character(session, owner=creator)
        allowed = chat_settings.RANGES[name]
        for value in allowed:
            assert not chat_settings.cleaned_context({name: str(value)})[1]
            with session.begin_nested() as step:
                session.add(ContextAwarenessConfig(character_id=character.id, **{name: value}))
                session.flush()
                step.rollback()
        for value in (allowed.least - 1, allowed.most + 1):
            assert set(chat_settings.cleaned_context({name: str(value)})[1]) == {f"context.{name}"}
            with pytest.raises(IntegrityError, match=name), session.begin_nested():
                session.add(ContextAwarenessConfig(character_id=character.id, **{name: value}))
                session.flush()

    @given(st.dictionaries(st.sampled_from([*chat_settings.RANGES, "odd"]), st.text(max_size=25) | st.floats()))
    def test_is_within_its_ranges_whatever_is_typed(self, given_values):
        kept, _ = chat_settings.cleaned_context(given_values)
        assert chat_settings.cleaned_context(kept) == (kept, {})


class TestAiSettings:
    def test_are_kept_and_refused_beside_their_fields(self, session, creator, now):
        character = make_character(session, owner=creator)
        chosen = {
            "ai_model": "gpt-4o",
            "context_tokens": "128,000",
            "emotional_range": {"joy": "0.8", "anger": ""},
            "is_learning_enabled": True,
            "memory_retention_days": "30",
            "is_context_aware": False,
            "license": "cc_by",
            "content_warnings": ["violence", "Violence", "spiders"],
        }
        save(session, creator, character, now, changes=chosen)
        state = drafts.state(session, character)
        assert (state["context_tokens"], state["emotional_range"], state["memory_retention_days"]) == (
            128_000,
            {"joy": 0.8},
            30,
        )
        assert (state["license"], state["content_warnings"]) == ("cc_by", ["violence", "spiders"])
        wrong = {
            "context_tokens": "many",
            "memory_retention_days": "0",
            "emotional_range": {"joy": "2"},
            "license": "mine",
        }
        with pytest.raises(InvalidError) as refusal:
            save(session, creator, character, now, changes=wrong)
        assert set(refusal.value.fields) == set(wrong)


class TestTravelling:
    def test_brings_everything_back_from_the_card(self, session, storage, creator, now):
        character = import_character(session, actor=creator, storage=storage)
        save(
            session,
            creator,
            character,
            now,
            changes={"license": "cc0", "content_warnings": ["gore"], "context_tokens": 4096, "is_context_aware": False},
            scenes=SCENES,
            context={"memory_count": 3},
        )
        data = dump_document(documents.document_of(session, character))
        again = import_character(session, actor=creator, storage=storage, data=data, filename="again.json")
        assert drafts.state(session, again) == drafts.state(session, character)
        assert again.content_hash == character.content_hash

    def test_stands_in_a_version(self, session, creator, now):
        character = make_character(session, owner=creator)
        save(session, creator, character, now, changes={"license": "cc0"}, scenes=SCENES, context={"memory_count": 3})
        studio = versions.make(session, actor=creator, character_id=character.id, now=now).studio
        assert studio["profile"]["license"] == "cc0"
        assert [scene["title"] for scene in studio["scenes"]] == [scene.title for scene in SCENES]
        assert studio["context"]["memory_count"] == 3
