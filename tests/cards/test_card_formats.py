"""The contract that every card format in the list keeps."""

import pytest

from studio.cards.documents import copy_json
from studio.cards.formats import FORMATS, detect
from studio.cards.normalise import normalise
from studio.cards.notes import Notebook
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
