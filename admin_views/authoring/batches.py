"""Bringing many cards at once: files, folders or archives in slices, a page that follows the work, and its undoing."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from flask import Response, flash, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import FileStorage

from admin_views.authoring.imports import FIELDS, kind_of
from admin_views.base import Permission, StudioView, expose
from admin_views.forms import sentence, whole_number
from admin_views.listing import Column
from admin_views.operations.csv_lists import stream_csv
from admin_views.rendering import status_label
from admin_views.session import current_actor
from admin_views.work.labels import step_label
from studio.authoring import batch_forecast, batch_queries, card_batches
from studio.authoring.batch_queries import OPEN_ITEMS, PAGE
from studio.authoring.models import BatchState, CardBatch, CardBatchItem, ItemState, OnDuplicate
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError
from studio.work.models import FINAL, JobRun, JobState

_SHOWN = 20
OUTCOMES: dict[str, tuple[Any, tuple[ItemState, ...]]] = {
    "made": (_l("Made"), (ItemState.MADE,)),
    "duplicate": (_l("There already"), (ItemState.DUPLICATE,)),
    "refused": (_l("Refused"), (ItemState.REFUSED,)),
    "undone": (_l("Undone"), (ItemState.UNDONE,)),
    "other": (_l("Pictures and archives"), (ItemState.PORTRAIT, ItemState.UNPACKED)),
    "open": (_l("Still to do"), OPEN_ITEMS),
}
"""The outcomes that the page counts and filters by, by the name in its address."""


class BatchesView(StudioView):
    """A creator's bulk imports; nobody sees another's."""

    permissions: ClassVar[dict[str, Permission]] = dict.fromkeys(
        (
            "index", "bring", "open_batch", "page", "live", "files", "parts", "known",
            "start", "stop", "retry", "undo", "discard", "outcomes",
        ),
        Permission.CARD_IMPORT,
    )  # fmt: skip
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The drop zone for many files, and the imports so far."""
        return self._index()

    @expose("/bring", methods=("POST",))
    def bring(self) -> ResponseReturnValue:
        """Without JavaScript: take the files of this one request and begin, or show first what would happen."""
        given = _given()
        if not given:
            return self._index(_("Choose files first: cards, a folder of them, or a zip.")), 422
        actor = current_actor()
        try:
            batch = card_batches.open_batch(self.session, actor=actor, on_duplicate=_on_duplicate(), now=utc_now())
            card_batches.receive(
                self.session, actor=actor, storage=self.resources.storage, batch_id=batch.id, given=given
            )
            if request.form.get("do") != "look":
                card_batches.start(self.session, actor=actor, batch_id=batch.id, now=utc_now())
        except InvalidError as error:
            self.session.rollback()
            return self._index(sentence(error)), error.status
        return redirect(url_for(".page", batch_id=batch.id), 303)

    @expose("/open", methods=("POST",))
    def open_batch(self) -> ResponseReturnValue:
        """With JavaScript: an empty batch, into which the files go slice by slice."""
        batch = card_batches.open_batch(
            self.session, actor=current_actor(), on_duplicate=_on_duplicate(), now=utc_now()
        )
        return jsonify(address=url_for(".page", batch_id=batch.id))

    @expose("/<uuid:batch_id>")
    def page(self, batch_id: UUID) -> ResponseReturnValue:
        """One import: how far it is, and a row for each file."""
        return self.render("authoring/batch.html", **self._facts(batch_id))

    @expose("/<uuid:batch_id>/live")
    def live(self, batch_id: UUID) -> ResponseReturnValue:
        """The part of the page that renews itself while the import is at work."""
        return self.render("authoring/_batch.html", **self._facts(batch_id))

    @expose("/<uuid:batch_id>/files", methods=("POST",))
    def files(self, batch_id: UUID) -> ResponseReturnValue:
        """Take a few files more."""
        received = card_batches.receive(
            self.session,
            actor=current_actor(),
            storage=self.resources.storage,
            batch_id=batch_id,
            given=_given(),
        )
        return jsonify(taken=received.taken, known=received.known)

    @expose("/<uuid:batch_id>/parts", methods=("POST",))
    def parts(self, batch_id: UUID) -> ResponseReturnValue:
        """Take one part of a large file."""
        item = card_batches.receive_part(
            self.session,
            actor=current_actor(),
            storage=self.resources.storage,
            batch_id=batch_id,
            path=request.form.get("path", ""),
            size=request.form.get("size", 0, type=whole_number),
            number=request.form.get("number", -1, type=whole_number),
            total=request.form.get("total", 0, type=whole_number),
            data=_read(request.files.get("part")),
        )
        return jsonify(whole=item.state is not ItemState.ARRIVING)

    @expose("/<uuid:batch_id>/known", methods=("POST",))
    def known(self, batch_id: UUID) -> ResponseReturnValue:
        """Which of these contents are here already, and which parts of large files."""
        actor, hashes = current_actor(), request.form.get("hashes", "").split(",")
        return jsonify(
            hashes=card_batches.known(self.session, actor=actor, batch_id=batch_id, hashes=hashes),
            parts=card_batches.arriving(self.session, actor=actor, batch_id=batch_id),
        )

    @expose("/<uuid:batch_id>/start", methods=("POST",))
    def start(self, batch_id: UUID) -> ResponseReturnValue:
        """Begin, or go on."""
        card_batches.start(self.session, actor=current_actor(), batch_id=batch_id, now=utc_now())
        return redirect(url_for(".page", batch_id=batch_id), 303)

    @expose("/<uuid:batch_id>/stop", methods=("POST",))
    def stop(self, batch_id: UUID) -> ResponseReturnValue:
        """Stop at the next step."""
        card_batches.stop(self.session, actor=current_actor(), batch_id=batch_id, now=utc_now())
        flash(_("The import stops. What it made stays; you can go on later."), "success")
        return redirect(url_for(".page", batch_id=batch_id), 303)

    @expose("/<uuid:batch_id>/retry", methods=("POST",))
    def retry(self, batch_id: UUID) -> ResponseReturnValue:
        """Try the refused files once more."""
        card_batches.retry(self.session, actor=current_actor(), batch_id=batch_id, now=utc_now())
        return redirect(url_for(".page", batch_id=batch_id), 303)

    @expose("/<uuid:batch_id>/undo", methods=("POST",))
    def undo(self, batch_id: UUID) -> ResponseReturnValue:
        """Archive what the import made, as far as nobody touched it since."""
        card_batches.undo(self.session, actor=current_actor(), batch_id=batch_id, now=utc_now())
        return redirect(url_for(".page", batch_id=batch_id), 303)

    @expose("/<uuid:batch_id>/discard", methods=("POST",))
    def discard(self, batch_id: UUID) -> ResponseReturnValue:
        """Forget an import that was not started."""
        card_batches.discard(self.session, actor=current_actor(), batch_id=batch_id)
        flash(_("The import is discarded."), "success")
        return redirect(url_for(".index"), 303)

    @expose("/<uuid:batch_id>/outcomes.csv")
    def outcomes(self, batch_id: UUID) -> Response:
        """A row for each file, as a table."""
        batch = batch_queries.get_batch(self.session, actor=current_actor(), batch_id=batch_id)
        query = batch_queries.items_of(batch.id, states=_states()).with_only_columns(CardBatchItem)
        columns = (
            Column("name", _l("File")),
            Column("state", _l("Outcome"), plain=lambda item: status_label(item.state.value)),
            Column("message", _l("Why"), plain=said),
            Column("format", _l("Format"), plain=lambda item: kind_of(item.format)),
            Column("warnings", _l("Remarks")),
            Column(
                "character_id",
                _l("Character"),
                plain=lambda item: (
                    url_for("characters.details_view", row_id=item.character_id, _external=True)
                    if item.character_id
                    else ""
                ),
            ),
        )
        return stream_csv(self.resources, query, columns, filename=f"import-{batch.created_at:%Y-%m-%d}.csv")

    def _index(self, problem: str = "") -> str:
        batches = batch_queries.list_batches(self.session, actor=current_actor(), limit=_SHOWN)
        return self.render(
            "authoring/batches.html",
            problem=problem,
            batches=batches,
            counts=batch_queries.counts_of(self.session, batch_ids=[batch.id for batch in batches]),
            **_limits(),
        )

    def _facts(self, batch_id: UUID) -> dict[str, Any]:
        batch = batch_queries.get_batch(self.session, actor=current_actor(), batch_id=batch_id)
        job = self.session.get(JobRun, batch.job_id) if batch.job_id is not None else None
        counts = batch_queries.counts_of(self.session, batch_ids=[batch.id])[batch.id]
        chosen, after = request.args.get("outcome", ""), request.args.get("after", type=UUID)
        query = batch_queries.items_of(batch.id, states=_states(), after=after).limit(PAGE + 1)
        rows = self.session.execute(query).all()
        is_at_work = job is not None and job.state not in FINAL
        left = sum(counts[state] for state in OPEN_ITEMS)
        return {
            "batch": batch,
            "forecast": (
                batch_forecast.forecast(self.session, actor=current_actor(), batch_id=batch.id)
                if batch.state is BatchState.RECEIVING and counts.total()
                else None
            ),
            "job": job,
            "state": _state_of(batch, job),
            "is_at_work": is_at_work,
            "step": step_label(job.step) if job is not None and job.state is JobState.RUNNING else "",
            "percent": 100 * (counts.total() - left) // max(1, counts.total()),
            "total": counts.total(),
            "outcomes": [
                (name, label, sum(counts[state] for state in states))
                for name, (label, states) in OUTCOMES.items()
                if any(counts[state] for state in states)
            ],
            "counts": counts,
            "chosen": chosen if chosen in OUTCOMES else "",
            "rows": rows[:PAGE],
            "after": rows[PAGE - 1][0].id if len(rows) > PAGE else None,
            "is_first": after is None,
            "said": said,
            "kind_of": kind_of,
            **_limits(),
        }


def said(item: CardBatchItem) -> str:
    """Why a file has its outcome, in the reader's words."""
    if not item.message:
        return ""
    text = str(_(item.message, **item.params)) if item.params else str(_(item.message))
    field = FIELDS.get(str(item.params.get("field", "")))
    return f"{field}: {text}" if field else text


def _state_of(batch: CardBatch, job: JobRun | None) -> str:
    """What the page calls the batch: its own state, or what its job makes of it."""
    if batch.state in {BatchState.IMPORTING, BatchState.UNDOING} and job is not None:
        if job.state is JobState.QUEUED:
            return "queued"
        if job.state in {JobState.CANCELLED, JobState.FAILED}:
            return job.state.value
    return batch.state.value


def _limits() -> dict[str, Any]:
    return {
        "most_files": card_batches.MOST_FILES,
        "most_megabytes": card_batches.MOST_BYTES // 1_000_000,
        "part_bytes": card_batches.PART_BYTES,
    }


def _states() -> Sequence[ItemState]:
    return OUTCOMES.get(request.args.get("outcome", ""), ("", ()))[1]


def _given() -> list[tuple[str, bytes]]:
    return [(file.filename, _read(file)) for file in request.files.getlist("card") if file.filename]


def _read(file: FileStorage | None) -> bytes:
    """The bytes of an uploaded file, whose place on the disk is free afterwards."""
    if file is None:
        return b""
    with file.stream:
        data: bytes = file.stream.read()
    return data


def _on_duplicate() -> OnDuplicate:
    return OnDuplicate.IMPORT if request.form.get("on_duplicate") == OnDuplicate.IMPORT else OnDuplicate.SKIP
