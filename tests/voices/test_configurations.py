"""How a character sounds: one active voice for each language, whoever saves at once."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.authoring import characters
from studio.authoring.errors import ArchivedCharacterError
from studio.kit.db import session_scope
from studio.kit.errors import InvalidError, NotFoundError, StaleError
from studio.providers.speech import Tuning
from studio.voices import configurations, queries, rules
from studio.voices.errors import TooManyVoicesError
from studio.voices.models import VoiceConfiguration
from studio.voices.rules import VoiceDraft
from tests.factories.accounts import make_actor
from tests.factories.authoring import NOW, make_character
from tests.factories.voices import make_draft, make_voice


def active(session, character):
    return {row.language: row.id for row in queries.list_active(session, character_id=character.id)}


class TestCreate:
    def test_makes_it_the_one_that_speaks_its_language(self, session, creator, character):
        first = make_voice(session, owner=creator, character=character)
        chinese = make_voice(session, owner=creator, character=character, draft=make_draft(language="zh-CN"))
        second = make_voice(session, owner=creator, character=character)
        assert active(session, character) == {"en-US": second.id, "zh-CN": chinese.id}
        session.refresh(first)
        assert not first.is_active

    def test_is_written_down(self, session, creator, character):
        row = make_voice(session, owner=creator, character=character)
        session.flush()
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.resource_id == row.id)).one()
        assert (entry.action, entry.actor_id) == ("voice.create", creator.user_id)

    def test_is_refused_to_outsiders_and_for_archived_characters(self, session, creator, outsider, character):
        with pytest.raises(NotFoundError):
            make_voice(session, owner=outsider, character=character)
        characters.archive(session, actor=creator, character_id=character.id, now=NOW)
        with pytest.raises(ArchivedCharacterError):
            make_voice(session, owner=creator, character=character)

    def test_is_refused_beyond_what_a_page_shows(self, session, creator, character, monkeypatch):
        monkeypatch.setattr(rules, "MOST_VOICES", 2)
        make_voice(session, owner=creator, character=character)
        make_voice(session, owner=creator, character=character)
        with pytest.raises(TooManyVoicesError):
            make_voice(session, owner=creator, character=character)

    def test_by_two_at_once_leaves_one_active(self, committed_database):
        engine = committed_database.engine
        with session_scope(engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            character_id: UUID = make_character(session, owner=owner).id

        def make(number):
            with session_scope(engine) as session:
                return configurations.create(
                    session, actor=owner, character_id=character_id, draft=make_draft(voice_id=f"v{number}"), now=NOW
                ).id

        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(make, range(4)))
        with session_scope(engine) as session:
            rows = session.scalars(sa.select(VoiceConfiguration)).all()
            assert {row.id for row in rows} == set(made)
            assert sum(row.is_active for row in rows) == 1


class TestPostgreSQL:
    def test_refuses_a_second_active_voice_of_a_language(self, session, creator, character):
        make_voice(session, owner=creator, character=character)
        session.add(
            VoiceConfiguration(
                character_id=character.id, provider="local", voice_id="x", language="en-US", is_active=True
            )
        )
        with pytest.raises(IntegrityError, match="uq_voice_configurations_character_id_language_active"):
            session.flush()


class TestUpdate:
    def change(self, session, actor, row, *, version=None, is_active=True, **changes):
        return configurations.update(
            session,
            actor=actor,
            configuration_id=row.id,
            row_version=row.row_version if version is None else version,
            draft=make_draft(**changes),
            is_active=is_active,
            now=NOW,
        )

    def test_moves_it_to_another_language_and_stands_the_other_down(self, session, creator, character):
        first = make_voice(session, owner=creator, character=character)
        chinese = make_voice(session, owner=creator, character=character, draft=make_draft(language="zh-CN"))
        self.change(session, creator, first, language="zh-cn")
        assert active(session, character) == {"zh-CN": first.id}
        session.refresh(chinese)
        assert not chinese.is_active

    def test_refuses_what_was_saved_in_between(self, session, creator, character):
        row = make_voice(session, owner=creator, character=character)
        before = row.row_version
        self.change(session, creator, row, speed=1.5)
        with pytest.raises(StaleError):
            self.change(session, creator, row, version=before, speed=2.0)

    def test_refuses_what_is_out_of_range_and_changes_nothing(self, session, creator, character):
        row = make_voice(session, owner=creator, character=character)
        with pytest.raises(InvalidError):
            self.change(session, creator, row, speed=9.0)
        session.refresh(row)
        assert row.speed == 1.0

    def test_is_refused_to_outsiders(self, session, creator, outsider, character):
        row = make_voice(session, owner=creator, character=character)
        with pytest.raises(NotFoundError):
            self.change(session, outsider, row)


class TestChangeModel:
    MODEL = "gpt-realtime-2.1-mini"

    def voice(self, session, creator, character, voice_id="sage", **tuning):
        draft = VoiceDraft("openai", voice_id, "en-US", model="tts-1", tuning=Tuning(**tuning))
        return make_voice(session, owner=creator, character=character, draft=draft, models=("tts-1",))

    def change(self, session, actor, row, version=1):
        return configurations.change_model(
            session, actor=actor, configuration_id=row.id, row_version=version, model=self.MODEL, now=NOW
        )

    def test_keeps_the_voice_and_moves_its_settings_into_what_the_model_can(self, session, creator, character):
        row = self.voice(session, creator, character, speed=3.0)
        changed = self.change(session, creator, row)
        assert (changed.id, changed.model, changed.voice_id, changed.is_active) == (row.id, self.MODEL, "sage", True)
        assert changed.speed == 1.5
        actions = session.scalars(sa.select(AuditEntry.action).where(AuditEntry.resource_id == row.id)).all()
        assert sorted(actions) == ["voice.create", "voice.update"]

    def test_refuses_a_voice_that_the_model_does_not_have(self, session, creator, character):
        row = self.voice(session, creator, character, voice_id="nova")
        with pytest.raises(InvalidError) as caught:
            self.change(session, creator, row)
        assert "voice_id" in caught.value.fields

    def test_is_refused_to_outsiders_and_when_somebody_saved_in_between(self, session, creator, outsider, character):
        row = self.voice(session, creator, character)
        with pytest.raises(NotFoundError):
            self.change(session, outsider, row)
        with pytest.raises(StaleError):
            self.change(session, creator, row, version=7)


class TestActivateAndDelete:
    def test_choose_another_voice_and_let_one_go(self, session, creator, outsider, character):
        first = make_voice(session, owner=creator, character=character)
        second = make_voice(session, owner=creator, character=character)
        configurations.activate(session, actor=creator, configuration_id=first.id, now=NOW)
        assert active(session, character) == {"en-US": first.id}
        with pytest.raises(NotFoundError):
            configurations.delete(session, actor=outsider, configuration_id=second.id)
        assert configurations.delete(session, actor=creator, configuration_id=first.id) == character.id
        assert active(session, character) == {}
