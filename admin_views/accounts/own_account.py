"""One's own account: name, language, theme, password, second factor, sessions."""

from typing import ClassVar

import qrcode
import qrcode.image.svg
from flask import Response, flash, make_response, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_security.utils import logout_user
from markupsafe import Markup
from wtforms import PasswordField, SelectField, StringField
from wtforms.fields.choices import SelectChoice

from admin_views.accounts import throttle
from admin_views.accounts.closing import OwnCloseForm, blocker_sentences, what_goes, what_stays
from admin_views.accounts.sign_in import ask_for_proof, is_fresh
from admin_views.accounts.sign_in_pages import key, open_session, wait_page
from admin_views.base import StudioView, expose
from admin_views.forms import StudioForm, attach_errors, sentence
from admin_views.session import current_actor, current_person
from studio.accounts import own_account, people, rules, second_factor
from studio.accounts.errors import WrongCodeError, WrongPasswordError
from studio.accounts.models import Theme, User
from studio.accounts.permissions import Permission
from studio.kit.clock import utc_now
from studio.kit.errors import ForbiddenError, InvalidError, StudioError
from studio.market.money import policy
from studio.operations import leaving

_SEED = "totp_seed"


class SettingsForm(StudioForm):
    """Name, language and looks."""

    name = StringField(_l("Name"), render_kw={"maxlength": rules.LONGEST_NAME, "autocomplete": "name"})
    locale = SelectField(
        _l("Language"),
        choices=[
            SelectChoice("", _l("As the browser asks")),
            SelectChoice("en", "English"),
            SelectChoice("zh_Hans", "简体中文"),
        ],
    )
    theme = SelectField(
        _l("Colours"),
        choices=[
            SelectChoice(Theme.AUTO.value, _l("As the device")),
            SelectChoice(Theme.LIGHT.value, _l("Light")),
            SelectChoice(Theme.DARK.value, _l("Dark")),
        ],
    )


class PasswordForm(StudioForm):
    """A new password, proved by the present one."""

    current_password = PasswordField(_l("Present password"), render_kw={"autocomplete": "current-password"})
    password = PasswordField(_l("New password"), render_kw={"autocomplete": "new-password"})


class CodeForm(StudioForm):
    """The first code of a new authenticator."""

    code = StringField(_l("Code"), render_kw={"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": 12})


class OwnAccountView(StudioView):
    """Everybody's page about themselves."""

    permissions: ClassVar[dict[str, Permission]] = dict.fromkeys(
        ("index", "password", "set_up", "recovery_codes", "disable", "end_sessions", "close"), Permission.STUDIO_ENTER
    )
    in_menu = False

    @expose("/", methods=("GET", "POST"))
    def index(self) -> ResponseReturnValue:
        """Show the account and keep what was changed."""
        person = _person()
        form = SettingsForm(data={"name": person.name, "locale": person.locale or "", "theme": person.theme.value})
        status = 200
        if request.method == "POST":
            if form.validate():
                try:
                    own_account.update(
                        self.session,
                        actor=current_actor(),
                        name=str(form.name.data or ""),
                        locale=form.locale.data or None,
                        theme=str(form.theme.data),
                        timezone=person.timezone,
                    )
                except InvalidError as error:
                    attach_errors(form, error)
                else:
                    flash(_("Saved."), "success")
                    return redirect(url_for("account.index"), 303)
            status = 422
        return self._page(form=form), status

    @expose("/password", methods=("POST",))
    def password(self) -> ResponseReturnValue:
        """Replace the password; other browsers are signed out, this one stays."""
        person, form = _person(), PasswordForm()
        with throttle.attempts_by_person(person.id, breached=wait_page):
            if form.validate():
                try:
                    user = own_account.change_password(
                        self.session,
                        actor=current_actor(),
                        current_password=str(form.current_password.data or ""),
                        new_password=str(form.password.data or ""),
                    )
                except InvalidError as error:
                    if isinstance(error, WrongPasswordError):
                        throttle.failed()
                    attach_errors(form, error)
                else:
                    open_session(user, via=["password"])
                    flash(_("Your password is changed. Other browsers are signed out."), "success")
                    return redirect(url_for("account.index"), 303)
            return self._page(password_form=form), 422

    @expose("/second-factor", methods=("GET", "POST"))
    def set_up(self) -> ResponseReturnValue:
        """Show the code for the authenticator app, and ask for codes from now on once it gave a right one."""
        if not is_fresh():
            return ask_for_proof(url_for("account.set_up"))
        person, form = _person(), CodeForm()
        seed = session.setdefault(_SEED, second_factor.fresh_seed())
        if form.validate_on_submit():
            try:
                codes = second_factor.enable(
                    self.session,
                    actor=current_actor(),
                    key=key(),
                    seed=seed,
                    code=str(form.code.data or ""),
                    now=utc_now(),
                )
            except WrongCodeError as error:
                attach_errors(form, error)
            else:
                session.pop(_SEED)
                return self._codes(codes)
        secret = second_factor.shared_secret(key(), user_id=person.id, seed=seed)
        page = self.render(
            "accounts/second_factor.html",
            form=form,
            picture=_qr_code(second_factor.setup_address(secret, email=person.email)),
            secret=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
            replaces=second_factor.has_second_factor(person),
        )
        return _unkept(page, 422 if request.method == "POST" else 200)

    @expose("/recovery-codes", methods=("POST",))
    def recovery_codes(self) -> ResponseReturnValue:
        """Show ten new recovery codes, once."""
        if not is_fresh():
            return ask_for_proof(url_for("account.index"))
        return self._codes(second_factor.renew_recovery_codes(self.session, actor=current_actor(), key=key()))

    @expose("/second-factor/disable", methods=("POST",))
    def disable(self) -> ResponseReturnValue:
        """Ask for no code any more."""
        if not is_fresh():
            return ask_for_proof(url_for("account.index"))
        second_factor.disable(self.session, actor=current_actor())
        flash(_("You sign in with your password alone from now on."), "success")
        return redirect(url_for("account.index"), 303)

    @expose("/end-sessions", methods=("POST",))
    def end_sessions(self) -> ResponseReturnValue:
        """Sign out every other browser."""
        person = _person()
        user = people.end_sessions(self.session, actor=current_actor(), user_id=person.id)
        # This does not count as giving the password: what is sensitive asks for it as before.
        given_at = session.get("fs_paa", 0)
        open_session(user, via=["session"])
        session["fs_paa"] = given_at
        flash(_("Every other browser is signed out."), "success")
        return redirect(url_for("account.index"), 303)

    @expose("/close", methods=("GET", "POST"))
    def close(self) -> ResponseReturnValue:
        """Say what goes and what stays; with the password, close the account for good and sign out."""
        person, form = _person(), OwnCloseForm()
        if request.method == "GET":
            return self._closing(form)
        with throttle.attempts_by_person(person.id, breached=wait_page):
            try:
                leaving.close(
                    self.session,
                    actor=current_actor(),
                    user_id=person.id,
                    policy=policy.from_settings(self.resources.settings),
                    password=str(form.current_password.data or ""),
                    now=utc_now(),
                )
            except StudioError as error:
                if isinstance(error, WrongPasswordError):
                    throttle.failed()
                self.session.rollback()
                refusal = None
                if not (isinstance(error, InvalidError) and attach_errors(form, error)):
                    refusal = sentence(error)
                return self._closing(form, refusal=refusal), error.status
        logout_user()
        flash(_("Your account is closed. What goes with it is being deleted."), "success")
        return redirect(url_for("security.login"), 303)

    def _closing(self, form: OwnCloseForm, *, refusal: str | None = None) -> str:
        person = _person()
        found = leaving.outlook(
            self.session,
            actor=current_actor(),
            user_id=person.id,
            policy=policy.from_settings(self.resources.settings),
        )
        return self.render(
            "accounts/close.html",
            person=person,
            form=form,
            is_own=True,
            refusal=refusal,
            goes=what_goes(found),
            stays=what_stays(found),
            blockers=blocker_sentences(found, may_overrule=False),
            is_blocked=bool(found.blockers),
        )

    def _page(self, *, form: SettingsForm | None = None, password_form: PasswordForm | None = None) -> str:
        person = _person()
        filled = {"name": person.name, "locale": person.locale or "", "theme": person.theme.value}
        return self.render(
            "accounts/own.html",
            person=person,
            form=form or SettingsForm(formdata=None, data=filled),
            password_form=password_form or PasswordForm(formdata=None),
            has_second_factor=second_factor.has_second_factor(person),
            codes_left=len(person.mf_recovery_codes or []),
        )

    def _codes(self, codes: list[str]) -> ResponseReturnValue:
        return _unkept(self.render("accounts/recovery_codes.html", codes=codes), 200)


def _person() -> User:
    person = current_person()
    if person is None:
        raise ForbiddenError
    return person


def _unkept(page: str, status: int) -> Response:
    response = make_response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _qr_code(text: str) -> Markup:
    """A QR code as inline SVG: the policy for contents lets no picture in by a data: address."""
    image = qrcode.make(text, image_factory=qrcode.image.svg.SvgPathImage, box_size=12, border=2)
    return Markup(image.to_string(encoding="unicode"))  # noqa: S704 - Made here, from nothing that a person typed.
