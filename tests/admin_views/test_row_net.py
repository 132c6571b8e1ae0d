"""The second net: a read without a scope still gives a request nothing that its person may never see."""

import pytest
import sqlalchemy as sa
from flask import g
from sqlalchemy.orm import aliased

from admin_views.row_net import OWNED
from studio.accounts.permissions import NOBODY, RoleName
from studio.authoring.models import CardDocument, Character, CharacterStatus
from studio.media.models import ImageGeneration, MediaFile, MediaUpload
from studio.voices.models import SpeechSynthesis, VoiceConfiguration
from tests.factories.accounts import make_user
from tests.factories.authoring import import_character, make_character
from tests.factories.media import make_generation, make_storage, make_upload
from tests.factories.voices import make_speech, make_voice


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def world(session, owner, tmp_path):
    """A draft, an import with its file, and a published character, all of one creator."""
    make_character(session, owner=owner.actor, name="Secret draft")
    import_character(session, actor=owner.actor, storage=make_storage(tmp_path))
    make_character(session, owner=owner.actor, name="Met by all", status=CharacterStatus.PUBLISHED)
    session.flush()


@pytest.fixture
def read_as(app):
    """What a request of `actor` gets from a statement that names no scope."""

    def read(actor, statement):
        with app.test_request_context():
            g.studio_actor = (None, actor)
            return app.db.session.execute(statement).all()

    return read


def count(rows):
    return len(rows)


class TestNet:
    def test_knows_every_owned_model(self):
        assert {Character, CardDocument, MediaFile} < OWNED

    def test_gives_the_owner_all_of_theirs(self, world, owner, read_as):
        assert count(read_as(owner.actor, sa.select(Character))) == 3
        assert count(read_as(owner.actor, sa.select(CardDocument.id))) == 1

    @pytest.mark.parametrize("statement", [sa.select(Character), sa.select(Character.name)])
    def test_gives_another_creator_what_is_published(self, session, world, read_as, statement):
        found = read_as(make_user(session, RoleName.CREATOR).actor, statement)
        assert [getattr(row[0], "name", row[0]) for row in found] == ["Met by all"]

    def test_holds_for_aliases_and_what_is_joined(self, session, world, read_as):
        other = aliased(Character)
        joined = sa.select(CardDocument.id, other.name).join(other, other.id == CardDocument.character_id)
        stranger = make_user(session, RoleName.CREATOR).actor
        assert read_as(stranger, sa.select(other.name)) == [("Met by all",)]
        assert read_as(stranger, joined) == []

    def test_keeps_rows_that_have_none_of_what_is_joined_on(self, session, world, owner, read_as):
        joined = (
            sa.select(Character.name, CardDocument.id)
            .outerjoin(CardDocument, CardDocument.character_id == Character.id)
            .where(Character.name == "Secret draft")
        )
        assert read_as(owner.actor, joined) == [("Secret draft", None)]

    def test_gives_nobody_nothing(self, world, read_as):
        for model in (Character, CardDocument):
            assert read_as(NOBODY, sa.select(model)) == []

    def test_keeps_a_cards_own_file_to_its_owner(self, session, world, owner, read_as):
        stranger = make_user(session, RoleName.CREATOR).actor
        own, others = (read_as(actor, sa.select(MediaFile.purpose)) for actor in (owner.actor, stranger))
        assert "card" in {row[0] for row in own}
        assert "card" not in {row[0] for row in others}

    @pytest.mark.parametrize("model", [MediaUpload, ImageGeneration, VoiceConfiguration, SpeechSynthesis])
    def test_keeps_uploads_pictures_voices_and_speech_to_whose_they_are(self, session, owner, read_as, model):
        character = make_character(session, owner=owner.actor)
        make_upload(session, owner=owner.actor)
        make_generation(session, owner=owner.actor)
        make_voice(session, owner=owner.actor, character=character)
        make_speech(session, owner=owner.actor, character=character)
        session.flush()
        assert count(read_as(owner.actor, sa.select(model))) == 1
        assert read_as(make_user(session, RoleName.CREATOR).actor, sa.select(aliased(model))) == []
        # A moderator reads drafts, and so how they sound; what somebody made of them is nobody else's business.
        seen = read_as(make_user(session, RoleName.MODERATOR).actor, sa.select(model.id))
        assert count(seen) == (model is VoiceConfiguration)

    def test_lets_moderators_read_every_draft(self, session, world, read_as):
        assert count(read_as(make_user(session, RoleName.MODERATOR).actor, sa.select(Character))) == 3

    def test_changes_nothing_of_others(self, session, world, app):
        with app.test_request_context():
            g.studio_actor = (None, make_user(session, RoleName.CREATOR).actor)
            changed = app.db.session.execute(sa.update(Character).values(tagline="mine now"))
            assert changed.rowcount == 1
            app.db.session.rollback()

    def test_asks_about_everybodys_rows_in_conditions(self, session, world, owner, read_as):
        """Whether a file is used by anybody is asked about everybody."""
        used = sa.exists().where(CardDocument.source_file_id == MediaFile.id)
        stranger = make_user(session, RoleName.CREATOR).actor
        portraits = sa.select(MediaFile.id).where(MediaFile.purpose == "portrait", ~used)
        assert read_as(stranger, portraits) == read_as(owner.actor, portraits)
        answer = read_as(stranger, sa.select(sa.exists().where(Character.name == "Secret draft")))
        assert answer == [(True,)]

    def test_leaves_jobs_alone(self, session, world):
        assert count(session.execute(sa.select(Character)).all()) == 3
