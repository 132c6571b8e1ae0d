"""The review desk: the queue, one case with everything that a decision needs, and the decision."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from admin_views import i18n
from admin_views.authoring.editor_form import warning_words
from admin_views.base import Permission, expose
from admin_views.formats import status_label
from admin_views.forms import sentence
from admin_views.listing import as_uuid
from admin_views.market import labels as market_labels
from admin_views.media.files import portrait_url
from admin_views.money import labels as money_labels
from admin_views.resources import Resources
from admin_views.review import labels as desk_labels
from admin_views.review import shown as desk
from admin_views.review.decisions import Decisions
from admin_views.review.prepared import Prepared
from admin_views.session import current_actor
from studio.accounts.models import User
from studio.authoring import documents
from studio.authoring.queries import get_draft
from studio.kit.clock import utc_now
from studio.kit.differences import shortened
from studio.kit.errors import StudioError
from studio.market.catalogue import cases, queries
from studio.market.models import CaseState, MatchKind, ReviewCase
from studio.market.review import beside, claims, differences, dossier, queue
from studio.market.review import rules as review_rules
from studio.market.review.differences import Differences
from studio.market.review.dossier import Alike, Dossier, Former
from studio.market.review.queries import Feedback
from studio.market.review.queue import Show
from studio.market.screening import duplicates, risk, screening
from studio.memory import search
from studio.memory.errors import NotEmbeddedError

_P = Permission
_NEIGHBOURS = 6
_HISTORY = 5
_MOST_PREPARED = 64
_PREPARED_LASTS = 600.0
_SENT_BACK, _APPROVED = "sent_back", "approved"
"""What a card can be compared with, as an address says it."""
_WHOLE = frozenset(
    {"listing.category", "listing.price", "listing.license", "portrait", "content_rating", "content_warnings"}
)
"""What changes as a whole, and not word by word."""


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [ReviewView(resources, name=_l("Review desk"), endpoint="review")]


@dataclass(frozen=True, slots=True)
class _Card:
    """The card of a case as its page shows it, and the checks with the ways to their passages: what takes time to make."""

    html: Markup
    checks: Sequence[desk.CheckShown]
    changed: Differences | None
    """What changed since the listing that it is compared with; None where there was none."""


class ReviewView(Decisions):
    """The queue by due time, and the page on which a moderator reads, compares and decides."""

    permissions: ClassVar[dict[str, Any]] = {
        "index": _P.REVIEW_READ,
        "desk": _P.REVIEW_READ,
        "ahead": _P.REVIEW_READ,
        "compare": _P.REVIEW_READ,
        "decide_again": _P.REVIEW_READ,
        "card": _P.REVIEW_READ,
        "claim": _P.REVIEW_DECIDE,
        "renew": _P.REVIEW_DECIDE,
        "release": _P.REVIEW_DECIDE,
        "next_case": _P.REVIEW_DECIDE,
        **Decisions.decision_permissions,
    }
    menu_section = "market"
    menu_icon = "gavel"
    menu_order = 20

    def __init__(self, resources: Resources, **options: Any) -> None:
        super().__init__(resources, **options)
        self._prepared: Prepared[_Card] = Prepared(most=_MOST_PREPARED, lasts=_PREPARED_LASTS)

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """What waits, by the time at which it is due."""
        now = utc_now()
        asked = request.args.get("show", "")
        show = Show(asked) if asked in set(Show) else Show.ALL
        page = queue.page(
            self.session, actor=current_actor(), now=now, show=show, after=request.args.get("after") or None
        )
        return self.render(
            "review/queue.html",
            beside=beside.list_beside(self.session, actor=current_actor()),
            page=page,
            now=now,
            show=show,
            shows=list(Show),
            high=risk.HIGH,
            **_labels(),
        )

    @expose("/next", methods=("POST",))
    def next_case(self) -> ResponseReturnValue:
        """Claim the case that is due first of those that nobody holds, and open it; the one on the screen is left alone."""
        case_id = self._take_next(but=as_uuid(request.form.get("but")))
        if case_id is None:
            flash(_("Nothing else waits for you."), "info")
            return redirect(url_for("review.index"), 303)
        return redirect(url_for("review.desk", case_id=case_id), 303)

    @expose("/<uuid:case_id>")
    def desk(self, case_id: UUID) -> ResponseReturnValue:
        """One case with all that a decision needs."""
        return self._desk(case_id)

    @expose("/<uuid:case_id>/ahead")
    def ahead(self, case_id: UUID) -> ResponseReturnValue:
        """Make ready what takes time in a case's page, while the moderator still reads another. It claims nothing.

        Answers with the portrait, so that the browser has it too.
        """
        read = dossier.load(self.session, actor=current_actor(), case_id=case_id, now=utc_now())
        self._card(read)
        return self.render("review/_ahead.html", portrait=portrait_url(read.version.portrait_id, "card"))

    @expose("/<uuid:case_id>/compare/<uuid:character_id>")
    def compare(self, case_id: UUID, character_id: UUID) -> ResponseReturnValue:
        """The card under review and another character, text beside text, what both say marked.

        The other is shown in the version that was found alike, whatever became of its draft; without one, its draft.
        """
        actor = current_actor()
        case, publication = self._found(case_id)
        other = get_draft(self.session, actor=actor, character_id=character_id)
        version = queries.version_of(self.session, publication)
        found = dossier.list_alike(self.session, actor=actor, case_id=case.id)
        alike = next((one for one in found if one.character_id == other.id), None)
        shown = dossier.find_alike_version(self.session, actor=actor, alike=alike) if alike is not None else None
        card = documents.card_of(self.session, other) if shown is None else shown.version.card
        return self.render(
            "review/compare.html",
            case=case,
            publication=publication,
            version=version,
            other=other,
            other_name=other.name if shown is None else shown.version.name,
            other_portrait=other.portrait_id if shown is None else shown.version.portrait_id,
            shown=shown,
            alike=alike,
            found=differences.beside(version.card.get("data") or {}, card.get("data") or {}),
            is_common=differences.is_common,
            shorten=shortened,
            **_labels(),
        )

    @expose("/<uuid:case_id>/card.json")
    def card(self, case_id: UUID) -> ResponseReturnValue:
        """The whole card as a file, for what is too long for a page."""
        _case, publication = self._found(case_id)
        version = queries.version_of(self.session, publication)
        body = json.dumps(version.card, ensure_ascii=False, indent=2)
        response = Response(body, mimetype="application/json")
        response.headers.set("Content-Disposition", "attachment", filename=f"{case_id}.json")
        return response

    @expose("/<uuid:case_id>/claim", methods=("POST",))
    def claim(self, case_id: UUID) -> ResponseReturnValue:
        """Take the case in hand; what was chosen and written before a claim ended stands in the form again."""
        answer = self._back(
            case_id, lambda: claims.claim(self.session, actor=current_actor(), case_id=case_id, now=utc_now())
        )
        return self._desk(case_id) if self.has_written() else answer

    @expose("/<uuid:case_id>/renew", methods=("POST",))
    def renew(self, case_id: UUID) -> ResponseReturnValue:
        """Lengthen the claim while somebody works; answers with how long it lasts, as a part of the page."""
        claims.renew(self.session, actor=current_actor(), case_id=case_id, now=utc_now())
        case, _publication = self._found(case_id)
        holder = None
        if review_rules.is_held(case, now=utc_now()):
            holder = self.session.scalar(sa.select(User.name).where(User.id == case.claimed_by_id))
        return self.render("review/_claim.html", case=case, **_holder(case, holder))

    @expose("/<uuid:case_id>/release", methods=("POST",))
    def release(self, case_id: UUID) -> ResponseReturnValue:
        """Give the case back."""
        return self._back(case_id, lambda: claims.release(self.session, actor=current_actor(), case_id=case_id))

    def _desk(self, case_id: UUID, refusal: StudioError | None = None) -> str:
        actor = current_actor()
        read = dossier.load(self.session, actor=actor, case_id=case_id, now=utc_now())
        case, publication = read.case, read.publication
        since, former = _compared_with(read)
        card = self._card(read)
        holder = _holder(case, read.holder_name)
        alike, is_compared = self._alike(read)
        is_own = publication.publisher_id == actor.user_id
        why_not = claims.why_not(is_own=is_own, is_overturned=read.is_overturned)
        others = [one for one in read.decisions if one.publication.id != publication.id]
        return self.render(
            "review/desk.html",
            case=case,
            publication=publication,
            version=read.version,
            card_html=card.html,
            checks=card.checks,
            screened_by=_screened_by(read),
            unscreened=[one for one in card.checks if one.is_failed],
            factors=risk.from_json(case.risk_factors),
            reasons_to_look=read.reasons,
            since=since,
            sinces=[one for one, found in _earlier(read) if found is not None],
            asked=_asked(read, card.changed) if since == _SENT_BACK and former is not None else [],
            following=self._following(case, is_open=holder["is_open"]),
            is_overdue=case.closed_at is None and case.due_at < utc_now(),
            portrait=portrait_url(read.version.portrait_id, "card"),
            category=read.category,
            creator=read.creator_name,
            record=read.record,
            history=others[:_HISTORY],
            decided=next((one for one in read.decisions if one.publication.id == publication.id), None),
            alike=alike,
            is_compared=is_compared,
            missing_kinds=_comma().join(desk_labels.match_label(one) for one in MatchKind if one in read.missing_kinds),
            same_idea=duplicates.SAME_IDEA,
            next_id=read.next_id,
            is_own=is_own,
            # Of what is decided nobody asks any more why they could not.
            why_not=sentence(why_not) if why_not is not None and case.closed_at is None else None,
            **self.decision_context(
                case, publication, around=read.around, refusal=refusal, is_mine=bool(holder["is_mine"])
            ),
            **holder,
            **_labels(),
        )

    def _card(self, read: Dossier) -> _Card:
        """The card with its evidence and what changed in it, from what was made ahead where that still holds.

        A version cannot change; what was found in it, and what it is compared with, are in the key.
        """
        found = tuple((one.check_name, one.check_version, one.checked_at, one.is_failed) for one in read.results)
        since, former = _compared_with(read)
        seen = None if former is None else (since, former.publication.id)
        key = (read.case.id, read.publication.content_hash, found, seen, i18n.chosen_locale(), request.root_path)
        return self._prepared.get(key, lambda: _make_card(read))

    def _alike(self, read: Dossier) -> tuple[Sequence[Alike], bool]:
        """What is alike, and whether the nearest in meaning were looked for; while the job has not run, they are looked for here."""
        if read.case.compared_at is not None:
            return read.alike, True
        try:
            near = search.similar(
                self.session, actor=current_actor(), character_id=read.publication.character_id, limit=_NEIGHBOURS
            )
        except NotEmbeddedError:
            return read.alike, False
        known = {one.character_id: one for one in read.alike}
        more = []
        for one in near:
            if one.similarity < duplicates.SAME_IDEA:
                continue
            similarity = min(1.0, one.similarity)
            if one.character.id in known:
                known[one.character.id].kinds[MatchKind.IDEA] = similarity
            else:
                kinds = {MatchKind.IDEA: similarity}
                more.append(Alike(one.character.id, one.character.name, one.character.portrait_id, None, kinds))
        return [*read.alike, *more], True

    def _following(self, case: ReviewCase, *, is_open: bool) -> UUID | None:
        """The open case of a listing that waits again, on the page of a case that is over."""
        if is_open or case.state is not CaseState.DECIDED:
            return None
        found = cases.find_open_case(self.session, publication_id=case.publication_id)
        return None if found is None else found.id


def _make_card(read: Dossier) -> _Card:
    version = read.version
    submission = desk.submission_of(read.publication, card=version.card, studio=version.studio)
    groups = desk.groups_of(submission, read.results)
    changed = None
    since, former = _compared_with(read)
    if former is not None:
        before, after = _compared(former), _compared(read)
        if former.version.portrait_id != version.portrait_id:
            before["portrait"], after["portrait"] = _("the picture before"), _("another picture")
        changed = differences.between(before, after, whole=_WHOLE)
    html = render_template(
        "review/_card.html", groups=groups, changed=changed, since=since, shorten=shortened, **_labels()
    )
    # Rendered by our own template, which escapes.
    return _Card(Markup(html), desk.checks_of(read.results, groups), changed)  # noqa: S704


def _earlier(read: Dossier) -> Sequence[tuple[str, Former | None]]:
    """What a case can be compared with, by its name in the address, the default first."""
    return ((_SENT_BACK, read.sent_back), (_APPROVED, read.former))


def _compared_with(read: Dossier) -> tuple[str, Former | None]:
    """What the page compares with: what its address asks for, else what was sent back, else what was approved last."""
    found = [(since, one) for since, one in _earlier(read) if one is not None]
    asked = [pair for pair in found if pair[0] == request.args.get("since")]
    return next(iter([*asked, *found]), ("", None))


def _asked(read: Dossier, changed: Differences | None) -> Sequence[tuple[Feedback, bool]]:
    """What was asked for when the listing was sent back, and whether anything there changed since."""
    sent_back = read.sent_back
    of_it = (one for one in read.decisions if sent_back and one.publication.id == sent_back.publication.id)
    decided = next(of_it, None)
    return [(one, changed is not None and changed.touch(one.field)) for one in decided.feedback] if decided else []


def _compared(one: Dossier | Former) -> dict[str, Any]:
    """What a moderator compares: the listing's own words and terms, as people read them, then the card."""
    publication = one.publication
    listing = {
        "title": publication.title,
        "description": publication.description,
        "tags": list(publication.tags),
        "category": market_labels.category_name(one.category),
        "price": money_labels.amount(publication.price_minor, publication.currency),
        "license": market_labels.license_label(publication.license_type),
    }
    card: dict[str, Any] = one.version.card.get("data") or {}
    profile = one.version.studio.get("profile") or {}
    rating = {
        "content_rating": status_label(profile.get("content_rating") or "unrated"),
        "content_warnings": ", ".join(warning_words(profile.get("content_warnings") or [])),
    }
    return {"listing": None, **card} | {"listing": listing, **rating}


def _screened_by(read: Dossier) -> str:
    """Who looked: the models that answered, or the sentence that none did."""
    sources = dict.fromkeys(one.source for one in read.results if one.source and not one.is_failed)
    if not sources:
        return str(_(screening.LABEL))
    return str(_("Rules on this machine, and %(models)s.", models="; ".join(sources)))


def _holder(case: ReviewCase, name: str | None) -> dict[str, Any]:
    is_held = review_rules.is_held(case, now=utc_now())
    return {
        "is_mine": is_held and case.claimed_by_id == current_actor().user_id,
        "holder": name if is_held else None,
        "is_open": case.state in {CaseState.WAITING, CaseState.CLAIMED},
    }


def _comma() -> str:
    return "、" if market_labels.reads_chinese() else ", "


def _labels() -> dict[str, Any]:
    return market_labels.labels() | desk_labels.labels()
