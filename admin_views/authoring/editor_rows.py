"""The parts of a character that the editor shows as rows or single numbers, as they were typed, and what buttons do to them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from flask_babel import ngettext
from werkzeug.datastructures import MultiDict

from studio.authoring import rules
from studio.authoring import scenes as scene_rules
from studio.authoring.chat_settings import EMOTIONS, ContextSettings
from studio.authoring.rules import Greetings, ReplyDraft
from studio.authoring.scenes import SceneDraft

_STEP = re.compile(r"(add|drop|up|down|copy):(alternate|group_only|replies|scenes)(?::(\d{1,4}))?")
_SETTINGS = tuple(setting.name for setting in fields(ContextSettings))
_EMOTION = "emotion:"


@dataclass
class ReplyRow:
    """A fallback reply as it was typed."""

    content: str = ""
    weight: str = "1"
    language: str = ""

    def draft(self) -> ReplyDraft:
        """As services take it; a weight that is no number is refused there as 0."""
        return ReplyDraft(self.content, whole(self.weight, otherwise=0), self.language)


@dataclass
class SceneRow:
    """A scene as it was typed."""

    title: str = ""
    stage: str = ""
    progress: str = "0"
    stage_prompt: str = ""
    required_progress: str = "0"

    def draft(self) -> SceneDraft:
        """As services take it; a number that is none is refused there as -1."""
        return SceneDraft(
            self.title,
            self.stage,
            whole(self.progress, otherwise=-1),
            self.stage_prompt,
            whole(self.required_progress, otherwise=-1),
        )

    @property
    def place(self) -> int:
        """Where it stands on the drawn path, from 0 to 100, whatever was typed."""
        return max(0, min(100, whole(self.progress, otherwise=0)))

    @property
    def gate(self) -> int:
        """From where on it opens, on the drawn path."""
        return max(0, min(100, whole(self.required_progress, otherwise=0)))


@dataclass
class Rows:
    """All parts as the form shows them; rows may be empty while somebody writes."""

    first: str = ""
    alternate: list[str] = field(default_factory=list)
    group_only: list[str] = field(default_factory=list)
    replies: list[ReplyRow] = field(default_factory=list)
    scenes: list[SceneRow] = field(default_factory=list)
    context: dict[str, str] = field(default_factory=dict)
    emotions: dict[str, str] = field(default_factory=dict)
    sent: frozenset[str] = frozenset()
    """The parts that the form had: one that it had not is left as it is."""

    def step(self, wish: str) -> bool:
        """Do what a row's button says ("up:alternate:2"); whether it was one."""
        found = _STEP.fullmatch(wish)
        if found is None:
            return False
        verb, name, number = found[1], found[2], int(found[3] or 0)
        rows: list[Any] = getattr(self, name)
        if verb == "add":
            rows.append({"replies": ReplyRow, "scenes": SceneRow}.get(name, str)())
        elif number >= len(rows):
            return True
        elif verb == "copy":
            row = rows[number]
            rows.insert(number + 1, row if isinstance(row, str) else type(row)(**vars(row)))
        else:
            row = rows.pop(number)
            if verb != "drop":
                rows.insert(max(0, number + (-1 if verb == "up" else 1)), row)
        return True

    def greetings(self) -> Greetings:
        """The greetings as services take them."""
        return Greetings(self.first, tuple(self.alternate), tuple(self.group_only))

    def parts(self) -> dict[str, Any]:
        """The parts that the form had, by the names of `authoring.characters.update`."""
        parts: dict[str, Any] = {
            "greetings": self.greetings(),
            "replies": [row.draft() for row in self.replies],
            "scenes": [row.draft() for row in self.scenes],
            "context": dict(self.context),
        }
        return {name: part for name, part in parts.items() if name in self.sent}

    def texts(self) -> dict[str, str]:
        """Every longer text by the id of its field on the page."""
        texts = {"greeting-first": self.first}
        for name in ("alternate", "group_only"):
            texts |= {f"greeting-{name}-{place}": text for place, text in enumerate(getattr(self, name))}
        texts |= {f"reply-{place}": row.content for place, row in enumerate(self.replies)}
        texts |= {f"scene-{place}-prompt": row.stage_prompt for place, row in enumerate(self.scenes)}
        return texts

    def put(self, id_: str, text: str) -> None:
        """Have the text with this id say something else; an unknown id is none of ours."""
        name, _, rest = id_.partition("-")
        if id_ == "greeting-first":
            self.first = text
        elif id_ in self.texts():
            if name == "greeting":
                kind, _, place = rest.rpartition("-")
                getattr(self, kind)[int(place)] = text
            elif name == "reply":
                self.replies[int(rest)].content = text
            else:
                self.scenes[int(rest.partition("-")[0])].stage_prompt = text


def rows_of(state: Mapping[str, Any]) -> Rows:
    """The rows for what is saved (`authoring.drafts.state`)."""
    greetings: Greetings = state["greetings"]
    emotions = dict.fromkeys(EMOTIONS, "") | {name: _number(value) for name, value in state["emotional_range"].items()}
    return Rows(
        first=greetings.first,
        alternate=list(greetings.alternate),
        group_only=list(greetings.group_only),
        replies=[ReplyRow(reply.content, str(reply.weight), reply.language) for reply in state["replies"]],
        scenes=[
            SceneRow(scene.title, scene.stage, str(scene.progress), scene.stage_prompt, str(scene.required_progress))
            for scene in state["scenes"]
        ],
        context={name: _number(getattr(state["context"], name)) for name in _SETTINGS},
        emotions=emotions,
    )


def left_out(rows: Rows) -> list[str]:
    """A sentence for each kind of row that a save leaves out, since nothing stands in it."""
    greetings, _wrong = rules.cleaned_greetings(rows.greetings())
    count = len(rows.alternate) + len(rows.group_only) - len(greetings.alternate) - len(greetings.group_only)
    replies = len(rows.replies) - len(rules.cleaned_replies([row.draft() for row in rows.replies])[0])
    scenes = len(rows.scenes) - len(scene_rules.cleaned([row.draft() for row in rows.scenes])[0])
    said = []
    if count:
        said.append(
            str(ngettext("%(num)d empty greeting was left out.", "%(num)d empty greetings were left out.", count))
        )
    if replies:
        said.append(str(ngettext("%(num)d empty reply was left out.", "%(num)d empty replies were left out.", replies)))
    if scenes:
        said.append(str(ngettext("%(num)d empty scene was left out.", "%(num)d empty scenes were left out.", scenes)))
    return said


_TELLS = {"greeting_first": "greetings", "reply_content": "replies"}
"""Fields that show that a form has the part; what was left out of a form stays as it is."""


def rows_from(sent: "MultiDict[str, str]") -> Rows:
    """The rows that a browser sent; fields that belong together come in the same order."""
    return Rows(
        first=sent.get("greeting_first", ""),
        alternate=sent.getlist("greeting_alternate"),
        group_only=sent.getlist("greeting_group_only"),
        replies=[ReplyRow(*cells) for cells in _together(sent, "reply", ("content", "weight", "language"), "1")],
        scenes=[
            SceneRow(*cells)
            for cells in _together(
                sent, "scene", ("title", "stage", "progress", "stage_prompt", "required_progress"), "0"
            )
        ],
        context={name: sent.get(name, "") for name in _SETTINGS},
        emotions=dict.fromkeys(EMOTIONS, "")
        | {name.removeprefix(_EMOTION): value for name, value in sent.items() if name.startswith(_EMOTION)},
        sent=frozenset(sent.getlist("part")) | {part for name, part in _TELLS.items() if name in sent},
    )


def whole(text: str, *, otherwise: int) -> int:
    """The whole number that was typed."""
    typed = text.strip()
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else otherwise  # noqa: PLR2004


def _together(sent: "MultiDict[str, str]", name: str, cells: Iterable[str], number: str) -> list[tuple[str, ...]]:
    """The cells of each row; where a browser left some out, text is empty and a number is `number`."""
    columns = [(cell, sent.getlist(f"{name}_{cell}")) for cell in cells]
    length = len(columns[0][1])
    missing = {"weight": number, "progress": number, "required_progress": number}
    return [
        tuple(values[place] if place < len(values) else missing.get(cell, "") for cell, values in columns)
        for place in range(length)
    ]


def _number(value: float) -> str:
    return f"{value:.10g}"
