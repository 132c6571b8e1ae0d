"""The audit log: who did what to which row, before and after."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from admin_views import ui
from admin_views.base import StudioModelView
from admin_views.kept_sentences import told_again
from admin_views.listing import Column, Filter, FilterKind
from admin_views.operations.audit_labels import action_label, actions_called
from admin_views.operations.audit_names import kind_label, kinds_called, name_label, value_label
from admin_views.resources import Resources
from studio.accounts import queries
from studio.accounts.models import AuditEntry
from studio.accounts.permissions import Actor, Permission
from studio.kit.paging import Key
from studio.kit.text import escape_like, one_line

_MOST_SHOWN = 3


@dataclass(frozen=True)
class Change:
    """One value that an entry tells of."""

    name: str
    """Its name in the studio; `label` is what people read."""
    before: str | None
    after: str | None

    @property
    def label(self) -> str:
        """The name in the reader's words."""
        return name_label(self.name)


def changes_of(entry: AuditEntry) -> list[Change]:
    """What changed, name by name, in words."""
    before, after = entry.before or {}, entry.after or {}
    return [
        Change(
            name=name,
            before=_in_words(before[name], name) if name in before else None,
            after=_in_words(after[name], name) if name in after else None,
        )
        for name in sorted(before.keys() | after.keys())
    ]


def _in_words(value: Any, name: str = "") -> str:
    if value is None or (isinstance(value, str | list) and not value):
        return "—"
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, list):
        return ", ".join(_in_words(item, name) for item in value)
    if isinstance(value, dict):
        if "length" in value and "sha256" in value:
            told = _("%(length)s characters, hash %(hash)s", length=value["length"], hash=value["sha256"])
            return f"{value['excerpt']} ({told})" if "excerpt" in value else str(told)
        return "; ".join(f"{name_label(key)}: {_in_words(item, key)}" for key, item in value.items())
    return value_label(name, str(value))


def _difference(entry: AuditEntry) -> Markup:
    changes = changes_of(entry)
    parts = [
        Markup("<span>{}: <del>{}</del> → <ins>{}</ins></span>").format(change.label, change.before, change.after)
        if change.before is not None and change.after is not None
        else Markup("<span>{}: <ins>{}</ins></span>").format(change.label, change.after)
        if change.after is not None
        else Markup("<span>{}: <del>{}</del></span>").format(change.label, change.before)
        for change in changes[:_MOST_SHOWN]
    ]
    if len(changes) > _MOST_SHOWN:
        parts.append(Markup("…"))
    return Markup("<br>").join(parts)


def _row(entry: AuditEntry) -> Markup:
    if entry.resource_id is None:
        return Markup("{}").format(kind_label(entry.resource))
    return Markup("{} <code>{}</code>").format(kind_label(entry.resource), str(entry.resource_id)[-12:])


def _unbroken(text: str) -> Markup:
    return Markup('<span class="text-nowrap">{}</span>').format(text)


def _starting(column: Any, text: str) -> sa.ColumnElement[bool]:
    criterion: sa.ColumnElement[bool] = column.ilike(f"{escape_like(one_line(text))}%", escape="\\")
    return criterion


def _doing(text: str) -> sa.ColumnElement[bool]:
    """By the studio's own name of the action, from its beginning, or by the reader's words for it."""
    return sa.or_(_starting(AuditEntry.action, text), AuditEntry.action.in_(actions_called(one_line(text))))


def _of_kind(text: str) -> sa.ColumnElement[bool]:
    """By the studio's own name of the kind, from its beginning, or by the reader's words for it."""
    return sa.or_(_starting(AuditEntry.resource, text), AuditEntry.resource.in_(kinds_called(one_line(text))))


def _about(text: str) -> sa.ColumnElement[bool]:
    try:
        return AuditEntry.resource_id == UUID(text.strip())
    except ValueError:
        return sa.false()


class AuditView(StudioModelView):
    """Every change that somebody made, newest first; nobody can change it."""

    permissions = {  # noqa: RUF012 - The base declares it a ClassVar.
        "index_view": Permission.AUDIT_READ,
        "details_view": Permission.AUDIT_READ,
        "export_view": Permission.AUDIT_READ,
    }
    menu_section = "people"
    menu_icon = "history"
    menu_order = 20

    columns = (
        Column(
            "created_at",
            _l("When"),
            cell=lambda entry: ui.moment(entry.created_at),
            plain=lambda e: e.created_at.isoformat(),
        ),
        Column("actor_name", _l("Who"), cell=lambda entry: _unbroken(entry.actor_name), plain=lambda e: e.actor_name),
        Column(
            "action", _l("What"), cell=lambda entry: _unbroken(action_label(entry.action)), plain=lambda e: e.action
        ),
        Column("resource", _l("Which row"), cell=_row, plain=lambda e: f"{e.resource} {e.resource_id or ''}".strip()),
        Column(
            "changes",
            _l("Before → after"),
            cell=_difference,
            plain=lambda e: "; ".join(f"{c.name}: {c.before} → {c.after}" for c in changes_of(e)),
        ),
        Column(
            "reason",
            _l("Why"),
            cell=lambda entry: told_again(entry.reason or ""),
            plain=lambda e: e.reason or "",
            wide_only=True,
        ),
    )
    details_template = "accounts/audit_entry.html"
    orders = {"created_at": (Key(AuditEntry.created_at), Key(AuditEntry.id))}  # noqa: RUF012 - As above.
    default_sort = ("created_at", True)
    filters = (
        Filter("who", _l("Who"), lambda text: _starting(AuditEntry.actor_name, text), kind=FilterKind.TEXT),
        Filter("what", _l("What"), _doing, kind=FilterKind.TEXT),
        Filter("resource", _l("Kind of row"), _of_kind, kind=FilterKind.TEXT),
        Filter("row", _l("Id of the row"), _about, kind=FilterKind.TEXT),
        Filter("since", _l("From"), lambda day: queries.audited_between(_midnight(day), None), kind=FilterKind.DATE),
        Filter(
            "until",
            _l("Until"),
            lambda day: queries.audited_between(None, _midnight(day + timedelta(days=1))),
            kind=FilterKind.DATE,
        ),
    )
    empty_title = _l("Nothing was written down yet")
    empty_text = _l("Every change that somebody makes appears here, with what was before and after.")
    empty_icon = "history"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """Staff and admins see every entry."""
        return queries.audit_entry_visible_to(actor)

    def row_title(self, row: AuditEntry) -> str:
        """What was done."""
        return action_label(row.action)

    def details_context(self, row: AuditEntry) -> dict[str, Any]:
        """The changes in words."""
        return {"changes": changes_of(row), "kind": kind_label(row.resource)}


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [AuditView(resources, AuditEntry, name=_l("Audit log"), endpoint="audit")]


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
