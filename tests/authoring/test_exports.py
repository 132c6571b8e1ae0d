import pytest

from studio.authoring import characters, exports
from studio.cards import png
from studio.cards.reader import read_card
from studio.cards.writer import write_card
from studio.kit.errors import ForbiddenError, NotFoundError
from tests.factories.authoring import card_document, card_file, import_character, make_character
from tests.factories.media import picture


def export(session, actor, storage, character, now, to="v3", as_="png"):
    return exports.export_card(
        session, actor=actor, storage=storage, character_id=character.id, to=to, as_=as_, now=now
    )


class TestExportCard:
    @pytest.mark.parametrize("to", ["v2", "v3"])
    @pytest.mark.parametrize("as_", ["png", "json", "charx"])
    def test_gives_the_same_card_back(self, session, storage, creator, now, to, as_):
        data = card_file()
        character = import_character(session, actor=creator, storage=storage, data=data)
        made = export(session, creator, storage, character, now, to, as_)
        assert read_card(made.data).content_hash == read_card(data).content_hash
        assert made.filename == f"独孤求败.{as_}"

    def test_says_the_edits_and_keeps_unknown_keys(self, session, storage, creator, now):
        character = import_character(session, actor=creator, storage=storage, data=card_file(odd={"a": [1]}))
        characters.update(
            session,
            actor=creator,
            character_id=character.id,
            row_version=character.row_version,
            changes={"personality": "calm"},
            now=now,
        )
        raw = read_card(export(session, creator, storage, character, now).data).raw
        assert (raw["data"]["personality"], raw["data"]["odd"]) == ("calm", {"a": [1]})

    def test_names_what_is_lost(self, session, storage, creator, now):
        character = import_character(session, actor=creator, storage=storage)
        assert "lost_in_v1" in {note.code for note in export(session, creator, storage, character, now, "v1").loss}

    def test_keeps_the_assets_of_an_archive(self, session, storage, creator, now):
        assets = [{"type": "emotion", "uri": "embeded://assets/emotion/images/joy.png", "name": "joy", "ext": "png"}]

        data = write_card(
            card_document(assets=assets),
            to="v3",
            as_="charx",
            picture=picture(),
            assets={"assets/emotion/images/joy.png": picture(20, 20)},
            now=now,
        ).data
        character = import_character(session, actor=creator, storage=storage, data=data, filename="a.charx")
        back = read_card(export(session, creator, storage, character, now, as_="charx").data)
        assert back.assets["assets/emotion/images/joy.png"] == picture(20, 20)

    def test_says_that_there_is_no_portrait(self, session, storage, creator, now):
        character = make_character(session, owner=creator)
        made = export(session, creator, storage, character, now)
        assert "placeholder_picture" in {note.code for note in made.loss}

    def test_is_not_found_by_outsiders_and_refused_to_who_may_not(
        self, session, storage, creator, outsider, moderator, now
    ):
        character = make_character(session, owner=creator)
        with pytest.raises(NotFoundError):
            export(session, outsider, storage, character, now)
        with pytest.raises(ForbiddenError):
            export(session, moderator, storage, character, now)

    def test_leaves_our_own_extension_out_for_everybody(self, session, storage, creator, now):
        character = import_character(session, actor=creator, storage=storage, data=card_file(nickname="败"))
        characters.update(
            session,
            actor=creator,
            character_id=character.id,
            row_version=character.row_version,
            changes={"tagline": "a private line"},
            now=now,
        )
        for to, as_ in (("v2", "json"), ("v3", "png"), ("v3", "charx"), ("v2", "webp"), ("v1", "json")):
            made = exports.export_card(
                session,
                actor=creator,
                storage=storage,
                character_id=character.id,
                to=to,
                as_=as_,
                now=now,
                is_public=True,
            )
            raw = read_card(made.data).raw
            assert "greenroom" not in str(raw), (to, as_)
            assert "a private line" not in str(raw)
            codes = {note.code for note in made.loss}
            assert "hidden_in_v2" not in codes
            assert ("lost_in_v2" in codes) == (to == "v2")

    def test_keeps_a_pictures_other_texts_only_on_request(self, session, storage, creator, now):
        data = png.rewrite(
            card_file(), [("parameters", b"a private prompt"), *card_texts(card_file())], keep_metadata=True
        )
        character = import_character(session, actor=creator, storage=storage, data=data)
        assert exports.has_metadata(session, character)
        assert b"a private prompt" not in export(session, creator, storage, character, now).data
        kept = exports.export_card(
            session,
            actor=creator,
            storage=storage,
            character_id=character.id,
            to="v3",
            as_="png",
            now=now,
            keep_metadata=True,
        ).data
        assert b"a private prompt" in kept
        assert read_card(kept).name == "独孤求败"

    def test_names_the_public_page_among_the_sources_once(self, session, storage, creator, now):
        character = import_character(session, actor=creator, storage=storage)
        made = exports.export_card(
            session,
            actor=creator,
            storage=storage,
            character_id=character.id,
            to="v3",
            as_="png",
            now=now,
            source_url="https://studio.example/characters/1",
        )
        assert read_card(made.data).raw["data"]["source"] == ["https://studio.example/characters/1"]


def card_texts(data: bytes) -> list[tuple[str, bytes]]:
    """The card's own chunks, as `png.rewrite` takes them."""
    return [(chunk.keyword, chunk.data) for chunk in png.text_chunks(png.walk(data), data)]
