"""Forms of the screens: the base class, refusals beside their fields, and two texts side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import g, request
from flask_babel import gettext
from flask_wtf import FlaskForm
from markupsafe import Markup
from werkzeug.datastructures import MultiDict
from wtforms import Form

from studio.kit.differences import Change, is_rewritten, words
from studio.kit.errors import InvalidError, StudioError
from studio.kit.matching import Effort

_MARKS = {
    Change.SAME: Markup("{}"),
    Change.GONE: Markup("<del>{}</del>"),
    Change.COME: Markup("<ins>{}</ins>"),
}
_BESIDE_FROM = 120
REWRITTEN = Markup('<span class="rewritten">')
"""How `marked` begins where the texts have little in common."""
_LARGEST = 2**31 - 1
# Steps of comparing for one field: a fifth of a second.
_EFFORT = 1_000_000


class StudioForm(FlaskForm):  # type: ignore[misc]
    """A form with a CSRF token; the application checks the token of every POST, whatever the form.

    Where a person goes on with a draft that saved itself, the form is filled from that.
    """

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        """Where the form's values come from."""

        def wrap_formdata(self, form: Any, formdata: Any) -> Any:
            """What was sent, else the draft that the person goes on with, else nothing."""
            found = super().wrap_formdata(form, formdata)
            return continued_fields() if found is None and formdata is not None else found


def continued_fields() -> "MultiDict[str, str] | None":
    """The fields of the draft that the person goes on with on this page, if they do."""
    fields: MultiDict[str, str] | None = g.get("continued_fields")
    return fields


def sent_fields() -> "MultiDict[str, str] | None":
    """What fills the form instead of the saved row: what was sent, or a draft."""
    return request.form if request.method == "POST" else continued_fields()


def sentence(error: StudioError) -> str:
    """The error's sentence in the reader's language."""
    return str(gettext(error.msgid, **error.params)) if error.params else str(gettext(error.msgid))


def whole_number(text: str) -> int:
    """The number that a browser sent; one that PostgreSQL keeps in no integer is none: ValueError."""
    number = int(text)
    if abs(number) > _LARGEST:
        raise ValueError
    return number


def sent_version() -> int | None:
    """The row version that the form was filled from, as the browser sends it back."""
    fields = sent_fields()
    return None if fields is None else fields.get("row_version", type=whole_number)


def current_version(row: Any) -> int | None:
    """The row's version as it stands."""
    version: int | None = getattr(row, "row_version", None)
    return version


def attach_errors(form: Form, error: InvalidError) -> bool:
    """Put the sentences of `error` beside the fields they are about; whether there was a field for any."""
    attached = False
    for name, text in error.fields.items():
        if name in form._fields:
            field = form._fields[name]
            field.errors = [*field.errors, gettext(text)]
            attached = True
    return attached


@dataclass(frozen=True)
class Difference:
    """One field in which a person's text and the saved one differ."""

    name: str
    label: str
    mine: str
    theirs: str
    marked: Markup


def differences(form: Form, theirs: Mapping[str, Any] | Any) -> list[Difference]:
    """The fields whose value in `form` is not the one in `theirs` (a row or a mapping)."""
    found = []
    for field in form:
        if field.type in {"CSRFTokenField", "HiddenField", "FileField", "SubmitField"}:
            continue
        if isinstance(theirs, Mapping):
            if field.name not in theirs:
                continue
            saved = theirs[field.name]
        elif hasattr(theirs, field.name):
            saved = getattr(theirs, field.name)
        else:
            continue
        mine, other = as_text(field.data), as_text(saved)
        if mine != other:
            found.append(Difference(field.name, str(field.label.text), mine, other, marked(other, mine)))
    return found


def marked(before: str, after: str) -> Markup:
    """`after` against `before`, word by word (Chinese by the character), with what went and what came marked.

    Two long texts that have little in common stand whole, one beside the other.
    """
    pieces = words(before, after, effort=Effort(_EFFORT))
    if is_rewritten(pieces) and min(len(before), len(after)) >= _BESIDE_FROM:
        return REWRITTEN + Markup("<del>{}</del><ins>{}</ins></span>").format(before, after)
    return Markup("").join(_MARKS[piece.change].format(piece.text) for piece in pieces)


def as_text(value: Any) -> str:
    """A field's value as a form shows it and as texts are compared."""
    if value is None:
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(one) for one in value)
    return str(value).replace("\r\n", "\n")
