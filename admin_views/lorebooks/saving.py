"""What is typed into the forms of a lorebook: saved, merged with a save that came first, kept as a draft, never lost."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from admin_views import merging
from admin_views.base import StudioView
from admin_views.forms import Difference, StudioForm, attach_errors, differences, sentence
from admin_views.lorebooks import labels
from admin_views.lorebooks.forms import EntryForm, SettingsForm
from admin_views.saving import NEW, SavingRoutes
from admin_views.session import current_actor
from studio.authoring import lorebook_edits, lorebook_rules, queries
from studio.authoring.errors import StaleEntryError
from studio.authoring.models import Character, Lorebook, LorebookEntry
from studio.cards.lore_keys import read_key
from studio.cards.lore_values import blank
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, NotFoundError, StudioError

SETTINGS = "settings"
_CHECKED_KEYS = 100


class LorebookSaving(SavingRoutes, StudioView):
    """The forms of one lorebook. They keep themselves: an entry's under its id, the settings and a new entry under the character's."""

    _onwards: Callable[[UUID, LorebookEntry], ResponseReturnValue]

    # Saving

    def _save_settings(self, row: Character, form: SettingsForm, *, row_version: int) -> ResponseReturnValue:
        character_id = row.id
        try:
            lorebook_edits.save_settings(
                self.session,
                actor=current_actor(),
                character_id=character_id,
                row_version=row_version,
                changes=form.changes(),
                now=utc_now(),
            )
        except StaleEntryError as stale:
            return self._merge_settings(stale, character_id, form)
        except StudioError as error:
            return self._refused(error, character_id, form, self._settings_page, row_version=row_version)
        self.close_drafts(self.session, character_id, part=SETTINGS)
        flash(_("Saved."), "success")
        return redirect(url_for("lorebooks.book", character_id=character_id), 303)

    def _save_entry(
        self, row: Character, entry: LorebookEntry, form: EntryForm, *, base: str, row_version: int
    ) -> ResponseReturnValue:
        character_id, entry_id = row.id, entry.id
        try:
            saved = lorebook_edits.update_entry(
                self.session,
                actor=current_actor(),
                character_id=character_id,
                entry_id=entry_id,
                base=base,
                row_version=row_version,
                changes=form.changes(),
                now=utc_now(),
            )
        except StaleEntryError as stale:
            return self._merge_entry(stale, character_id, entry_id, form)
        except StudioError as error:
            about = {"entry_id": entry_id, "base": base, "row_version": row_version}
            return self._refused(error, character_id, form, self._entry_page, **about)
        self.close_drafts(self.session, entry_id)
        flash(_("Saved."), "success")
        return self._onwards(character_id, saved)

    def _merge_settings(self, stale: StaleEntryError, character_id: UUID, form: SettingsForm) -> ResponseReturnValue:
        self.session.rollback()
        row = queries.get_writable(self.session, actor=current_actor(), character_id=character_id)
        book = queries.find_lorebook(self.session, character_id=character_id)
        if book is None:
            raise NotFoundError
        fields = _merged(form, stale)
        values = merging.decided(fields, row_version=_number_of(stale))
        if values is None:
            return merging.page(
                self,
                book,
                fields,
                row_version=_number_of(stale),
                resource=lorebook_edits.BOOK,
                label=merging.label_of(form),
                readable=merging.readable_in(form),
                action=url_for("lorebooks.settings", character_id=character_id),
                title=_("Settings of the lorebook of %(name)s", name=row.name),
                crumbs=_crumbs(row),
                saving=self.saving_context(book, part=SETTINGS, row_id=character_id),
            )
        merging.take(form, values)
        if request.form.get("do") == "write":
            return self._settings_page(row, form, row_version=stale.row_version, is_dirty=True)
        return self._save_settings(row, form, row_version=stale.row_version)

    def _merge_entry(
        self, stale: StaleEntryError, character_id: UUID, entry_id: UUID, form: EntryForm
    ) -> ResponseReturnValue:
        self.session.rollback()
        row = queries.get_writable(self.session, actor=current_actor(), character_id=character_id)
        entry = self._find_entry(row, entry_id)
        if entry is None:
            return self._gone(row, form)
        fields = _merged(form, stale)
        values = merging.decided(fields, row_version=_number_of(stale))
        if values is None:
            return merging.page(
                self,
                entry,
                fields,
                row_version=_number_of(stale),
                resource=lorebook_edits.ENTRY,
                label=merging.label_of(form),
                readable=merging.readable_in(form),
                action=url_for("lorebooks.entry", character_id=character_id, entry_id=entry_id),
                title=entry.name or ", ".join(entry.keys[:3]) or _("Entry %(number)d", number=entry.position + 1),
                crumbs=_crumbs(row),
            )
        merging.take(form, values)
        if request.form.get("do") == "write":
            return self._entry_page(
                row, form, entry=entry, base=stale.base, row_version=stale.row_version, is_dirty=True
            )
        return self._save_entry(row, entry, form, base=stale.base, row_version=stale.row_version)

    def _gone(self, row: Character, form: EntryForm) -> ResponseReturnValue:
        """The entry that somebody wrote was deleted or replaced meanwhile: the text stands in a form for a new one."""
        flash(
            _("This entry was taken out of the book in the meantime. Nothing of yours is lost: save it as a new one."),
            "danger",
        )
        return self._entry_page(row, form, is_dirty=True), 409

    def _refused(
        self, error: StudioError, character_id: UUID, form: StudioForm, page: Callable[..., str], **about: Any
    ) -> ResponseReturnValue:
        self.session.rollback()
        row = queries.get_writable(self.session, actor=current_actor(), character_id=character_id)
        if "entry_id" in about:
            about["entry"] = self._find_entry(row, about.pop("entry_id"))
            if about["entry"] is None:
                return self._gone(row, form)
        if not (isinstance(error, InvalidError) and attach_errors(form, error)):
            flash(sentence(error), "danger")
        return page(row, form, is_dirty=True, **about), error.status

    # Pages

    def _settings_page(self, row: Character, form: SettingsForm, **context: Any) -> str:
        return str(
            self.render(
                "lorebooks/settings.html",
                row=row,
                book=queries.find_lorebook(self.session, character_id=row.id),
                form=form,
                **self.saving_context(row, part=SETTINGS),
                **({"is_dirty": False, "row_version": 0} | context),
            )
        )

    def _entry_page(self, row: Character, form: EntryForm, **context: Any) -> str:
        known: dict[str, Any] = {"entry": None, "base": "", "row_version": 0, "is_dirty": False, **context}
        entry = known["entry"]
        return str(
            self.render(
                "lorebooks/entry.html",
                row=row,
                form=form,
                labels=labels,
                read=read_keys(form.keys.data or "", may_be_pattern=bool(form.may_be_pattern.data)),
                **(self.saving_context(row, part=NEW) if entry is None else self.saving_context(entry)),
                book_version=self._book_version(row),
                **known,
            )
        )

    def _book_version(self, row: Character) -> int:
        book = queries.find_lorebook(self.session, character_id=row.id)
        return book.row_version if book is not None else 0

    def _find_entry(self, row: Character, entry_id: UUID) -> LorebookEntry | None:
        return self.session.scalar(
            sa.select(LorebookEntry)
            .join(Lorebook, Lorebook.id == LorebookEntry.lorebook_id)
            .where(Lorebook.character_id == row.id, LorebookEntry.id == entry_id)
        )

    # Drafts

    def ask_writable(self, row_id: UUID, part: str) -> None:
        """Return if the entry, or the character of a new one or of settings, is the present person's to change."""
        if part in {NEW, SETTINGS}:
            queries.require_writable(self.session, actor=current_actor(), character_id=row_id)
        elif part:
            raise NotFoundError
        else:
            self._character_of(row_id)

    def editor_url(self, row_id: UUID, part: str, **values: Any) -> str:
        """The page of the form."""
        if part:
            return url_for("lorebooks.new" if part == NEW else "lorebooks.settings", character_id=row_id, **values)
        return url_for("lorebooks.entry", character_id=self._character_of(row_id), entry_id=row_id, **values)

    def draft_differences(self, row: Any, fields: "MultiDict[str, str]", *, part: str) -> list[Difference] | None:
        """What a draft would change of what is saved, or what was written of a new entry."""
        if part == SETTINGS:
            book = row if isinstance(row, Lorebook) else queries.find_lorebook(self.session, character_id=row.id)
            kind: type[EntryForm | SettingsForm] = SettingsForm
            shown = lorebook_edits.settings_of(book.document if book is not None else {})
        else:
            kind, shown = EntryForm, lorebook_rules.shown(blank() if part == NEW else row.document)
        saved = kind(formdata=None)
        saved.show(shown)
        return differences(kind(formdata=fields), {field.name: field.data for field in saved})

    def _character_of(self, entry_id: UUID) -> UUID:
        found: UUID | None = self.session.scalar(
            sa.select(Lorebook.character_id)
            .join(LorebookEntry, LorebookEntry.lorebook_id == Lorebook.id)
            .join(Character, Character.id == Lorebook.character_id)
            .where(LorebookEntry.id == entry_id, queries.character_writable_by(current_actor()))
        )
        if found is None:
            raise NotFoundError
        return found


def read_keys(text: str, *, may_be_pattern: bool) -> list[tuple[str, Any, bool]]:
    """Each key that is written like a pattern, how it is read, and whether that is a problem."""
    found = []
    for line in text.splitlines()[:_CHECKED_KEYS]:
        if not line.strip().startswith("/"):
            continue
        key = read_key(line, may_be_pattern=may_be_pattern)
        if key is not None:
            found.append((key.text, labels.key_words(key), key.problem is not None))
    return found


def _merged(form: EntryForm | SettingsForm, stale: StaleEntryError) -> list[Any]:
    def filled(values: Mapping[str, Any]) -> StudioForm:
        made = type(form)(formdata=None)
        made.show(values)
        return made

    theirs = filled(stale.theirs)
    return merging.of_forms(form, theirs, None if stale.start is None else filled({**stale.theirs, **stale.start}))


def _number_of(stale: StaleEntryError) -> int:
    """What is saved now, as a number: another entry's save asks nobody to choose again."""
    return int(stale.base[:7], 16)


def _crumbs(row: Character) -> list[tuple[Any, str]]:
    return [
        (_("Characters"), url_for("characters.index_view")),
        (row.name, url_for("characters.details_view", row_id=row.id)),
        (_("Lorebook"), url_for("lorebooks.book", character_id=row.id)),
    ]
