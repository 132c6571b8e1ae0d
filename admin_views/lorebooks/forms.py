"""Forms of lorebooks: an entry, the book's settings, the test box."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from admin_views.forms import StudioForm
from admin_views.lorebooks.labels import LOGICS, PLACES, ROLES
from studio.cards.lore_values import PLACES as KNOWN_PLACES

# More digits are no order and no number of messages.
_DIGITS = 15
_YES, _NO = SelectChoice("1", _l("yes")), SelectChoice("0", _l("no"))
_THREE = [SelectChoice("", _l("as the application likes")), _YES, _NO]


class EntryForm(StudioForm):
    """One entry; numbers stay as they were typed, so that what is wrong is said and shown again."""

    name = StringField(_l("Name"), description=_l("For you alone; it is in no prompt."))
    keys = TextAreaField(
        _l("Keys"), id="entry_keys", description=_l("One in each line; any of them calls the entry up.")
    )
    content = TextAreaField(_l("Text"))
    logic = SelectField(
        _l("Secondary keys"),
        choices=[
            SelectChoice("", _l("are ignored")),
            *(SelectChoice(logic.value, label) for logic, label in LOGICS.items()),
        ],
    )
    secondary_keys = TextAreaField(_l("Secondary keys, one in each line"))
    is_enabled = BooleanField(_l("On"))
    is_constant = BooleanField(_l("Always in, without a key"))
    insertion_order = StringField(_l("Order"), description=_l("Lower stands earlier in the prompt."))
    priority = StringField(
        _l("Priority"), description=_l("The lowest is dropped first over the budget. Empty: by its order.")
    )
    place = SelectField(_l("Place"), choices=[SelectChoice(place.value, PLACES[place]) for place in KNOWN_PLACES])
    depth = StringField(_l("Depth"), description=_l("Messages from the newest, for a place in the chat."))
    role = SelectField(_l("Said by"), choices=[SelectChoice(role, label) for role, label in ROLES.items()])
    may_be_pattern = BooleanField(_l("Keys written /like this/i are patterns"))
    is_exact = SelectField(_l("Upper and lower case count"), choices=_THREE)
    is_whole = SelectField(_l("Whole words only"), choices=_THREE)
    chance = StringField(_l("Chance in %"))
    scan_depth = StringField(_l("Scan depth of its own"), description=_l("Empty: as the book says."))

    def show(self, values: Mapping[str, Any]) -> None:
        """The form shows these values."""
        for field in self:
            if field.name in values:
                value = values[field.name]
                is_choice = field.type == "SelectField" and not isinstance(value, str)
                field.data = {None: "", True: "1", False: "0"}[value] if is_choice else _shown(value)

    def changes(self) -> dict[str, Any]:
        """The values by the names of `lore_values.values_of`, as far as they can be read."""
        made: dict[str, Any] = {field.name: field.data for field in self if field.name != "csrf_token"}
        for name in ("keys", "secondary_keys"):
            made[name] = (made[name] or "").splitlines()
        for name in ("insertion_order", "priority", "depth", "chance", "scan_depth"):
            made[name] = number(made[name])
        for name in ("is_exact", "is_whole"):
            made[name] = three(made[name])
        return made


class SettingsForm(StudioForm):
    """What holds for the whole book."""

    name = StringField(_l("Name"))
    description = TextAreaField(_l("Description"), description=_l("For people; it is in no prompt."))
    scan_depth = StringField(
        _l("Scan depth"),
        description=_l("How many of the newest messages are looked through. Empty: the application decides."),
    )
    token_budget = StringField(
        _l("Token budget"), description=_l("What all entries together may take. Empty: no budget.")
    )
    recursive_scanning = SelectField(
        _l("Entries call up entries"),
        choices=_THREE,
        description=_l("With it, the text of an entry that fired is looked through for keys as well."),
    )

    def show(self, values: Mapping[str, Any]) -> None:
        """The form shows these values."""
        for field in self:
            if field.name in values:
                value = values[field.name]
                is_choice = field.type == "SelectField" and not isinstance(value, str)
                field.data = {None: "", True: "1", False: "0"}[value] if is_choice else _shown(value)

    def changes(self) -> dict[str, Any]:
        """The settings by V3's names, as far as they can be read."""
        return {
            "name": self.name.data,
            "description": self.description.data,
            "scan_depth": number(self.scan_depth.data),
            "token_budget": number(self.token_budget.data),
            "recursive_scanning": three(self.recursive_scanning.data),
        }


class TestForm(StudioForm):
    """A chat to try the book on, and what differs from the book's settings."""

    chat = TextAreaField(
        _l("Chat"),
        description=_l(
            "Lines that begin with “User:” or “Char:” (or the names) begin a message. Plain text will do too."
        ),
    )
    greeting = SelectField(_l("Begins with"), validate_choice=False)
    user = StringField(_l("Name of the user"))
    scan_depth = StringField(_l("Scan depth"))
    token_budget = StringField(_l("Token budget"))
    recursive = SelectField(_l("Recursion"), choices=[SelectChoice("", _l("as the book says")), _YES, _NO])
    seed = StringField(_l("Dice"))


def number(text: Any) -> Any:
    """A number as it was typed, None where nothing was; what is no number stays a text, for the sentence about it."""
    plain = str(text or "").strip().replace(",", "").replace("\u2212", "-")
    if not plain:
        return None
    try:
        return int(plain) if len(plain) <= _DIGITS else float(plain)
    except ValueError:
        try:
            return float(plain)
        except ValueError:
            return plain


def three(text: Any) -> bool | None:
    """Yes, no, or left to the application."""
    return {"1": True, "0": False}.get(str(text or ""))


def _shown(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(value)
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, bool | str) else str(value)
