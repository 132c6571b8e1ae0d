"""What every list does to many rows: the check boxes, the bar of actions, and the way to the service."""

from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import sqlalchemy as sa
from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from admin_views.access import AnyOf
from admin_views.forms import current_version
from admin_views.guarded import Guarded
from admin_views.operations.bulk_labels import ASKS_LABELS, action_label
from admin_views.preferences import local_target
from admin_views.resources import request_session
from admin_views.rows import Picks, picker
from admin_views.session import current_actor
from studio.accounts.permissions import Permission
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError
from studio.operations import bulk
from studio.operations.bulk_actions import BULK_ACTIONS, Asks, BulkAction
from studio.operations.models import BulkOutcome, BulkRun

_BETWEEN = "~"
"""Between a row's id and its version in the value of its check box."""


class Many(Guarded):
    """A list whose rows can be chosen, one, a page or all that match, for one of `bulk_actions`."""

    bulk_actions: ClassVar[Sequence[str]] = ()
    """Names of `studio.operations.bulk_actions`; each asks for its own permission."""

    endpoint: str
    model: type[Any]

    def permission_of(self, method: str) -> AnyOf | None:
        """The route of the actions is there where there are some, for whoever may do one of them."""
        if method != "bulk_view":
            return super().permission_of(method)
        wanted: dict[Permission, None] = {}
        for name in self.bulk_actions:
            wanted |= dict.fromkeys(BULK_ACTIONS[name].permissions)
        return tuple(wanted) or None

    def bulk_offers(self) -> list[BulkAction]:
        """The actions that the present person may do."""
        actor = current_actor()
        return [action for action in (BULK_ACTIONS[name] for name in self.bulk_actions) if action.offered_to(actor)]

    def picks(self) -> Picks | None:
        """What makes the check boxes of rows; None where the person may do nothing to many rows."""
        if not self.bulk_offers():
            return None

        name = sa.inspect(self.model).primary_key[0].key

        def value_of(row: Any) -> str:
            version, key = current_version(row), getattr(row, name)
            return f"{key}{_BETWEEN}{version}" if version is not None else str(key)

        return picker(value_of=value_of, title_of=self.row_title)

    def row_title(self, row: Any) -> str:
        """What a check box calls its row."""
        raise NotImplementedError

    def bulk_context(self) -> dict[str, Any]:
        """What the bar of actions needs."""
        offers = self.bulk_offers()
        return {
            "bulk_offers": [(action, action_label(action.name)) for action in offers],
            "bulk_asks": [
                (asks, ASKS_LABELS[asks], [action.name for action in offers if action.asks is asks])
                for asks in Asks
                if asks is not Asks.NOTHING and any(action.asks is asks for action in offers)
            ],
        }

    @expose("/bulk", methods=("POST",))
    def bulk_view(self) -> ResponseReturnValue:
        """Do it to the chosen rows at once; where all that match are meant, try it on them by a job first."""
        name = request.form.get("action", "")
        if name not in self.bulk_actions:
            raise InvalidError("Choose what should be done.")
        kind, session, actor = BULK_ACTIONS[name], request_session(), current_actor()
        back = self._back()
        if kind.needs_proof and not self._is_proven():
            return self._prove_first(back)
        argument = request.form.get(kind.asks.value, "")
        if request.form.get("everything"):
            run = bulk.ask(
                session, actor=actor, action=name, argument=argument, chosen=self._chosen(back), now=utc_now()
            )
            return redirect(url_for("bulk.details_view", row_id=run.id), 303)
        rows = [_row(value) for value in request.form.getlist("row")]
        run = bulk.do_at_once(session, actor=actor, action=name, argument=argument, rows=rows, now=utc_now())
        tell(run, can_undo=bulk.may_be_undone(session, run), refusals=_refusals(run))
        return redirect(back, 303)

    def _back(self) -> str:
        """The address of the list that the rows were chosen on."""
        first = url_for(f"{self.endpoint}.index_view")
        back = local_target(request.form.get("back"))
        return back if urlsplit(back).path == first else first

    def _chosen(self, back: str) -> "sa.Select[tuple[str, int | None]]":
        asked = MultiDict(parse_qsl(urlsplit(back).query))
        query: sa.Select[Any] = self.filtered(self.list_state(asked))  # type: ignore[attr-defined]  # Of the model view.
        key = getattr(self.model, sa.inspect(self.model).primary_key[0].key)
        version: Any = getattr(self.model, "row_version", None)
        shown = sa.cast(sa.null(), sa.Integer) if version is None else version
        return query.with_only_columns(sa.cast(key, sa.Text), shown).order_by(None)

    @staticmethod
    def _is_proven() -> bool:
        from admin_views.accounts.sign_in import is_fresh

        return is_fresh()

    @staticmethod
    def _prove_first(back: str) -> ResponseReturnValue:
        from admin_views.accounts.sign_in import ask_for_proof

        flash(_("Nothing was changed yet. Give your password, then do it again."), "info")
        return ask_for_proof(back)


def tell(run: BulkRun, *, can_undo: bool, refusals: Sequence[str] = ()) -> None:
    """Say on the next page what became of the run, with a button that takes it back where that is possible."""
    words = _(
        "%(changed)s changed, %(unchanged)s left as they were, %(refused)s refused.",
        changed=run.changed,
        unchanged=run.unchanged,
        refused=run.refused,
    )
    sentence = " ".join([str(words), *(str(_(refusal)) for refusal in refusals)])
    flash({"run": str(run.id), "sentence": sentence, "undo": can_undo, "ok": not run.refused}, "bulk")  # type: ignore[arg-type]  # Kept in the session as it is.


def _refusals(run: BulkRun) -> list[str]:
    """The sentence of the first refusal: with many rows it is mostly the same for all."""
    if not run.refused:
        return []
    items = bulk.samples(request_session(), run=run, outcome=BulkOutcome.REFUSED, limit=1)
    return [item.sentence for item in items if item.sentence]


def _row(value: str) -> tuple[str, int | None]:
    key, _between, version = value.partition(_BETWEEN)
    return key, int(version) if version.isascii() and version.isdigit() and len(version) <= 9 else None  # noqa: PLR2004 - Fits an integer.
