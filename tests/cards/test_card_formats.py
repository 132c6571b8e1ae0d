"""The contract that every card format in the list keeps."""

import pytest

from studio.cards import macros
from studio.cards.documents import copy_json
from studio.cards.errors import CardError, DamagedError, NotACardError, TooLargeError
from studio.cards.formats import FORMATS, detect
from studio.cards.normalise import normalise
from studio.cards.notes import Notebook
from studio.cards.reader import read_card
from studio.cards.writer import write_card
from tests.cards import builders as make

EXAMPLES = {
    "v1": make.v1_document(avatar="none"),
    "v2": make.v2_document(),
    "v3": make.v3_document(),
    "pygmalion": {
        "char_name": "苏晚",
        "char_persona": "Calm.",
        "char_greeting": "Hello.",
        "example_dialogue": "",
        "world_scenario": "A bar.",
        "mine": 1,
    },
    "agnai": {
        "kind": "character",
        "name": "苏晚",
        "description": "For tea lovers.",
        "appearance": "A long robe.",
        "persona": {"kind": "boostyle", "attributes": {"mind": ["calm", "wise"]}},
        "scenario": "A bar.",
        "greeting": "Hello.",
        "sampleChat": "",
        "alternateGreetings": ["Sit."],
        "characterBook": {"kind": "memory", "entries": [{"name": "a", "entry": "b", "keywords": ["c"], "weight": 3}]},
        "voice": {"service": "x"},
    },
    "tavernai": {
        "名称": "苏晚",
        "描述": "时空酒馆的老板娘。",
        "性格": "温和",
        "开场对话": "欢迎。",
        "场景": "酒馆",
        "背景故事": "无人知晓。",
        "对话示例": [{"好感度_高于80": "老朋友！"}],
        "提示词": "你是苏晚。",
        "变量": {"好感度": 70},
        "元数据": {"标签": ["酒馆"], "创建者": "某人", "版本": 1.0},
    },
    "byaf": make.byaf_parts(),
    "text_generation": {"name": "苏晚", "greeting": "Hello.", "context": "Calm.", "user": "You"},
}


def test_has_an_example_for_every_format():
    assert set(EXAMPLES) == {kind.key for kind in FORMATS}


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.key)
class TestFormat:
    def test_is_told_apart_from_all_others(self, kind):
        assert detect(EXAMPLES[kind.key]) is kind

    def test_leaves_the_document_as_it_is(self, kind):
        document = copy_json(EXAMPLES[kind.key])
        normalise(document)
        assert document == EXAMPLES[kind.key]

    def test_becomes_a_whole_v3_card(self, kind):
        card = normalise(EXAMPLES[kind.key]).card
        assert (card["spec"], card["spec_version"]) == ("chara_card_v3", "3.0")
        assert card["data"]["name"] == "苏晚"
        assert card["data"]["first_mes"]
        assert card["data"]["description"]
        assert isinstance(card["data"]["extensions"], dict)

    def test_is_settled_after_one_normalisation(self, kind):
        once = normalise(EXAMPLES[kind.key]).card
        notes = Notebook()
        assert normalise(once, notes).card == once
        assert notes.repairs == ()

    def test_survives_values_of_every_wrong_type(self, kind):
        for key in EXAMPLES[kind.key]:
            for value in (None, 0, -1.5, True, "", "x", [], [None], [[]], {}, {"": None}):
                document = copy_json(EXAMPLES[kind.key]) | {key: value}
                if kind.recognises(document):
                    card = normalise(document).card
                    assert normalise(card).card == card


class TestTavernAi:
    def test_keeps_triggers_and_variables_whole(self):
        data = normalise(EXAMPLES["tavernai"]).card["data"]
        assert data["description"] == "时空酒馆的老板娘。\n\n背景故事：无人知晓。"
        assert data["mes_example"] == "<START>\n（好感度_高于80）\n{{char}}: 老朋友！"
        assert (data["tags"], data["creator"], data["character_version"]) == (["酒馆"], "某人", "1.0")
        assert data["extensions"]["tavernai"]["变量"] == {"好感度": 70}


class TestAgnai:
    def test_reads_persona_and_memory_book(self):
        data = normalise(EXAMPLES["agnai"]).card["data"]
        assert data["description"] == "mind: calm, wise\nAppearance: A long robe."
        (entry,) = data["character_book"]["entries"]
        assert (entry["keys"], entry["content"], entry["insertion_order"]) == (["c"], "b", 3)
        assert data["extensions"]["agnai"]["voice"] == {"service": "x"}


class TestByaf:
    def test_is_read_from_its_archive_with_pictures_and_lore(self):
        first, second = make.picture("PNG"), make.picture("PNG", (5, 5))
        reading = read_card(make.byaf_file(images={"a.png": first, "b.png": second}))
        data = reading.card["data"]
        assert (reading.format, data["name"], data["nickname"]) == ("byaf_byaf", "苏晚", "晚晚")
        assert (data["scenario"], data["first_mes"], data["alternate_greetings"]) == (
            "A bar.",
            "Welcome, {user}.",
            ["Tea?"],
        )
        assert data["mes_example"] == "<START>\n#{user}: Hello\n#{character}: Sit."
        assert (data["system_prompt"], data["creator"]) == ("Answer briefly.", "someone")
        assert data["character_book"]["entries"][0]["keys"] == ["wine", "酒"]
        assert reading.picture.data == first
        assert [asset["name"] for asset in data["assets"]] == ["main", "smile"]
        assert data["extensions"]["byaf"]["scenarios"][0]["temperature"] == 0.7
        assert data["extensions"]["byaf"]["scenarios"][1]["narrative"] == "A garden."

    def test_leaves_a_private_chat_out_of_the_card_and_says_so(self):
        reading = read_card(make.byaf_file())
        assert "a private chat" not in str(reading.card)
        assert "chat_left_out" in {note.code for note in reading.warnings}

    def test_keeps_single_braces_and_notes_them(self):
        reading = read_card(make.byaf_file())
        noted = {note.path for note in reading.warnings if note.code == "single_braces"}
        assert {"data.description", "data.first_mes", "data.mes_example"} <= noted
        assert reading.card["data"]["description"] == "{character} keeps a tavern."
        assert macros.fix_single_braces("#{user}: Hello {character} #{user}") == "{{user}}: Hello {{char}} #{{user}}"

    def test_becomes_a_v3_archive_with_its_pictures(self):
        reading = read_card(make.byaf_file(images={"a.png": make.picture("PNG")}))
        back = read_card(write_card(reading, to="v3", as_="charx", now=None).data)
        assert back.content_hash == reading.content_hash
        assert back.picture.data == reading.picture.data

    def test_survives_values_of_every_wrong_type(self):
        for part in ("manifest", "character"):
            for key in make.byaf_parts()[part]:
                for value in (None, 0, True, "", "x", [], [None], [{}], {}):
                    parts = make.byaf_parts()
                    document = parts | {part: parts[part] | {key: value}}
                    card = normalise(document).card
                    assert normalise(card).card == card

    @pytest.mark.parametrize(
        "members",
        [
            {"manifest.json": b"{}"},
            {"manifest.json": b"[]"},
            {"manifest.json": b'{"characters":["characters/x/character.json"]}'},
            {"manifest.json": b'{"characters":["../evil.json"]}'},
        ],
    )
    def test_refuses_what_names_no_character(self, members):
        with pytest.raises(CardError):
            read_card(make.archive(members))


class TestYaml:
    def test_takes_every_value_as_the_text_that_stands_there(self):
        reading = read_card("name: No\ncontext: 1.10\ngreeting: |\n  你好。\n  {{user}}\nuser: ~\n".encode())
        data = reading.card["data"]
        assert (reading.format, data["name"], data["description"]) == ("yaml_text_generation", "No", "1.10")
        assert data["first_mes"] == "你好。\n{{user}}\n"
        assert data["extensions"]["text_generation"] == {"user": "~"}

    def test_refuses_references_before_they_blow_up(self):
        bomb = "name: a\ngreeting: b\na: &a [x,x,x,x,x,x,x,x,x]\n"
        bomb += "".join(
            f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
        )
        with pytest.raises(DamagedError, match="refers to parts"):
            read_card((bomb + "context: *h\n").encode())

    @pytest.mark.parametrize(
        ("data", "error"),
        [
            (b"name: a\n context: [", DamagedError),
            (b"MIT License: see below: [", NotACardError),
            (b"a: b\n---\nc: d\n", NotACardError),
            (b"just: words\n", NotACardError),
            (b"name: " + b"[" * 200 + b"]" * 200, TooLargeError),
            (b"a: " + b"x" * 1_100_000, NotACardError),
        ],
    )
    def test_refuses_what_is_no_card(self, data, error):
        with pytest.raises(error):
            read_card(data)

    def test_names_a_scenario_and_where_it_belongs(self):
        for data in (
            b"name: x\nworldInfos:\n  - title: y\n",
            b'[{"name":"a","worldInfos":[]},{"name":"b","worldInfos":[]}]',
        ):
            with pytest.raises(NotACardError, match="world information into the lorebook"):
                read_card(data)


class TestWebp:
    @pytest.mark.parametrize("to", ["v1", "v2", "v3"])
    @pytest.mark.parametrize("kind", ["WEBP", "PNG", "JPEG"])
    def test_comes_back_with_its_card(self, to, kind):
        picture = make.picture(kind)
        made = write_card(
            make.v3_document() if to == "v3" else make.v2_document(), to=to, as_="webp", picture=picture, now=None
        )
        reading = read_card(made.data)
        assert (reading.container, reading.kind, reading.name) == ("webp", to, "苏晚")
        assert (reading.picture.width, reading.picture.height) == (20, 30)
        assert ("picture_converted" in {note.code for note in made.loss}) == (kind != "WEBP")

    def test_keeps_image_data_and_takes_the_place_of_an_earlier_card(self):
        from studio.cards import webp

        old = make.webp_card(make.v1_document(name="Old"))
        made = write_card(make.v2_document(), to="v2", as_="webp", picture=old, now=None).data
        assert read_card(made).name == "苏晚"
        assert make.as_json("Old")[1:-1] not in made
        pixels = {name: old[start : start + size] for name, start, size in webp.chunks(old) if name.startswith(b"VP8 ")}
        assert pixels == {
            name: made[start : start + size] for name, start, size in webp.chunks(made) if name.startswith(b"VP8 ")
        }
