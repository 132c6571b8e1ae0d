"""Cards for the benchmarks: made-up texts in Chinese and English, as long as real cards are."""

import json
import random
from typing import Any

_ENGLISH = (
    "the keeper of the lighthouse writes letters that were never sent and answers them in the voice of the sea",
    "nobody in the drowned city remembers who paid for the last bridge but everyone has walked across it",
    'a clerk counts the lies of the day and says "three" before she puts out the lamp',
    "the night train stops where there is no station and the conductor asks for a story instead of a ticket",
)
_CHINESE = ("一盏灯照着空荡荡的酒馆", "她把没有寄出的信折成纸船", "守塔人听见雨里有人说话", "剑冢之前风停了")


def card(number: int, *, size: int = 20_000) -> bytes:
    """A V3 card's JSON of about `size` bytes, the same for the same number; a fifth of it is its lorebook."""
    dice = random.Random(number)
    name = f"{dice.choice(_CHINESE)[:3]} {number}"
    shares = {
        "description": 0.3,
        "personality": 0.08,
        "scenario": 0.06,
        "first_mes": 0.1,
        "mes_example": 0.1,
        "creator_notes": 0.03,
    }
    data: dict[str, Any] = {"name": name} | {key: _text(dice, int(size * share)) for key, share in shares.items()}
    data |= {
        "system_prompt": "",
        "post_history_instructions": "",
        "alternate_greetings": [_text(dice, int(size * 0.04)) for _ in range(3)],
        "group_only_greetings": [],
        "tags": dice.sample(["wuxia", "sea", "slice of life", "noir", "武侠", "酒馆"], 3),
        "creator": "somebody",
        "character_version": "1",
        "extensions": {"depth_prompt": {"prompt": _text(dice, 200), "depth": 4, "role": "system"}, "fav": False},
        "character_book": _book(dice, entries=6, size=int(size * 0.1)),
    }
    return _written(data)


def large_card(*, entries: int = 413, size: int = 2_000_000) -> bytes:
    """A card as the largest real ones are: hundreds of entries, nearly all of it their texts."""
    dice = random.Random(1)
    keys = ("personality", "scenario", "mes_example", "creator_notes", "system_prompt", "post_history_instructions")
    data: dict[str, Any] = {"name": "Large", "description": _text(dice, 60_000), "first_mes": _text(dice, 5_000)}
    data |= dict.fromkeys(keys, "") | {"alternate_greetings": [], "group_only_greetings": [], "tags": [], "creator": ""}
    data |= {"character_version": "", "extensions": {}}
    data["character_book"] = _book(dice, entries=entries, size=size - 300 * entries - 65_000)
    return _written(data)


def _book(dice: random.Random, *, entries: int, size: int) -> dict[str, Any]:
    return {
        "name": "Book",
        "extensions": {},
        "entries": [
            {
                "keys": [f"key {number}", dice.choice(_CHINESE)[:2]],
                "secondary_keys": [],
                "comment": f"Entry {number}",
                "content": _text(dice, size // entries),
                "constant": False,
                "selective": True,
                "insertion_order": 100,
                "enabled": True,
                "position": "before_char",
                "use_regex": True,
                "extensions": {"position": 0, "probability": 100, "depth": 4, "group": "", "role": None},
                "id": number,
            }
            for number in range(entries)
        ],
    }


def _text(dice: random.Random, size: int) -> str:
    parts: list[str] = []
    length = 0
    while length < size:
        part = (
            f"{dice.choice(_ENGLISH)} {dice.randint(1, 9_999)}. "
            if dice.random() < 0.6
            else f"{dice.choice(_CHINESE)}。"
        )
        parts.append(part)
        length += len(part.encode())
    return "".join(parts)


def _written(data: dict[str, Any]) -> bytes:
    document = {"spec": "chara_card_v3", "spec_version": "3.0", "data": data}
    return json.dumps(document, ensure_ascii=False).encode()
