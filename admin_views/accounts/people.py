"""People and their roles, for admins."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import flash, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy.orm import Session
from wtforms import SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.widgets import CheckboxInput, ListWidget

from admin_views import ui
from admin_views.accounts.closing import CloseForm, blocker_sentences, what_goes, what_stays
from admin_views.accounts.labels import ROLE_LABELS, ROLE_SENTENCES, role_label
from admin_views.accounts.own_account import OwnAccountView
from admin_views.accounts.sign_in import ask_for_proof, is_fresh
from admin_views.accounts.sign_in_pages import key
from admin_views.base import StudioModelView, expose
from admin_views.forms import StudioForm, attach_errors, sent_version, sentence
from admin_views.listing import Column, Filter, FilterKind
from admin_views.operations.audit import changes_of
from admin_views.operations.audit_labels import action_label
from admin_views.rendering import status_label
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts import password_links, people, queries, rules, second_factor
from studio.accounts.models import User, UserStatus
from studio.accounts.permissions import Actor, Permission, RoleName
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, NotFoundError, StudioError
from studio.kit.paging import Key
from studio.market.money import policy
from studio.operations import leaving


class RolesField(SelectMultipleField):  # type: ignore[misc]  # WTForms has no types.
    """Roles as check boxes."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class NewPersonForm(StudioForm):
    """What an admin says of a new person; the person chooses the password."""

    name = StringField(_l("Name"), render_kw={"maxlength": rules.LONGEST_NAME, "autocomplete": "off"})
    email = StringField(
        _l("E-mail address"), render_kw={"maxlength": rules.LONGEST_EMAIL, "type": "email", "autocomplete": "off"}
    )
    roles = RolesField(_l("Roles"), choices=[SelectChoice(role.value, label) for role, label in ROLE_LABELS.items()])


def _who(user: User) -> Markup:
    return Markup('<span class="d-inline-flex align-items-center gap-2">{} <span>{}</span></span>').format(
        ui.avatar(None, user.name), user.name
    )


def _roles_cell(user: User) -> Markup:
    return Markup(" ").join(ui.badge(role.name, role_label(role.name)) for role in user.roles)


class PeopleView(StudioModelView):
    """Everybody with an account: list, page, and what an admin may do about them."""

    permissions = {  # noqa: RUF012 - The base declares it a ClassVar.
        "index_view": Permission.PERSON_READ,
        "details_view": Permission.PERSON_READ,
        "create_view": Permission.PERSON_WRITE,
        "rename": Permission.PERSON_WRITE,
        "roles": Permission.ROLE_ASSIGN,
        "suspend": Permission.PERSON_WRITE,
        "reinstate": Permission.PERSON_WRITE,
        "end_sessions": Permission.PERSON_WRITE,
        "remove_second_factor": Permission.PERSON_WRITE,
        "password_link": Permission.PERSON_WRITE,
        "close": Permission.PERSON_WRITE,
    }
    menu_section = "people"
    menu_icon = "users"
    menu_order = 10

    columns = (
        Column("name", _l("Name"), cell=_who, plain=lambda user: user.name, sort="name"),
        Column("email", _l("E-mail address")),
        Column("roles", _l("Roles"), cell=_roles_cell),
        Column("status", _l("State"), cell=lambda user: ui.badge(user.status)),
        Column(
            "current_login_at", _l("Last sign-in"), cell=lambda user: ui.moment(user.current_login_at), wide_only=True
        ),
        Column(
            "created_at", _l("Since"), cell=lambda user: ui.moment(user.created_at), sort="created_at", wide_only=True
        ),
    )
    orders = {  # noqa: RUF012 - The base declares it a ClassVar.
        "created_at": (Key(User.created_at), Key(User.id)),
        "name": (Key(User.name), Key(User.id)),
    }
    default_sort = ("created_at", True)
    filters = (
        Filter(
            "role",
            _l("Role"),
            lambda value: queries.holds_role(RoleName(value)),
            choices=[(role.value, label) for role, label in ROLE_LABELS.items()],
            quick=True,
        ),
        Filter(
            "status",
            _l("State"),
            lambda value: User.status == UserStatus(value),
            choices=lambda _actor: [(status.value, status_label(status)) for status in UserStatus],
        ),
        Filter(
            "demo",
            _l("Demo account"),
            lambda value: User.is_demo.is_(value in {True, "1", "yes"}),
            kind=FilterKind.FLAG,
        ),
    )
    search_columns = (User.name, User.email)
    search_hint = _l("Name or e-mail address")
    form = NewPersonForm
    bulk_actions = ("people.suspend", "people.reinstate", "people.end_sessions")
    details_template = "accounts/person.html"
    empty_title = _l("Nobody matches")
    empty_text = _l("Change the search or the filters, or make an account for somebody.")
    empty_icon = "users"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """Admins see everybody."""
        return queries.user_visible_to(actor)

    def search(self, text: str) -> sa.ColumnElement[bool] | None:
        """Part of a name or an address."""
        return queries.person_matches(text)

    def do_create(self, session: Session, *, actor: Actor, form: NewPersonForm) -> User:
        """An account without a password: its page offers the link with which the person chooses one."""
        return people.create(
            session,
            actor=actor,
            email=str(form.email.data or ""),
            name=str(form.name.data or ""),
            password=None,
            roles=_known_roles(form.roles.data or []),
        )

    def saved_url(self, row: User) -> str:
        """The person's page."""
        return url_for("people.details_view", row_id=row.id)

    def details_context(self, row: User) -> dict[str, Any]:
        """The roles to choose from, and what was done about and by the person lately."""
        actor = current_actor()
        entries = queries.list_audit_entries(
            self.request_session, actor=actor, resource="person", resource_id=row.id, limit=10
        )
        return {
            "role_choices": [(role, ROLE_LABELS[role], ROLE_SENTENCES[role]) for role in RoleName],
            "held": row.actor.roles,
            "is_self": row.id == actor.user_id,
            "has_second_factor": second_factor.has_second_factor(row),
            "has_password": queries.has_password(self.request_session, user_id=row.id),
            "entries": [(entry, changes_of(entry)) for entry in entries],
            "action_label": action_label,
            "longest_reason": rules.LONGEST_REASON,
            "link": None,
        }

    @expose("/<uuid:row_id>/rename", methods=("POST",))
    def rename(self, row_id: UUID) -> ResponseReturnValue:
        """Give the person another name."""
        name = request.form.get("name", "")
        return self._do(
            row_id,
            lambda session, actor: people.rename(
                session, actor=actor, user_id=row_id, name=name, row_version=sent_version()
            ),
        )

    @expose("/<uuid:row_id>/roles", methods=("POST",))
    def roles(self, row_id: UUID) -> ResponseReturnValue:
        """Have the person hold exactly the roles that are ticked."""
        roles = _known_roles(request.form.getlist("roles"))
        return self._do(
            row_id,
            lambda session, actor: people.set_roles(
                session, actor=actor, user_id=row_id, roles=roles, row_version=sent_version()
            ),
        )

    @expose("/<uuid:row_id>/suspend", methods=("POST",))
    def suspend(self, row_id: UUID) -> ResponseReturnValue:
        """Shut the person out, with a reason."""
        reason = request.form.get("reason", "")
        return self._do(
            row_id,
            lambda session, actor: people.suspend(
                session, actor=actor, user_id=row_id, reason=reason, now=utc_now(), row_version=sent_version()
            ),
            done=_("Suspended: signed out everywhere, and nobody signs in here until you reinstate the account."),
        )

    @expose("/<uuid:row_id>/reinstate", methods=("POST",))
    def reinstate(self, row_id: UUID) -> ResponseReturnValue:
        """Let the person sign in again."""
        return self._do(
            row_id,
            lambda session, actor: people.reinstate(session, actor=actor, user_id=row_id, row_version=sent_version()),
            done=_("Reinstated: this person can sign in again."),
        )

    @expose("/<uuid:row_id>/end-sessions", methods=("POST",))
    def end_sessions(self, row_id: UUID) -> ResponseReturnValue:
        """Sign the person out everywhere."""
        return self._do(row_id, lambda session, actor: people.end_sessions(session, actor=actor, user_id=row_id))

    @expose("/<uuid:row_id>/remove-second-factor", methods=("POST",))
    def remove_second_factor(self, row_id: UUID) -> ResponseReturnValue:
        """Take the authenticator away from a person who lost it."""
        reason = request.form.get("reason", "")
        return self._do(
            row_id,
            lambda session, actor: people.remove_second_factor(session, actor=actor, user_id=row_id, reason=reason),
        )

    @expose("/<uuid:row_id>/password-link", methods=("POST",))
    def password_link(self, row_id: UUID) -> ResponseReturnValue:
        """Show, once, the link with which the person chooses a new password."""
        row = self.get_one(row_id)
        if not is_fresh():
            return _prove_first(row)
        try:
            link = password_links.make(
                self.request_session, actor=current_actor(), key=key(), user_id=row_id, now=utc_now()
            )
        except StudioError as error:
            return self._refused_action(row_id, error)
        self.request_session.flush()
        address = url_for("sign_in.new_password", token=link.token, _external=True)
        if self.resources.settings.public_url:
            path = url_for("sign_in.new_password", token=link.token)
            address = self.resources.settings.public_url.rstrip("/") + path
        context = self.details_context(row) | {"link": address, "link_until": link.valid_until}
        response = make_response(self.render(self.details_template, row=row, columns=(), **context))
        response.headers["Cache-Control"] = "no-store"
        return response

    @expose("/<uuid:row_id>/close", methods=("GET", "POST"))
    def close(self, row_id: UUID) -> ResponseReturnValue:
        """Say what goes and what stays; with the address and a reason, close the account for good."""
        row = self.get_one(row_id)
        if row.id == current_actor().user_id:
            return redirect(url_for("account.close"))
        if row.status is UserStatus.CLOSED:
            return redirect(self.saved_url(row))
        if not is_fresh():
            return ask_for_proof(url_for("people.close", row_id=row.id))
        form = CloseForm()
        if request.method == "GET":
            return self._closing(row, form)
        try:
            leaving.close(
                self.request_session,
                actor=current_actor(),
                user_id=row.id,
                policy=policy.from_settings(self.resources.settings),
                email=str(form.email.data or ""),
                reason=str(form.reason.data or ""),
                leaves_small=bool(form.leaves_small.data),
                row_version=sent_version(),
                now=utc_now(),
            )
        except NotFoundError:
            raise
        except StudioError as error:
            self.request_session.rollback()
            refusal = None
            if not (isinstance(error, InvalidError) and attach_errors(form, error)):
                refusal = sentence(error)
            return self._closing(self.get_one(row_id), form, refusal=refusal), error.status
        flash(_("The account is closed. What goes with it is being deleted."), "success")
        return redirect(self.saved_url(row), 303)

    def _closing(self, row: User, form: CloseForm, *, refusal: str | None = None) -> str:
        found = leaving.outlook(
            self.request_session,
            actor=current_actor(),
            user_id=row.id,
            policy=policy.from_settings(self.resources.settings),
        )
        return self.render(
            "accounts/close.html",
            person=row,
            form=form,
            is_own=False,
            refusal=refusal,
            goes=what_goes(found),
            stays=what_stays(found),
            blockers=blocker_sentences(found, may_overrule=True),
            has_small=any(one.is_small for one in found.blockers),
            is_blocked=found.is_blocked,
        )

    def _do(self, row_id: UUID, act: Callable[[Session, Actor], Any], *, done: str = "") -> ResponseReturnValue:
        row = self.get_one(row_id)
        if not is_fresh():
            return _prove_first(row)
        try:
            act(self.request_session, current_actor())
        except NotFoundError:
            raise
        except StudioError as error:
            return self._refused_action(row_id, error)
        flash(done or _("Saved."), "success")
        return redirect(self.saved_url(row), 303)

    def _refused_action(self, row_id: UUID, error: StudioError) -> ResponseReturnValue:
        """The page again with the sentence and what was typed; nothing of the request stands."""
        self.request_session.rollback()
        row = self.get_one(row_id)
        fields = dict(error.fields) if isinstance(error, InvalidError) else {}
        context = self.details_context(row) | {
            "refusal": sentence(error),
            "refused_fields": fields,
            "typed": request.form,
        }
        return self.render(self.details_template, row=row, columns=(), **context), error.status


def views(resources: Resources) -> list[Any]:
    """The views of this domain."""
    return [
        PeopleView(resources, User, name=_l("People"), endpoint="people"),
        OwnAccountView(resources, name=_l("Your account"), endpoint="account"),
    ]


def _known_roles(names: Sequence[str]) -> set[RoleName]:
    # What is no role was not on the page: somebody made the request by hand.
    known = set(RoleName)
    if any(name not in known for name in names):
        raise InvalidError("Choose one of the offered values.")
    return {RoleName(name) for name in names}


def _prove_first(row: User) -> ResponseReturnValue:
    flash(_("Nothing was changed yet. Give your password, then do it again."), "info")
    return ask_for_proof(url_for("people.details_view", row_id=row.id))
