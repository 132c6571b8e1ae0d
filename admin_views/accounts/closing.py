"""Closing an account: the page that says what goes and what stays, for people about themselves and for admins."""

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from wtforms import BooleanField, PasswordField, StringField, TextAreaField

from admin_views.forms import StudioForm
from admin_views.media.labels import size_of
from admin_views.money.labels import amount
from studio.accounts import rules
from studio.kit.money import Money
from studio.operations.leaving import Outlook


class OwnCloseForm(StudioForm):
    """One's own account, proved by the password."""

    current_password = PasswordField(_l("Present password"), render_kw={"autocomplete": "current-password"})


class CloseForm(StudioForm):
    """Somebody's account, named so that it is not another one by a slip."""

    email = StringField(
        _l("E-mail address"), render_kw={"maxlength": rules.LONGEST_EMAIL, "autocomplete": "off", "spellcheck": "false"}
    )
    reason = TextAreaField(_l("Why this account is closed"), render_kw={"rows": 2, "maxlength": rules.LONGEST_REASON})
    leaves_small = BooleanField(_l("Close it all the same: the money that is named above stays in the studio's books"))


def what_goes(found: Outlook) -> list[str]:
    """What closing the account deletes, each a sentence."""
    words = [
        _("The name, the e-mail address, the password, the authenticator, all sessions and settings."),
        _("Drafts, test chats, prompts, what was generated and spoken, imports and exports."),
    ]
    if found.characters_that_go:
        words.append(
            ngettext(
                "%(num)s character that was never offered, with all its versions.",
                "%(num)s characters that were never offered, with all their versions.",
                found.characters_that_go,
            )
        )
    if found.chats:
        words.append(ngettext("%(num)s test chat.", "%(num)s test chats.", found.chats))
    if found.speech:
        words.append(ngettext("%(num)s text that was spoken.", "%(num)s texts that were spoken.", found.speech))
    if found.picture_requests:
        words.append(
            ngettext("%(num)s request for pictures.", "%(num)s requests for pictures.", found.picture_requests)
        )
    if found.files:
        words.append(
            ngettext(
                "%(num)s file (%(size)s), but for pictures of characters that stay.",
                "%(num)s files (%(size)s), but for pictures of characters that stay.",
                found.files,
                size=size_of(found.file_bytes),
            )
        )
    if found.live_listings:
        words.append(
            ngettext(
                "%(num)s listing is taken off the market at once.",
                "%(num)s listings are taken off the market at once.",
                found.live_listings,
            )
        )
    return [str(one) for one in words]


def what_stays(found: Outlook) -> list[str]:
    """What stays as proof, each a sentence."""
    words: list[Any] = []
    if found.characters_that_stay:
        words.append(
            ngettext(
                "%(num)s character that was offered: archived and shown to nobody. Whoever has it keeps it and can download it.",
                "%(num)s characters that were offered: archived and shown to nobody. Whoever has them keeps them and can "
                "download them.",
                found.characters_that_stay,
            )
        )
    if found.sold or found.bought:
        words.append(
            _(
                "%(sold)s and %(bought)s, with their licences.",
                sold=ngettext("%(num)d sale", "%(num)d sales", found.sold),
                bought=ngettext("%(num)d purchase", "%(num)d purchases", found.bought),
            )
        )
    if found.statements or found.payouts:
        words.append(
            _(
                "The books: %(statements)s, %(payouts)s.",
                statements=ngettext("%(num)d statement", "%(num)d statements", found.statements),
                payouts=ngettext("%(num)d payout", "%(num)d payouts", found.payouts),
            )
        )
    if found.decisions:
        words.append(ngettext("%(num)s decision about listings.", "%(num)s decisions about listings.", found.decisions))
    words.append(_("The audit log: what was done, to what, and when; not by whom."))
    words.append(_("A name that stands in the text of a card itself stays in the copies that others have."))
    return [str(one) for one in words]


def blocker_sentences(found: Outlook, *, may_overrule: bool) -> list[tuple[str, bool]]:
    """What keeps the account from being closed, each with whether that still does."""
    return [(_(one.sentence, **_told(one.params)), not (one.is_small and may_overrule)) for one in found.blockers]


def _told(params: Mapping[str, object]) -> dict[str, object]:
    """The values of a sentence, money among them as the reader writes it."""
    return {key: amount(one.minor, one.currency) if isinstance(one, Money) else one for key, one in params.items()}
