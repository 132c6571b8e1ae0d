"""The demo is made by the services that people use, holds something for everybody, and is made once."""

import sqlalchemy as sa

from studio import demo
from studio.authoring.models import Character, CharacterScene, FallbackReply, LorebookEntry
from studio.market.models import CharacterPublication, PublicationStatus, ReviewCase
from studio.providers import storage


class TestLoad:
    def test_holds_something_for_everybody_and_is_made_once(self, session, settings, now):
        steps = []
        kept = storage.from_settings(settings)
        assert demo.load(session, storage=kept, now=now, on_progress=lambda done, of: steps.append((done, of)))
        assert steps[-1] == (len(demo.LISTINGS), len(demo.LISTINGS))
        statuses = session.scalars(sa.select(CharacterPublication.status)).all()
        assert {PublicationStatus.APPROVED, PublicationStatus.PENDING, PublicationStatus.CHANGES_REQUESTED} <= set(
            statuses
        )
        assert session.scalar(sa.select(sa.func.count()).select_from(ReviewCase)) == len(statuses)
        everybody = session.scalars(sa.select(Character)).all()
        assert all(character.portrait_id for character in everybody)
        characters = [one for one in everybody if one.owner_id is not None]
        assert len(characters) == len(demo.LISTINGS)
        assert sorted(one.code for one in everybody if one.code) == ["B001C001", "B001C002"]
        replies = sa.select(sa.func.count()).select_from(FallbackReply)
        assert session.scalar(replies) == 3 * len(characters)
        entries = sa.select(sa.func.count()).select_from(LorebookEntry).group_by(LorebookEntry.lorebook_id)
        assert min(session.scalars(entries)) >= 20
        assert session.scalar(sa.select(sa.func.count(CharacterScene.character_id.distinct()))) == 3
        assert not demo.load(session, storage=kept, now=now)
        assert session.scalar(replies) == 3 * len(characters)
