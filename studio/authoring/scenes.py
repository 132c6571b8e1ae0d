"""Scenes as somebody writes them: the stages of a character's way from 0 to 100, and what is right with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.authoring.models import TEXT_LENGTH, TITLE_LENGTH
from studio.authoring.models.limits import PERCENT
from studio.kit import text as texts

MOST_SCENES = 100


@dataclass(frozen=True)
class SceneDraft:
    """A stage on a character's way: where it stands from 0 to 100, and how far a person must have come to enter it."""

    title: str
    stage: str = ""
    progress: int = 0
    stage_prompt: str = ""
    required_progress: int = 0

    @property
    def is_blank(self) -> bool:
        """Whether nothing was written yet."""
        return not (self.title.strip() or self.stage.strip() or self.stage_prompt.strip())


def cleaned(drafts: Sequence[SceneDraft]) -> tuple[list[SceneDraft], dict[str, str]]:
    """The scenes as they are kept, without blank ones, and a sentence for each that cannot be kept.

    A sentence stands under "scenes.<place>", counted from 0 in what was given, blank ones included.
    """
    kept: list[SceneDraft] = []
    wrong: dict[str, str] = {}
    for place, draft in enumerate(drafts):
        scene = SceneDraft(
            title=texts.one_line(draft.title),
            stage=texts.one_line(draft.stage),
            progress=draft.progress,
            stage_prompt=texts.storable(draft.stage_prompt),
            required_progress=draft.required_progress,
        )
        # Looked at as it would be kept: what holds nothing but signs that no screen shows is blank too.
        if scene.is_blank:
            continue
        kept.append(scene)
        if sentence := _problem(scene):
            wrong[f"scenes.{place}"] = sentence
    if len(kept) > MOST_SCENES:
        wrong["scenes"] = "There are more than 100 scenes. Take some out."
    return kept, wrong


def _problem(scene: SceneDraft) -> str:
    if not scene.title:
        return "A scene needs a title."
    if max(len(scene.title), len(scene.stage)) > TITLE_LENGTH:
        return "A scene's title or stage has more than 200 characters. Shorten it."
    if len(scene.stage_prompt) > TEXT_LENGTH:
        return "This has more than 200,000 characters. Shorten it."
    if scene.progress not in PERCENT:
        return "A scene's progress is a whole number from 0 to 100."
    if scene.required_progress not in PERCENT:
        return "The required progress is a whole number from 0 to 100."
    return ""
