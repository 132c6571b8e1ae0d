"""A page or several of facts and a table as PDF, with a font in it that writes Chinese."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pylopdf_fonts_zh_cn
from fpdf import FPDF, XPos, YPos
from fpdf.enums import Align, TableCellFillMode
from fpdf.fonts import FontFace

_FONT = "Noto Sans SC"
_INK = (29, 42, 38)
_FAINT = (85, 98, 92)
_LINE = (205, 196, 177)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands on the pages, written out already in the reader's language."""

    title: str
    subtitle: str
    facts: Sequence[tuple[str, str]]
    header: Sequence[str]
    widths: Sequence[int]
    rows: Iterable[Sequence[str]]
    total: Sequence[str]
    footer: str
    language: str
    made_at: datetime


class _Pages(FPDF):
    def __init__(self, footer: str) -> None:
        super().__init__(format="A4")
        self._foot = footer

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font(_FONT, size=7)
        self.set_text_color(*_FAINT)
        self.cell(w=self.epw - 20, text=self._foot)
        self.cell(w=20, text=f"{self.page_no()} / {{nb}}", align=Align.R)


def write(sheet: Sheet) -> bytes:
    """The sheet as PDF, its font embedded as far as it is used; equal sheets give equal bytes."""
    pages = _Pages(sheet.footer)
    pages.set_auto_page_break(auto=True, margin=20)
    pages.set_margins(18, 18)
    pages.set_title(sheet.title)
    pages.set_lang(sheet.language)
    pages.set_creation_date(sheet.made_at)
    pages.add_font(_FONT, fname=str(pylopdf_fonts_zh_cn.sans_path()))
    pages.add_page()
    pages.set_text_color(*_INK)
    pages.set_font(_FONT, size=18)
    pages.multi_cell(w=0, h=9, text=sheet.title, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pages.ln(1)
    pages.set_font(_FONT, size=11)
    pages.set_text_color(*_FAINT)
    pages.multi_cell(w=0, h=6, text=sheet.subtitle, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pages.ln(4)
    pages.set_font(_FONT, size=10)
    for name, value in sheet.facts:
        pages.set_text_color(*_FAINT)
        pages.cell(w=45, h=6, text=name)
        pages.set_text_color(*_INK)
        pages.multi_cell(w=0, h=6, text=value, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pages.ln(4)
    pages.set_font(_FONT, size=8)
    pages.set_draw_color(*_LINE)
    # Words begin at the left, amounts end at the right.
    aligned = (Align.L, Align.L, *[Align.R] * (len(sheet.header) - 2))
    with pages.table(
        col_widths=tuple(sheet.widths),
        text_align=aligned,
        borders_layout="HORIZONTAL_LINES",
        line_height=6,
        cell_fill_mode=TableCellFillMode.NONE,
        headings_style=FontFace(color=_FAINT),
    ) as table:
        table.row(list(sheet.header))
        for line in sheet.rows:
            table.row(list(line))
        # The one font has no bold: what it comes to is told by size.
        table.row(list(sheet.total), style=FontFace(size_pt=9.5))
    return bytes(pages.output())
