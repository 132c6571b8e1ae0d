"""Versions of a character: the list, one of them, two compared, saved and restored; routes of the view of characters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from admin_views.authoring.version_changes import shown
from admin_views.authoring.version_labels import inner_label, occasion_label, part_label, value_label
from admin_views.base import StudioModelView, expose, sent_version
from admin_views.forms import sentence, whole_number
from admin_views.session import current_actor
from studio.accounts.models import User
from studio.authoring import fields, queries, rules, versions
from studio.authoring.comparing import Snapshot, compare, title_of
from studio.authoring.errors import MovedOnError, UnusableVersionError
from studio.authoring.models import Character, CharacterVersion, VersionOccasion
from studio.cards import macros
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError
from studio.market.catalogue import queries as market
from studio.market.models import CharacterPublication

DRAFT = "draft"
_SHOWN = 20
_CHOICES = 100
_ENTRIES = 200
_ON_A_PAGE = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """How a character's draft stands to its versions."""

    newest: CharacterVersion | None
    newest_changes: int
    """How many changes the draft has since the newest version."""
    live_number: int | None
    live_changes: int
    """How many changes the draft has since the version that others see."""
    recent: Sequence[CharacterVersion]

    @property
    def undo_number(self) -> int | None:
        """The version that undoes the last restore, while the draft says nothing else yet."""
        newest = self.newest
        if newest is None or newest.occasion is not VersionOccasion.RESTORED or self.newest_changes:
            return None
        return newest.version_number - 1 or None


def standing_of(session: Session, row: Character) -> Standing:
    """The draft beside its newest and its live version; reads what the caller was allowed to see."""
    recent = queries.list_versions(session, character_id=row.id, limit=_ON_A_PAGE)
    newest = queries.find_newest_version(session, character_id=row.id) if recent else None
    if newest is None:
        return Standing(None, 0, None, 0, recent)
    draft = versions.snapshot_of_draft(session, row)
    newest_changes = _count(newest, draft)
    live_number = queries.find_listed_number(session, character_id=row.id)
    live_changes = newest_changes
    if live_number is not None and live_number != newest.version_number:
        live = queries.get_version(session, character_id=row.id, version_number=live_number)
        live_changes = _count(live, draft)
    return Standing(newest, newest_changes, live_number, live_changes, recent)


def _count(version: CharacterVersion, draft: Snapshot) -> int:
    return compare(versions.snapshot_of(version), draft).count


def say_saved(version: CharacterVersion, *, now: datetime) -> None:
    """Tell the person what came of saving a version."""
    if version.created_at == now:
        flash(_("Version %(number)d is saved.", number=version.version_number), "success")
    else:
        flash(
            _("Nothing has changed since version %(number)d; it still stands for this.", number=version.version_number),
            "info",
        )


class VersionRoutes(StudioModelView):
    """The routes about versions; the view of characters is built on it."""

    @expose("/<uuid:row_id>/versions")
    def version_list(self, row_id: UUID) -> ResponseReturnValue:
        """The versions, newest first, with what others see, what was submitted, and two to be compared."""
        session, actor = self.request_session, current_actor()
        row = queries.get_draft(session, actor=actor, character_id=row_id)
        before = request.args.get("before", type=whole_number)
        found = queries.list_versions(session, character_id=row.id, before=before, limit=_SHOWN + 1)
        rows = found[:_SHOWN]
        return self.render(
            "versions/list.html",
            row=row,
            versions=rows,
            following=rows[-1].version_number if len(found) > _SHOWN else None,
            is_first_page=before is None,
            standing=standing_of(session, row),
            is_writable=queries.may_write(actor, row),
            **self._about(row, rows),
        )

    @expose("/<uuid:row_id>/versions/save", methods=("POST",))
    def save_version(self, row_id: UUID) -> ResponseReturnValue:
        """Keep the saved draft as a version, with a note."""
        now = utc_now()
        version = versions.make(
            self.request_session,
            actor=current_actor(),
            character_id=row_id,
            change_note=request.form.get("change_note", ""),
            now=now,
        )
        say_saved(version, now=now)
        return redirect(url_for(".details_view", row_id=row_id, _anchor="versions"), 303)

    @expose("/<uuid:row_id>/versions/<int(max=2147483647):number>")
    def version_page(self, row_id: UUID, number: int) -> ResponseReturnValue:
        """One version as people see it, read."""
        session, actor = self.request_session, current_actor()
        row = queries.get_draft(session, actor=actor, character_id=row_id)
        version = queries.get_version(session, character_id=row.id, version_number=number)
        data = version.card.get("data") or {}
        name = macros.display_name(data)
        language = fields.language_in(version.studio)
        book = data.get("character_book") or {}
        return self.render(
            "versions/one.html",
            row=row,
            version=version,
            data=data,
            studio=version.studio,
            texts=[(part_label(key), _text(version, key)) for key in rules.LONG_TEXTS if _text(version, key)],
            rendered=lambda text: macros.render(text, char=name, user=macros.reader_in(text, language=language)),
            entries=(book.get("entries") or [])[:_ENTRIES],
            more_entries=max(0, len(book.get("entries") or []) - _ENTRIES),
            title_of=title_of,
            inner_label=inner_label,
            value_label=value_label,
            part_label=part_label,
            tokens=rules.tokens,
            is_writable=queries.may_write(actor, row),
            **self._about(row, [version]),
        )

    @expose("/<uuid:row_id>/versions/compare")
    def compare_versions(self, row_id: UUID) -> ResponseReturnValue:
        """What differs between two versions, or between a version and the draft."""
        session, actor = self.request_session, current_actor()
        row = queries.get_draft(session, actor=actor, character_id=row_id)
        choices = queries.list_versions(session, character_id=row.id, limit=_CHOICES)
        if not choices:
            raise NotFoundError
        newer = self._wanted_side("to", choices, DRAFT)
        older = self._wanted_side("from", choices, self._default_from(choices, newer))
        before, after = self._side(row, older), self._side(row, newer)
        changes = shown(compare(before[1], after[1]))
        about = self._about(row, [side[0] for side in (before, after) if side[0] is not None])
        return self.render(
            "versions/compare.html",
            row=row,
            older=older,
            newer=newer,
            before=before,
            after=after,
            choices=choices,
            changes=changes,
            is_writable=queries.may_write(actor, row),
            DRAFT=DRAFT,
            **about,
        )

    @expose("/<uuid:row_id>/versions/<int(max=2147483647):number>/restore", methods=("POST",))
    def restore_version(self, row_id: UUID, number: int) -> ResponseReturnValue:
        """The draft says what the version said; what it said before is a version too."""
        try:
            restored = versions.restore(
                self.request_session,
                actor=current_actor(),
                character_id=row_id,
                version_number=number,
                row_version=sent_version() or 0,
                now=utc_now(),
            )
        except (MovedOnError, UnusableVersionError) as error:
            self.request_session.rollback()
            reasons = error.fields.values() if isinstance(error, UnusableVersionError) else ()
            flash(" ".join((sentence(error), *map(_, reasons))), "danger")
            sides: dict[str, Any] = {"from": number, "to": DRAFT}
            return redirect(url_for(".compare_versions", row_id=row_id, **sides), 303)
        new = restored.version.version_number
        if restored.undone_by is None:
            flash(_("The draft says already what version %(number)d says.", number=number), "info")
        elif restored.is_whole:
            flash(
                _(
                    "The draft says again what version %(number)d said; that is version %(new)d now. "
                    "What it said before is kept as version %(kept)d.",
                    number=number,
                    new=new,
                    kept=restored.undone_by,
                ),
                "success",
            )
        else:
            flash(
                _(
                    "The draft says again what version %(number)d said, except for parts of the imported card that "
                    "nobody edits here. Compare the two to see which.",
                    number=number,
                ),
                "warning",
            )
        return redirect(url_for(".version_list", row_id=row_id), 303)

    def _wanted_side(self, name: str, choices: Sequence[CharacterVersion], default: str) -> str:
        """What the address asks to compare: a number, or the draft."""
        wanted = request.args.get(name, "").strip() or default
        if wanted == DRAFT:
            return wanted
        if not (wanted.isascii() and wanted.isdigit()) or not 0 < int(wanted[:10]) <= choices[0].version_number:
            raise NotFoundError
        return str(int(wanted))

    @staticmethod
    def _default_from(choices: Sequence[CharacterVersion], newer: str) -> str:
        newest = choices[0].version_number
        return str(newest if newer == DRAFT else max(1, int(newer) - 1))

    def _side(self, row: Character, wanted: str) -> tuple[CharacterVersion | None, Snapshot]:
        session = self.request_session
        if wanted == DRAFT:
            return None, versions.snapshot_of_draft(session, row)
        version = queries.get_version(session, character_id=row.id, version_number=int(wanted))
        return version, versions.snapshot_of(version)

    def _about(self, row: Character, rows: Sequence[CharacterVersion]) -> dict[str, Any]:
        """Who made the versions, and which listings pin them."""
        session, actor = self.request_session, current_actor()
        people = {one.created_by_id for one in rows if one.created_by_id is not None}
        named = sa.select(User.id, User.name).where(User.id.in_(people))
        listings: dict[int, list[CharacterPublication]] = {}
        for one in market.list_listings_of_versions(
            session, actor=actor, character_id=row.id, numbers=[version.version_number for version in rows]
        ):
            listings.setdefault(one.version_number, []).append(one)
        return {
            "names": {one[0]: one[1] for one in session.execute(named)} if people else {},
            "listings": listings,
            "live_number": queries.find_listed_number(session, character_id=row.id),
            "occasion_label": occasion_label,
        }


def _text(version: CharacterVersion, key: str) -> str:
    data = version.card.get("data") or {}
    if key in fields.CARD_KEYS:
        return str(data.get(fields.CARD_KEYS[key]) or "")
    return str(fields.profile_in(version.studio).get(key) or "")
