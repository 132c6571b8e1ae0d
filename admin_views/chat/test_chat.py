"""Test chat: talking to a draft or a version, looking into what was sent, and comparing two versions' answers."""

from collections.abc import Iterator
from typing import Any, ClassVar, cast
from uuid import UUID

import sqlalchemy as sa
from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views.access import is_fragment
from admin_views.base import Permission, StudioView, expose
from admin_views.chat import labels as chat_labels
from admin_views.chat import media as chat_media
from admin_views.chat import streams
from admin_views.forms import whole_number
from admin_views.media.files import portrait_url
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.work.labels import micro_label
from studio.authoring import queries as authoring
from studio.authoring.models import Character
from studio.chat import answering, attachments, conversation, definitions, queries, rules, runs, sessions, test_prompts
from studio.chat.answering import Report, Task
from studio.chat.models import AnswerState, ChatSession
from studio.chat.rules import Limits
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError
from studio.operations import error_log
from studio.operations.models import ErrorSource
from studio.providers.language import Cancel, Delta, prices_from
from studio.work.models import FINAL, JobRun

_TEST = Permission.CHAT_TEST


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [TestChatView(resources, name=_l("Test chats"), endpoint="test_chat", url="/test-chat")]


class TestChatView(StudioView):
    """A person's own chats with characters whose drafts they may read."""

    permissions: ClassVar[dict[str, Any]] = dict.fromkeys(
        (
            "index",
            "page",
            "start",
            "log",
            "set_up",
            "say",
            "clear",
            "regenerate",
            "edit",
            "choose",
            "delete",
            "stop",
            "prompt",
            "save_message",
            "add_prompt",
            "delete_prompt",
            "start_run",
            "run",
        ),
        _TEST,
    )
    menu_section = "studio"
    menu_icon = "message-circle"
    menu_order = 40

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """One's own chats with all characters, the last used first."""
        actor = current_actor()
        return self.render("chat/chats.html", chats=queries.list_recent(self.session, actor=actor))

    @expose("/<uuid:character_id>")
    def page(self, character_id: UUID) -> ResponseReturnValue:
        """The chat used last, or the one that is named, or the first step; as a part of a page for the editor's side."""
        character = authoring.get_draft(self.session, actor=current_actor(), character_id=character_id)
        named = request.args.get("session", "")
        chat = (
            self._chat(named, character_id)
            if named
            else queries.find_latest_session(self.session, actor=current_actor(), character_id=character_id)
        )
        return self._page(character, chat)

    @expose("/<uuid:character_id>/start", methods=("POST",))
    def start(self, character_id: UUID) -> ResponseReturnValue:
        """Begin a new chat; the one before is kept among the others."""
        chat = sessions.start(
            self.session,
            actor=current_actor(),
            character_id=character_id,
            version_id=_version(),
            user_name=request.form.get("user_name", ""),
            scene=request.form.get("scene", type=whole_number),
            model=request.form.get("model", ""),
            greeting=request.form.get("greeting", 0, type=whole_number),
            now=utc_now(),
        )
        return self._done(chat)

    @expose("/sessions/<uuid:session_id>")
    def log(self, session_id: UUID) -> ResponseReturnValue:
        """One chat."""
        chat = queries.get_session(self.session, actor=current_actor(), session_id=session_id)
        return self._done(chat)

    @expose("/sessions/<uuid:session_id>/set-up", methods=("POST",))
    def set_up(self, session_id: UUID) -> ResponseReturnValue:
        """Go on with another version, scene, model or name."""
        chat = sessions.set_up(
            self.session,
            actor=current_actor(),
            session_id=session_id,
            version_id=_version(),
            user_name=request.form.get("user_name", ""),
            scene=request.form.get("scene", type=whole_number),
            model=request.form.get("model", ""),
            now=utc_now(),
        )
        flash(_("From the next answer on."), "success")
        return self._done(chat)

    @expose("/sessions/<uuid:session_id>/clear", methods=("POST",))
    def clear(self, session_id: UUID) -> ResponseReturnValue:
        """Delete the chat."""
        character_id = sessions.clear(self.session, actor=current_actor(), session_id=session_id)
        if is_fragment():
            character = authoring.get_draft(self.session, actor=current_actor(), character_id=character_id)
            found = queries.find_latest_session(self.session, actor=current_actor(), character_id=character_id)
            return self._page(character, found)
        flash(_("The chat is deleted."), "success")
        return redirect(url_for(".page", character_id=character_id), 303)

    @expose("/sessions/<uuid:session_id>/say", methods=("POST",))
    def say(self, session_id: UUID) -> ResponseReturnValue:
        """Say something, and stream the answer."""
        return self._answer(
            lambda limits: conversation.say(
                self.session,
                actor=current_actor(),
                session_id=session_id,
                text=request.form.get("text", ""),
                limits=limits,
                now=utc_now(),
            )
        )

    @expose("/messages/<uuid:message_id>/regenerate", methods=("POST",))
    def regenerate(self, message_id: UUID) -> ResponseReturnValue:
        """Stream another answer; the one before is kept beside it."""
        return self._answer(
            lambda limits: conversation.answer_anew(
                self.session, actor=current_actor(), message_id=message_id, limits=limits, now=utc_now()
            )
        )

    @expose("/messages/<uuid:message_id>/edit", methods=("POST",))
    def edit(self, message_id: UUID) -> ResponseReturnValue:
        """Say it differently, and stream the answer to that."""
        return self._answer(
            lambda limits: conversation.edit(
                self.session,
                actor=current_actor(),
                message_id=message_id,
                text=request.form.get("text", ""),
                limits=limits,
                now=utc_now(),
            )
        )

    @expose("/messages/<uuid:message_id>/choose", methods=("POST",))
    def choose(self, message_id: UUID) -> ResponseReturnValue:
        """Go on from another answer."""
        return self._done(
            conversation.choose(self.session, actor=current_actor(), message_id=message_id, now=utc_now())
        )

    @expose("/messages/<uuid:message_id>/delete", methods=("POST",))
    def delete(self, message_id: UUID) -> ResponseReturnValue:
        """Delete the message and what follows it."""
        return self._done(
            conversation.delete(self.session, actor=current_actor(), message_id=message_id, now=utc_now())
        )

    @expose("/messages/<uuid:message_id>/stop", methods=("POST",))
    def stop(self, message_id: UUID) -> ResponseReturnValue:
        """Stop the answer; its stream settles it."""
        message = queries.get_message(self.session, actor=current_actor(), message_id=message_id)
        self.resources.streams.stop(message.id)
        if is_fragment() or _wants_stream():
            return "", 204
        chat = queries.get_session(self.session, actor=current_actor(), session_id=message.session_id)
        return self._done(chat)

    @expose("/messages/<uuid:message_id>/prompt")
    def prompt(self, message_id: UUID) -> ResponseReturnValue:
        """What was sent for an answer, part by part."""
        message = queries.get_message(self.session, actor=current_actor(), message_id=message_id)
        sent = queries.find_sent(self.session, message=message)
        chat = queries.get_session(self.session, actor=current_actor(), session_id=message.session_id)
        parts = sent.breakdown["parts"] if sent is not None else []
        number, total = queries.place_among_siblings(self.session, message=message)
        return self.render(
            "chat/_inspector.html" if is_fragment() else "chat/inspector.html",
            message=message,
            place=_("answer %(number)d of %(total)d", number=number, total=total),
            chat=chat,
            sent=sent,
            shares=chat_labels.shares(parts),
            lore=chat_labels.lore_of(parts),
            labels=chat_labels,
        )

    @expose("/messages/<uuid:message_id>/save", methods=("POST",))
    def save_message(self, message_id: UUID) -> ResponseReturnValue:
        """Keep what was said as a test prompt."""
        prompt = test_prompts.save_message(self.session, actor=current_actor(), message_id=message_id, now=utc_now())
        return self._prompts(prompt.character_id, _("It is among the test prompts."))

    @expose("/<uuid:character_id>/prompts", methods=("POST",))
    def add_prompt(self, character_id: UUID) -> ResponseReturnValue:
        """Keep a text as a test prompt."""
        test_prompts.save(
            self.session,
            actor=current_actor(),
            character_id=character_id,
            text=request.form.get("text", ""),
            now=utc_now(),
        )
        return self._prompts(character_id, _("It is among the test prompts."))

    @expose("/prompts/<uuid:prompt_id>/delete", methods=("POST",))
    def delete_prompt(self, prompt_id: UUID) -> ResponseReturnValue:
        """Delete a test prompt."""
        character_id = test_prompts.delete(self.session, actor=current_actor(), prompt_id=prompt_id)
        return self._prompts(character_id, _("The test prompt is deleted."))

    @expose("/<uuid:character_id>/runs", methods=("POST",))
    def start_run(self, character_id: UUID) -> ResponseReturnValue:
        """Have all test prompts answered by two sides."""
        run = runs.start(
            self.session,
            actor=current_actor(),
            character_id=character_id,
            left=_side("left"),
            right=_side("right"),
            user_name=request.form.get("user_name", ""),
            model=request.form.get("model", ""),
            now=utc_now(),
        )
        return redirect(url_for(".run", run_id=run.id), 303)

    @expose("/runs/<uuid:run_id>")
    def run(self, run_id: UUID) -> ResponseReturnValue:
        """The answers of both sides beside each other; the page looks again while there are more to come."""
        run = queries.get_run(self.session, actor=current_actor(), run_id=run_id)
        character = authoring.get_draft(self.session, actor=current_actor(), character_id=run.character_id)
        numbers = queries.version_numbers(self.session, [run.left_version_id, run.right_version_id])
        job = self.session.get(JobRun, run.job_id) if run.job_id is not None else None
        answers = queries.list_answers(self.session, run_id=run.id)
        return self.render(
            "chat/run.html",
            character=character,
            run=run,
            job=job,
            is_open=job is not None and job.state not in FINAL,
            rows=_rows(answers),
            sides={
                "left": _side_name(run.left_version_id, numbers),
                "right": _side_name(run.right_version_id, numbers),
            },
            done=sum(answer.state is not AnswerState.WAITING for answer in answers),
            total=len(answers),
            sums=_sums(answers),
            labels=chat_labels,
        )

    # What the routes share

    def _answer(self, begin: Any) -> Response:
        """Begin an answer in this request's transaction, and stream it when that is committed."""
        shared = self.resources
        shared.streams.refuse_full()
        task: Task = begin(limits_of(shared))
        cancel = shared.streams.open(task.message_id)
        lines = _lines(shared, task, cancel, report_of(shared))
        stop = url_for(".stop", message_id=task.message_id)
        if _wants_stream():
            first = streams.line("begin", id=str(task.message_id), stop=stop)
            return streams.streamed(_after(first, lines))
        # Without JavaScript: a page that waits while the character writes, and then goes on to the chat.
        target = url_for(".log", session_id=task.session_id)
        head, tail = render_template("chat/waiting.html", target=target).split("<!--wait-->")
        return Response(
            _waited(head, lines, tail), mimetype="text/html", headers={"Cache-Control": "private, no-store"}
        )

    def _chat(self, session_id: str, character_id: UUID) -> ChatSession:
        try:
            identity = UUID(session_id)
        except ValueError:
            raise NotFoundError from None
        chat = queries.get_session(self.session, actor=current_actor(), session_id=identity)
        if chat.character_id != character_id:
            raise NotFoundError
        return chat

    def _done(self, chat: ChatSession) -> ResponseReturnValue:
        """After a change: the chat, as a part of a page or by going there."""
        if not is_fragment():
            return redirect(url_for(".page", character_id=chat.character_id, session=chat.id), 303)
        character = authoring.get_draft(self.session, actor=current_actor(), character_id=chat.character_id)
        return self._page(character, chat)

    def _prompts(self, character_id: UUID, told: str) -> ResponseReturnValue:
        if not is_fragment():
            flash(told, "success")
            return redirect(url_for(".page", character_id=character_id), 303)
        character = authoring.get_draft(self.session, actor=current_actor(), character_id=character_id)
        return self.render("chat/_prompts.html", **{**self._prompt_context(character), "told": told})

    def _prompt_context(self, character: Character) -> dict[str, Any]:
        actor = current_actor()
        found = queries.list_runs(self.session, actor=actor, character_id=character.id, limit=5)
        ids = [identity for run in found for identity in (run.left_version_id, run.right_version_id)]
        numbers = queries.version_numbers(self.session, list(dict.fromkeys(ids)))
        return {
            "character": character,
            "prompts": queries.list_prompts(self.session, actor=actor, character_id=character.id),
            "runs": found,
            "versions": queries.list_versions(self.session, character_id=character.id),
            "side_name": lambda run, side: _side_name(getattr(run, f"{side}_version_id"), numbers),
            "most_prompts": rules.MOST_PROMPTS,
            "provider": self.resources.language,
            "price_told": self._price_told(),
            "told": "",
        }

    def _price_told(self) -> str:
        """What a run counts of a budget where nobody said what the model costs; empty where that is known."""
        settings, provider = self.resources.settings, self.resources.language
        if not provider.is_configured or not prices_from(settings).is_assumed(provider.model):
            return ""
        price = micro_label(int(settings.language_unpriced * 1_000), settings.language_currency)
        return str(
            _(
                "What the model costs is not known here: a thousand tokens count as %(price)s, so that your budget holds.",
                price=price,
            )
        )

    def _page(self, character: Character, chat: ChatSession | None) -> str:
        session = self.session
        definition = definitions.of(session, character, chat.version_id if chat is not None else None)
        if chat is not None:
            patience, now = limits_of(self.resources).patience, utc_now()
            answering.settle_lost(session, before=now - patience, now=now, session_id=chat.id)
        shown = queries.list_shown(session, session_id=chat.id) if chat is not None else []
        context = self._prompt_context(character)
        return self.render(
            "chat/_chat.html" if is_fragment() else "chat/index.html",
            is_part=is_fragment(),
            chat=chat,
            chats=queries.list_sessions(session, actor=current_actor(), character_id=character.id),
            shown=shown,
            branches=queries.list_branches(session, session_id=chat.id) if chat is not None else {},
            definition=definition,
            portrait=portrait_url(character.portrait_id),
            may_write=session.scalar(
                sa.select(authoring.character_writable_by(current_actor())).where(Character.id == character.id)
            ),
            labels=chat_labels,
            media=attachments.list_attachments(session, message_ids=[one.message.id for one in shown]),
            **chat_media.helpers(),
            under_way=next((one.message for one in shown if one.message.state == "streaming"), None),
            **context,
        )


def limits_of(shared: Resources) -> Limits:
    """What the settings allow an answer."""
    return answering.limits_from(shared.settings)


def report_of(shared: Resources) -> Report:
    """Keeps an error where staff find it, from within a stream: the request is over by then."""
    actor, place = current_actor(), f"{request.method} {request.url_rule or ''}"

    def report(error: BaseException) -> str:
        return error_log.report(
            # A test's connection takes the engine's place; a session is made on either.
            cast("sa.Engine", shared.engine),
            data=shared.settings.data,
            error=error,
            source=ErrorSource.REQUEST,
            place=place,
            user_id=actor.user_id,
            now=utc_now(),
        )

    return report


def _lines(shared: Resources, task: Task, cancel: Cancel, report: Report) -> Iterator[bytes]:
    """The answer as lines; however it ends, its place among the streams is free again."""
    shared.streams.begin(task.message_id)
    try:
        for piece in answering.stream(
            task,
            provider=shared.language,
            prices=prices_from(shared.settings),
            open_session=shared.own_session,
            report=report,
            cancel=cancel,
        ):
            if isinstance(piece, Delta):
                yield streams.line("delta", text=piece.text)
            else:
                yield streams.line("end", id=str(piece.message_id), state=piece.state.value)
    finally:
        shared.streams.close(task.message_id)


def _after(head: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from lines


def _waited(head: str, lines: Iterator[bytes], tail: str) -> Iterator[bytes]:
    yield head.encode()
    for _line in lines:
        # A comment keeps the browser's patience, and tells the server when the browser has left.
        yield b"<!-- . -->"
    yield tail.encode()


def _wants_stream() -> bool:
    return "application/x-ndjson" in request.headers.get("Accept", "")


def _version() -> UUID | None:
    return _side("version")


def _side(name: str) -> UUID | None:
    """The version that a form names; "draft" or nothing is the draft. Raises NotFoundError."""
    value = request.form.get(name, "")
    if value in {"", "draft"}:
        return None
    try:
        return UUID(value)
    except ValueError:
        raise NotFoundError from None


def _side_name(version_id: UUID | None, numbers: dict[UUID | None, int]) -> str:
    if version_id is None:
        return str(_("Draft"))
    return str(_("Version %(number)d", number=numbers.get(version_id, 0)))


def _rows(answers: Any) -> list[dict[str, Any]]:
    rows: dict[int, dict[str, Any]] = {}
    for answer in answers:
        rows.setdefault(answer.position, {"prompt": answer.prompt})[answer.side.value] = answer
    return list(rows.values())


def _sums(answers: Any) -> dict[str, dict[str, Any]]:
    """Tokens, time and cost of each side together."""
    found: dict[str, dict[str, Any]] = {}
    for side in ("left", "right"):
        own = [answer for answer in answers if answer.side.value == side and answer.state is not AnswerState.WAITING]
        costs = [answer.cost_micro for answer in own if answer.cost_micro is not None]
        found[side] = {
            "prompt_tokens": sum(answer.prompt_tokens or 0 for answer in own),
            "tokens_out": sum(answer.tokens_out or 0 for answer in own),
            "ms": sum(answer.response_time_ms or 0 for answer in own),
            "cost": sum(costs) if costs else None,
            "currency": own[0].currency if own else "USD",
            "failed": sum(answer.failure is not None for answer in own),
        }
    return found
