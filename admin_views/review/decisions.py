"""The decisions at the desk: routes that make, undo and confirm them, and what the page of a case shows of them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin_views.base import Permission, StudioView, expose
from admin_views.forms import sentence
from admin_views.session import current_actor
from studio.accounts import preferences
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, StudioError
from studio.market.catalogue import queries
from studio.market.models import (
    CharacterPublication,
    Notice,
    Outcome,
    PublicationStatus,
    ReviewCase,
    ReviewDecision,
)
from studio.market.review import claims, decisions, margin, notes, queue, recalls
from studio.market.review import queries as review_queries
from studio.market.review import rules as review_rules
from studio.market.review.dossier import Around
from studio.market.review.rules import Reason

_P = Permission
_ROWS = 4
_NOT_FOUND = 404


class Decisions(StudioView):
    """The routes in which a case is decided; the view of the desk is built on it and has the page of a case."""

    decision_permissions: ClassVar[dict[str, Any]] = dict.fromkeys(
        ("approve", "request_changes", "reject", "take_down", "undo", "second", "note", "quarantine", "release_hidden"),
        _P.REVIEW_DECIDE,
    )

    def _desk(self, case_id: UUID, refusal: StudioError | None = None) -> str:
        raise NotImplementedError

    @expose("/<uuid:case_id>/approve", methods=("POST",))
    def approve(self, case_id: UUID) -> ResponseReturnValue:
        """Make the listing live as it was seen."""
        return self._decide(case_id, lambda now: decisions.approve(self.session, **self._sent(case_id), now=now))

    @expose("/<uuid:case_id>/request-changes", methods=("POST",))
    def request_changes(self, case_id: UUID) -> ResponseReturnValue:
        """Send the listing back with reasons."""
        return self._decide(
            case_id,
            lambda now: decisions.request_changes(self.session, **self._sent_against(case_id), now=now),
        )

    @expose("/<uuid:case_id>/reject", methods=("POST",))
    def reject(self, case_id: UUID) -> ResponseReturnValue:
        """Refuse the listing, with reasons."""
        return self._decide(case_id, lambda now: decisions.reject(self.session, **self._sent_against(case_id), now=now))

    @expose("/<uuid:case_id>/take-down", methods=("POST",))
    def take_down(self, case_id: UUID) -> ResponseReturnValue:
        """Take what was approved off the market for good, with reasons."""
        return self._decide(
            case_id,
            lambda now: decisions.take_down(self.session, **self._sent_against(case_id), now=now),
        )

    @expose("/<uuid:case_id>/approve")
    @expose("/<uuid:case_id>/request-changes")
    @expose("/<uuid:case_id>/reject")
    @expose("/<uuid:case_id>/take-down")
    @expose("/<uuid:case_id>/claim")
    def decide_again(self, case_id: UUID) -> ResponseReturnValue:
        """Lead back to the case: a refused decision, or a claim with words, leaves its own address, which may be loaded again."""
        self._found(case_id)
        return redirect(url_for("review.desk", case_id=case_id), 303)

    @expose("/<uuid:case_id>/undo", methods=("POST",))
    def undo(self, case_id: UUID) -> ResponseReturnValue:
        """Undo one's own decision, or one's confirmation, before its effects have left."""

        def act() -> None:
            actor = current_actor()
            decision = decisions.undo(self.session, actor=actor, case_id=case_id, now=utc_now())
            if decision.moderator_id != actor.user_id:
                flash(_("Taken back: nothing happened. The takedown waits for a second person again."), "success")
                return
            said = _("Undone: nothing happened. You hold the review, and what you chose stands in the form.")
            was_hidden = decision.outcome is Outcome.TAKEN_DOWN and decision.is_severe
            flash(self._or_off(case_id, said) if was_hidden else said, "success")

        return self._back(case_id, act)

    @expose("/<uuid:case_id>/second", methods=("POST",))
    def second(self, case_id: UUID) -> ResponseReturnValue:
        """Confirm a severe takedown as the second person, or do not."""
        asked = request.form.get("agrees")
        agrees = asked == "yes"

        def act() -> None:
            if asked not in {"yes", "no"}:
                self._found(case_id)
                raise InvalidError(
                    "Press one of the two buttons: confirm the takedown, or do not agree. Nothing was done."
                )
            decisions.second(
                self.session,
                actor=current_actor(),
                case_id=case_id,
                agrees=agrees,
                reason=request.form.get("reason", ""),
                now=utc_now(),
            )
            if not agrees:
                flash(self._or_off(case_id, _("Not confirmed: the listing waits again.")), "success")
                return
            # The way back stands beside the decision itself, once.
            flash(_("Confirmed. Until the takedown is in effect, you can take that back."), "success")

        return self._back(case_id, act)

    @expose("/<uuid:case_id>/note", methods=("POST",))
    def note(self, case_id: UUID) -> ResponseReturnValue:
        """Leave a note for other moderators."""
        _case, publication = self._found(case_id)

        def act() -> None:
            notes.add(
                self.session,
                actor=current_actor(),
                publication_id=publication.id,
                text=request.form.get("text", ""),
                now=utc_now(),
            )
            flash(_("The note is kept. Creators never see it."), "success")

        return self._back(case_id, act)

    @expose("/<uuid:case_id>/quarantine", methods=("POST",))
    def quarantine(self, case_id: UUID) -> ResponseReturnValue:
        """Hide the listing at once."""
        _case, publication = self._found(case_id)

        def act() -> None:
            recalls.quarantine(
                self.session,
                actor=current_actor(),
                publication_id=publication.id,
                reason=request.form.get("reason", ""),
                now=utc_now(),
            )
            said = {"text": _("Hidden at once. It waits at the desk."), "label": _("Undo")}
            flash({**said, "url": url_for("review.release_hidden", case_id=case_id)}, "success")  # type: ignore[arg-type]

        return self._back(case_id, act)

    @expose("/<uuid:case_id>/release-hidden", methods=("POST",))
    def release_hidden(self, case_id: UUID) -> ResponseReturnValue:
        """Put a hidden listing back where it was."""
        _case, publication = self._found(case_id)

        def act() -> None:
            recalls.release(self.session, actor=current_actor(), publication_id=publication.id, now=utc_now())
            said = _("The listing is where it was before, and still waits to be looked at.")
            flash(self._or_off(case_id, said), "success")

        return self._back(case_id, act)

    def _sent(self, case_id: UUID) -> dict[str, Any]:
        return {
            "actor": current_actor(),
            "case_id": case_id,
            "content_hash": request.form.get("content_hash", ""),
            "note": request.form.get("note", ""),
        }

    def _sent_against(self, case_id: UUID) -> dict[str, Any]:
        is_severe = bool(request.form.get("is_severe"))
        return {**self._sent(case_id), "reasons": sent_reasons(), "is_severe": is_severe}

    def _decide(self, case_id: UUID, act: Callable[[datetime], ReviewDecision]) -> ResponseReturnValue:
        now = utc_now()
        try:
            decision = act(now)
        except StudioError as error:
            if error.status == _NOT_FOUND:
                raise
            self.session.rollback()
            # All that was chosen and written stands in the form again, or beside it where somebody else has the case.
            return self._desk(case_id, refusal=error), error.status
        flash(_said_of(decision, now=now), "success")  # type: ignore[arg-type]
        following = self._take_next() if self._wants_next() else None
        if following is not None:
            return redirect(url_for("review.desk", case_id=following), 303)
        return redirect(url_for("review.index"), 303)

    def _wants_next(self) -> bool:
        """Whether the next case is to be taken; where the box was there, what was chosen is ticked the next time too."""
        asked = request.form.getlist("then")
        if asked:
            value = {"is_on": "next" in asked}
            preferences.remember(self.session, actor=current_actor(), key=margin.THEN_NEXT, value=value)
        return "next" in asked

    def _take_next(self, *, but: UUID | None = None) -> UUID | None:
        """The case that is due first and free, in the person's hands now; None where nothing else than `but` waits."""
        actor, now = current_actor(), utc_now()
        case_id = queue.next_case(self.session, actor=actor, now=now, but=but)
        if case_id is not None:
            claims.claim(self.session, actor=actor, case_id=case_id, now=now)
        return case_id

    def _back(self, case_id: UUID, act: Callable[[], object]) -> ResponseReturnValue:
        """The case's page again, with what was done or why it was not."""
        try:
            act()
        except StudioError as error:
            if error.status == _NOT_FOUND:
                raise
            self.session.rollback()
            flash(sentence(error), "warning")
        return redirect(url_for("review.desk", case_id=case_id), 303)

    def _found(self, case_id: UUID) -> tuple[ReviewCase, CharacterPublication]:
        actor = current_actor()
        case = review_queries.get_case(self.session, actor=actor, case_id=case_id)
        return case, queries.get_listing(self.session, actor=actor, publication_id=case.publication_id)

    def _or_off(self, case_id: UUID, said: str) -> str:
        """What was done, or that the listing could not go where it was."""
        _case, publication = self._found(case_id)
        if publication.notice not in {Notice.SOLD, Notice.ARCHIVED}:
            return said
        if publication.status is PublicationStatus.WITHDRAWN:
            return str(_("Done. Its character was sold exclusively or archived meanwhile: the listing is withdrawn."))
        return str(_("Done. Its character was sold exclusively or archived meanwhile: the listing is off the market."))

    def has_written(self) -> bool:
        """Whether the request brings reasons or a note for a decision."""
        return bool(_typed() or request.form.get("note", "").strip())

    def decision_context(
        self,
        case: ReviewCase,
        publication: CharacterPublication,
        *,
        around: Around,
        refusal: StudioError | None,
        is_mine: bool,
    ) -> dict[str, Any]:
        """What the page of a case shows of decisions: one that is held back, the form, notes, flags and reports.

        What `around` knows not to be there is not looked for.
        """
        actor, now = current_actor(), utc_now()
        # Only who may decide now is shown what they could choose.
        found = margin.read(
            self.session,
            actor=actor,
            case=case,
            publication=publication,
            around=around,
            # Or what they chose, though the case is in their hands no more.
            decides=is_mine or bool(_typed()),
        )
        held, rows, note = found.held, _typed(), request.form.get("note", "")
        is_severe = bool(request.form.get("is_severe"))
        if not rows and request.method == "GET" and found.undone is not None:
            # Who undid a decision finds what they had chosen.
            rows = [(one.reason.code, one.field, one.comment) for one in found.undone.feedback]
            note, is_severe = found.undone.decision.note, found.undone.decision.is_severe
        return {
            "held": held,
            "held_seconds": held.seconds_left(now) if held is not None else 0,
            "is_held_by_me": held is not None and held.decision.moderator_id == actor.user_id,
            "is_confirmed_by_me": held is not None and held.decision.second_id == actor.user_id,
            "notes": found.notes,
            "flags": found.flags,
            "reports": found.reports,
            "reasons": found.reasons,
            "fields": review_rules.REVIEW_FIELDS,
            "rows": [*rows, *[("", "", "")] * max(1, _ROWS - len(rows))],
            "note": note,
            "is_severe": is_severe,
            "takes_next": "next" in request.form.getlist("then") if "then" in request.form else found.takes_next,
            "refusal": None if refusal is None else sentence(refusal),
            "wrong": dict(refusal.fields) if isinstance(refusal, InvalidError) else {},
        }


def sent_reasons() -> Sequence[Reason]:
    """The reasons of the form; a row in which nothing was chosen or written is none."""
    return [Reason(*row) for row in _typed()]


def _typed() -> list[tuple[str, str, str]]:
    rows = zip(
        request.form.getlist("reason"), request.form.getlist("field"), request.form.getlist("comment"), strict=False
    )
    return [row for row in rows if any(part.strip() for part in row)]


def _said_of(decision: ReviewDecision, *, now: datetime) -> dict[str, Any]:
    """What is said of a decision that was just made, with the way back at hand as long as there is one."""
    told = {
        Outcome.APPROVED: _("Approved."),
        Outcome.CHANGES_REQUESTED: _("Sent back; its creator will see the reasons."),
        Outcome.REJECTED: _("Rejected; its creator will see the reasons."),
        Outcome.TAKEN_DOWN: _("Taken down; its creator will see the reasons."),
    }[decision.outcome]
    said = {"label": _("Undo"), "url": url_for("review.undo", case_id=decision.case_id)}
    if decision.effective_at is None:
        return {**said, "text": _("Hidden at once. It is taken down when a second person has confirmed that.")}
    seconds = max(0, round((decision.effective_at - now).total_seconds()))
    return {**said, "text": told, "seconds": seconds}
