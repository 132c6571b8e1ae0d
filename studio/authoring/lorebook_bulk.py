"""Changing many entries of a lorebook at once: those that were chosen, or all that a search finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring import lorebook_edits, lorebook_lists, lorebook_rules, lorebook_states, lorebooks
from studio.authoring.lorebook_lists import Wanted
from studio.authoring.models import LorebookEntry
from studio.cards.documents import Json
from studio.cards.lore_values import values_of, with_values
from studio.kit.errors import InvalidError


class Act(StrEnum):
    """What is done to many entries."""

    ENABLE = "enable"
    DISABLE = "disable"
    CONSTANT = "constant"
    BY_KEYS = "by_keys"
    PLACE = "place"
    RENUMBER = "renumber"
    ADD_KEY = "add_key"
    REMOVE_KEY = "remove_key"
    DELETE = "delete"


@dataclass(frozen=True)
class Order:
    """What is asked for: the act and what it needs.

    `place` with `depth` and `role` for PLACE, the order of the first entry and the step for RENUMBER, the key for
    ADD_KEY and REMOVE_KEY.
    """

    act: Act
    place: str = ""
    depth: int = 4
    role: str = "system"
    first: float = 100
    step: float = 10
    key: str = ""


@dataclass(frozen=True)
class Done:
    """How many entries were meant, and how many of them are different now."""

    chosen: int
    changed: int


def change_many(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    row_version: int,
    entry_ids: Sequence[UUID] | None,
    wanted: Wanted | None = None,
    order: Order,
    now: datetime,
) -> Done:
    """The entries with these ids, or all that `wanted` asks for where `entry_ids` is None, are changed; all or none.

    How the book was is kept and can be brought back. Raises NotFoundError, StaleError where the book was changed
    since `row_version` was read, or InvalidError with a sentence for what the act needs.
    """
    character, lorebook = lorebook_edits.opened(session, actor=actor, character_id=character_id)
    lorebook_edits.refuse_stale(lorebook, row_version)
    changes = _checked(order)
    if entry_ids is None:
        chosen = lorebook_lists.criterion(lorebook.id, wanted or Wanted())
    else:
        chosen = sa.and_(LorebookEntry.lorebook_id == lorebook.id, LorebookEntry.id.in_(entry_ids))
    rows = session.scalars(
        sa.select(LorebookEntry).where(chosen).order_by(LorebookEntry.insertion_order, LorebookEntry.position)
    ).all()
    if not rows:
        raise InvalidError("Choose some entries first.")
    if order.act is Act.DELETE:
        count = lorebook_edits.delete_entries(
            session,
            actor=actor,
            character_id=character_id,
            entry_ids=[row.id for row in rows],
            row_version=row_version,
            now=now,
        )
        return Done(count, count)
    made = [(row, _changed(row.document, order, changes, number)) for number, row in enumerate(rows)]
    different = [(row, document) for row, document in made if document != row.document]
    if not different:
        return Done(len(rows), 0)
    state = lorebook_states.keep(session, lorebook, actor=actor, action=order.act.value, now=now)
    before = {row.id: _before(row.document, document) for row, document in different}
    for row, document in different:
        lorebooks.set_entry(row, document)
    lorebook_edits.settle(
        session,
        character,
        lorebook,
        actor=actor,
        action="lorebook.change_many",
        after={"act": order.act.value, "entries": len(different), **changes},
        now=now,
    )
    lorebook_edits.keep_entries(session, lorebook, before, actor=actor, now=now)
    state.row_version = lorebook.row_version
    return Done(len(rows), len(different))


def _before(was: Json, becomes: Json) -> dict[str, Any]:
    old, new = lorebook_rules.shown(was), lorebook_rules.shown(becomes)
    return {name: value for name, value in old.items() if new[name] != value}


def _checked(order: Order) -> dict[str, Any]:
    """The values that every chosen entry gets."""
    by_act: dict[Act, dict[str, Any]] = {
        Act.ENABLE: {"is_enabled": True},
        Act.DISABLE: {"is_enabled": False},
        Act.CONSTANT: {"is_constant": True},
        Act.BY_KEYS: {"is_constant": False},
        Act.PLACE: {"place": order.place},
    }
    given = by_act.get(order.act, {})
    if order.act is Act.PLACE and order.place == "at_depth":
        given = given | {"depth": order.depth, "role": order.role}
    if order.act is Act.RENUMBER:
        _, wrong = lorebook_rules.cleaned({"insertion_order": order.first})
        _, wrong_step = lorebook_rules.cleaned({"insertion_order": order.step})
        if wrong or wrong_step:
            raise InvalidError(
                "Write a number for the first order and for the step.", fields={"first": "Write a number."}
            )
        return {}
    if order.act in {Act.ADD_KEY, Act.REMOVE_KEY}:
        keys, wrong = lorebook_rules.cleaned({"keys": [order.key]})
        if wrong or not keys["keys"]:
            raise InvalidError("Write the key first.", fields={"key": wrong.get("keys", "Write the key first.")})
        return {}
    values, wrong = lorebook_rules.cleaned(given)
    if wrong:
        raise InvalidError(next(iter(wrong.values())), fields=wrong)
    return values


def _changed(document: Json, order: Order, changes: dict[str, Any], number: int) -> Json:
    if order.act is Act.RENUMBER:
        values, wrong = lorebook_rules.cleaned({"insertion_order": order.first + number * order.step})
        if wrong:
            raise InvalidError(
                "The last of these entries would have too large an order.", fields={"step": wrong["insertion_order"]}
            )
        return with_values(document, values)
    if order.act in {Act.ADD_KEY, Act.REMOVE_KEY}:
        wanted, _ = lorebook_rules.cleaned({"keys": [order.key]})
        key, keys = wanted["keys"][0], values_of(document)["keys"]
        if order.act is Act.REMOVE_KEY:
            return with_values(document, {"keys": [one for one in keys if one.casefold() != key.casefold()]})
        return document if key in keys else with_values(document, {"keys": [*keys, key]})
    return with_values(document, changes)
