"""What a web process keeps for all its requests: settings, database, Redis, storage, providers."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import redis as redis_client
import sqlalchemy as sa
from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Session

from admin_views.chat.streams import Streams
from studio.providers.embeddings import EmbeddingProvider
from studio.providers.images import ImageProvider
from studio.providers.language import LanguageProvider
from studio.providers.moderation import ModerationProvider
from studio.providers.payments import PaymentProvider
from studio.providers.speech import SpeechProvider
from studio.settings import Settings


@dataclass(frozen=True)
class Resources:
    """Made once by `studio.app.create_app`; what is dear to make is made when it is first asked for."""

    settings: Settings
    db: SQLAlchemy
    redis: redis_client.Redis
    engine: sa.Engine | sa.Connection
    """What error reports are written by, apart from every request."""
    own_session: Callable[[], AbstractContextManager[Session]]
    """A session and a transaction apart from the request's: for what must stand even if the request is undone."""

    @cached_property
    def storage(self) -> Any:
        """Where the bytes of media files lie."""
        from studio.providers import storage

        return storage.from_settings(self.settings)

    @cached_property
    def embeddings(self) -> EmbeddingProvider:
        """What turns texts into vectors."""
        from studio.providers import embeddings

        return embeddings.from_settings(self.settings)

    @cached_property
    def language(self) -> LanguageProvider:
        """What writes answers."""
        from studio.providers import language

        return language.from_settings(self.settings)

    @cached_property
    def moderation(self) -> ModerationProvider:
        """What weighs texts and pictures of listings."""
        from studio.providers import moderation

        return moderation.from_settings(self.settings)

    @cached_property
    def judge(self) -> LanguageProvider | None:
        """The language model that judges listings, if one is to."""
        from studio.providers import moderation

        return moderation.judge_from_settings(self.settings)

    @cached_property
    def images(self) -> ImageProvider:
        """What makes pictures from prompts."""
        from studio.providers import images

        return images.from_settings(self.settings)

    @cached_property
    def payments(self) -> PaymentProvider:
        """What takes money from buyers and pays creators."""
        from studio.providers import payments

        return payments.from_settings(self.settings)

    def payments_through(self, name: str) -> PaymentProvider | None:
        """What took a payment: the present provider or a former one; None where the settings of that are gone."""
        from studio.providers import payments

        return self.payments if name == self.settings.payments_provider else payments.named(self.settings, name)

    @cached_property
    def speech(self) -> Mapping[str, SpeechProvider]:
        """What speaks, by kind; screens only ask it what it is, jobs have it speak."""
        from studio.providers import speech

        return speech.from_settings(self.settings)

    @cached_property
    def streams(self) -> Streams:
        """The answers that this process is streaming; at least half of its threads stay free for pages."""
        most = min(self.settings.language_parallel, max(1, self.settings.web_threads // 2))
        return Streams(self.redis, most=most, lasts=self.settings.language_time_limit + 60)


def resources() -> Resources:
    """The resources of the present application."""
    found: Resources = current_app.extensions["studio"]
    return found


def request_session() -> Session:
    """The session of the present request; its one transaction is committed when the request has succeeded."""
    session: Session = resources().db.session()
    return session
