"""TavernAI Plus' own characters: JSON under Chinese keys."""

from typing import Any

from studio.cards.documents import Json, copy_json
from studio.cards.formats.base import CardFormat
from studio.cards.notes import Notebook

_NAMES = {
    "名称": "name",
    "描述": "description",
    "性格": "personality",
    "场景": "scenario",
    "开场对话": "first_mes",
    "提示词": "system_prompt",
}
# These belong to who the character is, so they stand in the description under their own headings.
_PARAGRAPHS = ("详细描述", "背景故事", "说话风格")
_META_NAMES = {"标签": "tags", "创建者": "creator", "版本": "character_version"}


def recognises(document: Json) -> bool:
    """A name, and a description or a greeting, under the Chinese keys."""
    return "名称" in document and ("描述" in document or "开场对话" in document)


def content(document: Json, notes: Notebook) -> Json:
    """The texts under V3's names; triggers, variables and the rest whole under `extensions.tavernai`."""
    found: Json = {_NAMES[key]: copy_json(value) for key, value in document.items() if key in _NAMES}
    paragraphs = [document[key] for key in ("描述",) if isinstance(document.get(key), str)]
    paragraphs += [f"{key}：{document[key]}" for key in _PARAGRAPHS if isinstance(document.get(key), str)]
    found["description"] = "\n\n".join(paragraphs)
    found["mes_example"] = _examples(document.get("对话示例"))
    meta = document.get("元数据")
    if isinstance(meta, dict):
        found |= {name: copy_json(meta[key]) for key, name in _META_NAMES.items() if key in meta}
    taken = {*_NAMES, *_PARAGRAPHS}
    rest = {key: copy_json(value) for key, value in document.items() if key not in taken}
    for key in rest:
        notes.keep(key)
    found["extensions"] = {"tavernai": rest} if rest else {}
    return found


def _examples(value: Any) -> str:
    """Each example answer as a block of its own, under the feeling it stands for."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    blocks = []
    for example in value:
        if isinstance(example, dict):
            blocks += [f"<START>\n（{when}）\n{{{{char}}}}: {said}" for when, said in example.items()]
        elif isinstance(example, str):
            blocks.append(f"<START>\n{example}")
    return "\n".join(blocks)


FORMAT = CardFormat(
    key="tavernai",
    title="TavernAI Plus character",
    spec_version="1.0",
    recognises=recognises,
    content=content,
)
