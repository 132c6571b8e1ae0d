"""The page on which two people's saves are merged: mine, theirs and where both started, field by field."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import request, url_for
from flask_babel import gettext as _
from markupsafe import Markup
from wtforms import Form, SelectField, StringField

from admin_views.forms import REWRITTEN, as_text, marked, sent_fields, sent_version, whole_number
from admin_views.resources import request_session
from admin_views.saving import CLIENT, CONTINUES
from admin_views.session import current_actor
from studio.accounts.models import User
from studio.editing import common_start
from studio.editing.rules import UNKNOWN, MergedField, Outcome, merge
from studio.kit.clock import utc_now

VERSION = "merge_version"
"""The version that the person saw as theirs; a later one leads to another merge."""
_CHOICE, _TEXT = "choice.", "text."
_OWN = frozenset({"csrf_token", "do", VERSION, CLIENT, CONTINUES})


@dataclass(frozen=True)
class Shown:
    """One field as the page shows it."""

    name: str
    label: str
    outcome: Outcome
    base: str | None
    theirs: str
    mine: str
    theirs_marked: Markup
    mine_marked: Markup
    can_write: bool
    """Whether a text of one's own can be written for it."""
    text: str
    chosen: str
    """mine, theirs, both, own, or nothing yet."""


def decided(fields: Iterable[MergedField], *, row_version: int | None) -> dict[str, Any] | None:
    """What every field becomes by the choices that were sent, by name.

    None where the page was not there yet, a choice is missing, or they were made over another version than `row_version`.
    """
    sent = request.form
    if sent.get(VERSION, type=whole_number) != row_version:
        return None
    values: dict[str, Any] = {}
    for one in fields:
        choice = _chosen(one)
        if choice == "own" and type(one.mine) is str:
            values[one.name] = sent.get(_TEXT + one.name, one.value).replace("\r\n", "\n")
        elif choice in {"mine", "theirs"}:
            values[one.name] = one.mine if choice == "mine" else one.theirs
        elif one.outcome is Outcome.CONFLICT:
            return None
        else:
            values[one.name] = one.value
    return values


def page(
    view: Any,
    row: Any,
    fields: Sequence[MergedField],
    *,
    row_version: int | None,
    resource: str,
    label: Callable[[str], str],
    readable: Callable[[str, Any], str],
    action: str,
    title: str = "",
    crumbs: Sequence[tuple[Any, str]] = (),
    saving: Mapping[str, Any] | None = None,
) -> tuple[str, int]:
    """The page, with the choices that were made so far; whatever was sent goes along in it.

    A view that is no list of its rows gives `title`, `crumbs` and what `saving_context` says.
    """
    shown = [_shown(one, label=label, readable=readable) for one in fields if one.outcome is not Outcome.SAME]
    sent = request.form
    return (
        view.render(
            "admin/model/merge.html",
            row=row,
            title=title or view.row_title(row),
            crumbs=crumbs or [(view.name, url_for(f"{view.endpoint}.index_view"))],
            action=action,
            to_choose=[one for one in shown if one.outcome in {Outcome.CONFLICT, Outcome.MERGED}],
            taken_over=[one for one in shown if one.outcome is Outcome.THEIRS],
            kept=[one for one in shown if one.outcome is Outcome.MINE],
            knows_start=any(one.base is not UNKNOWN for one in fields),
            saved_by=_saved_by(row.id, resource),
            is_again=VERSION in sent and sent.get(VERSION, type=whole_number) != row_version,
            is_incomplete=VERSION in sent and sent.get(VERSION, type=whole_number) == row_version,
            hidden=[
                (name, value)
                for name, value in sent.items(multi=True)
                if name not in _OWN and not name.startswith((_CHOICE, _TEXT))
            ],
            merge_version=row_version,
            **(view.saving_context(row) if saving is None else saving),
        ),
        409,
    )


def of_form(form: Form, row: Any, *, resource: str) -> list[MergedField]:
    """The fields of `form`, what stands in `row`, and what stood there when the form was filled, merged as texts."""
    names = [
        field.name
        for field in form
        if field.type not in {"CSRFTokenField", "HiddenField", "FileField", "SubmitField"} and hasattr(row, field.name)
    ]
    theirs = {name: getattr(row, name) for name in names}
    version, base = sent_version(), None
    if resource and version is not None:
        base = common_start.find(
            request_session(), resource=resource, document_id=row.id, row_version=version, current=theirs
        )
    fields = merge(
        None if base is None else {name: as_text(value) for name, value in base.items()},
        {name: as_text(value) for name, value in theirs.items()},
        {name: as_text(form[name].data) for name in names},
    )
    return _chosen_whole(form, fields)


def of_forms(mine: Form, theirs: Form, base: Form | None) -> list[MergedField]:
    """The fields of one form, filled in three ways: by the person, from what is saved, from where both started."""
    texts = [
        None if form is None else {field.name: as_text(field.data) for field in form if field.type != "CSRFTokenField"}
        for form in (base, theirs, mine)
    ]
    return _chosen_whole(mine, merge(texts[0], texts[1] or {}, texts[2] or {}))


def take(form: Form, values: Mapping[str, str]) -> None:
    """The form holds the merged values of `of_forms`."""
    for name, value in values.items():
        form[name].data = value == "True" if form[name].type == "BooleanField" else value


def _chosen_whole(form: Form, fields: Sequence[MergedField]) -> list[MergedField]:
    # A choice or a number is no text that could be put together from two.
    return [
        dataclasses.replace(one, outcome=Outcome.CONFLICT, value=one.mine)
        if one.outcome is Outcome.MERGED and not _is_text(form, one.name)
        else one
        for one in fields
    ]


def put_into(form: Form, values: Mapping[str, Any], row: Any) -> None:
    """The form holds the merged values."""
    for name, value in values.items():
        field = form[name]
        if value == as_text(field.data):
            continue
        if value == as_text(getattr(row, name)):
            field.process_data(getattr(row, name))
            if isinstance(field, SelectField):
                field.data = value
        else:
            field.data = value


def label_of(form: Form) -> Callable[[str], str]:
    """Names of fields in the reader's words."""
    return lambda name: str(form[name].label.text) if name in form else name


def readable_in(form: Form) -> Callable[[str, Any], str]:
    """Values of fields in the reader's words: of a choice its label."""

    def readable(name: str, value: Any) -> str:
        field = form[name]
        if isinstance(field, SelectField):
            return next((str(one.label) for one in field.choices or () if str(one.value) == str(value)), str(value))
        if field.type == "BooleanField":
            return str(_("yes")) if value == "True" else str(_("no"))
        return str(value)

    return readable


def _is_text(form: Form, name: str) -> bool:
    return isinstance(form[name], StringField)


def _chosen(one: MergedField) -> str:
    sent = sent_fields()
    choice = sent.get(_CHOICE + one.name, "") if sent is not None else ""
    if choice in {"mine", "theirs", "both", "own"}:
        return choice
    if one.outcome is Outcome.MERGED:
        return "own" if type(one.mine) is str else "both"
    return ""


def _shown(one: MergedField, *, label: Callable[[str], str], readable: Callable[[str, Any], str]) -> Shown:
    theirs, mine = readable(one.name, one.theirs), readable(one.name, one.mine)
    base = None if one.base is UNKNOWN else readable(one.name, one.base)
    can_write = type(one.mine) is str and one.outcome in {Outcome.CONFLICT, Outcome.MERGED} and mine == one.mine
    return Shown(
        name=one.name,
        label=label(one.name),
        outcome=one.outcome,
        base=base,
        theirs=theirs,
        mine=mine,
        theirs_marked=Markup("{}").format(theirs) if base is None else _marked(base, theirs),
        mine_marked=_marked(theirs if base is None else base, mine),
        can_write=can_write,
        text=request.form.get(_TEXT + one.name, str(one.value)) if can_write else readable(one.name, one.value),
        chosen=_chosen(one),
    )


def _marked(before: str, after: str) -> Markup:
    """`after` with what is new in it marked; a different text stands plain, since the other one stands beside it."""
    found = marked(before, after)
    return Markup("{}").format(after) if found.startswith(REWRITTEN) else found


def _saved_by(document_id: UUID, resource: str) -> dict[str, Any] | None:
    """Who made the save that came first, and when."""
    session = request_session()
    last = common_start.find_last(session, resource=resource, document_id=document_id) if resource else None
    if last is None:
        return None
    is_me = last.saved_by_id is not None and last.saved_by_id == current_actor().user_id
    person = session.get(User, last.saved_by_id) if last.saved_by_id is not None and not is_me else None
    return {"is_me": is_me, "name": person.name if person is not None else "", "at": last.saved_at or utc_now()}
