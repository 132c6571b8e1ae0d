"""The lorebook's test box, and files that it goes into and comes from: what `LorebooksView` is built on."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import select
from wtforms.fields.choices import SelectChoice

from admin_views.base import StudioView, expose, sent_version
from admin_views.forms import attach_errors, sentence
from admin_views.lorebooks import labels
from admin_views.lorebooks.forms import TestForm, number, three
from admin_views.session import current_actor
from studio.authoring import lorebook_imports, lorebook_rules, lorebooks, queries, rules
from studio.authoring.errors import ArchivedCharacterError
from studio.authoring.lorebook_imports import Way
from studio.authoring.models import Character, CharacterStatus, Lorebook, LorebookEntry
from studio.cards import lore_formats, macros
from studio.cards.documents import Json
from studio.cards.lore_chats import parse_chat
from studio.cards.lore_files import write_lorebook
from studio.cards.lore_matching import Hit, Message, Outcome, Scan, Situation, scan
from studio.cards.writer import file_stem
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, NotFoundError, StudioError

_LONGEST_CHAT = 400_000
_MOST_SHOWN = 100
_MOST_SEED = 1_000_000
_MOST_HITS = 6


@dataclass(frozen=True)
class Marked:
    """One message with the keys marked that were found in it, and whether it was looked through."""

    role: str
    text: Markup
    is_in_depth: bool


class LorebookFilesView(StudioView):
    """The routes that try a book, take it out and bring one in."""

    @expose("/<uuid:character_id>/test", methods=("GET", "POST"))
    def test(self, character_id: UUID) -> ResponseReturnValue:
        """Which entries a pasted chat calls up, why, in which order, and what the budget drops. Nothing is saved."""
        row, book = self._book(character_id)
        greetings = queries.greetings_of(self.session, character_id=row.id)
        texts = [greetings.first, *greetings.alternate]
        form = TestForm()
        form.greeting.choices = [
            SelectChoice("", _("no greeting")),
            *(
                SelectChoice(
                    str(index),
                    _("alternate greeting %(number)d", number=index) if index else _("the first greeting"),
                )
                for index, text in enumerate(texts)
                if text
            ),
        ]
        context: dict[str, Any] = {
            "row": row,
            "book": book,
            "form": form,
            "labels": labels,
            "found": None,
            "may_write": self._may_write(row),
        }
        if request.method == "GET":
            form.user.data, form.seed.data = _("you"), "0"
            form.greeting.data = "0" if greetings.first else ""
            return self.render("lorebooks/test.html", **context)
        try:
            asked = self._asked(form)
        except InvalidError as error:
            attach_errors(form, error)
            return self.render("lorebooks/test.html", **context), error.status
        if book is not None:
            char = row.nickname or row.name
            user = asked["user"]
            messages = parse_chat(form.chat.data or "", char=char, user=user)
            greeting = asked["greeting"]
            if greeting is not None and greeting < len(texts) and texts[greeting]:
                opening = macros.render(texts[greeting], char=char, user=user)
                messages = [Message("assistant", opening), *messages]
            whole = lorebooks.whole_book(self.session, book)
            found = scan(
                whole,
                Situation(messages, char=char, tokens=rules.tokens, near_misses=True, **asked),
            )
            context |= self._told(book, whole, messages, found)
        return self.render("lorebooks/test.html", **context)

    @expose("/<uuid:character_id>/export")
    def export(self, character_id: UUID) -> ResponseReturnValue:
        """The six forms of a file, each with what it cannot hold."""
        row, book = self._own_book(character_id)
        if book is None:
            raise NotFoundError
        whole = lorebooks.whole_book(self.session, book)
        made = [(kind.key, write_lorebook(whole, to=kind.key)) for kind in reversed(lore_formats.FORMATS)]
        return self.render("lorebooks/export.html", row=row, book=book, made=made, labels=labels)

    @expose("/<uuid:character_id>/export/<kind>")
    def export_file(self, character_id: UUID, kind: str) -> ResponseReturnValue:
        """The file."""
        row, book = self._own_book(character_id)
        if book is None or kind not in lore_formats.BY_KEY:
            raise NotFoundError
        made = write_lorebook(lorebooks.whole_book(self.session, book), to=kind)
        response = Response(made.data, mimetype="application/json")
        name = f"{file_stem(book.name or row.name)}.{kind.replace('_', '-')}.json"
        response.headers.set("Content-Disposition", "attachment", filename=name)
        response.headers["Cache-Control"] = "private, no-store"
        return response

    @expose("/<uuid:character_id>/import", methods=("GET", "POST"))
    def bring(self, character_id: UUID) -> ResponseReturnValue:
        """A lorebook file or pasted JSON: first what it would do, then done."""
        actor = current_actor()
        row = queries.get_writable(self.session, actor=actor, character_id=character_id)
        book = queries.find_lorebook(self.session, character_id=row.id)
        context: dict[str, Any] = {"row": row, "book": book, "labels": labels, "plan": None, "text": "", "problem": ""}
        if request.method == "GET":
            return self.render("lorebooks/import.html", **context)
        sent = request.files.get("file")
        data = sent.stream.read() if sent is not None and sent.filename else b""
        filename = (sent.filename or "" if sent is not None else "") or request.form.get("filename", "")
        text = request.form.get("text", "")
        is_replacing = (request.form.get("way") == "replace") != bool(request.form.get("turn"))
        way = Way.REPLACE if is_replacing else Way.APPEND
        context |= {"text": text if not data else "", "way": way, "filename": filename}
        try:
            if row.status is CharacterStatus.ARCHIVED:
                raise ArchivedCharacterError
            if not data and not text.strip():
                raise InvalidError(_("Choose a file first, or paste a lorebook."))
            given = data or text.encode()
            if request.form.get("do") == "bring":
                lorebook_imports.bring(
                    self.session,
                    actor=actor,
                    character_id=character_id,
                    row_version=sent_version() or 0,
                    data=given,
                    filename=filename,
                    way=way,
                    now=utc_now(),
                )
                flash(_("The lorebook is brought in. You can take it back below."), "success")
                return redirect(url_for(".book", character_id=character_id), 303)
            present = None if book is None else lorebooks.whole_book(self.session, book)
            plan = lorebook_imports.plan(present, given, filename=filename, way=way)
        except StudioError as error:
            if isinstance(error, NotFoundError):
                raise
            self.session.rollback()
            return self.render("lorebooks/import.html", **context | {"problem": sentence(error)}), error.status
        # What was read goes along in the form, as text: a browser does not send a chosen file twice.
        kept = write_lorebook(plan.reading.book, to="lorebook_v3").data.decode()
        return self.render("lorebooks/import.html", **context | {"plan": plan, "text": kept})

    def _book(self, character_id: UUID) -> tuple[Character, Lorebook | None]:
        row = queries.get_draft(self.session, actor=current_actor(), character_id=character_id)
        return row, queries.find_lorebook(self.session, character_id=row.id)

    def _own_book(self, character_id: UUID) -> tuple[Character, Lorebook | None]:
        row = queries.get_exportable(self.session, actor=current_actor(), character_id=character_id)
        return row, queries.find_lorebook(self.session, character_id=row.id)

    def may_export(self, row: Character) -> bool:
        """Whether the present person may take the book out as a file."""
        return self.may("export") and queries.may_write(current_actor(), row)

    def _may_write(self, row: Character) -> bool:
        actor = current_actor()
        if row.status is CharacterStatus.ARCHIVED:
            return False
        scope = select(Character.id).where(queries.character_writable_by(actor), Character.id == row.id)
        return self.session.scalar(scope) is not None

    @staticmethod
    def _asked(form: TestForm) -> dict[str, Any]:
        given = {"scan_depth": number(form.scan_depth.data), "token_budget": number(form.token_budget.data)}
        values, wrong = lorebook_rules.cleaned_settings(given)
        seed = number(form.seed.data)
        if len(form.chat.data or "") > _LONGEST_CHAT:
            wrong["chat"] = _("Paste 400,000 characters at most.")
        if wrong:
            raise InvalidError(_("Some fields need another look."), fields=wrong)
        return {
            **values,
            "recursive": three(form.recursive.data),
            "seed": abs(seed) % _MOST_SEED if isinstance(seed, int) else 0,
            "user": (form.user.data or "").strip()[:100] or _("you"),
            "greeting": int(form.greeting.data) if (form.greeting.data or "").isdecimal() else None,
        }

    def _told(self, book: Lorebook, whole: Json, messages: list[Message], found: Scan) -> dict[str, Any]:
        ids = list(
            self.session.scalars(
                select(LorebookEntry.id).where(LorebookEntry.lorebook_id == book.id).order_by(LorebookEntry.position)
            )
        )
        titles = [
            entry.get("name")
            or entry.get("comment")
            or ", ".join(entry["keys"][:3])
            or _("Entry %(number)d", number=at + 1)
            for at, entry in enumerate(whole["entries"])
        ]
        return {
            "found": found,
            "ids": ids,
            "titles": titles,
            "chat": marked(messages, found, titles),
            "most": _MOST_SHOWN,
            "count": len(titles),
            "why": lambda outcome: _why(outcome, titles),
        }


def marked(messages: list[Message], found: Scan, titles: list[str]) -> list[Marked]:
    """The messages with what called entries up in them marked; everything in them is shown as text."""
    hits: dict[int, list[tuple[Hit, str]]] = {}
    for outcome in (*found.kept, *found.dropped):
        for hit in outcome.hits:
            if hit.message is not None:
                hits.setdefault(hit.message, []).append((hit, titles[outcome.index]))
    first = len(messages) - found.scan_depth
    return [
        Marked(message.role, _marked(message.text, hits.get(number_, [])), number_ >= first)
        for number_, message in enumerate(messages)
    ]


def _marked(text: str, hits: list[tuple[Hit, str]]) -> Markup:
    spans: list[tuple[int, int, list[str]]] = []
    for hit, title in sorted(hits, key=lambda one: (one[0].start, -one[0].end)):
        if spans and hit.start < spans[-1][1]:
            start, end, names = spans[-1]
            spans[-1] = (start, max(end, hit.end), [*names, title] if title not in names else names)
        elif hit.end > hit.start:
            spans.append((hit.start, hit.end, [title]))
    parts, position = [], 0
    for start, end, names in spans:
        parts.append(Markup("{}").format(text[position:start]))
        parts.append(Markup('<mark title="{}">{}</mark>').format(", ".join(names[:6]), text[start:end]))
        position = end
    parts.append(Markup("{}").format(text[position:]))
    return Markup("").join(parts)


def _why(outcome: Outcome, titles: list[str]) -> list[str]:
    """Why an entry fired or nearly did, in words."""
    told = [str(labels.CAUSES[outcome.cause])] if outcome.cause is not None else []
    told += [str(labels.MISSES[missing]) for missing in outcome.missing]
    for hit in outcome.hits[:_MOST_HITS]:
        if hit.message is not None:
            told.append(_("“%(key)s” in message %(number)d", key=hit.key, number=hit.message + 1))
        elif hit.entry is not None:
            told.append(_("“%(key)s” in the entry “%(title)s”", key=hit.key, title=titles[hit.entry]))
    if outcome.chance < 100:  # noqa: PLR2004 - Per cent.
        told.append(_("chance %(chance)d %%, the dice said %(rolled)d", chance=outcome.chance, rolled=outcome.rolled))
    if outcome.not_simulated:
        names = ", ".join(str(labels.NOT_SIMULATED[what]) for what in outcome.not_simulated)
        told.append(_("not simulated: %(names)s", names=names))
    return list(dict.fromkeys(told))
