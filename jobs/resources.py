"""What the jobs of one process share: connections, the storage and the embedding provider, each made when first needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy as sa
from redis import Redis
from sqlalchemy.orm import configure_mappers

from jobs import queue
from studio import tables
from studio.kit import db
from studio.providers import embeddings, images, language, moderation, payments, speech, storage
from studio.settings import Settings

if TYPE_CHECKING:
    from studio.providers.embeddings import EmbeddingProvider
    from studio.providers.images import ImageProvider
    from studio.providers.language import LanguageProvider
    from studio.providers.moderation import ModerationProvider
    from studio.providers.payments import PaymentProvider
    from studio.providers.speech import SpeechProvider
    from studio.providers.storage import Storage

_SIDE_TIMEOUT = "-c statement_timeout=5000 -c lock_timeout=4000"
"""Milliseconds; a heartbeat that waits longer is worth nothing."""


@dataclass(frozen=True)
class Resources:
    """What the jobs of one process share."""

    settings: Settings

    @cached_property
    def engine(self) -> sa.Engine:
        """The database, for what jobs do."""
        return db.make_engine(_database_url(self.settings), pool=self.settings.database_pool)

    @cached_property
    def side_engine(self) -> sa.Engine:
        """The database, for heartbeats and progress: connections of their own, which never wait for a job's."""
        options = db.engine_options(pool=2)
        arguments = dict(options["connect_args"])
        arguments["options"] = f"{arguments.get('options', '')} {_SIDE_TIMEOUT}".strip()
        arguments["connect_timeout"] = 3
        return db.watched(sa.create_engine(_database_url(self.settings), **{**options, "connect_args": arguments}))

    @cached_property
    def redis(self) -> "Redis":
        """Redis, for hints."""
        return queue.connect(self.settings)

    @cached_property
    def storage(self) -> "Storage":
        """Where the bytes of files lie."""
        return storage.from_settings(self.settings)

    @cached_property
    def embeddings(self) -> "EmbeddingProvider":
        """What turns texts into vectors."""
        return embeddings.from_settings(self.settings)

    @cached_property
    def language(self) -> "LanguageProvider":
        """What writes answers."""
        return language.from_settings(self.settings)

    @cached_property
    def moderation(self) -> "ModerationProvider":
        """What weighs texts and pictures of listings."""
        return moderation.from_settings(self.settings)

    @cached_property
    def judge(self) -> "LanguageProvider | None":
        """The language model that judges listings, if one is to."""
        return moderation.judge_from_settings(self.settings)

    @cached_property
    def images(self) -> "ImageProvider":
        """What makes pictures from prompts."""
        return images.from_settings(self.settings)

    @cached_property
    def payments(self) -> "PaymentProvider":
        """What takes money from buyers and pays creators."""
        return payments.from_settings(self.settings)

    def payments_through(self, name: str) -> "PaymentProvider | None":
        """What took a payment: the present provider or a former one; None where the settings of that are gone."""
        return self.payments if name == self.settings.payments_provider else payments.named(self.settings, name)

    @cached_property
    def speech(self) -> "Mapping[str, SpeechProvider]":
        """What speaks, by kind."""
        return speech.from_settings(self.settings)

    def close(self) -> None:
        """Let every connection go; may be repeated."""
        for name in ("engine", "side_engine"):
            if name in self.__dict__:
                self.__dict__[name].dispose()
        if "redis" in self.__dict__:
            self.redis.close()


def prepare_tables() -> int:
    """Have every table known and its relations worked out, as the first query would do otherwise; returns how many."""
    configure_mappers()
    return len(tables.metadata.tables)


def _database_url(settings: Settings) -> str:
    if settings.database_url is None:
        raise ValueError("The settings name no database.")
    return settings.database_url.get_secret_value()
