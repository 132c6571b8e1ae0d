"""Uploads that can be resumed: tus 1.0 (core, creation, termination) over the library's service, and a plain form."""

import base64
import binascii
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from flask import Response, flash, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.exceptions import PreconditionFailed, RequestEntityTooLarge, UnsupportedMediaType

from admin_views.base import Permission, StudioView, expose
from admin_views.forms import sentence
from admin_views.media.files import portrait_url
from admin_views.media.labels import told_out_of
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError
from studio.media import library, queries, rules, uploads
from studio.media.models import MediaFile, MediaPurpose, MediaUpload

_TUS = "1.0.0"
_CONTENT = "application/offset+octet-stream"
_MOST_PART = 2 * uploads.PART_BYTES
_MOST_NAME = 4_000
_MOST_AT_ONCE = 200

_WRITE = Permission.MEDIA_WRITE_OWN

QUIET = timedelta(minutes=1)
"""An upload of which nothing came for so long is not on its way in another tab."""


class UploadsView(StudioView):
    """Files on their way into a person's library."""

    permissions: ClassVar[dict[str, Permission]] = {
        "index": _WRITE,
        "begin": _WRITE,
        "form": _WRITE,
        "discard": _WRITE,
        "one": _WRITE,
    }
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Where files are dropped."""
        return redirect(url_for("library.index_view"))

    @expose("/", methods=("POST",))
    def begin(self) -> ResponseReturnValue:
        """Announce a file (`Upload-Length`, and its name in `Upload-Metadata`); its address is in `Location`."""
        upload = uploads.begin(
            self.session,
            actor=current_actor(),
            name=_name_of(request.headers.get("Upload-Metadata", "")),
            size=_number("Upload-Length"),
            quota=self.quota,
        )
        response = Response(status=201)
        response.headers["Location"] = url_for(".one", upload_id=upload.id)
        return _as_tus(response)

    @expose("/<uuid:upload_id>", methods=("GET", "HEAD", "PATCH", "DELETE"))
    def one(self, upload_id: UUID) -> ResponseReturnValue:
        """HEAD: how much has arrived. PATCH: more of it; the last part is answered with what came of the file.

        GET: that answer once more, for a browser that lost it on the way; nothing while the file is not whole.
        """
        actor = current_actor()
        upload = queries.get_upload(self.session, actor=actor, upload_id=upload_id)
        if request.method == "HEAD":
            response = Response(status=200)
            response.headers["Cache-Control"] = "no-store"
            response.headers["Upload-Length"] = str(upload.size_bytes)
            return _as_tus(response, upload)
        if request.method == "GET":
            response = jsonify(self._outcome(upload) if upload.arrived_bytes == upload.size_bytes else {})
            response.headers["Cache-Control"] = "no-store"
            return _as_tus(response, upload)
        if request.method == "DELETE":
            uploads.discard(self.session, actor=actor, upload_id=upload_id)
            return _as_tus(Response(status=204))
        if request.headers.get("Tus-Resumable", _TUS) != _TUS:
            raise PreconditionFailed
        if request.mimetype != _CONTENT:
            raise UnsupportedMediaType
        if (request.content_length or 0) > _MOST_PART:
            raise RequestEntityTooLarge
        request.max_content_length = _MOST_PART
        upload = uploads.receive(
            self.session,
            actor=actor,
            storage=self.resources.storage,
            upload_id=upload_id,
            offset=_number("Upload-Offset"),
            data=request.get_data(cache=False),
            quota=self.quota,
            now=utc_now(),
        )
        if upload.arrived_bytes < upload.size_bytes:
            return _as_tus(Response(status=204), upload)
        return _as_tus(jsonify(self._outcome(upload)), upload)

    @expose("/form", methods=("POST",))
    def form(self) -> ResponseReturnValue:
        """Without JavaScript: files that come whole, all of them in one request."""
        taken, refused = 0, []
        for given in request.files.getlist("file")[:_MOST_AT_ONCE]:
            if not given.filename:
                continue
            with given.stream:
                data = given.stream.read()
            # One that is refused keeps none of the others out.
            try:
                with self.session.begin_nested():
                    uploads.take(
                        self.session,
                        actor=current_actor(),
                        storage=self.resources.storage,
                        data=data,
                        name=given.filename,
                        quota=self.quota,
                    )
            except InvalidError as error:
                refused.append(f"{given.filename[:80]}: {sentence(error)}")
            else:
                taken += 1
        if taken:
            flash(ngettext("%(num)d file is in your library.", "%(num)d files are in your library.", taken), "success")
        for told in refused[:10]:
            flash(told, "danger")
        if not taken and not refused:
            flash(_("Choose files first."), "warning")
        return redirect(url_for("library.index_view"), 303)

    @expose("/discard", methods=("POST",))
    def discard(self) -> ResponseReturnValue:
        """Forget all uploads that stopped, with what has arrived of them."""
        count = uploads.discard_quiet(self.session, actor=current_actor(), quiet_since=utc_now() - QUIET)
        flash(ngettext("%(num)d upload is discarded.", "%(num)d uploads are discarded.", count), "success")
        return redirect(url_for("library.index_view"), 303)

    @property
    def quota(self) -> int:
        """Bytes that a person may keep."""
        return self.resources.settings.media_quota * 1_000_000

    def _outcome(self, upload: MediaUpload) -> dict[str, Any]:
        if upload.refusal is not None:
            told, params = str(upload.refusal.get("sentence", "")), upload.refusal.get("params") or {}
            return {"refused": str(_(told, **params)) if params else str(_(told))}
        file = self.session.get_one(MediaFile, upload.file_id)
        return {
            "address": url_for("library.details_view", row_id=file.id),
            "picture": portrait_url(file.id) if file.purpose is MediaPurpose.PORTRAIT else None,
            "told": told_of(file, was_there=upload.was_there),
        }


def told_of(file: MediaFile, *, was_there: bool) -> str:
    """What became of an upload, in the reader's words."""
    if was_there:
        return str(_("You have this file already; nothing was added."))
    details = file.details
    if details.get("was_encoded_again"):
        return str(_("In your library. It could have been read as something else too, so its pixels were saved anew."))
    if details.get("had_exif") or details.get("had_texts"):
        return str(_("In your library. Camera data, places and texts inside were taken out."))
    if told := told_out_of(file):
        return str(_("In your library. Taken out of it: %(what)s.", what=told))
    if library.keeps_words(file):
        return str(_("In your library as it is: a title, names or a place that stand in it were not taken out."))
    return str(_("In your library."))


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [UploadsView(resources, name="uploads", endpoint="uploads", url="/library/uploads")]


def limits() -> dict[str, Any]:
    """What the page of the library tells its script."""
    return {
        "part_bytes": uploads.PART_BYTES,
        "picture_megabytes": rules.MOST_BYTES[MediaPurpose.PORTRAIT] // 1_000_000,
        "audio_megabytes": rules.MOST_BYTES[MediaPurpose.AUDIO] // 1_000_000,
        "video_megabytes": rules.MOST_BYTES[MediaPurpose.VIDEO] // 1_000_000,
    }


def _number(header: str) -> int:
    text = request.headers.get(header, "")
    if not text.isascii() or not text.isdigit() or len(text) > 15:  # noqa: PLR2004 - No file has more digits.
        raise InvalidError("The upload does not say how much it brings. Reload the page and try again.")
    return int(text)


def _name_of(metadata: str) -> str:
    """The file's name among tus' pairs of a word and its value in base64; it may be missing."""
    for pair in metadata[:_MOST_NAME].split(","):
        key, _space, value = pair.strip().partition(" ")
        if key == "filename":
            try:
                return base64.b64decode(value, validate=True).decode(errors="replace")
            except (binascii.Error, ValueError):
                return ""
    return ""


def _as_tus(response: Response, upload: MediaUpload | None = None) -> Response:
    response.headers["Tus-Resumable"] = _TUS
    if upload is not None:
        response.headers["Upload-Offset"] = str(upload.arrived_bytes)
    return response
