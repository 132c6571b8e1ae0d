"""What others find of a character: a copy of its live version, made when it goes live and gone when it does not."""

from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.authoring import fields, rules
from studio.authoring.models import CharacterVersion, ListedCharacter
from studio.cards import macros
from studio.kit.text import excerpt

SUMMARY_LENGTH = 300
_READ_LENGTH = 2_000


def summary_of(name: str, description: str) -> str:
    """The beginning of a description as people read it: on one line, macros resolved to the name and to the reader."""
    read = description[:_READ_LENGTH]
    return excerpt(macros.render(read, char=name, user=macros.reader_in(read)), SUMMARY_LENGTH)


def show(
    session: Session, *, character_id: UUID, version_number: int, title: str = "", tags: Iterable[str] = ()
) -> None:
    """Others find this version of the character, and nothing of any other. May be repeated.

    `title` and `tags` are the listing's own: a search for words finds the character by them too.
    """
    version = session.scalars(
        sa.select(CharacterVersion).where(
            CharacterVersion.character_id == character_id, CharacterVersion.version_number == version_number
        )
    ).one()
    values, _ = fields.read(version.card)
    search_text = rules.search_text(values, more=(title, *tags))
    row = {
        "version_number": version_number,
        "name": version.name,
        "tagline": values.get("tagline", ""),
        "summary": summary_of(values.get("nickname") or version.name, values["description"]),
        "tags": values["tags"],
        "portrait_id": version.portrait_id,
        "search_text": search_text,
        "bigrams": rules.bigrams(search_text),
    }
    session.execute(
        insert(ListedCharacter)
        .values(character_id=character_id, **row)
        .on_conflict_do_update(index_elements=[ListedCharacter.character_id], set_=row)
    )


def hide(session: Session, *, character_id: UUID) -> None:
    """Others find nothing of the character. May be repeated."""
    session.execute(sa.delete(ListedCharacter).where(ListedCharacter.character_id == character_id))
