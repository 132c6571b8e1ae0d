"""A text is embedded once, again when it changes, and never because something else did."""

from datetime import timedelta

import sqlalchemy as sa

from studio.authoring import characters
from studio.memory import embeddings
from studio.memory.models import CharacterEmbedding, EmbeddingModel


def vector_of(session, character):
    return session.scalar(
        sa.select(CharacterEmbedding.content_hash).where(CharacterEmbedding.character_id == character.id)
    )


class TestPendingOf:
    def test_is_empty_for_unchanged_text(self, session, cast, embed):
        assert len(embed()) == 5
        assert embed() == []

    def test_returns_what_changed_in_the_embedded_text(self, session, creator, cast, embed, now):
        embed()
        before = vector_of(session, cast["cook"])
        characters.update(
            session,
            actor=creator,
            character_id=cast["cook"].id,
            row_version=cast["cook"].row_version,
            changes={"description": "她改行做了灯塔看守。"},
            now=now + timedelta(hours=1),
        )
        assert embed() == [cast["cook"].id]
        assert vector_of(session, cast["cook"]) != before

    def test_leaves_out_how_a_model_is_told_to_play(self, cast):
        text = embeddings.text_of(cast["detective"])
        cast["detective"].system_prompt = "Never break character."
        assert embeddings.text_of(cast["detective"]) == text


class TestKeep:
    def test_twice_equals_once_and_a_deleted_character_is_passed_over(self, session, provider, cast, now):
        embeddings.use_model(session, provider=provider)
        ids = [character.id for character in cast.values()]
        pending = embeddings.pending_of(session, provider=provider, character_ids=ids)
        vectors = provider.embed([item.text for item in pending])
        session.execute(sa.text("DELETE FROM characters WHERE id = :id"), {"id": pending[0].character_id})
        for _ in range(2):
            assert embeddings.keep(session, provider=provider, pending=pending, vectors=vectors, now=now) == 4
        assert session.scalar(sa.select(sa.func.count()).select_from(CharacterEmbedding)) == 4


class TestUseModel:
    def test_lets_the_first_model_answer_and_the_next_wait_until_promoted(self, session, provider, broken_provider):
        first = embeddings.use_model(session, provider=provider)
        second = embeddings.use_model(session, provider=broken_provider)
        session.refresh(first)
        assert (first.is_current, second.is_current) == (True, False)
        embeddings.promote(session, provider=broken_provider)
        current = session.scalars(sa.select(EmbeddingModel.name).where(EmbeddingModel.is_current)).all()
        assert current == [second.name]
