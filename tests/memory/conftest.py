"""People, characters and the real local embedding model for the tests of the memory."""

import numpy as np
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from studio.accounts.permissions import RoleName
from studio.authoring.models import Character
from studio.memory import embeddings as memory_embeddings
from studio.memory import indexes
from studio.memory.models import CharacterEmbedding, EmbeddingModel
from studio.providers import embeddings
from tests.factories.accounts import make_actor, make_user
from tests.factories.authoring import make_character

DIMENSIONS = 16
ROWS = 300


@pytest.fixture(scope="session")
def provider():
    """The local multilingual model: it needs no key and no network."""
    from studio.settings import Settings

    return embeddings.from_settings(Settings(_env_file=None, embeddings_provider="local"))


@pytest.fixture
def broken_provider(settings):
    """A provider whose server is not there."""
    changes = {
        "embeddings_provider": "openai",
        "embeddings_url": "http://127.0.0.1:9/v1",
        "embeddings_key": SecretStr("not-a-key"),
        "embeddings_attempts": 1,
        "embeddings_model": "gone",
    }
    return embeddings.from_settings(settings.model_copy(update=changes))


@pytest.fixture
def creator(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def outsider(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def staff(session):
    return make_actor(session, RoleName.STAFF)


@pytest.fixture
def embed(session, provider, now):
    """Embed everything that is missing, as the job does."""

    def run():
        memory_embeddings.use_model(session, provider=provider)
        ids = memory_embeddings.ids_to_look_at(session, provider=provider)
        pending = memory_embeddings.pending_of(session, provider=provider, character_ids=ids)
        if pending:
            made = provider.embed([item.text for item in pending])
            memory_embeddings.keep(session, provider=provider, pending=pending, vectors=made, now=now)
        session.expire_all()
        return [item.character_id for item in pending]

    return run


@pytest.fixture
def cast(session, creator, outsider):
    """Four characters of one creator, and a draft of another."""
    texts = {
        "detective": ("Odile Marchetti", "An inspector who solves murders by listening to liars in a harbour town."),
        "侦探": ("沈砚", "民国上海滩的私家侦探，擅长从茶渍与雨声里推断凶手。"),
        "cook": ("小满", "夜市馄饨摊的摊主，凌晨三点熬汤，用味道记住每位客人。"),
        "pilot": ("Juniper Vale", "An airship captain who delivers unlicensed bees across the clouds."),
    }
    made = {
        key: make_character(session, owner=creator, name=name, description=text) for key, (name, text) in texts.items()
    }
    made["foreign"] = make_character(
        session, owner=outsider, name="Hidden Detective", description="A detective whom nobody may see yet."
    )
    return made


@pytest.fixture
def vectors():
    random = np.random.default_rng(11)
    made = random.normal(size=(ROWS, DIMENSIONS))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def model(session, vectors):
    """A model with ROWS vectors, and its index; every third row is tagged `third`, one in a hundred `rare`."""
    owner = make_user(session).id
    made = EmbeddingModel(name="near@16", dimensions=DIMENSIONS, is_current=True)
    session.add(made)
    characters = [
        Character(
            name=f"c{n}", owner_id=owner, tags=[*(["third"] if n % 3 == 0 else []), *(["rare"] if n % 100 == 7 else [])]
        )
        for n in range(ROWS)
    ]
    session.add_all(characters)
    session.flush()
    session.add_all(
        CharacterEmbedding(
            character_id=character.id,
            embedding_type="full_profile",
            model_name="near@16",
            embedding=vector,
            content_hash="x",
            row_version_seen=1,
        )
        for character, vector in zip(characters, vectors, strict=True)
    )
    session.flush()
    session.execute(
        sa.text(
            "CREATE INDEX near_index ON character_embeddings USING hnsw ((embedding::halfvec(16)) halfvec_ip_ops) "
            f"WITH (m = {indexes.M}, ef_construction = {indexes.EF_CONSTRUCTION}) WHERE model_name = 'near@16'"
        )
    )
    made.index_name = "near_index"
    session.flush()
    return made
