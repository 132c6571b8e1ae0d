"""Reading cards: every container, every version, and what real files do wrong."""

import base64
import csv

import pytest

from studio.cards.errors import CardError, LorebookError
from studio.cards.reader import read_card
from tests.cards import builders as make


def codes(notes):
    return {(note.code, note.path) for note in notes}


class TestReadCard:
    @pytest.mark.parametrize(
        ("data", "form"),
        [
            (make.as_json(make.v1_document()), "json_v1"),
            (make.as_json(make.v2_document()), "json_v2"),
            (make.as_json(make.v3_document()), "json_v3"),
            (make.png_card(make.v1_document()), "png_v1"),
            (make.png_card(make.v2_document()), "png_v2"),
            (make.png_card(make.v3_document()), "png_v3"),
            (make.charx(make.v3_document()), "charx_v3"),
            (make.picture("JPEG") + make.charx(make.v3_document()), "jpeg_v3"),
            (make.png_file() + make.charx(make.v3_document()), "png_v3"),
            (make.webp_card(make.v1_document()), "webp_v1"),
            (make.webp_card(make.v1_document(), spelling="bytes", order=">"), "webp_v1"),
        ],
    )
    def test_reads_every_container(self, data, form):
        reading = read_card(data)
        assert reading.format == form
        assert reading.name == "苏晚"
        assert reading.card["spec"] == "chara_card_v3"
        assert reading.card["data"]["first_mes"] == "又有新的客人来了。"
        assert reading.repairs == ()

    @pytest.mark.parametrize(
        "value",
        [
            make.packed_text("Chara", base64.b64encode(make.as_json(make.v2_document()))),
            make.international_text("chara", base64.b64encode(make.as_json(make.v2_document())), is_packed=True),
            make.international_text("chara", base64.b64encode(make.as_json(make.v2_document())), is_packed=False),
            make.text("chara", make.as_json(make.v2_document())),
            make.text("chara", base64.urlsafe_b64encode(make.as_json(make.v2_document())).rstrip(b"=") + b"\n"),
            make.text("chara", base64.encodebytes(make.as_json(make.v2_document()))),
        ],
        ids=["zTXt", "iTXt packed", "iTXt", "plain JSON", "url-safe, unpadded", "broken lines"],
    )
    def test_reads_every_way_to_put_text_into_a_png(self, value):
        assert read_card(make.png_file(value)).raw == make.v2_document()

    def test_takes_a_card_behind_the_image_data(self):
        assert read_card(make.png_file(after=make.chara(make.v1_document()))).format == "png_v1"

    def test_keeps_the_original_as_it_is(self):
        document = make.v2_document(character_book=None, tags="one", unknown={"deep": [1]})
        payload = b"\xef\xbb\xbf" + make.as_json(document)
        reading = read_card(payload)
        assert reading.raw == document
        assert reading.raw_bytes == payload
        assert "character_book" not in reading.card["data"]
        assert reading.card["data"]["tags"] == ["one"]
        assert reading.card["data"]["unknown"] == {"deep": [1]}
        assert "data.unknown" in reading.kept
        assert codes(reading.repairs) >= {("empty_removed", "data.character_book"), ("retyped", "data.tags")}

    def test_reads_a_null_lorebook_as_none(self):
        reading = read_card(make.as_json(make.v2_document(character_book=None)))
        assert reading.lorebook_entries == 0
        assert "character_book" not in reading.card["data"]

    def test_reads_entries_given_as_an_object_in_their_keys_order(self):
        entries = {"10": make.entry(content="c"), "2": make.entry(content="b"), "0": make.entry(content="a")}
        reading = read_card(make.as_json(make.v2_document(character_book=make.book(entries=entries))))
        assert [each["content"] for each in reading.card["data"]["character_book"]["entries"]] == ["a", "b", "c"]
        assert ("entries_object", "data.character_book.entries") in codes(reading.repairs)

    def test_translates_world_info_entries(self):
        entries = {
            "0": {
                "uid": 3,
                "key": ["wine"],
                "keysecondary": ["red"],
                "content": "x",
                "order": 50,
                "disable": True,
                "position": 4,
                "excludeRecursion": True,
                "mine": 1,
            }
        }
        reading = read_card(make.as_json(make.v2_document(character_book={"entries": entries})))
        (entry,) = reading.card["data"]["character_book"]["entries"]
        assert entry == {
            "id": 3,
            "keys": ["wine"],
            "secondary_keys": ["red"],
            "content": "x",
            "insertion_order": 50,
            "enabled": False,
            "position": "after_char",
            "extensions": {"exclude_recursion": True, "position": 4},
            "use_regex": False,
            "mine": 1,
        }

    @pytest.mark.parametrize(
        ("given", "read"),
        [(0, "before_char"), ("0", "before_char"), ("", "before_char"), ("2", "after_char"), (1, "after_char")],
    )
    def test_understands_other_spellings_of_a_position(self, given, read):
        document = make.v2_document(character_book=make.book(entries=[make.entry(position=given)]))
        assert read_card(make.as_json(document)).card["data"]["character_book"]["entries"][0]["position"] == read

    def test_fills_what_a_version_demands_and_says_so(self):
        document = {"spec": "chara_card_v3", "spec_version": "3.0", "data": {"name": "A", "first_mes": None}}
        reading = read_card(make.as_json(document))
        assert reading.card["data"]["first_mes"] == ""
        assert reading.card["data"]["group_only_greetings"] == []
        assert reading.card["data"]["extensions"] == {}
        assert codes(reading.repairs) >= {
            ("filled", "data.first_mes"),
            ("filled", "data.tags"),
            ("filled", "data.group_only_greetings"),
        }

    def test_leaves_out_values_without_meaning_with_a_warning(self):
        reading = read_card(make.as_json(make.v2_document(tags=["a", {"b": 1}, 3], personality=["x", "y"])))
        assert reading.card["data"]["tags"] == ["a"]
        assert reading.card["data"]["personality"] == "x\ny"
        assert ("dropped", "data.tags[*]") in codes(reading.warnings)

    def test_counts_equal_repairs_instead_of_listing_them(self):
        entries = [{"keys": ["a"], "content": "b"} for _ in range(300)]
        reading = read_card(make.as_json(make.v2_document(character_book={"entries": entries})))
        counts = {note.path: note.count for note in reading.repairs}
        assert counts["data.character_book.entries[*].enabled"] == 300
        assert reading.lorebook_entries == 300
        assert [each["insertion_order"] for each in reading.card["data"]["character_book"]["entries"]] == list(
            range(300)
        )

    def test_prefers_ccv3_and_names_what_the_older_copy_says_differently(self):
        reading = read_card(
            make.png_file(make.chara(make.v2_document(scenario="Old.")), make.chara(make.v3_document(), "ccv3"))
        )
        assert reading.format == "png_v3"
        assert [(each.where, each.key, each.other) for each in reading.mirror_differences] == [
            ("chara", "scenario", "Old.")
        ]

    def test_falls_back_to_chara_where_ccv3_is_broken(self):
        reading = read_card(make.png_file(make.text("ccv3", b"%%%"), make.chara(make.v2_document())))
        assert reading.format == "png_v2"
        assert ("broken_chunk", "ccv3") in codes(reading.warnings)

    def test_believes_data_over_the_root(self):
        document = make.v2_document() | {"name": "Other", "scenario": "An evening at the bar.", "fav": False}
        reading = read_card(make.as_json(document))
        assert reading.name == "苏晚"
        assert [(each.where, each.key, each.other) for each in reading.mirror_differences] == [
            ("root", "name", "Other")
        ]
        assert "fav" in reading.kept

    def test_takes_the_root_where_data_is_empty(self):
        document = {
            "spec": "chara_card_v2",
            "spec_version": "2.0",
            "data": {"name": "", "tags": []},
            **make.v1_document(),
        }
        reading = read_card(make.as_json(document))
        assert reading.name == "苏晚"
        assert ("content_at_root", "data") in codes(reading.warnings)

    def test_notes_a_bad_checksum_and_trailing_bytes(self):
        bad = make.chunk(b"tIME", b"1234567", checksum=1)
        reading = read_card(make.png_file(bad, make.chara(make.v1_document())) + b"tail")
        assert codes(reading.warnings) >= {("bad_checksum", "tIME"), ("trailing_bytes", "")}

    def test_warns_of_other_texts_in_the_picture(self):
        reading = read_card(make.png_file(make.text("parameters", b"secret"), make.chara(make.v1_document())))
        assert ("foreign_text", "parameters") in codes(reading.warnings)
        assert not any("secret" in note.text for note in reading.warnings)

    def test_keeps_its_report_short_enough_to_read(self):
        texts = [make.text(f"k{number}", b"") for number in range(2_000)]
        document = make.v2_document(**{f"x{number}": 0 for number in range(6_000)})
        reading = read_card(make.png_file(*texts, make.chara(document)))
        assert len(reading.warnings) < 600
        assert len(reading.kept) == 5_000
        assert ("more_notes", "") in codes(reading.warnings)
        assert reading.card["data"]["x5999"] == 0

    def test_makes_text_storable(self):
        payload = rb'{"name":"A\u0000\ud800","first_mes":"\ud83d\ude00","x":1e999,"y":NaN}'
        reading = read_card(payload)
        assert reading.raw == {"name": "A\ufffd", "first_mes": "😀", "x": "1e999", "y": "NaN"}
        assert codes(reading.repairs) >= {("unstorable_character", "name"), ("number_as_text", "")}

    def test_accepts_control_characters_and_takes_the_last_of_equal_keys(self):
        reading = read_card(b'{"name":"A","first_mes":"one\ntwo","name":"B"}')
        assert (reading.name, reading.raw["first_mes"]) == ("B", "one\ntwo")
        assert ("duplicate_key", "") in codes(reading.warnings)

    def test_reads_a_later_version_with_a_warning(self):
        reading = read_card(make.as_json(make.v3_document() | {"spec_version": "3.7"}))
        assert reading.spec_version == "3.0"
        assert ("newer_version", "spec_version") in codes(reading.warnings)

    def test_finds_icon_and_assets_in_a_charx(self):
        icon = make.picture("PNG")
        document = make.v3_document(
            assets=[{"type": "icon", "uri": "embedded://pics/a.png", "name": "main", "ext": "png"}]
        )
        reading = read_card(make.charx(document, {"pics/a.png": icon, "x_meta/a.json": b"{}", "module.risum": b"o\0"}))
        assert reading.picture.data == icon
        assert set(reading.assets) == {"pics/a.png", "x_meta/a.json", "module.risum"}

    def test_takes_a_portrait_out_of_a_data_uri(self):
        icon = make.picture("WEBP")
        uri = "data:image/webp;base64," + base64.b64encode(icon).decode()
        document = make.v3_document(assets=[{"type": "icon", "uri": uri, "name": "main", "ext": "webp"}])
        assert read_card(make.as_json(document)).picture.data == icon
        agnai = {"kind": "character", "name": "A", "greeting": "B", "avatar": uri}
        assert read_card(make.as_json(agnai)).picture.data == icon

    def test_goes_on_without_an_unusable_portrait(self):
        assets = [{"type": "icon", "uri": "data:image/png;base64,%%%", "name": "main", "ext": "png"}]
        reading = read_card(make.as_json(make.v3_document(assets=assets)))
        assert reading.picture is None
        assert "icon_unusable" in {note.code for note in reading.warnings}

    def test_gives_equal_hashes_for_equal_meaning(self):
        one = read_card(make.as_json(make.v3_document()))
        later = make.v3_document(modification_date=1, character_version="9")
        later["data"] = dict(reversed(later["data"].items()))
        assert read_card(make.png_card(later)).content_hash == one.content_hash
        assert read_card(make.as_json(make.v3_document(scenario="Other"))).content_hash != one.content_hash

    def test_measures_the_fields(self):
        found = {each.key: (each.length, each.items) for each in read_card(make.as_json(make.v2_document())).fields}
        assert found["name"] == (2, 1)
        assert found["alternate_greetings"] == (12, 2)
        assert "system_prompt" not in found


@pytest.mark.skipif(not make.sample_files(), reason="The folder with real cards (STUDIO_SAMPLES) is not here.")
class TestReadCardOnRealFiles:
    @pytest.mark.parametrize("path", make.sample_files(), ids=lambda path: path.name)
    def test_reads_what_holds_a_card_and_refuses_the_rest_in_one_sentence(self, path):
        if path.name not in make.CARDLESS_SAMPLES:
            reading = read_card(path.read_bytes(), filename=path.name)
            assert reading.name
            return
        with pytest.raises(CardError) as refused:
            read_card(path.read_bytes(), filename=path.name)
        assert str(refused.value).endswith(".")
        is_lorebook = "worldinfo" in path.name or path.name == "Konosuba.json"
        assert isinstance(refused.value, LorebookError) == is_lorebook

    def test_agrees_with_the_manifest(self):
        with (make.SAMPLES / "cards" / "manifest.csv").open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if not row["kind"].endswith(("worldinfo", "book"))]
        assert len(rows) > 20
        for row in rows:
            reading = read_card((make.SAMPLES / "cards" / row["file"]).read_bytes())
            assert (reading.format, reading.name) == (row["kind"], row["name"])
