"""The bytes of files, for whoever may see them: pictures by their id, everything else by short signed links."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar, cast
from uuid import UUID

import sqlalchemy as sa
from flask import Response, current_app, has_request_context, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from admin_views.access import declare_public
from admin_views.base import Permission, StudioView, expose
from admin_views.resources import Resources, request_session, resources
from admin_views.row_net import SCOPED
from admin_views.session import current_actor
from studio.accounts.permissions import Actor
from studio.authoring.models import CharacterVersion, ListedCharacter
from studio.kit.errors import NotFoundError
from studio.market.models import CharacterPublication, PublicationStatus
from studio.media import queries
from studio.media.models import MediaFile, MediaPurpose, VariantKind
from studio.media.queries import file_visible_to
from studio.providers.storage import Storage, key_of

LINK_LASTS = 600
"""Seconds for which a signed link is good."""

# Whatever a file holds, nothing in it runs and nothing in it loads.
_SANDBOX = "default-src 'none'; style-src 'none'; sandbox; frame-ancestors 'none'"
_PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_SHOWN_INLINE = _PICTURES | {
    "audio/mpeg",
    "audio/wav",
    "audio/ogg",
    "audio/flac",
    "audio/mp4",
    "video/mp4",
    "video/webm",
    "video/quicktime",
}
_AN_HOUR = 3600
_MINUTES = 300
_MOVED = "moved_pictures"
_ANY_ID = UUID(int=0)
_SALT = "media-link"


def views(resources: Resources) -> list[Any]:
    """The views of this module and its neighbours; templates get `portrait_url`."""
    from admin_views.media import library as media_library
    from admin_views.media import pictures as media_pictures
    from admin_views.media import uploads as media_uploads

    current_app.jinja_env.globals["portrait_url"] = portrait_url
    current_app.add_url_rule("/files/<token>", "signed_file", _signed_file)
    declare_public(current_app, ("signed_file",))
    return [
        MediaView(resources, name="media", endpoint="media"),
        *media_library.views(resources),
        *media_uploads.views(resources),
        *media_pictures.views(resources),
    ]


def portrait_url(portrait_id: UUID | None, kind: str = "avatar", *, version: object = None) -> str | None:
    """The address of a portrait as `avatar` (96 square), `card` (400 x 600) or `cover` (800 wide); None without one.

    Browsers keep what lies there for minutes. A `version` makes it another address where something changed; without one it
    is when the present person moved a crop or a focal point last, so that they see it wherever the portrait is shown, and
    no list has to ask for the version of each.
    """
    if portrait_id is None:
        return None
    before, after = _variant_address(request.root_path if has_request_context() else "", str(kind))
    return f"{before}{portrait_id}{after}{_moved() if version is None else f'?v={version}'}"


def portrait_urls(kind: str = "avatar") -> Callable[[UUID], str]:
    """`portrait_url` for many portraits of one page."""
    before, after = _variant_address(request.root_path if has_request_context() else "", kind)
    after += _moved()
    return lambda portrait_id: f"{before}{portrait_id}{after}"


def remember_moved(now: datetime) -> None:
    """The present person's pages show portraits as they are from now on."""
    session[_MOVED] = int(now.timestamp())


def _moved() -> str:
    moved = session.get(_MOVED) if has_request_context() else None
    return f"?v={moved}" if moved else ""


@lru_cache(maxsize=100)
def _variant_address(_root_path: str, kind: str) -> tuple[str, str]:
    """What stands before and after the id: building an address costs more than all the rest of a card."""
    before, _id, after = url_for("media.variant", file_id=_ANY_ID, kind=kind).partition(str(_ANY_ID))
    return before, after


def signed_link(file: MediaFile, *, as_download: bool = False, is_whole: bool = False) -> str:
    """An address of this file that is good for ten minutes, for whoever has it, and for these very bytes only.

    The caller has made sure that the present person may see the file. `is_whole`: with the host's name.
    """
    token = _serializer().dumps([file.id.hex, file.sha256[:16], int(as_download)])
    return url_for("signed_file", token=token, _external=is_whole)


class MediaView(StudioView):
    """Files and the sizes of pictures, by id."""

    permissions: ClassVar[dict[str, Permission]] = {
        "index": Permission.MEDIA_READ_OWN,
        "file": Permission.MEDIA_READ_OWN,
        "download": Permission.MEDIA_READ_OWN,
        "variant": Permission.MEDIA_READ_OWN,
    }
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The library has a page; this is where the files themselves are."""
        return redirect(url_for("library.index_view"))

    @expose("/<uuid:file_id>")
    def file(self, file_id: UUID) -> ResponseReturnValue:
        """A picture as it is kept; what is none has a signed link, made anew for each look."""
        file = queries.get_file(self.session, actor=current_actor(), file_id=file_id)
        if file.media_type in _PICTURES and file.purpose is not MediaPurpose.CARD:
            return file_response(self.resources.storage, file, age=_AN_HOUR)
        return _to_fresh(signed_link(file))

    @expose("/<uuid:file_id>/download")
    def download(self, file_id: UUID) -> ResponseReturnValue:
        """The file to keep, by a link that is made anew for each click: a page may stand open for hours."""
        file = queries.get_file(self.session, actor=current_actor(), file_id=file_id)
        return _to_fresh(signed_link(file, as_download=True))

    @expose("/<uuid:file_id>/<any(avatar, card, cover):kind>")
    def variant(self, file_id: UUID, kind: str) -> ResponseReturnValue:
        """A picture in one size; until the job has made it, the picture itself, for who may see that."""
        actor = current_actor()
        made = self.session.scalar(
            sa.select(MediaFile).where(
                MediaFile.source_id == file_id,
                MediaFile.variant == VariantKind(kind),
                sa.or_(file_visible_to(actor), _shown_by_a_live_listing(actor)),
            )
        )
        if made is not None:
            return file_response(self.resources.storage, made, age=_MINUTES, then=_AN_HOUR)
        source = queries.get_file(self.session, actor=actor, file_id=file_id)
        if source.purpose is not MediaPurpose.PORTRAIT:
            raise NotFoundError
        return file_response(self.resources.storage, source, age=0)


def _to_fresh(link: str) -> Response:
    response: Any = redirect(link, 302)
    response.headers["Cache-Control"] = "private, no-store"
    return cast("Response", response)


def file_response(storage: Storage, file: MediaFile, *, age: int, then: int = 0, as_download: bool = False) -> Response:
    """The file's bytes, or the part of them that the browser asks for; sent piece by piece where they are many.

    The browser keeps them for `age` seconds, and for `then` seconds more it shows them while it asks whether they changed.
    """
    response = Response(mimetype=file.media_type)
    response.set_etag(file.sha256)
    # Kept by this person's browser alone, and asked for again where it may be another one soon.
    response.cache_control.private = True
    response.cache_control.max_age = age
    if then:
        response.cache_control.stale_while_revalidate = then
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Content-Security-Policy"] = _SANDBOX
    response.headers["X-Content-Type-Options"] = "nosniff"
    if as_download or file.media_type not in _SHOWN_INLINE or file.purpose is MediaPurpose.CARD:
        response.headers.set("Content-Disposition", "attachment", filename=file.original_name or "file")
    if request.if_none_match.contains(file.sha256):
        response.status_code = 304
        return response
    start, end = _asked_range(file)
    if (start, end) != (0, file.size_bytes):
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size_bytes}"
    response.headers["Content-Length"] = str(end - start)
    if request.method != "HEAD":
        response.response = _pieces(storage, file, start, end)
    return response


def _pieces(storage: Storage, file: MediaFile, start: int, end: int) -> Iterator[bytes]:
    # That there are bytes is known before the answer begins: a loss is a sentence, and no broken picture.
    if (start, end) == (0, file.size_bytes):
        return storage.stream(key_of(file.sha256))
    return storage.stream(key_of(file.sha256), start=start, end=end)


def _asked_range(file: MediaFile) -> tuple[int, int]:
    """The first byte and the one after the last. Several ranges at once are answered with the whole, as HTTP allows."""
    asked, whole = request.range, (0, file.size_bytes)
    if asked is None or request.method != "GET" or asked.units != "bytes" or len(asked.ranges) != 1:
        return whole
    condition = request.if_range
    if condition.etag is not None and condition.etag != file.sha256:
        return whole
    if condition.date is not None:
        return whole
    begin, stop = asked.ranges[0]
    if stop is None and begin < -file.size_bytes:
        # The last thousand bytes of a hundred are all of them.
        return whole
    found: tuple[int, int] | None = asked.range_for_length(file.size_bytes)
    if found is None:
        raise RequestedRangeNotSatisfiable(length=file.size_bytes)
    return found


def _signed_file(token: str) -> ResponseReturnValue:
    """The file of a signed link, for whoever has the link, as long as it is good and the file is there."""
    try:
        file_id, start, as_download = _serializer().loads(token, max_age=LINK_LASTS)
        # The signature stands for the scope: whoever made the link had seen to it.
        found = request_session().get(MediaFile, UUID(hex=str(file_id)), execution_options=SCOPED)
    except (BadSignature, ValueError, TypeError):
        raise NotFoundError("This link has expired. Go back and open the file again.") from None
    if found is None or not found.sha256.startswith(str(start)):
        raise NotFoundError("This link has expired. Go back and open the file again.")
    return file_response(resources().storage, found, age=LINK_LASTS, as_download=bool(as_download))


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt=_SALT)


def _shown_by_a_live_listing(actor: Actor) -> sa.ColumnElement[bool]:
    """Sizes of the portrait of a version that is listed just now; the portrait itself stays its owner's."""
    official: sa.ColumnElement[bool] = sa.false()
    if actor.may(Permission.CHARACTER_READ_PUBLISHED):
        # Official characters are listed without the market.
        official = sa.exists().where(
            MediaFile.purpose == MediaPurpose.VARIANT, ListedCharacter.portrait_id == MediaFile.source_id
        )
    elif not actor.may(Permission.LISTING_READ_LIVE):
        return sa.false()
    return official | sa.exists().where(
        MediaFile.purpose == MediaPurpose.VARIANT,
        CharacterVersion.portrait_id == MediaFile.source_id,
        CharacterPublication.character_id == CharacterVersion.character_id,
        CharacterPublication.version_number == CharacterVersion.version_number,
        CharacterPublication.status == PublicationStatus.APPROVED,
    )
