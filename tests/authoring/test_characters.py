import json

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import NOBODY, RoleName
from studio.authoring import characters, documents, greetings, queries, replies
from studio.authoring.errors import ArchivedCharacterError, LiveCharacterError, StaleCharacterError
from studio.authoring.models import Character, CharacterStatus, FallbackReply, Greeting
from studio.authoring.rules import Greetings, ReplyDraft
from studio.kit.errors import ForbiddenError, InvalidError, NotFoundError, StaleError
from studio.work.models import JobRun
from tests.factories.accounts import make_actor
from tests.factories.authoring import import_character, make_character
from tests.factories.media import picture


def save(session, actor, character, row_version=None, now=None, **changes):
    return characters.update(
        session,
        actor=actor,
        character_id=character.id,
        row_version=row_version or character.row_version,
        changes=changes,
        now=now or character.updated_at,
    )


def jobs(session) -> list[str]:
    return sorted(session.scalars(sa.select(JobRun.name)))


class TestCreate:
    def test_makes_a_draft_that_search_finds(self, session, creator, now):
        character = characters.create(session, actor=creator, changes={"name": "小龙女"}, now=now)
        assert (character.owner_id, character.status) == (creator.user_id, CharacterStatus.DRAFT)
        assert "龙女" in character.bigrams
        assert character.content_hash
        assert jobs(session) == ["memory.embed_character"]

    def test_needs_a_name(self, session, creator, now):
        with pytest.raises(InvalidError) as refusal:
            characters.create(session, actor=creator, changes={"description": "x"}, now=now)
        assert set(refusal.value.fields) == {"name"}

    def test_is_refused_to_who_writes_nothing(self, session, moderator, now):
        for actor in (moderator, NOBODY):
            with pytest.raises(ForbiddenError):
                characters.create(session, actor=actor, changes={"name": "x"}, now=now)


class TestUpdate:
    def test_changes_what_was_given_and_nothing_else(self, session, creator, now):
        character = make_character(session, owner=creator, name="Old", description="kept")
        before = character.row_version
        save(session, creator, character, name="New", tags=["a", "A", "b"])
        assert (character.name, character.description, character.tags) == ("New", "kept", ["a", "b"])
        assert character.row_version > before
        assert "new" in character.search_text

    def test_changes_nothing_the_second_time(self, session, creator):
        character = make_character(session, owner=creator)
        stale = character.row_version
        save(session, creator, character, name="New")
        version = character.row_version
        save(session, creator, character, row_version=stale, name="New")
        assert character.row_version == version
        assert session.scalar(sa.select(sa.func.count()).where(AuditEntry.action == "character.update")) == 1

    def test_keeps_both_texts_where_somebody_saved_in_between(self, session, creator):
        character = make_character(session, owner=creator, description="start")
        stale = character.row_version
        save(session, creator, character, description="theirs")
        with pytest.raises(StaleCharacterError) as refusal:
            save(session, creator, character, row_version=stale, description="mine")
        assert [(d.field, d.theirs, d.mine) for d in refusal.value.differences] == [("description", "theirs", "mine")]
        assert refusal.value.row_version == character.row_version
        assert character.description == "theirs"

    def test_names_every_field_and_saves_none(self, session, creator):
        character = make_character(session, owner=creator, name="Old")
        with pytest.raises(InvalidError) as refusal:
            save(session, creator, character, name="", tagline="x" * 501, description="fine")
        assert set(refusal.value.fields) == {"name", "tagline"}
        assert (character.name, character.description) == ("Old", "")

    def test_asks_for_an_embedding_only_where_the_embedded_text_changed(self, session, creator):
        character = make_character(session, owner=creator)
        session.execute(sa.delete(JobRun))
        save(session, creator, character, system_prompt="Be brief.", creator_notes="x", content_rating="teen")
        assert jobs(session) == []
        save(session, creator, character, scenario="A valley.")
        assert jobs(session) == ["memory.embed_character"]

    def test_writes_names_and_hashes_into_the_audit_log_and_no_texts(self, session, creator):
        character = make_character(session, owner=creator)
        save(session, creator, character, description="a very secret plot", tags=["x"])
        entry = session.scalar(sa.select(AuditEntry).where(AuditEntry.action == "character.update"))
        assert set(entry.after) == {"description", "tags"}
        assert "secret plot" not in json.dumps([entry.before, entry.after])

    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.MODERATOR, RoleName.STAFF, RoleName.ADMIN])
    def test_is_not_found_by_anybody_else(self, session, creator, role):
        character = make_character(session, owner=creator, status=CharacterStatus.PUBLISHED)
        with pytest.raises(NotFoundError):
            save(session, make_actor(session, role), character, name="Mine now")

    def test_refuses_what_is_archived(self, session, creator, now):
        character = make_character(session, owner=creator)
        characters.archive(session, actor=creator, character_id=character.id, now=now)
        with pytest.raises(ArchivedCharacterError):
            save(session, creator, character, name="x")

    def test_leaves_the_rest_of_the_card_as_it_was(self, session, storage, creator):
        character = import_character(session, actor=creator, storage=storage)
        was = documents.document_of(session, character)
        save(session, creator, character, personality="calm")
        now_is = documents.document_of(session, character)
        assert now_is["data"]["personality"] == "calm"
        assert {k: v for k, v in now_is["data"].items() if k != "personality"} == {
            k: v for k, v in was["data"].items() if k != "personality"
        }

    def test_carries_what_cards_do_not_know_in_an_extension(self, session, storage, creator):
        character = import_character(session, actor=creator, storage=storage)
        content_hash = character.content_hash
        save(session, creator, character, tagline="One defeat", content_rating="teen")
        extensions = documents.document_of(session, character)["data"]["extensions"]
        assert extensions["greenroom"]["profile"] == {"tagline": "One defeat", "content_rating": "teen"}
        assert extensions["somebody/else"] == {"kept": True}
        assert character.content_hash == content_hash
        save(session, creator, character, tagline="", content_rating="unrated")
        assert "greenroom" not in documents.document_of(session, character)["data"]["extensions"]


class TestGreetings:
    def test_are_replaced_in_order(self, session, creator, now):
        character = make_character(session, owner=creator, greetings=Greetings("one", ("two", "three")))
        greetings.replace(
            session,
            actor=creator,
            character_id=character.id,
            row_version=character.row_version,
            greetings=Greetings("one", ("three", " ", "two"), ("all",)),
            now=now,
        )
        assert queries.greetings_of(session, character_id=character.id) == Greetings("one", ("three", "two"), ("all",))
        data = documents.card_of(session, character)["data"]
        assert (data["first_mes"], data["alternate_greetings"], data["group_only_greetings"]) == (
            "one",
            ["three", "two"],
            ["all"],
        )

    def test_change_the_content_hash_but_ask_for_no_embedding(self, session, creator, now):
        character = make_character(session, owner=creator)
        session.execute(sa.delete(JobRun))
        before = character.content_hash
        greetings.replace(
            session,
            actor=creator,
            character_id=character.id,
            row_version=character.row_version,
            greetings=Greetings("hello"),
            now=now,
        )
        assert character.content_hash != before
        assert jobs(session) == []

    def test_are_compared_where_somebody_saved_in_between(self, session, creator, now):
        character = make_character(session, owner=creator)
        with pytest.raises(StaleCharacterError) as refusal:
            greetings.replace(
                session,
                actor=creator,
                character_id=character.id,
                row_version=character.row_version - 1,
                greetings=Greetings("mine"),
                now=now,
            )
        assert refusal.value.differences[0].mine == Greetings("mine")


class TestReplies:
    def test_are_replaced_in_order_and_make_a_form_stale(self, session, creator, now):
        character = make_character(session, owner=creator)
        version = character.row_version
        wanted = [ReplyDraft("b", 3, "en"), ReplyDraft("a")]
        replies.replace(session, actor=creator, character_id=character.id, row_version=version, replies=wanted, now=now)
        rows = queries.list_replies(session, character_id=character.id)
        assert [(row.content, row.weight, row.language) for row in rows] == [("b", 3, "en"), ("a", 1, "")]
        assert character.row_version > version


class TestSetPortrait:
    def set(self, session, actor, storage, character, data, now, **options):
        return characters.set_portrait(
            session,
            actor=actor,
            storage=storage,
            character_id=character.id,
            row_version=options.get("row_version", character.row_version),
            data=data,
            now=now,
        )

    def test_shows_the_picture_and_asks_for_its_sizes(self, session, storage, creator, now):
        character = make_character(session, owner=creator)
        self.set(session, creator, storage, character, picture(), now)
        assert character.portrait_id is not None
        assert "media.make_variants" in jobs(session)

    def test_gives_the_same_to_a_second_click(self, session, storage, creator, now):
        character = make_character(session, owner=creator)
        version = character.row_version
        self.set(session, creator, storage, character, picture(), now)
        after = character.row_version
        self.set(session, creator, storage, character, picture(), now, row_version=version)
        assert character.row_version == after

    def test_is_taken_away(self, session, storage, creator, now):
        character = make_character(session, owner=creator)
        self.set(session, creator, storage, character, picture(), now)
        self.set(session, creator, storage, character, None, now)
        assert character.portrait_id is None

    def test_refuses_an_svg_and_a_stale_form(self, session, storage, creator, now):
        character = make_character(session, owner=creator)
        with pytest.raises(InvalidError):
            self.set(session, creator, storage, character, b"<svg></svg>", now)
        with pytest.raises(StaleError):
            self.set(session, creator, storage, character, picture(), now, row_version=character.row_version + 7)

    def test_is_not_found_by_outsiders(self, session, storage, creator, outsider, now):
        character = make_character(session, owner=creator)
        with pytest.raises(NotFoundError):
            self.set(session, outsider, storage, character, picture(), now)


class TestArchive:
    def test_may_be_repeated_and_undone(self, session, creator, now):
        character = make_character(session, owner=creator)
        for _ in range(2):
            characters.archive(session, actor=creator, character_id=character.id, now=now)
        assert character.status is CharacterStatus.ARCHIVED
        for _ in range(2):
            characters.restore(session, actor=creator, character_id=character.id, now=now)
        assert character.status is CharacterStatus.DRAFT

    def test_refuses_a_published_one(self, session, creator, now):
        character = make_character(session, owner=creator, status=CharacterStatus.PUBLISHED)
        with pytest.raises(LiveCharacterError):
            characters.archive(session, actor=creator, character_id=character.id, now=now)


class TestScope:
    def test_shows_creators_their_own_and_what_is_published(self, session, creator, outsider, moderator):
        draft = make_character(session, owner=creator)
        live = make_character(session, owner=creator, status=CharacterStatus.PUBLISHED)
        assert queries.get_character(session, actor=creator, character_id=draft.id) is draft
        assert queries.get_character(session, actor=outsider, character_id=live.id) is live
        assert queries.get_character(session, actor=moderator, character_id=draft.id) is draft
        with pytest.raises(NotFoundError):
            queries.get_character(session, actor=outsider, character_id=draft.id)
        with pytest.raises(NotFoundError):
            queries.get_draft(session, actor=outsider, character_id=live.id)
        with pytest.raises(NotFoundError):
            queries.get_character(session, actor=NOBODY, character_id=live.id)

    def test_pages_through_the_list_without_a_gap(self, session, creator, outsider):
        made = {make_character(session, owner=creator).id for _ in range(5)}
        make_character(session, owner=outsider)
        seen, before = [], None
        while page := queries.list_characters(session, actor=creator, before=before, limit=2):
            seen += [character.id for character in page]
            before = (page[-1].updated_at, page[-1].id)
        assert len(seen) == 5
        assert set(seen) == made


class TestTables:
    @pytest.mark.parametrize(
        "columns",
        [
            {"name": " "},
            {"name": "x" * 201},
            {"tagline": "x" * 501},
            {"description": "x" * 200_001},
            {"tags": ["x"] * 101},
            {"code": "B1C1"},
            {"owner_id": None},
            {"origin": "official"},
        ],
        ids=lambda columns: next(iter(columns)),
    )
    def test_refuse_a_character_that_cannot_be(self, session, creator, columns):
        row = {"name": "x", "origin": "creator", "owner_id": creator.user_id, "status": "draft", **columns}
        with pytest.raises(IntegrityError):
            session.execute(sa.insert(Character).values(row))

    @pytest.mark.parametrize("columns", [{"weight": 0}, {"weight": 1001}, {"content": " "}, {"position": -1}])
    def test_refuse_a_reply_that_cannot_be(self, session, creator, columns):
        character = make_character(session, owner=creator)
        row = {"character_id": character.id, "position": 0, "content": "x", "weight": 1, **columns}
        with pytest.raises(IntegrityError):
            session.execute(sa.insert(FallbackReply).values(row))

    def test_refuse_a_second_first_greeting(self, session, creator):
        character = make_character(session, owner=creator, greetings=Greetings("hello"))
        with pytest.raises(IntegrityError):
            session.execute(
                sa.insert(Greeting).values(character_id=character.id, kind="first", position=1, content="again")
            )
