"""What people read for the names and steps of jobs."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from babel.numbers import format_currency
from flask_babel import format_decimal, get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from admin_views import ui
from admin_views.kept_sentences import told_again
from studio.work.models import Hold, JobRun
from studio.work.rules import MICRO, UNEXPECTED

JOB_LABELS = {
    "authoring.archive_dormant": _l("Archive drafts that lie still"),
    "authoring.import_cards": _l("Import many cards"),
    "authoring.make_batch_variants": _l("Make picture sizes of an import"),
    "authoring.sweep_card_batches": _l("Clear away old imports"),
    "authoring.undo_card_batch": _l("Undo an import"),
    "authoring.sweep_previews": _l("Clear away old card previews"),
    "chat.run_test_prompts": _l("Run test prompts"),
    "chat.sweep": _l("Clear away old test chats"),
    "market.let_decision_take_effect": _l("Let a decision take effect"),
    "market.look_after_listings": _l("Look after decisions and scheduled listings"),
    "market.publish_listing": _l("Publish a listing at its time"),
    "market.move_listings": _l("Move listings to another category"),
    "money.check_money": _l("Check all money"),
    "money.close_month": _l("Close the month's statements"),
    "money.deliver_test_payment": _l("Answer a test payment late"),
    "money.expire_purchases": _l("Close purchases that nobody paid"),
    "money.pay_out": _l("Pay a creator"),
    "money.refund_purchase": _l("Refund a purchase"),
    "money.release_earnings": _l("Release earnings after the hold"),
    "editing.sweep": _l("Clear away old drafts"),
    "market.release_claims": _l("Release a moderator's claims"),
    "market.release_stuck_screenings": _l("Pass on stuck screenings"),
    "market.screen_by_models": _l("Ask a model about a listing again"),
    "market.screen_listing": _l("Screen a listing"),
    "market.tend_desk": _l("Keep the review desk complete"),
    "media.clear_upload": _l("Put an upload together"),
    "media.drop_bytes": _l("Delete a file that nothing shows"),
    "media.make_variants": _l("Make picture sizes"),
    "media.generate_pictures": _l("Make pictures"),
    "media.sweep": _l("Clear away files that nothing uses"),
    "memory.embed_character": _l("Embed a character"),
    "memory.embed_missing": _l("Embed what is missing"),
    "memory.ensure_indexes": _l("Make search indexes"),
    "memory.embed_all": _l("Embed all characters"),
    "operations.remake_variants": _l("Make all picture sizes"),
    "operations.requeue_failed": _l("Do failed jobs again"),
    "operations.collect_error_files": _l("Collect errors kept in files"),
    "operations.clear_person": _l("Clear away what goes with a closed account"),
    "operations.preview_bulk": _l("Try a change on many rows"),
    "operations.run_bulk": _l("Change many rows"),
    "operations.sweep_exports": _l("Clear away old exports"),
    "operations.write_export": _l("Write an export"),
    "operations.empty_trash": _l("Empty the trash"),
    "operations.prune_errors": _l("Delete old errors"),
    "operations.prune_jobs": _l("Delete old jobs"),
    "voices.refresh_list": _l("Fetch a provider's voices"),
    "voices.speak": _l("Have a text spoken"),
    "voices.speak_greetings": _l("Have all greetings spoken"),
    "voices.sweep": _l("Settle speech that nobody makes"),
}
"""A job that is not here is shown by its name."""


_FOR_STAFF = re.compile(r"STUDIO_|`|[Tt]op it up|pip install|\bthe key\b")
"""What gives away a sentence that says how to mend the studio's own settings."""


RESULT_LABELS = {
    "again": _l("begun again"),
    "answers": _l("answers"),
    "archived": _l("archived"),
    "asked_again": _l("asked about again"),
    "changed": _l("changed"),
    "checked": _l("checked"),
    "cleared": _l("cleared away"),
    "closed": _l("closed"),
    "collected": _l("collected"),
    "compared": _l("compared"),
    "deleted": _l("deleted"),
    "delivered": _l("delivered"),
    "done": _l("done"),
    "drafts": _l("drafts cleared away"),
    "duplicate": _l("there already"),
    "embedded": _l("embedded"),
    "exports": _l("exports cleared away"),
    "failed": _l("failed"),
    "files": _l("files cleared away"),
    "findings": _l("findings"),
    "imports": _l("imports cleared away"),
    "in_effect": _l("in effect"),
    "info": _l("hints"),
    "left_out": _l("left out"),
    "links": _l("links cleared away"),
    "lost": _l("bytes missing"),
    "lost_files": _l("files whose bytes are missing"),
    "made": _l("made"),
    "model": _l("model"),
    "moved": _l("moved"),
    "objects": _l("stored objects deleted"),
    "paid": _l("paid"),
    "pictures": _l("pictures made"),
    "portrait": _l("pictures of other cards"),
    "published": _l("published"),
    "refunded": _l("refunded"),
    "refused": _l("refused"),
    "released": _l("released"),
    "remembered": _l("remembered"),
    "rows": _l("rows"),
    "runs": _l("old changes forgotten"),
    "screened": _l("screened"),
    "settled": _l("settled"),
    "severe": _l("severe findings"),
    "spoken": _l("spoken"),
    "starts": _l("older values forgotten"),
    "there": _l("there already"),
    "told": _l("told"),
    "unchanged": _l("unchanged"),
    "undone": _l("taken back"),
    "unpacked": _l("unpacked"),
    "unscreened": _l("not answered by a model"),
    "uploads": _l("uploads cleared away"),
    "voices": _l("voices"),
    "warning": _l("warnings"),
    "withdrawn": _l("withdrawn"),
}
"""What people read for the numbers in a job's result; another one is shown by its name."""


def result_pairs(job: JobRun) -> list[tuple[str, str]]:
    """What a job did, as its words and its numbers; what is for the program alone is left out."""
    return [
        (str(RESULT_LABELS.get(name, name.replace("_", " "))), _told_value(value))
        for name, value in (job.result or {}).items()
        if not name.startswith("_")
    ]


def _told_value(value: Any) -> str:
    # Asked first: True is an int as well, and no number that could be formatted.
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or str(format_decimal(0))
    return str(format_decimal(value)) if isinstance(value, int | float) else str(value)


ARGUMENT_LABELS = {
    "error_type": _l("error"),
    "is_anew": _l("everything anew"),
    "is_second": _l("once more, later"),
    "job_name": _l("job"),
    "kind": _l("kind"),
    "provider": _l("provider"),
    "then_delete": _l("delete it afterwards"),
    "times": _l("times"),
}
"""What people read for what a job was told; another one is shown by its name."""


def argument_pairs(job: JobRun, *, is_staff: bool) -> list[tuple[str, str]]:
    """What the job was told, as words and values; the ids of rows, by which staff look things up, are for staff alone."""
    return [
        (str(ARGUMENT_LABELS.get(name, name.replace("_", " "))), _told_value(value))
        for name, value in job.arguments.items()
        if is_staff or not name.endswith("_id")
    ]


def attempts_of(job: JobRun) -> int:
    """How often it was begun; one that was paused, and gets its attempt back, was begun once all the same."""
    return max(job.attempts, int(job.started_at is not None))


def told_to(sentence: str, params: Mapping[str, Any], *, is_staff: bool) -> str:
    """A failure in the reader's words; what only staff can mend is told by its setting to them alone."""
    if not is_staff and _FOR_STAFF.search(sentence):
        return str(
            _(
                "The provider is not set up as it should be, or its account is used up. The staff of this studio must mend "
                "that: tell them, and do it again afterwards. If there is another provider, you can use that until then."
            )
        )
    if not is_staff and sentence == UNEXPECTED:
        # They cannot read the error log; staff can, by the reference.
        return str(
            _(
                "Something went wrong in the studio. Try it once more; if it fails again, tell the staff the reference "
                "on the job's page."
            )
        )
    return str(_(sentence, **params)) if params else told_again(sentence)


def job_label(name: str) -> str:
    """The job's name in the reader's words."""
    return str(JOB_LABELS.get(name, name))


def step_label(step: str) -> str:
    """The step that a job tells, which is a short English sentence, in the reader's language where it is known."""
    return str(_(step)) if step else ""


QUEUE_LABELS = {
    "default": _l("Short jobs"),
    "pictures": _l("Pictures that a provider draws"),
    "bulk": _l("Long jobs that somebody waits for"),
    "background": _l("Work that can wait"),
}
"""What people read for the queues; in addresses and on the command line they keep their names."""

_CENT = MICRO // 100


def state_mark(job: JobRun) -> Markup:
    """Where the job stands, and for what is held, why."""
    if job.held_for is Hold.BUDGET:
        return ui.badge("warning", _("waiting for budget"))
    if job.held_for is Hold.PAUSE:
        return ui.badge("waiting", _("paused"))
    if job.pause_requested_at is not None:
        return ui.badge("running", _("pausing"))
    return ui.badge(job.state)


def micro_label(micro: int, currency: str) -> str:
    """An amount in the reader's way of writing money; one below 1 keeps its parts of a cent."""
    locale = str(get_locale() or "en")
    return str(
        format_currency(
            Decimal(micro) / MICRO, currency, locale=locale, decimal_quantization=micro >= MICRO or micro % _CENT == 0
        )
    )
