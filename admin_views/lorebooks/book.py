"""A character's lorebook: the grid, an entry, the book's settings, many at once, and what was taken away."""

from typing import Any, ClassVar
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from admin_views.base import Permission, expose, sent_version
from admin_views.forms import sentence, whole_number
from admin_views.listing import as_uuid
from admin_views.lorebooks import labels
from admin_views.lorebooks.files import LorebookFilesView
from admin_views.lorebooks.forms import EntryForm, SettingsForm, number
from admin_views.lorebooks.saving import SETTINGS, LorebookSaving, read_keys
from admin_views.resources import Resources
from admin_views.saving import NEW
from admin_views.session import current_actor
from studio.authoring import (
    lorebook_bulk,
    lorebook_edits,
    lorebook_lists,
    lorebook_rules,
    lorebook_states,
    lorebook_trash,
    queries,
)
from studio.authoring.lorebook_bulk import Act, Order
from studio.authoring.lorebook_lists import Wanted
from studio.authoring.models import LorebookEntry
from studio.authoring.models.limits import STAYS_IN_TRASH
from studio.cards import limits
from studio.cards.lore_values import PLACES, blank
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, NotFoundError, StudioError

_P = Permission
_READ = (_P.CHARACTER_READ_OWN, _P.CHARACTER_READ_ANY)
_WRITE = (_P.CHARACTER_WRITE_OWN, _P.CHARACTER_WRITE_ANY, _P.STORY_WRITE)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [LorebooksView(resources, name=_l("Lorebook"), endpoint="lorebooks")]


class LorebooksView(LorebookSaving, LorebookFilesView):
    """The lorebook of one character; read by whoever reads its draft, changed by whoever may change it."""

    model = LorebookEntry

    permissions: ClassVar[dict[str, Any]] = {
        "index": _READ,
        "book": _READ,
        "test": _READ,
        "export": _P.CARD_EXPORT,
        "export_file": _P.CARD_EXPORT,
        "bring": _P.CARD_IMPORT,
        **dict.fromkeys(
            (
                "settings",
                "new",
                "entry",
                "check",
                "flag",
                "duplicate",
                "move",
                "many",
                "back",
                "trash",
                "autosave",
                "autosave_discard",
            ),
            _WRITE,
        ),
    }
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """A lorebook belongs to a character: here is nothing of its own."""
        return redirect(url_for("characters.index_view"), 303)

    @expose("/<uuid:character_id>")
    def book(self, character_id: UUID) -> ResponseReturnValue:
        """The grid: a page of entries by keyset, or only its rows where htmx asks for more of them."""
        row, book = self._book(character_id)
        wanted = _wanted(request.args)
        if book is None:
            return self.render(
                "lorebooks/index.html",
                row=row,
                book=None,
                may_write=self._may_write(row),
                wanted=wanted,
                is_full=False,
            )
        page = lorebook_lists.list_entries(
            self.session, lorebook_id=book.id, wanted=wanted, cursor=request.args.get("after") or None
        )
        is_part = request.headers.get("HX-Request") == "true" and "after" in request.args
        states = [] if is_part else lorebook_states.list_states(self.session, lorebook_id=book.id)
        return self.render(
            "lorebooks/_rows.html" if is_part else "lorebooks/index.html",
            row=row,
            book=book,
            page=page,
            wanted=wanted,
            states=states,
            undo=next((state for state in states[:1] if state.row_version == book.row_version), None),
            labels=labels,
            grid_token=lorebook_rules.grid_token,
            acts=Act,
            places=PLACES,
            may_write=self._may_write(row),
            is_full=not (wanted.search or wanted.state) and page.count >= limits.ENTRIES,
            most_entries=limits.ENTRIES,
        )

    @expose("/<uuid:character_id>/settings", methods=("GET", "POST"))
    def settings(self, character_id: UUID) -> ResponseReturnValue:
        """What holds for the whole book; a save that came second meets the merge."""
        row = queries.get_writable(self.session, actor=current_actor(), character_id=character_id)
        book = queries.find_lorebook(self.session, character_id=row.id)
        if request.method == "GET":
            typed = self.take_up_draft(row.id, part=SETTINGS)
            form, version = SettingsForm(formdata=typed), book.row_version if book else 0
            if typed is None:
                form.show(lorebook_edits.settings_of(book.document if book else {}))
            else:
                # What was typed was typed over the settings as they were then.
                version = typed.get("row_version", 0, type=whole_number)
            return self._settings_page(row, form, row_version=version)
        return self._save_settings(row, SettingsForm(), row_version=sent_version() or 0)

    @expose("/<uuid:character_id>/entries/new", methods=("GET", "POST"))
    def new(self, character_id: UUID) -> ResponseReturnValue:
        """Another entry; what was typed into one that was left is offered again."""
        row = queries.get_writable(self.session, actor=current_actor(), character_id=character_id)
        if request.method == "GET":
            typed = self.take_up_draft(row.id, part=NEW)
            form = EntryForm(formdata=typed)
            if typed is None:
                form.show(lorebook_rules.shown(blank()))
            return self._entry_page(row, form)
        form = EntryForm()
        try:
            entry = lorebook_edits.add_entry(
                self.session, actor=current_actor(), character_id=character_id, values=form.changes(), now=utc_now()
            )
        except StudioError as error:
            return self._refused(error, character_id, form, self._entry_page)
        self.close_drafts(self.session, character_id, part=NEW)
        flash(_("The entry is added."), "success")
        return self._onwards(character_id, entry)

    @expose("/<uuid:character_id>/entries/<uuid:entry_id>", methods=("GET", "POST"))
    def entry(self, character_id: UUID, entry_id: UUID) -> ResponseReturnValue:
        """One entry; a save that came second meets the merge, one of an entry that is gone may become a new one."""
        row = queries.get_writable(self.session, actor=current_actor(), character_id=character_id)
        entry = self._find_entry(row, entry_id)
        if entry is None:
            if request.method == "GET":
                raise NotFoundError
            return self._gone(row, EntryForm())
        if request.method == "GET":
            typed = self.take_up_draft(entry.id)
            base, version = lorebook_rules.fingerprint(entry.document), self._book_version(row)
            if typed is not None:
                # What was typed was typed over the entry as it was then: a save over a newer one must show both.
                base, version = typed.get("base", ""), typed.get("row_version", 0, type=whole_number)
            form = EntryForm(formdata=typed)
            if typed is None:
                form.show(lorebook_rules.shown(entry.document))
            return self._entry_page(row, form, entry=entry, base=base, row_version=version)
        return self._save_entry(
            row, entry, EntryForm(), base=request.form.get("base", ""), row_version=sent_version() or 0
        )

    @expose("/<uuid:character_id>/check", methods=("POST",))
    def check(self, character_id: UUID) -> ResponseReturnValue:
        """How the keys that are being typed are read: as words, as patterns, or not at all."""
        queries.get_writable(self.session, actor=current_actor(), character_id=character_id)
        may_be_pattern = bool(request.form.get("may_be_pattern"))
        read = read_keys(request.form.get("keys", ""), may_be_pattern=may_be_pattern)
        return self.render("lorebooks/_keys.html", read=read)

    @expose("/<uuid:character_id>/entries/<uuid:entry_id>/flag", methods=("POST",))
    def flag(self, character_id: UUID, entry_id: UUID) -> ResponseReturnValue:
        """Switch one entry on or off, or always in or not; with htmx its row comes back."""
        entry = lorebook_edits.set_flag(
            self.session,
            actor=current_actor(),
            character_id=character_id,
            entry_id=entry_id,
            base=request.args.get("base", ""),
            flag=request.args.get("flag", ""),
            value=request.args.get("value") == "1",
            now=utc_now(),
        )
        if request.headers.get("HX-Request") != "true":
            return self._back(character_id, anchor=f"entry-{entry.id}")
        row, book = self._book(character_id)
        return self.render(
            "lorebooks/_row.html",
            row=row,
            book=book,
            one=entry,
            labels=labels,
            grid_token=lorebook_rules.grid_token,
            may_write=True,
            is_swap=True,
        )

    @expose("/<uuid:character_id>/entries/<uuid:entry_id>/duplicate", methods=("POST",))
    def duplicate(self, character_id: UUID, entry_id: UUID) -> ResponseReturnValue:
        """A copy right behind the entry."""
        copy = lorebook_edits.duplicate_entry(
            self.session, actor=current_actor(), character_id=character_id, entry_id=entry_id, now=utc_now()
        )
        flash(_("This is the copy."), "success")
        return redirect(url_for(".entry", character_id=character_id, entry_id=copy.id), 303)

    @expose("/<uuid:character_id>/entries/<uuid:entry_id>/move", methods=("POST",))
    def move(self, character_id: UUID, entry_id: UUID) -> ResponseReturnValue:
        """The entry stands one place earlier or later in the book, first, or last."""
        queries.get_writable(self.session, actor=current_actor(), character_id=character_id)
        lorebook_edits.move_entry(
            self.session,
            actor=current_actor(),
            character_id=character_id,
            entry_id=entry_id,
            way=request.form.get("way", ""),
            row_version=sent_version() or 0,
            now=utc_now(),
        )
        return redirect(url_for(".entry", character_id=character_id, entry_id=entry_id), 303)

    @expose("/<uuid:character_id>/many", methods=("POST",))
    def many(self, character_id: UUID) -> ResponseReturnValue:
        """The chosen entries, or all that match, are changed at once."""
        queries.get_writable(self.session, actor=current_actor(), character_id=character_id)
        # The button to delete stands beside the list of acts, which is sent as well.
        act = Act.DELETE.value if request.form.get("delete") else request.form.get("act", "")
        ids = [found for text in request.form.getlist("entry") if (found := as_uuid(text)) is not None]
        try:
            if act not in set(Act):
                raise InvalidError(_("Choose what to do with the entries."))
            done = lorebook_bulk.change_many(
                self.session,
                actor=current_actor(),
                character_id=character_id,
                row_version=sent_version() or 0,
                entry_ids=None if request.form.get("all") else ids,
                wanted=_wanted(request.form),
                order=_order(Act(act)),
                now=utc_now(),
            )
        except StudioError as error:
            if isinstance(error, NotFoundError):
                raise
            self.session.rollback()
            flash(sentence(error), "danger")
            return self._back(character_id)
        told = (
            ngettext("%(num)d entry is deleted.", "%(num)d entries are deleted.", done.changed)
            if act == Act.DELETE
            else ngettext("%(num)d entry is changed.", "%(num)d entries are changed.", done.changed)
        )
        flash(told, "success" if done.changed else "info")
        return self._back(character_id)

    @expose("/<uuid:character_id>/states/<uuid:state_id>", methods=("POST",))
    def back(self, character_id: UUID, state_id: UUID) -> ResponseReturnValue:
        """The book is as it was before."""
        try:
            lorebook_edits.bring_back(
                self.session,
                actor=current_actor(),
                character_id=character_id,
                state_id=state_id,
                row_version=sent_version() or 0,
                now=utc_now(),
            )
        except StudioError as error:
            if isinstance(error, NotFoundError):
                raise
            self.session.rollback()
            flash(sentence(error), "danger")
        else:
            flash(_("The book is as it was before."), "success")
        return redirect(url_for(".book", character_id=character_id), 303)

    @expose("/<uuid:character_id>/trash", methods=("POST",))
    def trash(self, character_id: UUID) -> ResponseReturnValue:
        """Throw the whole book away, with the way back at hand."""
        row = queries.get_writable(self.session, actor=current_actor(), character_id=character_id)
        trashed = lorebook_trash.put(
            self.session,
            actor=current_actor(),
            character_id=row.id,
            row_version=sent_version() or 0,
            now=utc_now(),
        )
        said = _("The lorebook of %(name)s is in the trash for %(days)d days.", name=row.name, days=STAYS_IN_TRASH.days)
        undo = {"text": said, "label": _("Undo"), "url": url_for("trash_lorebooks.restore", row_id=trashed.id)}
        flash(undo, "success")  # type: ignore[arg-type]
        return redirect(url_for(".book", character_id=character_id), 303)

    # What the pages share

    def _onwards(self, character_id: UUID, entry: LorebookEntry) -> ResponseReturnValue:
        if request.form.get("do") == "another":
            return redirect(url_for(".new", character_id=character_id), 303)
        if request.form.get("do") == "close":
            return redirect(url_for(".book", character_id=character_id, _anchor=f"entry-{entry.id}"), 303)
        return redirect(url_for(".entry", character_id=character_id, entry_id=entry.id), 303)

    def _back(self, character_id: UUID, *, anchor: str | None = None) -> Response:
        wanted = _wanted(request.form)
        return redirect(  # type: ignore[return-value]
            url_for(
                ".book",
                character_id=character_id,
                q=wanted.search or None,
                state=wanted.state or None,
                order=wanted.order if wanted.order != "book" else None,
                _anchor=anchor,
            ),
            303,
        )


def _wanted(given: Any) -> Wanted:
    state, order = given.get("state", ""), given.get("order", "")
    return Wanted(
        search=given.get("q", "")[:200],
        state=state if state in lorebook_lists.STATE_NAMES else "",
        order=order if order in lorebook_lists.ORDERS else "book",
    )


def _order(act: Act) -> Order:
    given = request.form

    def a_number(name: str) -> Any:
        return number(given.get(name))

    return Order(
        act,
        place=given.get("place", ""),
        depth=a_number("depth"),
        role=given.get("role", ""),
        first=a_number("first"),
        step=a_number("step"),
        key=given.get("key", ""),
    )
