"""Downloads: a licence becomes a signed link for one person, good for ten minutes and once, and a row as proof."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, undefer
from uuid_utils.compat import uuid7

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.authoring.models import CharacterVersion
from studio.cards.writer import MEDIA_TYPES, Export, write_card
from studio.kit.errors import InvalidError, NotFoundError
from studio.kit.orm import lock_one, lock_row
from studio.market.catalogue import withheld
from studio.market.catalogue.withheld import Withheld
from studio.market.models import HELD, CharacterDownload, DownloadLink, Purchase, PurchaseStatus
from studio.market.money import queries
from studio.market.money.errors import (
    LinkExpiredError,
    LinkUsedError,
    NotBoughtError,
    OnHoldError,
    TakenDownError,
    TakenDownWithAnotherError,
    WithdrawnError,
)
from studio.media.models import MediaFile
from studio.providers.storage import Storage, key_of

LINK_LASTS = timedelta(minutes=10)
FORMS = tuple(MEDIA_TYPES)
_SALT = "studio.market.downloads"
_ANSWERS = {
    Withheld.TAKEN_DOWN: TakenDownError,
    Withheld.WITH_ANOTHER: TakenDownWithAnotherError,
    Withheld.ON_HOLD: OnHoldError,
}


def make_link(
    session: Session, *, actor: Actor, purchase_id: UUID, version_number: int, form: str, secret: str, now: datetime
) -> str:
    """A token with which the actor, and nobody else, fetches the version once, within ten minutes.

    Nothing of it is stored but its id. Raises NotFoundError, NotBoughtError, WithdrawnError where the licence ended,
    TakenDownError or OnHoldError for what is handed out to nobody, or InvalidError for a form of file that is none.
    """
    actor.must(Permission.PURCHASE_READ_OWN)
    purchase = queries.get_own_purchase(session, actor=actor, purchase_id=purchase_id, lock=True)
    if form not in FORMS:
        raise InvalidError("Choose one of the offered kinds of file.")
    _must_hold(purchase)
    if not queries.is_version_held(session, purchase=purchase, version_number=version_number):
        raise NotFoundError
    _refuse_withheld(session, character_id=purchase.character_id, version_number=version_number)
    download_id = (
        session.execute(
            insert(CharacterDownload)
            .values(
                id=uuid7(),
                character_id=purchase.character_id,
                user_id=purchase.buyer_id,
                version_number=version_number,
                license_type=purchase.license_type,
                price_paid_minor=purchase.price_minor,
                currency=purchase.currency,
                purchase_id=purchase.id,
                created_at=now,
            )
            .on_conflict_do_nothing()
            .returning(CharacterDownload.id)
        ).scalar_one_or_none()
        or session.scalars(
            sa.select(CharacterDownload.id).where(
                CharacterDownload.character_id == purchase.character_id,
                CharacterDownload.user_id == purchase.buyer_id,
                CharacterDownload.version_number == version_number,
            )
        ).one()
    )
    link = DownloadLink(id=uuid7(), download_id=download_id, made_at=now, expires_at=now + LINK_LASTS)
    session.add(link)
    session.flush()
    return _serializer(secret).dumps([str(link.id), str(actor.user_id), form])


def follow(session: Session, *, actor: Actor, token: str, secret: str, storage: Storage, now: datetime) -> Export:
    """The card file that a link stands for. The link is used up, and the version counts as fetched, once.

    Raises NotFoundError for a forged link or another person's, LinkExpiredError, LinkUsedError, NotBoughtError or
    WithdrawnError where the licence ended since, TakenDownError or OnHoldError for what is handed out to nobody any more.
    """
    actor.must(Permission.PURCHASE_READ_OWN)
    link_id, form = _read(token, secret=secret, actor=actor)
    link = lock_row(session, DownloadLink, link_id, key_share=False)
    if link is None:
        # It was swept away after its time.
        raise LinkExpiredError
    if link.used_at is not None:
        raise LinkUsedError
    if now >= link.expires_at:
        raise LinkExpiredError
    download = lock_one(session, CharacterDownload, link.download_id, key_share=False)
    if download.user_id != actor.user_id:
        raise NotFoundError
    purchase = _licence(session, download, actor=actor)
    _must_hold(purchase)
    _refuse_withheld(session, character_id=download.character_id, version_number=download.version_number)
    made = _file_of(session, download, storage=storage, form=form, now=now)
    link.used_at = now
    if download.downloaded_at is None:
        download.downloaded_at = now
        audit.record(
            session,
            actor=actor,
            action="purchase.download",
            resource="purchase",
            resource_id=purchase.id,
            after={"version_number": download.version_number, "form": form},
        )
    session.flush()
    return made


def sweep_links(session: Session, *, now: datetime) -> int:
    """Links that nobody can follow any more are forgotten; at most a thousand."""
    old = sa.select(DownloadLink.id).where(DownloadLink.expires_at < now - timedelta(days=1)).limit(1_000)
    return len(
        session.execute(sa.delete(DownloadLink).where(DownloadLink.id.in_(old)).returning(DownloadLink.id)).all()
    )


def _licence(session: Session, download: CharacterDownload, *, actor: Actor) -> Purchase:
    """The purchase by which the actor holds the character now; the proof keeps the name of the first, whatever became of it."""
    held = queries.find_held(session, actor=actor, character_id=download.character_id)
    if held is not None and held.status in HELD:
        return held
    return queries.get_own_purchase(session, actor=actor, purchase_id=download.purchase_id)


def _must_hold(purchase: Purchase) -> None:
    if purchase.status in HELD:
        return
    if purchase.status in {PurchaseStatus.REFUNDED, PurchaseStatus.LOST}:
        raise WithdrawnError
    raise NotBoughtError


def _refuse_withheld(session: Session, *, character_id: UUID, version_number: int) -> None:
    why = withheld.of_character(session, character_id=character_id).get(version_number)
    if why is not None:
        raise _ANSWERS[why]


def _read(token: str, *, secret: str, actor: Actor) -> tuple[UUID, str]:
    try:
        link_id, user_id, form = _serializer(secret).loads(token)
        found = UUID(link_id)
    except (BadSignature, ValueError, TypeError):
        raise NotFoundError from None
    # A stranger's link looks like none at all.
    if user_id != str(actor.user_id) or form not in FORMS:
        raise NotFoundError
    return found, form


def _serializer(secret: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret, salt=_SALT)


def _file_of(session: Session, download: CharacterDownload, *, storage: Storage, form: str, now: datetime) -> Export:
    version = session.scalars(
        sa.select(CharacterVersion)
        .where(
            CharacterVersion.character_id == download.character_id,
            CharacterVersion.version_number == download.version_number,
        )
        .options(undefer(CharacterVersion.card))
    ).one()
    portrait = session.get(MediaFile, version.portrait_id) if version.portrait_id is not None else None
    picture = storage.get(key_of(portrait.sha256)) if portrait is not None else None
    return write_card(version.card, to="v3", as_=form, now=now, picture=picture)
