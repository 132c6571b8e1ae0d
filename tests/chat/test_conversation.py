"""Chats: what is said and answered, what is kept when a model fails, and whose it is."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.authoring import versions
from studio.authoring.rules import Greetings
from studio.chat import answering, conversation, queries, rules, sessions, usage
from studio.chat.errors import (
    AnswerUnderWayError,
    BudgetSpentError,
    BusyError,
    EmptyMessageError,
    NotTheLastError,
    TooOftenError,
)
from studio.chat.models import ChatMessage, ChatPrompt, ChatSession, MessageState, UsageStat
from studio.kit.errors import ForbiddenError, InvalidError, NotFoundError
from studio.providers import language
from studio.providers.errors import ProviderBrokenError
from studio.providers.language import Cancel, Delta
from tests.chat.conftest import LIMITS
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character
from tests.fakes import language_server as fake


@pytest.fixture
def chat(session, creator, character, now):
    return sessions.start(session, actor=creator, character_id=character.id, now=now)


@pytest.fixture
def say(session, creator, chat, now):
    def do(text="Draw!", *, actor=creator, limits=LIMITS, at=now):
        return conversation.say(session, actor=actor, session_id=chat.id, text=text, limits=limits, now=at)

    return do


def shown(session, chat):
    session.expire_all()
    return [(one.message.role.value, one.message.content) for one in queries.list_shown(session, session_id=chat.id)]


class TestStart:
    def test_greets_with_the_persons_name_and_keeps_the_other_greetings_as_swipes(self, session, chat):
        (first,) = queries.list_shown(session, session_id=chat.id)
        assert first.message.content == "You came for my sword, Mei?"
        assert len(first.siblings) == 2

    def test_begins_with_the_greeting_that_is_chosen(self, session, creator, character, now):
        chat = sessions.start(session, actor=creator, character_id=character.id, greeting=1, now=now)
        assert shown(session, chat) == [("assistant", "The condor cries.")]

    def test_is_for_who_may_read_the_draft(self, session, outsider, character, now):
        with pytest.raises(NotFoundError):
            sessions.start(session, actor=outsider, character_id=character.id, now=now)
        with pytest.raises(ForbiddenError):
            sessions.start(session, actor=make_actor(session, RoleName.ADMIN), character_id=character.id, now=now)

    def test_talks_to_a_version_as_it_was(self, session, creator, character, now, stage, server):
        version = versions.make(session, actor=creator, character_id=character.id, now=now)
        character.description = "Somebody else now."
        session.flush()
        chat = sessions.start(session, actor=creator, character_id=character.id, version_id=version.id, now=now)
        stage.answer(conversation.say(session, actor=creator, session_id=chat.id, text="Hi", limits=LIMITS, now=now))
        assert "looks for one defeat" in server.requests[0].text

    def test_of_another_characters_version_is_not_found(self, session, creator, character, now):
        other = make_character(session, owner=creator)
        version = versions.make(session, actor=creator, character_id=other.id, now=now)
        with pytest.raises(NotFoundError):
            sessions.start(session, actor=creator, character_id=character.id, version_id=version.id, now=now)

    def test_lets_the_oldest_chats_go(self, session, monkeypatch, creator, character, now):
        monkeypatch.setattr(rules, "MOST_KEPT_CHATS", 2)
        made = [
            sessions.start(session, actor=creator, character_id=character.id, now=now + timedelta(minutes=n)).id
            for n in range(3)
        ]
        assert set(session.scalars(sa.select(ChatSession.id))) == set(made[1:])


class TestSay:
    def test_has_the_character_answer_and_keeps_what_was_sent_and_what_it_took(self, session, chat, say, stage, server):
        server.script(fake.Says("Draw your sword."))
        message = stage.answer(say("Yes, draw."))
        assert shown(session, chat) == [
            ("assistant", "You came for my sword, Mei?"),
            ("user", "Yes, draw."),
            ("assistant", "Draw your sword."),
        ]
        assert message.state is MessageState.COMPLETE
        assert (message.model, message.tokens_out, message.is_counted) == ("gpt-4.1-mini", 3, True)
        assert message.cost_micro == -(-(message.tokens_in * 4 + 3 * 16) // 10)
        assert message.response_time_ms >= message.first_token_ms >= 0
        sent = session.get(ChatPrompt, message.prompt_id)
        assert [(m["role"], m["content"]) for m in sent.messages] == list(server.requests[0].messages)
        assert sent.messages[-1] == {"role": "user", "content": "Yes, draw."}
        assert {part["kind"] for part in sent.breakdown["parts"]} >= {"system_prompt", "description", "history"}
        assert session.get(ChatSession, chat.id).title == "Yes, draw."

    def test_counts_tokens_by_estimate_where_the_server_does_not_say(self, say, stage, server):
        server.script(fake.Says("Draw your sword.", usage=False))
        message = stage.answer(say())
        assert not message.is_counted
        assert message.tokens_in > 0 < message.tokens_out

    def test_does_not_know_the_price_of_a_model_that_nobody_priced(self, say, stage, server):
        server.script(fake.Says("Draw.", model="llama"))
        assert stage.answer(say()).cost_micro is None

    @pytest.mark.parametrize("text", ["", "  \n ", "\x00"])
    def test_refuses_nothing(self, say, text):
        with pytest.raises(EmptyMessageError):
            say(text)

    def test_refuses_what_nobody_reads(self, say):
        with pytest.raises(InvalidError, match="20,000"):
            say("x" * 20_001)

    def test_refuses_while_the_character_answers(self, say):
        say()
        with pytest.raises(AnswerUnderWayError):
            say()

    def test_goes_on_where_a_process_died_in_the_middle_of_an_answer(self, session, chat, say, now):
        task = say()
        later = now + LIMITS.patience + timedelta(seconds=1)
        say("Still there?", at=later)
        session.expire_all()
        lost = session.get(ChatMessage, task.message_id)
        assert lost.state is MessageState.FAILED
        assert "restarted" in lost.failure["msgid"]

    def test_refuses_more_answers_at_once_than_a_person_reads(self, session, creator, character, now):
        for _ in range(rules.MOST_AT_ONCE):
            chat = sessions.start(session, actor=creator, character_id=character.id, now=now)
            conversation.say(session, actor=creator, session_id=chat.id, text="x", limits=LIMITS, now=now)
        chat = sessions.start(session, actor=creator, character_id=character.id, now=now)
        with pytest.raises(BusyError):
            conversation.say(session, actor=creator, session_id=chat.id, text="x", limits=LIMITS, now=now)

    def test_refuses_more_answers_in_a_minute_than_a_person_reads(self, monkeypatch, say, stage, now):
        monkeypatch.setattr(rules, "MOST_PER_MINUTE", 1)
        stage.answer(say())
        with pytest.raises(TooOftenError):
            say()
        say(at=now + timedelta(minutes=2))

    def test_refuses_beyond_the_days_budget_and_goes_on_tomorrow(self, session, creator, say, now):
        session.add(UsageStat(user_id=creator.user_id, day=now.date(), currency="USD", tokens_in=99_999, tokens_out=1))
        session.flush()
        with pytest.raises(BudgetSpentError):
            say()
        say(at=now + timedelta(days=1))

    def test_adds_what_it_took_to_the_persons_day(self, session, creator, say, stage, now):
        message = stage.answer(say())
        used = usage.used_today(session, user_id=creator.user_id, now=message.finished_at)
        assert used == message.tokens_in + message.tokens_out

    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.MODERATOR, RoleName.STAFF, RoleName.ADMIN])
    def test_is_for_the_chats_owner_alone(self, session, say, role):
        with pytest.raises(NotFoundError):
            say(actor=make_actor(session, role))

    def test_knows_no_chat_any_more_whose_character_the_owner_may_not_read(self, session, character, now):
        moderator = make_actor(session, RoleName.MODERATOR)
        chat = sessions.start(session, actor=moderator, character_id=character.id, now=now)
        demoted = type(moderator)(user_id=moderator.user_id, roles=frozenset({RoleName.CREATOR}))
        with pytest.raises(NotFoundError):
            queries.get_session(session, actor=demoted, session_id=chat.id)


class TestFallback:
    def test_is_said_in_the_chats_language_with_the_reason_and_the_reference(self, say, stage, server):
        server.script(fake.Dies(after=2))
        message = stage.answer(say("你好"))
        assert message.state is MessageState.FALLBACK
        assert message.content == "风太大了，Mei。"
        assert message.partial == "The tavern "
        assert message.failure["msgid"] == "The language server broke off in the middle of its answer."
        assert message.error_reference == "7K2M-9QXW"
        assert [type(error) for error in stage.reported] == [ProviderBrokenError]

    def test_is_said_where_no_model_is_configured(self, settings, say, stage):
        stage.provider = language.from_settings(settings)
        message = stage.answer(say())
        assert (message.state, message.content) == (MessageState.FALLBACK, "The wind takes my words.")
        assert message.failure["msgid"].startswith("No language model is configured")
        # So the studio is set up: nothing for staff to look into.
        assert (stage.reported, message.error_reference, message.tokens_in) == ([], None, None)

    def test_is_said_where_the_character_is_larger_than_the_window(self, session, character, say, stage, server):
        character.description = "word " * 5_000
        session.flush()
        message = stage.answer(say())
        assert message.state is MessageState.FALLBACK
        assert "Shorten the character" in message.failure["msgid"]
        assert not stage.reported
        assert not server.requests
        assert session.get(ChatPrompt, message.prompt_id).breakdown["fits"] is False

    def test_is_said_where_the_mistake_is_ours(self, say, stage):
        class Wrong:
            def stream(self, *_args, **_more):
                raise ZeroDivisionError

        stage.provider = Wrong()
        message = stage.answer(say())
        assert message.state is MessageState.FALLBACK
        assert "our side" in message.failure["msgid"]

    def test_is_an_honest_nothing_where_the_character_has_none(self, session, creator, now, stage, server):
        silent = make_character(session, owner=creator, greetings=Greetings("Hm."))
        chat = sessions.start(session, actor=creator, character_id=silent.id, now=now)
        server.script(fake.Status(401))
        task = conversation.say(session, actor=creator, session_id=chat.id, text="x", limits=LIMITS, now=now)
        message = stage.answer(task)
        assert (message.state, message.content) == (MessageState.FAILED, "")

    def test_goes_by_weight_and_language(self):
        replies = [
            {"content": "often", "weight": 99, "language": "en-GB"},
            {"content": "seldom", "weight": 1, "language": "en"},
            {"content": "别的", "weight": 500, "language": "zh"},
        ]
        picked = [rules.pick_reply(replies, language="en", seed=seed) for seed in range(300)]
        assert set(picked) <= {"often", "seldom"}
        assert picked.count("often") > 200
        assert rules.pick_reply(replies, language="zh", seed=1) == "别的"
        assert rules.pick_reply([], language="en", seed=1) is None


class TestStop:
    def test_keeps_what_had_come(self, say, stage, server):
        server.script(fake.Stalls(after=2))
        cancel = Cancel()
        events = stage.events(task := say(), cancel)
        said = [next(events), next(events)]
        cancel.ask()
        list(events)
        message = stage.message(task.message_id)
        assert [piece.text for piece in said] == ["The ", "tavern "]
        assert (message.state, message.content) == (MessageState.STOPPED, "The tavern ")
        assert server.left.wait(5)
        assert not stage.reported

    def test_happens_when_the_reader_leaves(self, say, stage, server):
        server.script(fake.Stalls(after=1))
        events = stage.events(task := say())
        assert isinstance(next(events), Delta)
        events.close()
        message = stage.message(task.message_id)
        assert (message.state, message.content) == (MessageState.STOPPED, "The ")
        assert server.left.wait(5)

    def test_of_a_deleted_answer_keeps_nothing(self, session, chat, creator, say, stage):
        events = stage.events(say())
        next(events)
        sessions.clear(session, actor=creator, session_id=chat.id)
        list(events)
        assert session.scalar(sa.select(sa.func.count()).select_from(ChatMessage)) == 0


class TestAnswerAnew:
    def test_keeps_the_answer_before_beside_it(self, session, chat, creator, say, stage, server, now):
        server.script(fake.Says("One."), fake.Says("Two."))
        first = stage.answer(say())
        task = conversation.answer_anew(session, actor=creator, message_id=first.id, limits=LIMITS, now=now)
        second = stage.answer(task)
        assert shown(session, chat)[-1] == ("assistant", "Two.")
        assert "One." not in server.requests[1].text
        conversation.choose(session, actor=creator, message_id=first.id, now=now)
        assert shown(session, chat)[-1] == ("assistant", "One.")
        assert second.position == first.position

    def test_is_for_the_last_answer_only(self, session, creator, chat, say, stage, now):
        first = stage.answer(say())
        stage.answer(say("More."))
        with pytest.raises(NotTheLastError):
            conversation.answer_anew(session, actor=creator, message_id=first.id, limits=LIMITS, now=now)

    def test_is_not_for_the_greeting(self, session, creator, chat, now):
        (greeting,) = queries.list_shown(session, session_id=chat.id)
        with pytest.raises(NotTheLastError):
            conversation.answer_anew(session, actor=creator, message_id=greeting.message.id, limits=LIMITS, now=now)


class TestEdit:
    def test_says_it_differently_and_keeps_the_chat_as_it_was(self, session, creator, chat, say, stage, server, now):
        stage.answer(say("First."))
        stage.answer(say("Second."))
        before = shown(session, chat)
        last = queries.list_shown(session, session_id=chat.id)[-1].message
        sent = queries.find_sent(session, message=last).messages
        message = queries.list_shown(session, session_id=chat.id)[1].message
        task = conversation.edit(session, actor=creator, message_id=message.id, text="Else.", limits=LIMITS, now=now)
        stage.answer(task)
        assert [text for _role, text in shown(session, chat)][1:] == ["Else.", "You said: Else."]
        ((position, (branch_id,)),) = queries.list_branches(session, session_id=chat.id).items()
        branch = queries.get_session(session, actor=creator, session_id=branch_id)
        assert position == 1
        assert shown(session, branch) == before
        # With both greetings, with what was sent, and to be gone on with.
        greeting, *_, kept = queries.list_shown(session, session_id=branch.id)
        assert len(greeting.siblings) == 2
        assert queries.find_sent(session, message=kept.message).messages == sent
        stage.answer(
            conversation.say(session, actor=creator, session_id=branch.id, text="Third.", limits=LIMITS, now=now)
        )
        assert shown(session, branch)[-1] == ("assistant", "You said: Third.")
        sessions.clear(session, actor=creator, session_id=chat.id)
        session.expire_all()
        assert shown(session, branch)[:-2] == before

    def test_is_for_ones_own_messages(self, session, creator, say, stage, now):
        answer = stage.answer(say())
        with pytest.raises(InvalidError):
            conversation.edit(session, actor=creator, message_id=answer.id, text="x", limits=LIMITS, now=now)


class TestDelete:
    def test_takes_what_follows_along(self, session, creator, chat, say, stage, now):
        stage.answer(say("First."))
        stage.answer(say("Second."))
        message = queries.list_shown(session, session_id=chat.id)[3].message
        conversation.delete(session, actor=creator, message_id=message.id, now=now)
        assert len(shown(session, chat)) == 3


class TestSweep:
    def test_deletes_what_nobody_used_and_keeps_the_rest(self, session, creator, character, now):
        old = sessions.start(session, actor=creator, character_id=character.id, now=now - timedelta(days=91)).id
        new = sessions.start(session, actor=creator, character_id=character.id, now=now).id
        assert sessions.sweep(session, before=now - rules.TEST_CHATS_ARE_KEPT) == 1
        assert list(session.scalars(sa.select(ChatSession.id))) == [new]
        assert old != new

    def test_settles_answers_whose_process_is_gone(self, session, say, now):
        task = say()
        assert answering.settle_lost(session, before=now - timedelta(seconds=1), now=now) == 0
        assert answering.settle_lost(session, before=now + timedelta(seconds=1), now=now) == 1
        session.expire_all()
        assert session.get(ChatMessage, task.message_id).state is MessageState.FAILED
