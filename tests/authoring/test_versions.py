import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from studio.authoring import characters, versions
from studio.authoring.models import CharacterVersion
from studio.authoring.rules import ReplyDraft
from studio.kit.errors import NotFoundError
from tests.factories.authoring import import_character, make_character


def update(session, actor, character, now, **changes):
    replies = changes.pop("replies", None)
    characters.update(
        session,
        actor=actor,
        character_id=character.id,
        row_version=character.row_version,
        changes=changes,
        replies=replies,
        now=now,
    )


class TestMake:
    def test_keeps_the_whole_card_and_what_stands_beside_it(self, session, storage, creator, now):
        character = import_character(session, actor=creator, storage=storage)
        update(session, creator, character, now, tagline="One defeat", replies=[ReplyDraft("…", 2, "zh")])
        version = versions.make(session, actor=creator, character_id=character.id, change_note="first", now=now)
        assert (version.version_number, version.name) == (1, "独孤求败")
        assert version.card["data"]["extensions"]["somebody/else"] == {"kept": True}
        assert version.studio["fallback_replies"] == [{"content": "…", "weight": 2, "language": "zh"}]
        assert version.studio["profile"]["tagline"] == "One defeat"
        assert (version.portrait_id, version.content_hash) == (character.portrait_id, character.content_hash)

    def test_gives_the_newest_again_where_nothing_changed(self, session, creator, now):
        character = make_character(session, owner=creator)
        first = versions.make(session, actor=creator, character_id=character.id, now=now)
        session.expire_all()
        assert versions.make(session, actor=creator, character_id=character.id, now=now).id == first.id

    @pytest.mark.parametrize(
        "changes", [{"description": "new"}, {"tagline": "new"}, {"replies": [ReplyDraft("new")]}], ids=str
    )
    def test_counts_on_where_anything_changed(self, session, creator, now, changes):
        character = make_character(session, owner=creator)
        versions.make(session, actor=creator, character_id=character.id, now=now)
        update(session, creator, character, now, **changes)
        assert versions.make(session, actor=creator, character_id=character.id, now=now).version_number == 2

    def test_is_not_found_by_outsiders(self, session, creator, outsider, moderator, now):
        character = make_character(session, owner=creator)
        for stranger in (outsider, moderator):
            with pytest.raises(NotFoundError):
                versions.make(session, actor=stranger, character_id=character.id, now=now)

    def test_is_never_changed_afterwards(self, session, creator, now):
        character = make_character(session, owner=creator)
        version = versions.make(session, actor=creator, character_id=character.id, now=now)
        with pytest.raises(IntegrityError, match="append-only"):
            session.execute(sa.update(CharacterVersion).where(CharacterVersion.id == version.id).values(name="other"))
