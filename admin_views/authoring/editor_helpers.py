"""What the editor says of texts while they are written: macro notes, previews, the model's window, which reply is said."""

import random
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _

from admin_views.authoring.editor_form import CharacterForm
from admin_views.authoring.editor_rows import Rows
from studio.authoring import chat_settings, reply_choice, rules, token_budget
from studio.authoring.reply_choice import Chance
from studio.authoring.token_budget import TokenBudget
from studio.cards import macros

MOST_NOTES = 8
"""Different mistakes that are shown below one text."""
NAME_LENGTH = 100
PREVIEWED = ("description", "personality", "scenario", "example_dialogue")


@dataclass(frozen=True)
class Note:
    """One kind of mistake in a text: how it is written, how often, what to do about it, and the right spelling."""

    code: str
    found: str
    fix: str | None
    count: int

    @property
    def sentence(self) -> str:
        """What is wrong, in the reader's language."""
        if self.code == "single_brace":
            return str(_("%(found)s has only one brace and stays as it is written.", found=self.found))
        if self.fix:
            return str(_("No program knows %(found)s. Did you mean %(fix)s?", found=self.found, fix=self.fix))
        return str(_("No program that we know resolves %(found)s. It stays as it is.", found=self.found))

    @property
    def action(self) -> str:
        """What the button says."""
        return str(_("Write %(fix)s", fix=self.fix)) if self.fix else ""

    def as_json(self) -> dict[str, Any]:
        """As the editor's script takes it."""
        return {
            "code": self.code,
            "found": self.found,
            "fix": self.fix,
            "count": self.count,
            "sentence": self.sentence,
            "action": self.action,
        }


def notes(text: str) -> list[Note]:
    """The mistakes in a text's macros, each kind once, in the order in which they stand."""
    if "{" not in text:
        return []
    found: dict[tuple[str, str], Note] = {}
    for issue in macros.lint(text):
        key = (issue.code, issue.found)
        count = found[key].count + 1 if key in found else 1
        found[key] = Note(issue.code, issue.found, issue.fix, count)
    return list(found.values())[:MOST_NOTES]


def rendered(text: str, *, char: str, user: str, seed: int = 0) -> str:
    """The text as a chat would show it; equal seeds throw equal dice."""
    reader = user[:NAME_LENGTH] or macros.reader_in(text)
    return macros.render(text, char=char[:NAME_LENGTH], user=reader, seed=seed)


def shown_name(form: CharacterForm) -> str:
    """What `{{char}}` stands for in what is typed."""
    return str(form.nickname.data or form.name.data or "")


def put_right(form: CharacterForm, rows: Rows, wish: str) -> bool:
    """Do what a note's button says without a script ("fix:<id>:<how it is written>"); whether it was one."""
    verb, _colon, rest = wish.partition(":")
    id_, _colon, found = rest.partition(":")
    if verb != "fix" or not found:
        return False
    text = str(form[id_].data or "") if id_ in form else rows.texts().get(id_, "")
    for issue in macros.lint(text):
        if issue.found == found:
            text = macros.fixed(text, issue)
            break
    if id_ in form:
        form[id_].data = text
    else:
        rows.put(id_, text)
    return True


def previews(form: CharacterForm, rows: Rows, *, user: str) -> dict[str, str]:
    """Every text that a person reads in a chat, rendered, by the id of its field."""
    texts = {name: str(form[name].data or "") for name in PREVIEWED} | rows.texts()
    return {id_: rendered(text, char=shown_name(form), user=user) for id_, text in texts.items() if text.strip()}


@dataclass(frozen=True)
class Draw:
    """Which reply would be said: what was asked, the chance of each reply, and the one that was drawn."""

    language: str
    tries: int
    chances: list[Chance]
    drawn: int | None


def draw(rows: Rows, *, language: str, tries: int) -> Draw:
    """Draw a reply, and as many more as asked (at most 10,000), from what is typed."""
    drafts = [row.draft() for row in rows.replies]
    # What is empty is never saved, so never said.
    said = [place for place, draft in enumerate(drafts) if draft.content.strip()]
    # Only a preview's dice are thrown here.
    dice = random.Random()  # noqa: S311
    found = [drafts[place] for place in said]
    drawn = reply_choice.choose(found, dice=dice, language=language)
    tries = max(1, min(tries, reply_choice.MOST_TRIES))
    counted = reply_choice.chances(found, language=language, tries=tries, dice=dice)
    return Draw(
        language,
        tries,
        [Chance(said[one.place], one.share, one.said) for one in counted],
        said[drawn] if drawn is not None else None,
    )


def budget(form: CharacterForm, rows: Rows, *, lore: int) -> TokenBudget:
    """The counts of what is typed; a window that is no number counts as the usual one."""
    texts = {name: str(form[name].data or "") for name in (*rules.LONG_TEXTS, "current_state")} | rows.texts()
    window, wrong = chat_settings.cleaned_context_tokens(form.context_tokens.data)
    return token_budget.measured(texts, lore=lore, window=chat_settings.DEFAULT_CONTEXT_TOKENS if wrong else window)
