import json
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import NOBODY, SYSTEM
from studio.authoring import card_imports, documents, duplicates, queries
from studio.authoring.duplicates import Likeness
from studio.authoring.errors import (
    DocumentConfirmedError,
    DocumentDiscardedError,
    TooManyPreviewsError,
    UnusableCardError,
)
from studio.authoring.models import CardDocument, Character, CharacterStatus, DocumentState, Lorebook, LorebookEntry
from studio.cards.errors import CardError
from studio.cards.reader import read_card
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.media import files
from studio.media.models import MediaFile
from studio.providers.storage import key_of
from studio.work.models import JobRun
from tests.factories.authoring import card_file, import_character, json_card, make_preview
from tests.factories.media import picture


def count(session, table) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(table))


class TestPreview:
    def test_stops_at_as_many_open_ones_as_a_person_can_look_through(self, session, storage, creator, monkeypatch):
        monkeypatch.setattr(card_imports, "MOST_PREVIEWS", 1)
        first = make_preview(session, actor=creator, storage=storage)
        assert make_preview(session, actor=creator, storage=storage).id == first.id
        with pytest.raises(TooManyPreviewsError, match="1 cards waiting"):
            make_preview(session, actor=creator, storage=storage, data=json_card(name="Another"), filename="b.json")

    def test_keeps_the_file_and_reports_without_making_a_character(self, session, storage, creator):
        document = make_preview(session, actor=creator, storage=storage)
        report = document.report
        assert document.state is DocumentState.PREVIEWED
        assert (report["format"], report["name"], report["lorebook_entries"]) == ("png_v3", "独孤求败", 0)
        assert {field["key"] for field in report["fields"]} >= {"name", "description", "first_mes", "tags"}
        assert "data.extensions.somebody/else" in report["kept"]
        assert report["picture"]["width"] == 240
        assert report["problems"] == {}
        assert count(session, Character) == 0
        assert count(session, JobRun) == 0
        assert json.loads(document.raw)["data"]["name"] == "独孤求败"

    def test_gives_the_same_preview_to_a_second_click(self, session, storage, creator):
        first = make_preview(session, actor=creator, storage=storage)
        assert make_preview(session, actor=creator, storage=storage) is first
        assert count(session, CardDocument) == 1

    def test_keeps_previews_of_two_people_apart(self, session, storage, creator, outsider):
        first = make_preview(session, actor=creator, storage=storage)
        assert make_preview(session, actor=outsider, storage=storage).id != first.id

    @pytest.mark.parametrize(
        "data",
        [b"", b"hello", picture(), card_file()[:300], b'{"data": ' + b"[" * 10_000, b"PK\x03\x04 broken"],
        ids=["nothing", "text", "picture without a card", "cut off", "nested deep", "broken archive"],
    )
    def test_keeps_nothing_of_what_is_no_card(self, session, storage, creator, now, data):
        with pytest.raises(CardError) as refusal:
            card_imports.preview(session, actor=creator, storage=storage, data=data, filename="x.png", now=now)
        assert str(refusal.value).endswith(".")
        assert count(session, MediaFile) == 0
        assert count(session, CardDocument) == 0

    def test_is_refused_to_who_may_not_import(self, session, storage, moderator, now):
        for actor in (moderator, NOBODY, SYSTEM):
            with pytest.raises(ForbiddenError):
                card_imports.preview(session, actor=actor, storage=storage, data=card_file(), filename="x.png", now=now)

    def test_comes_in_without_a_picture_that_cannot_be_shown(self, session, storage, creator):
        data = card_file()
        start = data.index(b"IDAT") + 30
        broken = data[:start] + b"\xff" * 100 + data[start + 100 :]
        document = make_preview(session, actor=creator, storage=storage, data=broken)
        assert document.portrait_id is None
        assert "portrait_unusable" in {note["code"] for note in document.report["warnings"]}

    def test_leaves_out_tags_beyond_the_limits_and_gives_them_back(self, session, storage, creator, now):
        tags = ["x" * 101, *(f"tag {number}" for number in range(150))]
        document = make_preview(session, actor=creator, storage=storage, data=json_card(tags=tags))
        assert document.report["problems"] == {}
        assert [(note["code"], note["count"]) for note in document.report["repairs"][:2]] == [
            ("long_tags", 1),
            ("many_tags", 1),
        ]
        character = card_imports.confirm(session, actor=creator, document_id=document.id, now=now)
        assert character.tags == tags[1:101]
        assert documents.card_of(session, character)["data"]["tags"] == tags

    def test_holds_back_what_is_too_long_without_losing_it(self, session, storage, creator, now):
        data = json_card(personality="x" * 200_001)
        document = make_preview(session, actor=creator, storage=storage, data=data)
        assert set(document.report["problems"]) == {"personality"}
        with pytest.raises(UnusableCardError) as refusal:
            card_imports.confirm(session, actor=creator, document_id=document.id, now=now)
        assert set(refusal.value.fields) == {"personality"}
        assert len(json.loads(document.raw)["data"]["personality"]) == 200_001


class TestConfirm:
    def test_makes_a_draft_with_all_that_the_card_says(self, session, storage, creator, now):
        book = {
            "name": "Tomb of swords",
            "scan_depth": 10**12,
            "entries": [
                {"keys": ["剑冢"], "content": "Three swords.", "enabled": True, "insertion_order": 5, "odd": [1]},
                {"keys": ["condor"], "content": "A bird.", "enabled": False, "insertion_order": 1},
            ],
            "extensions": {"x": 1},
        }
        document = make_preview(session, actor=creator, storage=storage, data=card_file(character_book=book))
        character = card_imports.confirm(session, actor=creator, document_id=document.id, now=now)
        assert (character.name, character.status, character.owner_id) == (
            "独孤求败",
            CharacterStatus.DRAFT,
            creator.user_id,
        )
        assert character.tags == ["wuxia", "武侠"]
        assert character.portrait_id == document.portrait_id is not None
        assert "求败" in character.bigrams
        greetings = queries.greetings_of(session, character_id=character.id)
        assert greetings.first == "You came for my sword?"
        assert greetings.alternate == ("The condor cries.", "剑冢之前，何人到此？")
        lorebook = queries.find_lorebook(session, character_id=character.id)
        entries = queries.list_lorebook_entries(session, lorebook_id=lorebook.id)
        assert [(entry.keys, entry.is_enabled) for entry in entries] == [(["剑冢"], True), (["condor"], False)]
        assert entries[0].document["odd"] == [1]
        assert lorebook.scan_depth is None

    def test_says_what_the_card_says(self, session, storage, creator):
        data = card_file()
        character = import_character(session, actor=creator, storage=storage, data=data)
        reading = read_card(data)
        assert character.content_hash == reading.content_hash
        assert documents.card_of(session, character)["data"] == reading.card["data"]

    def test_gives_the_same_character_to_a_second_click(self, session, storage, creator, now):
        document = make_preview(session, actor=creator, storage=storage)
        first = card_imports.confirm(session, actor=creator, document_id=document.id, now=now)
        assert card_imports.confirm(session, actor=creator, document_id=document.id, now=now) is first
        assert count(session, Character) == 1
        assert count(session, JobRun) == 2

    def test_asks_for_the_portraits_sizes_and_the_embedding(self, session, storage, creator):
        character = import_character(session, actor=creator, storage=storage)
        jobs = {job.name: job for job in session.scalars(sa.select(JobRun))}
        assert jobs["media.make_variants"].arguments == {"file_id": str(character.portrait_id)}
        assert jobs["memory.embed_character"].arguments == {"character_id": str(character.id)}
        assert {job.about_id for job in jobs.values()} == {character.id}

    def test_is_in_the_audit_log_without_the_cards_texts(self, session, storage, creator):
        character = import_character(session, actor=creator, storage=storage)
        entry = session.scalar(sa.select(AuditEntry).where(AuditEntry.action == "character.import"))
        assert (entry.actor_id, entry.resource_id) == (creator.user_id, character.id)
        assert "swordsman" not in json.dumps([entry.before, entry.after])

    def test_knows_nothing_of_others_imports(self, session, storage, creator, outsider, now):
        document = make_preview(session, actor=creator, storage=storage)
        with pytest.raises(NotFoundError):
            card_imports.confirm(session, actor=outsider, document_id=document.id, now=now)
        with pytest.raises(NotFoundError):
            card_imports.confirm(session, actor=creator, document_id=uuid.uuid4(), now=now)

    def test_refuses_what_was_discarded(self, session, storage, creator, now):
        document = make_preview(session, actor=creator, storage=storage)
        card_imports.discard(session, actor=creator, document_id=document.id)
        with pytest.raises(DocumentDiscardedError):
            card_imports.confirm(session, actor=creator, document_id=document.id, now=now)

    def test_names_a_nameless_character_after_its_file(self, session, storage, creator, now):
        document = make_preview(
            session, actor=creator, storage=storage, data=json_card(name=" "), filename="小龙女.json"
        )
        assert card_imports.confirm(session, actor=creator, document_id=document.id, now=now).name == "小龙女"

    def test_takes_a_v1_card(self, session, storage, creator):
        data = json.dumps({"name": "Old", "description": "d", "first_mes": "hi", "custom": {"kept": 1}}).encode()
        character = import_character(session, actor=creator, storage=storage, data=data, filename="old.json")
        assert documents.document_of(session, character)["custom"] == {"kept": 1}

    def test_takes_back_what_only_the_studio_knows(self, session, storage, creator):
        profile = {"tagline": "One defeat", "content_rating": "teen", "language": "??"}
        data = json_card(extensions={"greenroom": {"profile": profile}})
        character = import_character(session, actor=creator, storage=storage, data=data)
        assert (character.tagline, character.content_rating, character.language) == ("One defeat", "teen", "")

    def test_takes_every_real_card(self, session, storage, creator, samples):
        taken = 0
        for path in sorted(samples.rglob("*")):
            if path.suffix not in {".png", ".json", ".charx", ".webp"}:
                continue
            data = path.read_bytes()
            try:
                reading = read_card(data, filename=path.name)
            except CardError:
                continue
            character = import_character(session, actor=creator, storage=storage, data=data, filename=path.name)
            assert character.content_hash == reading.content_hash, path.name
            taken += 1
        assert taken >= 20


class TestDiscard:
    def test_may_be_repeated(self, session, storage, creator):
        document = make_preview(session, actor=creator, storage=storage)
        card_imports.discard(session, actor=creator, document_id=document.id)
        assert card_imports.discard(session, actor=creator, document_id=document.id).state is DocumentState.DISCARDED

    def test_refuses_what_was_confirmed(self, session, storage, creator, now):
        document = make_preview(session, actor=creator, storage=storage)
        card_imports.confirm(session, actor=creator, document_id=document.id, now=now)
        with pytest.raises(DocumentConfirmedError):
            card_imports.discard(session, actor=creator, document_id=document.id)

    def test_knows_nothing_of_others_imports(self, session, storage, creator, outsider):
        document = make_preview(session, actor=creator, storage=storage)
        with pytest.raises(NotFoundError):
            card_imports.discard(session, actor=outsider, document_id=document.id)


class TestSweepPreviews:
    def test_deletes_old_previews_with_their_files(self, session, storage, creator):
        document = make_preview(session, actor=creator, storage=storage)
        late = document.created_at + card_imports.PREVIEWS_LAST + timedelta(seconds=1)
        kept = {file.sha256 for file in session.scalars(sa.select(MediaFile))}
        swept, hashes = card_imports.sweep_previews(session, now=late)
        assert (swept, set(hashes)) == (1, kept)
        assert files.drop_unused(session, storage=storage, hashes=hashes) == 2
        assert count(session, MediaFile) == count(session, CardDocument) == 0
        assert not any(storage.exists(key_of(sha256)) for sha256 in kept)

    def test_leaves_young_previews(self, session, storage, creator):
        document = make_preview(session, actor=creator, storage=storage)
        late = document.created_at + card_imports.PREVIEWS_LAST
        assert card_imports.sweep_previews(session, now=late) == (0, [])

    def test_deletes_discarded_ones_at_once(self, session, storage, creator, now):
        document = make_preview(session, actor=creator, storage=storage)
        card_imports.discard(session, actor=creator, document_id=document.id)
        assert card_imports.sweep_previews(session, now=now)[0] == 1

    def test_leaves_what_a_character_shows(self, session, storage, creator, now):
        character = import_character(session, actor=creator, storage=storage)
        again = make_preview(session, actor=creator, storage=storage)
        assert again.portrait_id == character.portrait_id
        card_imports.discard(session, actor=creator, document_id=again.id)
        assert card_imports.sweep_previews(session, now=now) == (1, [])
        session.refresh(character)
        assert character.portrait_id is not None


class TestDuplicates:
    def test_are_found_by_file_content_and_name(self, session, storage, creator):
        same_file = import_character(session, actor=creator, storage=storage)
        same_content = import_character(session, actor=creator, storage=storage, data=json_card(), filename="a.json")
        same_name = import_character(session, actor=creator, storage=storage, data=json_card(personality="x"))
        document = make_preview(session, actor=creator, storage=storage)
        found = {
            item.character.id: item.likeness for item in duplicates.find(session, actor=creator, document=document)
        }
        assert found == {
            same_file.id: Likeness.FILE,
            same_content.id: Likeness.CONTENT,
            same_name.id: Likeness.NAME,
        }

    def test_say_nothing_of_others_drafts(self, session, storage, creator, outsider):
        import_character(session, actor=outsider, storage=storage)
        document = make_preview(session, actor=creator, storage=storage)
        assert duplicates.find(session, actor=creator, document=document) == []


class TestLorebookTable:
    def test_goes_with_its_character(self, session, storage, creator):
        book = {"entries": [{"keys": ["a"], "content": "b", "enabled": True, "insertion_order": 1}]}
        character = import_character(session, actor=creator, storage=storage, data=card_file(character_book=book))
        session.execute(sa.delete(Character).where(Character.id == character.id))
        assert count(session, Lorebook) == count(session, LorebookEntry) == 0
