"""Writing cards: what goes out comes back, and what cannot is named before anybody downloads it."""

import io
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from studio.cards import limits, png, round_trip
from studio.cards.errors import ExportError, NotACardError, PictureError, TooLargeError
from studio.cards.pictures import inspect_picture
from studio.cards.portraits import without_metadata
from studio.cards.reader import read_card
from studio.cards.writer import file_stem, write_card
from tests.cards import builders as make

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VERSIONS = ("v1", "v2", "v3")
CONTAINERS = ("png", "json", "charx")
DATES = {"creation_date", "modification_date"}


def data_of(reading, *, without=frozenset()):
    return {key: value for key, value in reading.card["data"].items() if key not in DATES | without}


def lost_keys(made):
    return {note.path.removeprefix("data.") for note in made.loss if note.code == "lost_in_v1"}


def assert_same_card(before, made, to):
    after = read_card(made.data)
    lost = lost_keys(made)
    assert data_of(after, without=lost) == data_of(before, without=lost)
    if to != "v1":
        assert not lost
        assert after.content_hash == before.content_hash
    return after


def rich_document():
    """Everything that V2 cannot say, in one card."""
    entries = [
        make.entry(use_regex=True, keys=["/wi(n|ne)/i"], id="text-id", content="@@depth 4\n@@role system\n\nInside."),
        make.entry(id=2, position="before_char", mystery={"a": [1]}),
    ]
    return make.v3_document(
        character_book=make.book(entries=entries, odd="kept"),
        assets=[{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png", "extra": 1}],
        strange={"deep": {"er": None}},
    )


class TestWriteCard:
    @pytest.mark.parametrize("number", [2**53 + 1, 2**64, -(10**40), 1e22, 1.5e-9, -0.0])
    def test_keeps_numbers_of_any_size(self, number):
        made = write_card(make.v3_document(far={"number": number}), to="v3", as_="json", now=None)
        assert repr(read_card(made.data).card["data"]["far"]["number"]) == repr(number)

    @pytest.mark.parametrize("as_", CONTAINERS)
    @pytest.mark.parametrize("to", VERSIONS)
    @pytest.mark.parametrize(
        "document", [make.v1_document(avatar="none"), make.v2_document(), make.v3_document(), rich_document()]
    )
    def test_comes_back_as_the_same_card(self, document, to, as_):
        before = read_card(make.png_card(document))
        made = write_card(before, to=to, as_=as_, now=NOW)
        after = assert_same_card(before, made, to)
        assert after.kind == to
        assert not after.mirror_differences

    @pytest.mark.parametrize("as_", CONTAINERS)
    @pytest.mark.parametrize("first", ["v2", "v3"])
    def test_comes_back_whole_through_v2_and_again(self, first, as_):
        before = read_card(make.png_card(rich_document()))
        through = read_card(write_card(before, to=first, as_=as_, now=NOW).data)
        assert_same_card(before, write_card(through, to="v3", as_="png", now=NOW), "v3")

    def test_gives_equal_bytes_for_equal_content(self):
        reading = read_card(make.png_card(rich_document()))
        for as_ in CONTAINERS:
            one, two = (write_card(reading, to="v3", as_=as_, now=NOW).data for _ in range(2))
            assert one == two

    def test_leaves_image_data_untouched_and_drops_earlier_copies_and_private_text(self):
        private = make.text("parameters", b"secret prompt"), make.chunk(b"eXIf", b"MM\0*place")
        profile = make.chunk(b"gAMA", b"\0\0\xb1\x8f")
        source = make.png_file(
            profile, *private, make.chara(make.v2_document()), make.chara(make.v3_document(), "ccv3")
        )
        made = write_card(read_card(source + b"tail"), to="v2", as_="png", now=NOW)
        assert make.image_data(made.data) == make.image_data(source)
        kinds = [chunk.kind for chunk in png.walk(made.data).chunks]
        assert kinds == [b"IHDR", b"gAMA", b"tEXt", b"IDAT", b"IEND"]
        assert b"secret" not in made.data

    def test_keeps_other_texts_where_asked(self):
        source = make.png_file(make.text("parameters", b"a prompt"), make.chara(make.v2_document()))
        made = write_card(read_card(source), to="v2", as_="png", now=NOW, keep_metadata=True)
        assert b"parameters\0a prompt" in made.data

    def test_writes_both_copies_of_v3_before_the_image_data(self):
        made = write_card(make.v3_document(), to="v3", as_="png", now=NOW, picture=make.png_file())
        walked = png.walk(made.data)
        assert [chunk.keyword for chunk in png.text_chunks(walked, made.data)] == ["ccv3", "chara"]
        assert png.bad_checksums(walked, made.data) == []
        kinds = [chunk.kind for chunk in walked.chunks]
        assert kinds.index(b"IDAT") > kinds.index(b"tEXt")

    def test_restores_v3_from_the_older_copy_alone(self):
        made = write_card(rich_document(), to="v3", as_="png", now=NOW, picture=make.png_file())
        chunks = list(png.text_chunks(png.walk(made.data), made.data))
        older = read_card(make.png_file(make.text("chara", chunks[1].data)))
        assert older.raw["spec"] == "chara_card_v2"
        assert older.raw["data"]["creator_notes"].endswith(round_trip.V2_NOTICE)
        assert data_of(older) == data_of(read_card(made.data))

    def test_gives_v2_no_key_that_only_v3_knows(self):
        made = write_card(rich_document(), to="v2", as_="json", now=NOW)
        data = read_card(made.data).raw["data"]
        assert not {"nickname", "source", "group_only_greetings", "assets", "creation_date"} & data.keys()
        first, second = data["character_book"]["entries"]
        assert first["content"] == "Inside."
        assert "use_regex" not in first
        assert "id" not in first
        assert second["id"] == 2
        assert {note.path for note in made.loss} >= {"data.nickname", "data.character_book.entries[*].use_regex"}

    def test_keeps_order_unknown_keys_and_root_mirrors(self):
        document = {"mine": [1], "name": "Old", **make.v2_document(), "tags": ["old"], "fav": True}
        made = write_card(document, to="v3", as_="json", now=NOW)
        raw = read_card(made.data).raw
        assert list(raw) == list(document)
        assert (raw["mine"], raw["fav"], raw["name"], raw["tags"]) == ([1], True, "苏晚", ["tavern", "酒馆"])
        assert list(raw["data"])[:3] == list(document["data"])[:3]

    def test_dates_v3_and_appends_its_source_once(self):
        once = write_card(make.v3_document(), to="v3", as_="json", now=NOW, source_url="https://here.example/c/1")
        raw = read_card(once.data).raw
        assert raw["data"]["modification_date"] == int(NOW.timestamp())
        assert raw["data"]["creation_date"] == 1_700_000_000
        twice = write_card(raw, to="v3", as_="json", now=NOW, source_url="https://here.example/c/1")
        assert read_card(twice.data).raw["data"]["source"] == ["https://cards.example/1", "https://here.example/c/1"]

    def test_names_what_v1_loses(self):
        made = write_card(make.v2_document(), to="v1", as_="json", now=NOW)
        assert list(read_card(made.data).raw) == list(make.v1_document())
        assert lost_keys(made) == {
            "creator_notes",
            "alternate_greetings",
            "tags",
            "creator",
            "character_version",
            "extensions",
            "character_book",
        }

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
    def test_converts_another_picture_where_png_is_asked(self, kind):
        made = write_card(make.v3_document(), to="v3", as_="png", now=NOW, picture=make.picture(kind))
        assert inspect_picture(made.data).kind == "png"
        assert [note.code for note in made.loss] == ["picture_converted"]
        with Image.open(io.BytesIO(made.data)) as opened:
            assert opened.size == (20, 30)
            opened.verify()

    def test_says_that_there_is_no_portrait(self):
        made = write_card(make.v3_document(), to="v3", as_="png", now=NOW)
        assert "placeholder_picture" in [note.code for note in made.loss]
        assert read_card(made.data).picture.width == 400

    def test_carries_assets_through_charx_and_png(self):
        icon, music = make.picture("PNG"), bytes(range(256)) * 50
        document = make.v3_document(
            assets=[
                {"type": "icon", "uri": "embeded://assets/icon/images/a.png", "name": "main", "ext": "png"},
                {"type": "x_song", "uri": "embeded://song.ogg", "name": "song", "ext": "ogg"},
            ]
        )
        before = read_card(make.charx(document, {"assets/icon/images/a.png": icon, "song.ogg": music}))
        for as_ in ("png", "charx"):
            after = assert_same_card(before, write_card(before, to="v3", as_=as_, now=NOW), "v3")
            assert after.assets == before.assets
        left = write_card(before, to="v3", as_="json", now=NOW)
        assert {note.code for note in left.loss} == {"picture_left", "assets_left"}

    def test_puts_a_new_portrait_in_the_old_icons_place(self):
        old, new = make.picture("PNG"), make.picture("WEBP")
        document = make.v3_document(assets=[{"type": "icon", "uri": "embeded://a.png", "name": "main", "ext": "png"}])
        before = read_card(make.charx(document, {"a.png": old}))
        after = read_card(write_card(before, to="v3", as_="charx", now=NOW, picture=new).data)
        assert after.picture.header.kind == "webp"
        assert after.card["data"]["assets"][0]["ext"] == "webp"
        assert "a.png" not in after.assets

    def test_knows_the_icon_again_after_its_metadata_went(self):
        icon = make.png_file(make.text("parameters", b"prompt"))
        document = make.v3_document(assets=[{"type": "icon", "uri": "embeded://a.png", "name": "main", "ext": "png"}])
        before = read_card(make.charx(document, {"a.png": icon}))
        made = write_card(before, to="v3", as_="charx", now=NOW, picture=without_metadata(icon))
        assert assert_same_card(before, made, "v3").assets.keys() == {"a.png"}

    def test_gives_assets_portable_names(self):
        document = make.v3_document(assets=[{"type": "x_a", "uri": "embeded://音.OGG", "name": "a", "ext": "ogg"}])
        made = write_card(document, to="v3", as_="charx", now=NOW, assets={"音.OGG": b"sound"})
        after = read_card(made.data)
        (path,) = after.assets
        assert path.isascii()
        assert after.card["data"]["assets"][0]["uri"] == f"embeded://{path}"
        assert "asset_renamed" in [note.code for note in made.loss]

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
    def test_frees_a_portrait_in_a_charx_of_places_but_not_of_its_rotation(self, kind):
        exif = Image.Exif()
        exif[0x010E] = "at home"
        exif[0x0112] = 6
        made = write_card(
            make.v3_document(), to="v3", as_="charx", now=NOW, picture=make.picture(kind, exif=exif.tobytes())
        )
        picture = read_card(made.data).picture
        with Image.open(io.BytesIO(picture.data)) as opened:
            assert 0x010E not in opened.getexif()
            assert opened.getexif().get(0x0112) == 6
            opened.load()

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"to": "v4", "as_": "png"}, ExportError),
            ({"to": "v3", "as_": "pdf"}, ExportError),
            ({"to": "v3", "as_": "png", "picture": b"<svg></svg>"}, PictureError),
            ({"to": "v3", "as_": "png", "picture": make.png_file(header=make.ihdr(10_000, 10_000))}, TooLargeError),
            ({"to": "v3", "as_": "charx", "picture": make.png_file(header=make.ihdr(10_000, 10_000))}, TooLargeError),
        ],
    )
    def test_refuses_what_it_cannot_write(self, arguments, error):
        with pytest.raises(error):
            write_card(make.v3_document(), now=NOW, **arguments)

    def test_refuses_a_document_that_is_no_card_or_too_long(self):
        with pytest.raises(NotACardError):
            write_card({"name": "A"}, to="v3", as_="json", now=NOW)
        with pytest.raises(ExportError):
            write_card(make.v3_document(scenario="a" * limits.JSON_BYTES), to="v3", as_="json", now=NOW)

    @pytest.mark.skipif(not make.sample_files(), reason="The folder with real cards (STUDIO_SAMPLES) is not here.")
    @pytest.mark.parametrize("path", make.sample_cards(), ids=lambda path: path.name)
    def test_brings_real_cards_back(self, path):
        data = path.read_bytes()
        before = read_card(data)
        for to in VERSIONS:
            for as_ in CONTAINERS:
                made = write_card(before, to=to, as_=as_, now=NOW)
                after = assert_same_card(before, made, to)
                if before.container == "png" and as_ != "json":
                    assert make.image_data(after.picture.data) == make.image_data(data)


words = st.text(max_size=12)
strange_keys = st.text(min_size=1, max_size=8).map(lambda key: f"x_{key}")
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
strangers = st.dictionaries(strange_keys, values, max_size=3)
entries = st.builds(
    lambda unknown, extensions, content, head: make.entry(
        **unknown, extensions=extensions, content=head + content, use_regex=bool(head)
    ),
    strangers,
    strangers,
    words,
    st.sampled_from(["", "@@depth 4\n", "@@a\n@@@b 1\n\n"]),
)
documents = st.builds(
    lambda root, data, extensions, book, entries, name: (
        make.v3_document(**data, extensions=extensions, name=name, character_book=make.book(**book, entries=entries))
        | root
    ),
    strangers,
    strangers,
    strangers,
    strangers,
    st.lists(entries, max_size=3),
    words,
)


class TestWriteCardOnGeneratedCards:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(document=documents, to=st.sampled_from(["v2", "v3"]), as_=st.sampled_from(CONTAINERS))
    def test_keeps_unknown_keys_at_every_level(self, document, to, as_):
        before = read_card(make.as_json(document))
        made = write_card(before, to=to, as_=as_, now=NOW)
        after = assert_same_card(before, made, to)
        own = {"spec", "spec_version", "data"}
        assert {key: value for key, value in after.raw.items() if key not in own} == {
            key: value for key, value in before.raw.items() if key not in own
        }
        assert set(before.kept) <= set(after.kept)


class TestFileStem:
    @pytest.mark.parametrize(
        ("name", "stem"),
        [
            ("苏晚", "苏晚"),
            ("../../etc/passwd", "etc_passwd"),
            ("Gloria, PA", "Gloria_ PA"),
            ("a\nb\0c", "a_b_c"),
            ("...", "character"),
            ("", "character"),
            ("\u2764\ufe0f\U0001f680\U0001f468\u200d\U0001f469", "character"),
            ("\u2764\ufe0f Rose", "Rose"),
            ("हिन्दी", "हिन्दी"),
            ("لونا", "لونا"),
            ("x" * 200, "x" * 80),
        ],
    )
    def test_is_safe_in_every_folder(self, name, stem):
        assert file_stem(name) == stem
