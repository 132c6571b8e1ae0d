"""The bytes of pictures, for whoever may see them."""

from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import Response, current_app, has_request_context, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_views.base import Permission, StudioView, expose
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.permissions import Actor
from studio.authoring.models import CharacterVersion, ListedCharacter
from studio.kit.errors import NotFoundError
from studio.market.models import CharacterPublication, PublicationStatus
from studio.media import queries
from studio.media.models import MediaFile, MediaPurpose, VariantKind
from studio.media.queries import file_visible_to
from studio.providers.storage import key_of

# Whatever a file holds, nothing in it runs and nothing in it loads.
_SANDBOX = "default-src 'none'; style-src 'none'; sandbox; frame-ancestors 'none'"
_SHOWN_INLINE = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_AN_HOUR = 3600
_ANY_ID = UUID(int=0)


def views(resources: Resources) -> list[Any]:
    """The views of this module; templates get `portrait_url`."""
    current_app.jinja_env.globals["portrait_url"] = portrait_url
    return [MediaView(resources, name="media", endpoint="media")]


def portrait_url(portrait_id: UUID | None, kind: str = "avatar") -> str | None:
    """The address of a portrait as `avatar` (96 square), `card` (400 x 600) or `cover` (800 wide); None without one."""
    if portrait_id is None:
        return None
    before, after = _variant_address(request.root_path if has_request_context() else "", str(kind))
    return f"{before}{portrait_id}{after}"


@lru_cache(maxsize=100)
def _variant_address(_root_path: str, kind: str) -> tuple[str, str]:
    """What stands before and after the id: building an address costs more than all the rest of a card."""
    before, _id, after = url_for("media.variant", file_id=_ANY_ID, kind=kind).partition(str(_ANY_ID))
    return before, after


class MediaView(StudioView):
    """Files and the sizes of pictures, by id."""

    permissions: ClassVar[dict[str, Permission]] = {
        "index": Permission.MEDIA_READ_OWN,
        "file": Permission.MEDIA_READ_OWN,
        "variant": Permission.MEDIA_READ_OWN,
    }
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Files are met where they are used; there is no list of them."""
        return redirect(url_for("home.index"))

    @expose("/<uuid:file_id>")
    def file(self, file_id: UUID) -> ResponseReturnValue:
        """A file as it is kept; what is no picture is offered as a download."""
        return self._answer(queries.get_file(self.session, actor=current_actor(), file_id=file_id), age=_AN_HOUR)

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
            return self._answer(made, age=_AN_HOUR)
        source = queries.get_file(self.session, actor=actor, file_id=file_id)
        if source.purpose is not MediaPurpose.PORTRAIT:
            raise NotFoundError
        return self._answer(source, age=0)

    def _answer(self, file: MediaFile, *, age: int) -> Response:
        response = Response(mimetype=file.media_type)
        response.set_etag(file.sha256)
        # Kept by this person's browser alone, and asked for again where it may be another one soon.
        response.cache_control.private = True
        response.cache_control.max_age = age
        response.headers["Content-Security-Policy"] = _SANDBOX
        response.headers["X-Content-Type-Options"] = "nosniff"
        if file.media_type not in _SHOWN_INLINE or file.purpose is MediaPurpose.CARD:
            response.headers.set("Content-Disposition", "attachment", filename=file.original_name or "file")
        if request.if_none_match.contains(file.sha256):
            response.status_code = 304
            return response
        response.set_data(self.resources.storage.get(key_of(file.sha256)))
        return response


def _shown_by_a_live_listing(actor: Actor) -> sa.ColumnElement[bool]:
    """Sizes of the portrait of a version that is listed just now; the portrait itself stays its owner's."""
    if not actor.may(Permission.CHARACTER_READ_PUBLISHED):
        return sa.false()
    # Official characters are listed without the market.
    official = sa.exists().where(
        MediaFile.purpose == MediaPurpose.VARIANT, ListedCharacter.portrait_id == MediaFile.source_id
    )
    return official | sa.exists().where(
        MediaFile.purpose == MediaPurpose.VARIANT,
        CharacterVersion.portrait_id == MediaFile.source_id,
        CharacterPublication.character_id == CharacterVersion.character_id,
        CharacterPublication.version_number == CharacterVersion.version_number,
        CharacterPublication.status == PublicationStatus.APPROVED,
    )
