"""The rows of a list as HTML: made here and not in a template, since a page has hundreds of cells."""

from collections.abc import Callable, Sequence
from typing import Any

from flask_babel import gettext as _
from markupsafe import Markup, escape

from admin_views import ui
from admin_views.listing import Column

_NOTHING = "–"

Picks = Callable[[Sequence[Any]], list[str]]
"""The check boxes of rows, in HTML."""


def table_rows(
    rows: Sequence[Any], columns: Sequence[Column], *, url_of: Callable[[Any], str | None], picks: Picks | None
) -> Markup:
    """The rows of a table's body; the first column leads to the row, where `url_of` knows a way."""
    openings = [_opening(column) for column in columns]
    boxes = [""] * len(rows) if picks is None else [f'<td class="pick">{box}</td>' for box in picks(rows)]
    parts: list[str] = []
    for row, box in zip(rows, boxes, strict=True):
        parts.append(f"<tr>{box}")
        url = url_of(row)
        for column, opening in zip(columns, openings, strict=True):
            shown = column.shown(row)
            text = _NOTHING if shown is None else escape(shown)
            if url is not None:
                text = f'<a class="row-link" href="{escape(url)}">{text}</a>'
                url = None
            parts.append(f"{opening}{text}</td>")
        parts.append("</tr>\n")
    return Markup("".join(parts))  # noqa: S704 - Every cell is escaped above.


def picker(*, value_of: Callable[[Any], str], title_of: Callable[[Any], str]) -> Picks:
    """Makes the check boxes by which rows are chosen for what is done to many; they belong to the form `bulk`.

    A row's value is made of ids and numbers: nothing that HTML understands.
    """
    before, _nul, after = str(escape(_("Select %(name)s", name="\x00"))).partition("\x00")
    opening = '<label class="pick-box"><input type="checkbox" class="form-check-input" form="bulk" name="row" value="'
    middle, ending = f'" aria-label="{before}', f'{after}" data-pick></label>'

    def picks(rows: Sequence[Any]) -> list[str]:
        titles = ui.escaped([title_of(row) for row in rows])
        return [f"{opening}{value_of(row)}{middle}{title}{ending}" for row, title in zip(rows, titles, strict=True)]

    return picks


def _opening(column: Column) -> str:
    classes = " ".join(name for name, is_so in (("num", column.numeric), ("wide-only", column.wide_only)) if is_so)
    return f'<td class="{classes}">' if classes else "<td>"
