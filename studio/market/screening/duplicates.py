"""Near-duplicates of a submission: the same card, nearly the same text or picture, the same idea. Hints, kept with the case."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session, aliased, undefer

from studio.accounts.permissions import SYSTEM
from studio.authoring.models import Character, CharacterStatus, CharacterVersion
from studio.kit.orm import lock_row
from studio.market.models import (
    CardFingerprint,
    CaseMatch,
    CaseState,
    CharacterPublication,
    FingerprintBand,
    MatchKind,
    PublicationStatus,
    ReviewCase,
)
from studio.market.screening import fingerprints
from studio.market.screening.checks.picture import HINT, NEAR
from studio.media.models import MediaFile
from studio.memory import search
from studio.memory.errors import NotEmbeddedError
from studio.memory.models import CharacterEmbedding

FAILED = "screening"
"""The name under which a case tells that its screening did not work."""

MOST = 10
"""Matches of one kind that a case keeps, the nearest first."""

SAME_IDEA = 0.92
"""Cosine from which two cards are about the same idea."""

_MOST_NEIGHBOURS = 6
_BITS = 64
SAME_PICTURE = 1 - NEAR / _BITS
"""Share of equal bits from which two pictures are nearly the same."""

_MOST_IN_BAND = 40
_MOST_CANDIDATES = 200
_MOST_PICTURES = 500
_MOST_OF_ONE = 4
"""Places at which one character can be found by one look: its draft, and the versions that are remembered."""

_REMEMBERED = (PublicationStatus.APPROVED, PublicationStatus.SCHEDULED, PublicationStatus.QUARANTINED)
"""Where a listing is on the market, will be, or was a moment ago."""


_CHECK_OF = {MatchKind.EXACT: "duplicates", MatchKind.TEXT: "duplicates", MatchKind.PICTURE: "picture"}
"""The check whose switch a kind of likeness follows."""

_NO_VERSION = sa.cast(sa.null(), sa.Integer()).label("version_number")


@dataclass(frozen=True, slots=True)
class Match:
    """Another character, in what it is alike, and how much: 1 is the same."""

    kind: MatchKind
    character_id: UUID
    name: str
    similarity: float
    is_same_owner: bool
    version_number: int | None = None
    """The version that is alike; None is the draft as it stands."""


def remember(
    session: Session, *, publication: CharacterPublication, version: CharacterVersion, now: datetime
) -> CardFingerprint:
    """The character is found again by the card of this version, and by what of it is live.

    The fingerprints of versions that are neither are dropped.
    """
    signed = fingerprints.signature(fingerprints.said(version.card))
    values = {
        "content_hash": version.content_hash,
        "signature": signed,
        "made_at": now,
    }
    kept = session.scalars(
        insert(CardFingerprint)
        .values(character_id=publication.character_id, version_number=version.version_number, **values)
        .on_conflict_do_update(
            index_elements=[CardFingerprint.character_id, CardFingerprint.version_number], set_=values
        )
        .returning(CardFingerprint)
        .execution_options(populate_existing=True)
    ).one()
    _forget_others(session, publication)
    session.execute(
        sa.delete(FingerprintBand).where(
            FingerprintBand.character_id == publication.character_id,
            FingerprintBand.version_number == version.version_number,
        )
    )
    if signed is not None:
        session.execute(
            insert(FingerprintBand).on_conflict_do_nothing(),
            [
                {"key": key, "character_id": publication.character_id, "version_number": version.version_number}
                for key in fingerprints.bands(signed)
            ],
        )
    return kept


def find(
    session: Session,
    *,
    publication: CharacterPublication,
    fingerprint: CardFingerprint,
    portrait: MediaFile | None,
) -> list[Match]:
    """What is alike to a submission by card, text or picture. Each look is bounded, however many cards there are."""
    return [
        *_exact(session, publication, fingerprint.content_hash),
        *_texts(session, publication, fingerprint.signature),
        *_pictures(session, publication, portrait),
    ]


def keep(session: Session, *, case_id: UUID, matches: Iterable[Match], kinds: Iterable[MatchKind]) -> None:
    """The matches of these kinds are the case's, whatever an earlier look found."""
    session.execute(sa.delete(CaseMatch).where(CaseMatch.case_id == case_id, CaseMatch.kind.in_(list(kinds))))
    session.add_all(
        CaseMatch(
            case_id=case_id,
            kind=match.kind,
            character_id=match.character_id,
            version_number=match.version_number,
            similarity=match.similarity,
            is_same_owner=match.is_same_owner,
        )
        for match in matches
    )
    session.flush()


def find_neighbours(session: Session, *, case_id: UUID, now: datetime) -> bool:
    """The case keeps the characters of the same idea; False where the character has no embedding yet, and nothing changes."""
    case = lock_row(session, ReviewCase, case_id)
    if case is None or case.state not in {CaseState.WAITING, CaseState.CLAIMED}:
        return False
    publication = session.get_one(CharacterPublication, case.publication_id)
    try:
        near = search.similar(session, actor=SYSTEM, character_id=publication.character_id, limit=_MOST_NEIGHBOURS)
    except NotEmbeddedError:
        return False
    ids = [one.character.id for one in near]
    owners = dict(session.execute(sa.select(Character.id, Character.owner_id).where(Character.id.in_(ids))).all())
    found = [
        Match(
            MatchKind.IDEA,
            one.character.id,
            one.character.name,
            min(1.0, max(0.0, one.similarity)),
            is_same_owner=owners.get(one.character.id) == publication.publisher_id,
        )
        for one in near
        if one.similarity >= SAME_IDEA
    ]
    keep(session, case_id=case.id, matches=found, kinds=[MatchKind.IDEA])
    case.compared_at = now
    session.flush()
    return True


def list_uncompared(session: Session, *, limit: int) -> list[UUID]:
    """Cases at the desk whose neighbours were not looked for yet, of characters that have an embedding; the oldest first."""
    query = (
        sa.select(ReviewCase.id)
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        .where(
            ReviewCase.state.in_([CaseState.WAITING, CaseState.CLAIMED]),
            ReviewCase.compared_at.is_(None),
            sa.exists().where(CharacterEmbedding.character_id == CharacterPublication.character_id),
        )
        .order_by(ReviewCase.opened_at)
        .limit(limit)
    )
    return list(session.scalars(query))


def fill(session: Session, *, limit: int, now: datetime) -> int:
    """What is live and has no fingerprint (any more, or from before there were any) gets one, at most `limit` at a time.

    Returns how many.
    """
    query = (
        sa.select(CharacterPublication, CharacterVersion)
        .join(
            CharacterVersion,
            sa.and_(
                CharacterVersion.character_id == CharacterPublication.character_id,
                CharacterVersion.version_number == CharacterPublication.version_number,
            ),
        )
        .where(
            CharacterPublication.status == PublicationStatus.APPROVED,
            ~sa.exists().where(
                CardFingerprint.character_id == CharacterPublication.character_id,
                CardFingerprint.version_number == CharacterPublication.version_number,
            ),
        )
        .order_by(CharacterPublication.id)
        .limit(limit)
        .options(undefer(CharacterVersion.card))
    )
    rows = session.execute(query).all()
    for publication, version in rows:
        remember(session, publication=publication, version=version, now=now)
    return len(rows)


def _forget_others(session: Session, publication: CharacterPublication) -> None:
    """Of the character only the fingerprints of what is live, of what was submitted last, and of `publication` are kept."""
    other = aliased(CharacterPublication)
    newest = (
        sa.select(other.id)
        .where(other.character_id == publication.character_id)
        .order_by(other.created_at.desc(), other.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    kept = sa.select(CharacterPublication.version_number).where(
        CharacterPublication.character_id == publication.character_id,
        sa.or_(
            CharacterPublication.status.in_(_REMEMBERED),
            CharacterPublication.id == newest,
            CharacterPublication.id == publication.id,
        ),
    )
    session.execute(
        sa.delete(CardFingerprint)
        .where(CardFingerprint.character_id == publication.character_id, CardFingerprint.version_number.not_in(kept))
        .execution_options(synchronize_session=False)
    )


def _exact(session: Session, publication: CharacterPublication, content_hash: str) -> list[Match]:
    """The same card among drafts, and among what is live or was submitted last."""
    drafts = sa.select(Character.id.label("character_id"), _NO_VERSION).where(Character.content_hash == content_hash)
    kept = sa.select(CardFingerprint.character_id, CardFingerprint.version_number).where(
        CardFingerprint.content_hash == content_hash
    )
    found = drafts.union_all(kept).subquery()
    query = (
        _others(publication)
        .add_columns(found.c.version_number, sa.literal(1.0))
        .join(found, found.c.character_id == Character.id)
        # What was shown to people says more than a draft that nobody saw.
        .order_by(Character.id, found.c.version_number.nulls_last())
        .limit(MOST * _MOST_OF_ONE)
    )
    return _nearest(publication, MatchKind.EXACT, session.execute(query).all())


def _texts(session: Session, publication: CharacterPublication, signed: bytes | None) -> list[Match]:
    """Cards whose signature agrees in a band at least, compared by all of it."""
    if signed is None:
        return []
    keys = sa.literal(fingerprints.bands(signed), ARRAY(sa.BigInteger()))
    wanted = sa.func.unnest(keys).table_valued(sa.column("key", sa.BigInteger()), name="wanted").render_derived()
    # A band that thousands share (a template that everybody starts from) is looked at in part only.
    in_band = (
        sa.select(FingerprintBand.character_id, FingerprintBand.version_number)
        .where(FingerprintBand.key == wanted.c.key, FingerprintBand.character_id != publication.character_id)
        .limit(_MOST_IN_BAND)
        .lateral("in_band")
    )
    card = (in_band.c.character_id, in_band.c.version_number)
    candidates = (
        sa.select(*card)
        .select_from(wanted.join(in_band, sa.true()))
        .group_by(*card)
        .order_by(sa.func.count().desc(), *card)
        .limit(_MOST_CANDIDATES)
        .subquery()
    )
    is_candidate = sa.and_(
        CardFingerprint.character_id == candidates.c.character_id,
        CardFingerprint.version_number == candidates.c.version_number,
    )
    query = (
        _others(publication)
        .add_columns(CardFingerprint.version_number, CardFingerprint.signature)
        .join(CardFingerprint, CardFingerprint.character_id == Character.id)
        .join(candidates, is_candidate)
    )
    found = [
        (*who, fingerprints.similarity(signed, other))
        for *who, other in session.execute(query).all()
        if other is not None
    ]
    return _nearest(publication, MatchKind.TEXT, [row for row in found if row[-1] >= fingerprints.ALIKE])


def _pictures(session: Session, publication: CharacterPublication, portrait: MediaFile | None) -> list[Match]:
    """Characters whose portraits' hashes differ in at most HINT bits, by the indexes on the quarters of the hash.

    Looked at are the portraits of drafts, of what is live, and of what was submitted last. A portrait that is one plain
    colour hashes to 0 and would be like every other such one; it says nothing.
    """
    if portrait is None or not portrait.perceptual_hash:
        return []
    asked = portrait.perceptual_hash
    # The expression stands word for word in the index; bound numbers would not be recognised.
    in_a_quarter = sa.or_(
        *(
            sa.text(f"((media_files.perceptual_hash >> {48 - 16 * place}) & 65535) = ANY(:near_{place})").bindparams(
                sa.bindparam(f"near_{place}", fingerprints.probes(quarter), ARRAY(sa.BigInteger()))
            )
            for place, quarter in enumerate(fingerprints.quarters(asked))
        )
    )
    difference = MediaFile.perceptual_hash.op("#")(asked)
    distance = sa.func.bit_count(sa.func.int8send(difference))
    near = (
        sa.select(MediaFile.id, distance.label("distance"))
        .where(MediaFile.perceptual_hash.is_not(None), in_a_quarter, distance <= HINT)
        .limit(_MOST_PICTURES)
        .cte("near")
    )
    drafts = sa.select(Character.id.label("character_id"), _NO_VERSION, near.c.distance).join(
        near, near.c.id == Character.portrait_id
    )
    is_kept = sa.and_(
        CardFingerprint.character_id == CharacterVersion.character_id,
        CardFingerprint.version_number == CharacterVersion.version_number,
    )
    kept = (
        sa.select(CardFingerprint.character_id, CardFingerprint.version_number, near.c.distance)
        .select_from(near)
        .join(CharacterVersion, CharacterVersion.portrait_id == near.c.id)
        .join(CardFingerprint, is_kept)
    )
    found = drafts.union_all(kept).subquery()
    query = (
        _others(publication)
        .add_columns(found.c.version_number, 1 - sa.cast(found.c.distance, sa.Float()) / _BITS)
        .join(found, found.c.character_id == Character.id)
        .order_by(found.c.distance, Character.id, found.c.version_number.nulls_last())
        .limit(MOST * _MOST_OF_ONE)
    )
    return _nearest(publication, MatchKind.PICTURE, session.execute(query).all())


def _nearest(publication: CharacterPublication, kind: MatchKind, rows: Iterable[Sequence[Any]]) -> list[Match]:
    """Each character once, by where it is most alike; MOST of them, the nearest first.

    A row is what `_others` gives, a version or None, and how much it is alike; of equal ones the first counts.
    """
    found: dict[UUID, Match] = {}
    for character_id, name, owner_id, number, similarity in rows:
        known = found.get(character_id)
        if known is None or known.similarity < similarity:
            is_same = owner_id == publication.publisher_id
            found[character_id] = Match(kind, character_id, name, float(similarity), is_same, number)
    return sorted(found.values(), key=lambda match: (-match.similarity, match.character_id))[:MOST]


def _others(publication: CharacterPublication) -> sa.Select[UUID, str, UUID | None]:
    return sa.select(Character.id, Character.name, Character.owner_id).where(
        Character.id != publication.character_id, Character.status != CharacterStatus.ARCHIVED
    )


def distance_of(similarity: float) -> int:
    """The bits in which two pictures differ that are so alike."""
    return round((1 - similarity) * _BITS)


def kinds_that_count(looked: Collection[str]) -> frozenset[MatchKind]:
    """The kinds of likeness that are shown and weighed, by the names of the active checks that looked; the idea is no check's.

    Where none looked, because they have not yet or the screening failed, none is known to be off.
    """
    if not set(looked) - {FAILED}:
        return frozenset(MatchKind)
    return frozenset(kind for kind in MatchKind if _CHECK_OF.get(kind) is None or _CHECK_OF[kind] in looked)


def copies_of_others(matches: Iterable[CaseMatch], *, pictures: bool = False) -> int:
    """How many characters of other people have the same card or nearly the same text; or, asked for, picture."""
    least: Mapping[MatchKind, float] = {MatchKind.EXACT: 1.0, MatchKind.TEXT: fingerprints.NEAR_COPY}
    if pictures:
        least = {MatchKind.PICTURE: SAME_PICTURE}
    return len(
        {
            match.character_id
            for match in matches
            if not match.is_same_owner and match.kind in least and match.similarity >= least[match.kind]
        }
    )
