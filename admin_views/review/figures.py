"""The desk in figures, and the switches of its checks."""

from typing import Any, ClassVar

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views.base import Permission, StudioView, expose
from admin_views.formats import day_label
from admin_views.market import labels as market_labels
from admin_views.resources import Resources
from admin_views.review import labels as desk_labels
from admin_views.session import current_actor
from admin_views.work.labels import micro_label
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError
from studio.market.models import CheckMode
from studio.market.review import figures
from studio.market.screening import check_modes
from studio.market.screening.checks import MODEL_CHECKS
from studio.work import budgets

_P = Permission
_DAYS = (7, 30, 90)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [
        FiguresView(resources, name=_l("Desk figures"), endpoint="review_figures", url="/review-figures"),
        ChecksView(resources, name=_l("Screening checks"), endpoint="screening_checks", url="/screening-checks"),
    ]


class FiguresView(StudioView):
    """How long things wait, what is late, what is decided why, and what appeals overturned."""

    permissions: ClassVar[dict[str, Any]] = {"index": _P.REVIEW_READ}
    menu_section = "market"
    menu_icon = "chart-bar"
    menu_order = 22

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The figures of a week, a month or a quarter."""
        asked = request.args.get("days", "")
        days = int(asked) if asked in {str(one) for one in _DAYS} else 30
        read = figures.read(self.session, actor=current_actor(), now=utc_now(), days=days)
        return self.render(
            "review/figures.html",
            read=read,
            days=days,
            choices=_DAYS,
            by_day={
                "label": _("Decisions"),
                "labels": [day_label(one.day) for one in read.days],
                "values": [one.approved + one.rejected + one.taken_down for one in read.days],
            },
            by_reason={
                "label": _("Sent back"),
                "labels": [market_labels.reason_title(reason) for reason, _count in read.reasons],
                "values": [count for _reason, count in read.reasons],
            },
            **market_labels.labels(),
            **desk_labels.labels(),
        )


class ChecksView(StudioView):
    """Every check of the screening with its switch, what it found in a month, and how often moderators agreed."""

    permissions: ClassVar[dict[str, Any]] = {"index": _P.SCREENING_READ, "switch": _P.SCREENING_WRITE}
    menu_section = "market"
    menu_icon = "shield-check"
    menu_order = 24

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The checks in the order of the desk."""
        return self.render(
            "review/checks.html",
            switches=check_modes.list_switches(self.session, actor=current_actor(), now=utc_now()),
            modes=list(CheckMode),
            sources=self._sources(),
            spent=budgets.of_house(self.session, kinds=[check.name for check in MODEL_CHECKS], now=utc_now()),
            money=lambda micro: micro_label(micro, self.resources.settings.language_currency),
            **market_labels.labels(),
            **desk_labels.labels(),
        )

    @expose("/switch", methods=("POST",))
    def switch(self) -> ResponseReturnValue:
        """Set the switch of one check."""
        asked = request.form.get("mode", "")
        if asked not in set(CheckMode):
            raise NotFoundError
        name = request.form.get("name", "")[:100]
        mode = check_modes.switch(self.session, actor=current_actor(), name=name, mode=CheckMode(asked), now=utc_now())
        title = market_labels.check_title(name)
        flash(_("“%(check)s” is %(mode)s now.", check=title, mode=desk_labels.mode_label(mode)), "success")
        return redirect(url_for("screening_checks.index"), 303)

    def _sources(self) -> dict[str, str]:
        """Which model each check asks; none where none is set."""
        judge = self.resources.judge
        return {
            "moderation": self.resources.moderation.label,
            "judge": judge.label if judge is not None and judge.is_configured else "",
        }
