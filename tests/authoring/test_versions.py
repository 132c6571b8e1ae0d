import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from studio.accounts.models import AuditEntry
from studio.authoring import characters, documents, drafts, exports, lorebooks, queries, versions
from studio.authoring.chat_settings import ContextSettings
from studio.authoring.comparing import compare
from studio.authoring.errors import ArchivedCharacterError, MovedOnError, UnusableVersionError
from studio.authoring.models import CharacterVersion, Lorebook, LorebookEntry, VersionOccasion
from studio.authoring.rules import Greetings, ReplyDraft
from studio.authoring.scenes import SceneDraft
from studio.cards.reader import read_card
from studio.kit.errors import NotFoundError
from tests.factories.authoring import NOW, import_character, make_character
from tests.factories.media import picture


def update(session, actor, character, now, **changes):
    replies, greetings = changes.pop("replies", None), changes.pop("greetings", None)
    characters.update(
        session,
        actor=actor,
        character_id=character.id,
        row_version=character.row_version,
        changes=changes,
        replies=replies,
        greetings=greetings,
        now=now,
    )


def make(session, actor, character, now, **options):
    return versions.make(session, actor=actor, character_id=character.id, now=now, **options)


def restore(session, actor, character, number, now, row_version=None):
    return versions.restore(
        session,
        actor=actor,
        character_id=character.id,
        version_number=number,
        row_version=character.row_version if row_version is None else row_version,
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


class TestList:
    def test_is_paged_by_number(self, session, creator, now):
        character = make_character(session, owner=creator)
        for number in range(5):
            update(session, creator, character, now, description=f"Text {number}")
            make(session, creator, character, now)
        first = queries.list_versions(session, character_id=character.id, limit=3)
        rest = queries.list_versions(session, character_id=character.id, before=first[-1].version_number, limit=3)
        assert [one.version_number for one in (*first, *rest)] == [5, 4, 3, 2, 1]


class TestRestore:
    @pytest.fixture
    def character(self, session, creator, storage, now):
        """A character whose version 1 says one thing and whose draft says another."""
        character = import_character(session, actor=creator, storage=storage)
        update(
            session,
            creator,
            character,
            now,
            tagline="One defeat",
            language="zh",
            tags=["one", "two"],
            greetings=Greetings("First.", ("Second.", "Third."), ("In a group.",)),
            replies=[ReplyDraft("…", 2, "zh"), ReplyDraft("Hm.")],
        )
        make(session, creator, character, now)
        update(
            session,
            creator,
            character,
            now,
            name="Other",
            description="Rewritten.",
            tagline="",
            language="en",
            tags=[],
            greetings=Greetings("Another."),
            replies=[],
        )
        return character

    def test_makes_the_draft_say_what_the_version_said(self, session, creator, storage, character, now):
        characters.set_portrait(
            session,
            actor=creator,
            storage=storage,
            character_id=character.id,
            row_version=character.row_version,
            data=picture(color=(9, 9, 9)),
            now=now,
        )
        first = queries.get_version(session, character_id=character.id, version_number=1)
        restored = restore(session, creator, character, 1, now)
        draft = versions.snapshot_of_draft(session, character)
        assert compare(versions.snapshot_of(first), draft).count == 0
        assert restored.is_whole
        state = drafts.state(session, character)
        assert (state["name"], state["tagline"], state["tags"]) == ("独孤求败", "One defeat", ["one", "two"])
        assert state["greetings"] == Greetings("First.", ("Second.", "Third."), ("In a group.",))
        assert state["replies"] == [ReplyDraft("…", 2, "zh"), ReplyDraft("Hm.")]
        assert character.portrait_id == first.portrait_id
        assert character.content_hash == first.content_hash

    def test_keeps_what_the_draft_said_and_says_what_was_restored(self, session, creator, character, now):
        restored = restore(session, creator, character, 1, now)
        newest, kept, first = queries.list_versions(session, character_id=character.id)
        assert (newest.version_number, newest.occasion, newest.restored_from) == (3, VersionOccasion.RESTORED, 1)
        assert (kept.name, kept.occasion, kept.restored_from) == ("Other", VersionOccasion.KEPT, 1)
        assert restored.undone_by == kept.version_number
        assert first.occasion is VersionOccasion.SAVED
        actions = session.scalars(
            sa.select(AuditEntry.action).where(AuditEntry.resource_id == character.id).order_by(AuditEntry.id)
        ).all()
        assert "character.restore_version" in actions

    def test_can_be_undone_by_restoring_what_was_kept(self, session, creator, character, now):
        before = versions.snapshot_of_draft(session, character)
        restored = restore(session, creator, character, 1, now)
        restore(session, creator, character, restored.undone_by, now)
        assert versions.is_same(before, versions.snapshot_of_draft(session, character))

    def test_keeps_nothing_twice_where_the_draft_was_a_version_already(self, session, creator, character, now):
        kept = make(session, creator, character, now)
        restored = restore(session, creator, character, 1, now)
        assert (kept.version_number, restored.undone_by, restored.version.version_number) == (2, 2, 3)

    def test_a_second_click_changes_nothing(self, session, creator, character, now):
        row_version = character.row_version
        first = restore(session, creator, character, 1, now)
        second = restore(session, creator, character, 1, now, row_version=row_version)
        assert second.version.id == first.version.id
        assert second.undone_by is None

    def test_refuses_what_somebody_saved_in_the_meantime(self, session, creator, character, now):
        row_version = character.row_version
        update(session, creator, character, now, description="Saved by another window.")
        with pytest.raises(MovedOnError):
            restore(session, creator, character, 1, now, row_version=row_version)
        assert character.description == "Saved by another window."

    def test_refuses_an_archived_character(self, session, creator, character, now):
        characters.archive(session, actor=creator, character_id=character.id, now=now)
        with pytest.raises(ArchivedCharacterError):
            restore(session, creator, character, 1, now)

    def test_is_not_found_by_outsiders_nor_for_a_number_that_is_none(
        self, session, creator, outsider, moderator, character, now
    ):
        for stranger in (outsider, moderator):
            with pytest.raises(NotFoundError):
                restore(session, stranger, character, 1, now)
        for number in (0, 7, 2**40):
            with pytest.raises(NotFoundError):
                restore(session, creator, character, number, now)

    def test_brings_the_lorebook_back(self, session, creator, now):
        character = make_character(session, owner=creator)
        card = documents.card_of(session, character)
        entry = {"keys": ["sword"], "content": "Sharp.", "enabled": True, "insertion_order": 1, "extensions": {}}
        card["data"]["character_book"] = {"name": "Swords", "extensions": {}, "entries": [entry]}
        version = CharacterVersion(
            character_id=character.id,
            version_number=1,
            name=character.name,
            card=card,
            studio=versions.beside_the_card(session, character),
            content_hash="x",
            created_at=now,
        )
        session.add(version)
        session.flush()
        restore(session, creator, character, 1, now)
        book = queries.find_lorebook(session, character_id=character.id)
        assert book.name == "Swords"
        assert [one.content for one in queries.list_lorebook_entries(session, lorebook_id=book.id)] == ["Sharp."]
        lorebooks.write(session, character, {"data": {}})
        assert session.scalar(sa.select(sa.func.count()).select_from(Lorebook)) == 0
        assert session.scalar(sa.select(sa.func.count()).select_from(LorebookEntry)) == 0

    def test_refuses_in_a_sentence_what_is_beyond_the_limits_of_today(self, session, creator, now):
        character = make_character(session, owner=creator)
        card = documents.card_of(session, character)
        card["data"]["name"] = "x" * 201
        session.add(
            CharacterVersion(
                character_id=character.id, version_number=1, name="x", card=card, studio={}, content_hash="x"
            )
        )
        session.flush()
        with pytest.raises(UnusableVersionError) as refusal:
            restore(session, creator, character, 1, now)
        assert refusal.value.fields == {"name": "This has more than 200 characters. Shorten it."}


class TestExport:
    def test_gives_the_card_as_the_version_says(self, session, creator, storage, now):
        character = import_character(session, actor=creator, storage=storage)
        make(session, creator, character, now)
        update(session, creator, character, now, name="Later")
        made = exports.export_card(
            session,
            actor=creator,
            storage=storage,
            character_id=character.id,
            to="v3",
            as_="png",
            version_number=1,
            now=NOW,
        )
        data = read_card(made.data).card["data"]
        assert data["name"] == "独孤求败"
        assert data["extensions"]["somebody/else"] == {"kept": True}


class TestRestoreOfParts:
    def test_brings_back_scenes_settings_warnings_and_licence(self, session, creator, now):
        character = make_character(session, owner=creator)
        characters.update(
            session,
            actor=creator,
            character_id=character.id,
            row_version=character.row_version,
            changes={"license": "cc_by", "ai_model": "a-model", "content_warnings": ["violence"]},
            scenes=[SceneDraft("Dawn", stage_prompt="It begins."), SceneDraft("Dusk", progress=50)],
            context=ContextSettings(memory_count=3),
            now=now,
        )
        was = drafts.state(session, character)
        make(session, creator, character, now)
        characters.update(
            session,
            actor=creator,
            character_id=character.id,
            row_version=character.row_version,
            changes={"license": "unstated", "ai_model": "", "content_warnings": [], "memory_retention_days": 5},
            scenes=[],
            context=ContextSettings(memory_count=9),
            now=now,
        )
        assert drafts.state(session, character) != was
        restore(session, creator, character, 1, now)
        assert drafts.state(session, character) == was
