"""The review desk: the queue, one case with everything that a decision needs, and the decision."""

import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views import desk
from admin_views.base import Permission, StudioView, expose
from admin_views.forms import sentence
from admin_views.market_labels import labels
from admin_views.media import portrait_url
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.models import User
from studio.authoring import documents
from studio.authoring.models import Character
from studio.authoring.queries import get_draft
from studio.kit.clock import utc_now
from studio.kit.differences import shortened
from studio.kit.errors import InvalidError, StudioError
from studio.market import differences, queries, review, rules, screening
from studio.market.models import (
    CaseState,
    CharacterCategory,
    CharacterPublication,
    ReviewCase,
)
from studio.market.rules import Reason
from studio.memory import search
from studio.memory.errors import NotEmbeddedError

_P = Permission
_NEIGHBOURS = 6
_ROWS = 4
_HISTORY = 5
_NOT_FOUND = 404


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [ReviewView(resources, name=_l("Review desk"), endpoint="review")]


class ReviewView(StudioView):
    """The queue oldest first, and the page on which a moderator reads, compares and decides."""

    permissions: ClassVar[dict[str, Any]] = {
        "index": _P.REVIEW_READ,
        "desk": _P.REVIEW_READ,
        "compare": _P.REVIEW_READ,
        "card": _P.REVIEW_READ,
        "claim": _P.REVIEW_DECIDE,
        "renew": _P.REVIEW_DECIDE,
        "release": _P.REVIEW_DECIDE,
        "approve": _P.REVIEW_DECIDE,
        "reject": _P.REVIEW_DECIDE,
        "next_case": _P.REVIEW_DECIDE,
    }
    menu_section = "market"
    menu_icon = "gavel"
    menu_order = 20

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """What waits, oldest first."""
        now = utc_now()
        page = review.queue(self.session, actor=current_actor(), now=now, after=request.args.get("after") or None)
        faces = _portraits(self, [row.publication for row in page.rows])
        return self.render("review/queue.html", page=page, now=now, faces=faces, **labels())

    @expose("/next", methods=("POST",))
    def next_case(self) -> ResponseReturnValue:
        """Claim the oldest case that nobody holds, and open it."""
        now, actor = utc_now(), current_actor()
        case_id = review.next_case(self.session, actor=actor, now=now)
        if case_id is None:
            flash(_("Nothing else waits for you."), "info")
            return redirect(url_for("review.index"), 303)
        return self._do(case_id, lambda: review.claim(self.session, actor=actor, case_id=case_id, now=now))

    @expose("/<uuid:case_id>")
    def desk(self, case_id: UUID) -> ResponseReturnValue:
        """One case with all that a decision needs."""
        return self._desk(case_id)

    @expose("/<uuid:case_id>/compare/<uuid:character_id>")
    def compare(self, case_id: UUID, character_id: UUID) -> ResponseReturnValue:
        """The card under review and another character, text beside text."""
        actor = current_actor()
        case, publication = self._case(case_id)
        other = get_draft(self.session, actor=actor, character_id=character_id)
        version = queries.version_of(self.session, publication)
        card = documents.card_of(self.session, other)
        found = differences.between(card.get("data") or {}, version.card.get("data") or {})
        return self.render(
            "review/compare.html",
            case=case,
            publication=publication,
            version=version,
            other=other,
            found=found,
            shorten=shortened,
            **labels(),
        )

    @expose("/<uuid:case_id>/card.json")
    def card(self, case_id: UUID) -> ResponseReturnValue:
        """The whole card as a file, for what is too long for a page."""
        _case, publication = self._case(case_id)
        version = queries.version_of(self.session, publication)
        body = json.dumps(version.card, ensure_ascii=False, indent=2)
        response = Response(body, mimetype="application/json")
        response.headers.set("Content-Disposition", "attachment", filename=f"{case_id}.json")
        return response

    @expose("/<uuid:case_id>/claim", methods=("POST",))
    def claim(self, case_id: UUID) -> ResponseReturnValue:
        """Take the case in hand."""
        return self._do(
            case_id, lambda: review.claim(self.session, actor=current_actor(), case_id=case_id, now=utc_now())
        )

    @expose("/<uuid:case_id>/renew", methods=("POST",))
    def renew(self, case_id: UUID) -> ResponseReturnValue:
        """Lengthen the claim while somebody works; answers with how long it lasts, as a part of the page."""
        review.renew(self.session, actor=current_actor(), case_id=case_id, now=utc_now())
        case, _publication = self._case(case_id)
        return self.render("review/_claim.html", case=case, **self._holder(case))

    @expose("/<uuid:case_id>/release", methods=("POST",))
    def release(self, case_id: UUID) -> ResponseReturnValue:
        """Give the case back."""
        return self._do(case_id, lambda: review.release(self.session, actor=current_actor(), case_id=case_id))

    @expose("/<uuid:case_id>/approve", methods=("POST",))
    def approve(self, case_id: UUID) -> ResponseReturnValue:
        """Make the listing live as it was seen."""
        return self._decide(
            case_id,
            _("The listing is live."),
            lambda: review.approve(
                self.session,
                actor=current_actor(),
                case_id=case_id,
                content_hash=request.form.get("content_hash", ""),
                note=request.form.get("note", ""),
                now=utc_now(),
            ),
        )

    @expose("/<uuid:case_id>/reject", methods=("POST",))
    def reject(self, case_id: UUID) -> ResponseReturnValue:
        """Send the listing back with reasons."""
        return self._decide(
            case_id,
            _("The listing is sent back; its creator sees the reasons."),
            lambda: review.reject(
                self.session,
                actor=current_actor(),
                case_id=case_id,
                content_hash=request.form.get("content_hash", ""),
                reasons=[Reason(*row) for row in _sent_rows()],
                note=request.form.get("note", ""),
                now=utc_now(),
            ),
        )

    def _decide(self, case_id: UUID, done: str, act: Callable[[], Any]) -> ResponseReturnValue:
        try:
            act()
        except StudioError as error:
            if error.status == _NOT_FOUND:
                raise
            self.session.rollback()
            # All that was chosen and written stands in the form again.
            return self._desk(case_id, refusal=error), error.status
        flash(done, "success")
        return redirect(url_for("review.index"), 303)

    def _do(self, case_id: UUID, act: Callable[[], Any]) -> ResponseReturnValue:
        try:
            act()
        except StudioError as error:
            if error.status == _NOT_FOUND:
                raise
            self.session.rollback()
            flash(sentence(error), "warning")
        return redirect(url_for("review.desk", case_id=case_id), 303)

    def _case(self, case_id: UUID) -> tuple[ReviewCase, CharacterPublication]:
        actor = current_actor()
        case = queries.get_case(self.session, actor=actor, case_id=case_id)
        return case, queries.get_listing(self.session, actor=actor, publication_id=case.publication_id)

    def _holder(self, case: ReviewCase) -> dict[str, Any]:
        actor, now = current_actor(), utc_now()
        is_held = rules.is_held(case, now=now)
        name = self.session.scalar(sa.select(User.name).where(User.id == case.claimed_by_id)) if is_held else None
        return {
            "is_mine": is_held and case.claimed_by_id == actor.user_id,
            "holder": name,
            "is_open": case.state in {CaseState.WAITING, CaseState.CLAIMED},
        }

    def _desk(self, case_id: UUID, refusal: StudioError | None = None) -> str:
        actor = current_actor()
        case, publication = self._case(case_id)
        version = queries.version_of(self.session, publication)
        results = queries.list_screening(self.session, actor=actor, case_id=case.id)
        submission = desk.submission_of(publication, card=version.card, studio=version.studio)
        groups = desk.groups_of(submission, results)
        former = queries.find_last_approved(self.session, publication=publication)
        return self.render(
            "review/desk.html",
            case=case,
            publication=publication,
            version=version,
            groups=groups,
            checks=desk.checks_of(results, groups),
            screening_label=screening.LABEL,
            portrait=portrait_url(version.portrait_id, "card"),
            category=self.session.get_one(CharacterCategory, publication.category_id),
            creator=self.session.scalar(sa.select(User.name).where(User.id == publication.publisher_id)),
            record=queries.creator_record(self.session, actor=actor, publisher_id=publication.publisher_id),
            history=[
                decided
                for decided in queries.list_decisions(self.session, actor=actor, character_id=publication.character_id)
                if decided.publication.id != publication.id
            ][:_HISTORY],
            decided=queries.find_decision(self.session, actor=actor, publication_id=publication.id),
            former=former,
            changed=self._changed(former, version.card),
            shorten=shortened,
            neighbours=self._neighbours(publication),
            is_own=publication.publisher_id == actor.user_id,
            reasons=queries.list_reasons(self.session),
            fields=rules.REVIEW_FIELDS,
            rows=_rows(),
            note=request.form.get("note", ""),
            refusal=None if refusal is None else sentence(refusal),
            wrong=dict(refusal.fields) if isinstance(refusal, InvalidError) else {},
            **self._holder(case),
            **labels(),
        )

    def _changed(self, former: CharacterPublication | None, card: dict[str, Any]) -> differences.Differences | None:
        if former is None:
            return None
        before = queries.version_of(self.session, former).card
        return differences.between(before.get("data") or {}, card.get("data") or {})

    def _neighbours(self, publication: CharacterPublication) -> list[search.Neighbour] | None:
        """The nearest characters; None while the embedding is not there yet, or the person may not search."""
        try:
            return search.similar(
                self.session, actor=current_actor(), character_id=publication.character_id, limit=_NEIGHBOURS
            )
        except NotEmbeddedError:
            return None


def _sent_rows() -> list[tuple[str, str, str]]:
    """The reasons of the form, row by row; a row in which nothing was chosen or written is none."""
    rows = zip(
        request.form.getlist("reason"), request.form.getlist("field"), request.form.getlist("comment"), strict=False
    )
    return [row for row in rows if any(part.strip() for part in row)]


def _rows() -> list[tuple[str, str, str]]:
    """The rows that the form shows: those that were sent, and empty ones for more."""
    sent = _sent_rows() if request.method == "POST" else []
    return [*sent, *[("", "", "")] * max(1, _ROWS - len(sent))]


def _portraits(view: ReviewView, publications: Sequence[CharacterPublication]) -> dict[UUID, str | None]:
    ids = {publication.character_id for publication in publications}
    rows = view.session.execute(sa.select(Character.id, Character.portrait_id).where(Character.id.in_(ids)))
    return {character_id: portrait_url(portrait_id) for character_id, portrait_id in rows}
