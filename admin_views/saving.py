"""Drafts that save themselves: the routes that keep them, what a page offers of them, and going on with one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_babel import gettext as _
from flask_wtf.csrf import generate_csrf
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from admin_views.forms import Difference
from admin_views.listing import as_uuid
from admin_views.resources import request_session
from admin_views.session import current_actor
from studio.editing import autosaves, queries
from studio.editing.errors import DraftTooLargeError, OtherPersonError, UnreadableDraftError
from studio.editing.models import Autosave
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError

_MOST_BODY = 2 * autosaves.MOST_BYTES
"""A draft's fields as JSON take more than they hold."""
NEW = "new"
"""The part of a form for a row that is not there yet."""
NEW_ID = UUID(int=0)
"""What such a form is about: whatever is made of it, it is one form of each person."""
_PARTS = frozenset({"", NEW, "lorebook", "replies", "scenes", "voices", "settings"})
CLIENT, CONTINUES = "autosave_client", "autosave_continues"
"""Fields that a form brings back: the page that it was typed in, and the drafts that it took over."""
NOT_KEPT = frozenset({"csrf_token", "do", CLIENT, CONTINUES})


@dataclass(frozen=True)
class Recovered:
    """A draft that a page offers: what it would change, field by field, and where it can be taken up or given up."""

    client_id: UUID
    saved_at: Any
    differences: Sequence[Difference]
    continue_url: str
    discard_url: str


class SavingRoutes:
    """What every view over a table has for its forms; a view of model rows is built on it.

    A form with `data-autosave="{{ autosave_url }}"` keeps itself; pages with other forms over the same row
    (a lorebook) say `part`. Whoever may open the editor may keep drafts of what they may change there.
    """

    # The view's own.
    endpoint: str
    get_one: Any
    may: Any

    def ask_writable(self, row_id: UUID, part: str) -> None:
        """Return if the present person may save the form about this row; raise NotFoundError otherwise."""
        if part == NEW:
            if row_id != NEW_ID or not self.may("create_view"):
                raise NotFoundError
        elif not self.may("edit_view"):
            raise NotFoundError
        else:
            self.get_one(row_id)

    def editor_url(self, row_id: UUID, part: str, **values: Any) -> str:
        """The page on which a draft of this part is gone on with."""
        if part == NEW:
            return url_for(f"{self.endpoint}.create_view", **values)
        return url_for(f"{self.endpoint}.{part or 'edit_view'}", row_id=row_id, **values)

    def draft_differences(self, row: Any, fields: "MultiDict[str, str]", *, part: str) -> list[Difference] | None:  # noqa: ARG002 - Subclasses need it.
        """What a draft would change of the row (None: a new one) as it is saved; None where nobody can say."""
        return None

    # What pages ask

    def saving_context(self, row: Any, *, part: str = "", row_id: UUID | None = None) -> dict[str, Any]:
        """For a page with the form of `row`: where it keeps itself, and which drafts are offered.

        `row_id` is what the form is about where that is not `row` itself: NEW_ID for a row that is not there yet.
        """
        about: UUID = row.id if row_id is None else row_id
        return {
            "autosave_url": self._url("autosave", about, part),
            "recovered": [] if request.method == "POST" else self.recovered(row, part=part, row_id=about),
            "continued": g.get("continued_draft"),
            "is_new": part == NEW,
            "autosave_continues": sorted(_taken_over()),
        }

    def recovered(self, row: Any, *, part: str, row_id: UUID) -> list[Recovered]:
        """The present person's unsaved drafts of this form that would change what is saved, newest first."""
        continued = g.get("continued_draft")
        drafts = queries.list_open(
            request_session(), actor=current_actor(), resource=self._resource(part), document_id=row_id
        )
        found = []
        said: set[frozenset[tuple[str, ...]]] = set()
        for draft in drafts:
            if continued is not None and draft.client_id == continued.client_id:
                continue
            # A browser that could not send it and the server may have kept the same text twice.
            text = frozenset(tuple(pair) for pair in draft.fields)
            if text in said:
                continue
            said.add(text)
            differences = self.draft_differences(row, as_fields(draft), part=part)
            # A draft that says what is saved is no unsaved work.
            if differences is None or differences:
                found.append(
                    Recovered(
                        client_id=draft.client_id,
                        saved_at=draft.saved_at,
                        differences=differences or [],
                        continue_url=self.editor_url(row_id, part, draft=draft.client_id),
                        discard_url=self._url("autosave_discard", row_id, part),
                    )
                )
        return found

    def take_up_draft(self, row_id: UUID, *, part: str = "") -> "MultiDict[str, str] | None":
        """Where the address says `draft=…`: have the page's forms filled from it, and return its fields."""
        client_id = as_uuid(request.args.get("draft")) if request.method == "GET" else None
        if client_id is None:
            return None
        draft = queries.find_open(
            request_session(),
            actor=current_actor(),
            resource=self._resource(part),
            document_id=row_id,
            client_id=client_id,
        )
        if draft is None:
            flash(_("This draft is not there any more: it was saved, discarded, or taken over by a newer one."), "info")
            return None
        g.continued_draft, g.continued_fields = draft, as_fields(draft)
        for name, value in draft.fields:
            # Of a merge that was not finished, what was written there is what the person means.
            if name.startswith("text.") and g.continued_fields.get(f"choice.{name[5:]}") == "own":
                g.continued_fields[name[5:]] = value
        fields: MultiDict[str, str] = g.continued_fields
        return fields

    def close_drafts(self, session: Session, row_id: UUID, *, part: str = "") -> None:
        """The form that was sent is saved for good: what its page kept by itself goes."""
        ids = [found for found in map(as_uuid, _taken_over()) if found is not None]
        autosaves.close(
            session,
            actor=current_actor(),
            resource=self._resource(part),
            document_id=row_id,
            client_ids=ids,
            now=utc_now(),
        )

    # Routes

    @expose("/<uuid:row_id>/autosave", methods=("GET", "POST"))
    def autosave(self, row_id: UUID) -> ResponseReturnValue:
        """Keep what a form holds now, as JSON. Read, it says who is signed in, and gives a page of theirs a new token."""
        self.ask_writable(row_id, request.args.get("part", ""))
        if request.method == "GET":
            return {"person": str(current_actor().user_id), "token": generate_csrf()}, {"Cache-Control": "no-store"}
        sent = _sent_draft()
        actor = current_actor()
        if sent["person"] != str(actor.user_id):
            raise OtherPersonError
        kept = autosaves.keep(
            request_session(),
            actor=actor,
            resource=self._resource(request.args.get("part", "")),
            document_id=row_id,
            client_id=sent["client"],
            sequence=sent["sequence"],
            fields=sent["fields"],
            continues=sent["continues"],
            now=utc_now(),
        )
        return {"kept": kept.value, "sequence": sent["sequence"]}

    @expose("/<uuid:row_id>/autosave/discard", methods=("POST",))
    def autosave_discard(self, row_id: UUID) -> ResponseReturnValue:
        """Give a draft up, or take it back."""
        part = request.args.get("part", "")
        self.ask_writable(row_id, part)
        client_id = as_uuid(request.form.get("draft"))
        if client_id is None:
            raise NotFoundError
        about: dict[str, Any] = {
            "actor": current_actor(),
            "resource": self._resource(part),
            "document_id": row_id,
            "client_id": client_id,
        }
        if request.form.get("do") == "undo":
            autosaves.take_back(request_session(), **about)
            return redirect(self.editor_url(row_id, part), 303)
        if autosaves.discard(request_session(), **about):
            undo = {"url": self._url("autosave_discard", row_id, part), "fields": {"draft": client_id, "do": "undo"}}
            flash({"text": _("The draft is discarded."), "label": _("Undo"), **undo}, "success")  # type: ignore[arg-type]
        return redirect(self.editor_url(row_id, part), 303)

    def _resource(self, part: str) -> str:
        if part not in _PARTS:
            raise NotFoundError
        return f"{self.endpoint}:{part}" if part else self.endpoint

    def _url(self, method: str, row_id: UUID, part: str) -> str:
        values: dict[str, Any] = {"part": part} if part else {}
        return url_for(f"{self.endpoint}.{method}", row_id=row_id, **values)


def as_fields(draft: Autosave) -> "MultiDict[str, str]":
    """A draft's fields as a form reads them."""
    return MultiDict((str(pair[0]), str(pair[1])) for pair in draft.fields)


def _taken_over() -> set[str]:
    """The pages whose text the present page holds: the one it was sent from, and those that one had taken over."""
    found = {*request.form.getlist(CONTINUES), request.form.get(CLIENT, "")} if request.method == "POST" else set()
    continued = g.get("continued_draft")
    if continued is not None:
        found.add(str(continued.client_id))
    return {one for one in found if as_uuid(one) is not None}


def _sent_draft() -> Mapping[str, Any]:
    """The draft as the page sent it, checked; raises UnreadableDraftError or DraftTooLargeError."""
    if (request.content_length or 0) > _MOST_BODY:
        raise DraftTooLargeError(most=autosaves.MOST_BYTES // (1024 * 1024))
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise UnreadableDraftError
    client, sequence, fields = as_uuid(body.get("client")), body.get("sequence"), body.get("fields")
    continues = body.get("continues", [])
    if (
        client is None
        or not isinstance(sequence, int)
        or isinstance(sequence, bool)
        or not isinstance(continues, list)
        or not isinstance(fields, list)
        or not all(_is_field(pair) for pair in fields)
    ):
        raise UnreadableDraftError
    return {
        "person": body.get("person"),
        "client": client,
        "sequence": sequence,
        "fields": [(name, value) for name, value in fields if name not in NOT_KEPT],
        "continues": [one for one in map(as_uuid, continues[: autosaves.MOST_OPEN]) if one is not None],
    }


def _is_field(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair)  # noqa: PLR2004 - A name and a value.
