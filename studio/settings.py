"""Everything that can be set from outside, typed, read once from STUDIO_* variables."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: where `wsgi.py`, `templates/` and `migrations/` stand."""


class ModelPrice(BaseModel):
    """What a model costs, in units of the currency per million tokens that it reads (`input`) and writes (`output`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Decimal = Field(ge=0, le=100_000)
    output: Decimal = Field(ge=0, le=100_000)


class SpeechTokenPrice(BaseModel):
    """What a voice that is billed by tokens costs, in units of the currency per million of them.

    `input` is for text that it reads, `output` for text that it writes, `audio_output` for what it speaks;
    `cached_input` is the price of text that it has read before, `input` where it is not given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Decimal = Field(ge=0, le=100_000)
    cached_input: Decimal | None = Field(default=None, ge=0, le=100_000)
    output: Decimal = Field(ge=0, le=100_000)
    audio_output: Decimal = Field(ge=0, le=100_000)


class Settings(BaseSettings):
    """The studio's settings; each field is `STUDIO_` and its name in capitals in the environment or in `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="STUDIO_", env_file=".env", frozen=True, extra="ignore", env_ignore_empty=True
    )

    data: Path = Field(default=ROOT / "var", description="Folder for everything that the studio keeps on this machine.")
    host: str = Field(default="127.0.0.1", description="Address that the web server listens on.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port that the web server listens on.")
    web_workers: int = Field(default=1, ge=1, le=64, description="Web processes.")
    web_threads: int = Field(default=8, ge=1, le=256, description="Threads in each web process.")
    job_workers: int = Field(default=2, ge=1, le=64, description="Worker processes that `up` starts.")

    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL to use instead of the embedded one: postgresql://user:password@host/name."
    )
    database_pool: int = Field(
        default=10, ge=1, le=200, description="Connections that each process keeps to PostgreSQL."
    )
    redis_url: SecretStr | None = Field(
        default=None, description="Redis or Valkey to use instead of the embedded one: redis://host:port/0."
    )

    secret_key: SecretStr | None = Field(
        default=None, description="Key that signs sessions; made once under the data folder when not given."
    )
    demo: bool = Field(default=False, description="Demo mode: demo accounts exist and the sign-in page shows them.")
    public_url: str | None = Field(default=None, description="Address that people use, for links in mails and exports.")
    behind_proxy: int = Field(
        default=0, ge=0, le=5, description="How many trusted proxies stand in front of the web server."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="How much is logged.")

    embeddings_provider: Literal["local", "openai"] = Field(
        default="local", description="`local` needs no key; `openai` is any OpenAI-compatible server."
    )
    embeddings_url: str | None = Field(default=None, description="Base address of the embeddings server.")
    embeddings_key: SecretStr | None = Field(default=None, description="Key of the embeddings server.")
    embeddings_model: str = Field(default="text-embedding-3-small", description="Model asked of the embeddings server.")
    embeddings_dimensions: int = Field(
        default=1536, ge=8, le=4000, description="Dimensions asked of the embeddings server."
    )
    embeddings_price: Decimal = Field(
        default=Decimal(0), ge=0, le=100_000, description="What the embeddings server asks for a million tokens."
    )
    embeddings_timeout: float = Field(default=30.0, gt=0, description="Seconds to wait for one embeddings request.")
    embeddings_attempts: int = Field(default=5, ge=1, le=10, description="Attempts at one embeddings request.")
    embeddings_parallel: int = Field(default=4, ge=1, le=32, description="Embeddings requests under way at once.")

    language_provider: Literal["none", "openai"] = Field(
        default="none",
        description="`none`: characters answer with their fallback replies; `openai` is any OpenAI-compatible server.",
    )
    language_url: str | None = Field(default=None, description="Base address of the language server.")
    language_key: SecretStr | None = Field(default=None, description="Key of the language server.")
    language_model: str = Field(default="gpt-4.1-mini", min_length=1, description="Model asked of the language server.")
    language_models: str = Field(default="", description="Further models to choose from, separated by commas.")
    language_timeout: float = Field(
        default=30.0, gt=0, description="Seconds of silence after which an answer is given up."
    )
    language_time_limit: float = Field(default=180.0, gt=0, description="Seconds that a whole answer may take.")
    language_attempts: int = Field(default=3, ge=1, le=10, description="Attempts at one answer, before its first word.")
    language_parallel: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Answers that each web process streams at once; at most half of its threads.",
    )
    language_context: int = Field(
        default=8192,
        ge=512,
        le=2_000_000,
        description="Tokens that the model's window holds, prompt and answer together.",
    )
    language_max_output: int = Field(default=800, ge=16, le=100_000, description="Tokens that an answer may have.")
    language_daily_tokens: int = Field(
        default=2_000_000, ge=0, description="Tokens that a person's chats and helps may use in a day; 0 is no limit."
    )
    language_prices: Mapping[str, ModelPrice] = Field(
        default={},
        description='Prices per million tokens, as JSON: {"gpt-4.1-mini": {"input": 0.4, "output": 1.6}}.',
    )
    language_unpriced: Decimal = Field(
        default=Decimal(5),
        ge=0,
        le=100_000,
        description="What a million tokens of a model without a price count in the budgets of jobs, unless the server is "
        "on one's own network; 0 counts nothing.",
    )
    language_windows: dict[str, Annotated[int, Field(ge=0, le=10_000_000)]] = Field(
        default_factory=dict,
        description='Windows of models in tokens, as JSON: {"qwen3:8b": 40960}; the editor offers them, 0 takes one out.',
    )
    language_currency: str = Field(
        default="USD", pattern="^[A-Z]{3}$", description="Currency of all prices and budgets."
    )
    budget_monthly: Decimal = Field(
        default=Decimal(50),
        ge=0,
        le=1_000_000,
        description="What a person's jobs may cost in a calendar month, in the currency of all prices; 0 is no limit.",
    )
    moderation_provider: Literal["none", "openai"] = Field(
        default="none",
        description="`none`: listings are screened by rules on this machine; `openai` also asks OpenAI's moderation.",
    )
    moderation_url: str | None = Field(
        default=None, description="Base address of the moderation server, if not OpenAI's own."
    )
    moderation_key: SecretStr | None = Field(default=None, description="Key of the moderation server.")
    moderation_model: str = Field(
        default="omni-moderation-latest", min_length=1, description="Model asked of the moderation server."
    )
    moderation_timeout: float = Field(default=20.0, gt=0, description="Seconds to wait for one moderation request.")
    moderation_attempts: int = Field(default=3, ge=1, le=10, description="Attempts at one moderation request.")
    judge_provider: Literal["none", "language", "openai"] = Field(
        default="none",
        description="Model that judges listings by the studio's policy: `language` is the one that chats, "
        "`openai` another OpenAI-compatible server.",
    )
    judge_url: str | None = Field(default=None, description="Base address of the judge's server.")
    judge_key: SecretStr | None = Field(default=None, description="Key of the judge's server.")
    judge_model: str = Field(default="gpt-4.1-mini", min_length=1, description="Model asked of the judge's server.")
    review_days: int = Field(default=2, ge=1, le=30, description="Working days within which a listing is reviewed.")
    review_time_zone: str = Field(
        default="UTC", description="Time zone in which these days begin and end (`Europe/Berlin`, `Asia/Shanghai`)."
    )
    storage_provider: Literal["local", "s3"] = Field(
        default="local", description="`local` is a folder under the data folder; `s3` is any S3-compatible server."
    )
    storage_bucket: str = Field(default="", description="Bucket that holds the files.")
    storage_url: str | None = Field(default=None, description="Address of the S3-compatible server, if not Amazon's.")
    storage_region: str = Field(default="us-east-1", min_length=1, description="Region of the bucket.")
    storage_key_id: SecretStr | None = Field(default=None, description="Id of the key for the bucket.")
    storage_key: SecretStr | None = Field(default=None, description="Secret of the key for the bucket.")
    storage_prefix: str = Field(default="", description="Folder within the bucket, where others use it too.")
    storage_timeout: float = Field(default=30.0, gt=0, description="Seconds to wait for one request to the bucket.")
    media_quota: int = Field(
        default=10_000, ge=0, description="Megabytes of files that a person may keep; 0: no limit."
    )

    images_provider: Literal["local", "openai", "webui", "comfyui"] = Field(
        default="local",
        description="`local` draws placeholders; `openai` is any OpenAI-compatible server, `webui` Stable Diffusion "
        "WebUI, `comfyui` ComfyUI.",
    )
    images_url: str | None = Field(default=None, description="Base address of the picture server.")
    images_key: SecretStr | None = Field(
        default=None, description="Key of the picture server; for WebUI `user:password` where it asks for them."
    )
    images_model: str = Field(default="", description="Model or checkpoint; empty is the provider's usual one.")
    images_workflow: Path | None = Field(
        default=None, description="ComfyUI workflow in API format, with `%prompt%` and the like where values go."
    )
    images_timeout: float = Field(
        default=120.0, gt=0, description="Seconds of silence after which pictures are given up."
    )
    images_time_limit: float = Field(default=900.0, gt=0, description="Seconds that one request for pictures may take.")
    images_stall: float = Field(
        default=180.0,
        gt=0,
        description="Seconds without progress after which WebUI's or ComfyUI's drawing is given up; more where loading a "
        "model takes longer.",
    )
    images_attempts: int = Field(default=3, ge=1, le=10, description="Attempts at a request that was turned away.")
    images_result_hosts: str = Field(
        default="oaidalleapiprodscus.blob.core.windows.net",
        description="Hosts, by commas, from which results may be fetched besides the picture server's own.",
    )
    images_prices: Mapping[str, Decimal] = Field(
        default={}, description='Price of one picture by model, as JSON: {"gpt-image-1": 0.042}.'
    )
    images_unpriced: Decimal = Field(
        default=Decimal("0.05"),
        ge=0,
        le=1_000,
        description="What one picture of a model without a price counts in budgets, unless the server is on one's own "
        "network; 0 counts nothing.",
    )
    speech_elevenlabs_key: SecretStr | None = Field(default=None, description="Key of ElevenLabs.")
    speech_elevenlabs_url: str | None = Field(default=None, description="Base address of ElevenLabs, if not its own.")
    speech_azure_key: SecretStr | None = Field(default=None, description="Key of an Azure Speech resource.")
    speech_azure_region: str = Field(default="", description="Region of the Azure Speech resource, such as westeurope.")
    speech_azure_url: str | None = Field(
        default=None, description="Base address of Azure Speech, if not that of its region."
    )
    speech_google_key: SecretStr | None = Field(default=None, description="API key of Google Cloud Text-to-Speech.")
    speech_google_url: str | None = Field(default=None, description="Base address of Google's speech, if not its own.")
    speech_openai_key: SecretStr | None = Field(default=None, description="Key of OpenAI's speech.")
    speech_openai_url: str | None = Field(
        default=None, description="Base address of any server that speaks OpenAI's `/audio/speech` or Realtime API."
    )
    speech_openai_models: str = Field(
        default="", description="Speech models of that server, separated by commas; OpenAI's where empty."
    )
    speech_openai_voices: str = Field(
        default="", description="Voices of that server, separated by commas; OpenAI's where empty."
    )
    speech_timeout: float = Field(default=30.0, gt=0, description="Seconds of silence after which speech is given up.")
    speech_time_limit: float = Field(default=120.0, gt=0, description="Seconds that one request for speech may take.")
    speech_attempts: int = Field(default=3, ge=1, le=10, description="Attempts at one request for speech.")
    speech_daily_characters: int = Field(
        default=50_000,
        ge=0,
        description="Characters that a person may have spoken in a day by providers that cost; 0 is no limit.",
    )
    speech_prices: Mapping[str, Decimal | SpeechTokenPrice] = Field(
        default={},
        description='Prices per million characters, as JSON: {"elevenlabs": 180, "openai/tts-1": 15}; per million '
        'tokens {"openai/gpt-realtime-2.1-mini": {"input": 0.6, "output": 2.4, "audio_output": 20}}.',
    )
    speech_unpriced: Decimal = Field(
        default=Decimal(100),
        ge=0,
        le=100_000,
        description="What a million characters of speech without a price count in budgets, unless the server is on one's "
        "own network; 0 counts nothing.",
    )

    payments_provider: Literal["local", "stripe"] = Field(
        default="local",
        description="`local` is a test provider that moves no money; `stripe` needs the extra `stripe`.",
    )
    payments_key: SecretStr | None = Field(default=None, description="Secret key of the payment provider.")
    payments_webhook_secret: SecretStr | None = Field(
        default=None, description="Secret that signs what the payment provider tells `/payments/stripe/events`."
    )
    payments_url: str | None = Field(default=None, description="Base address of the payment provider, if not its own.")
    payments_timeout: float = Field(default=20.0, gt=0, description="Seconds to wait for one payment request.")
    platform_fee_bps: int = Field(
        default=1500, ge=0, le=10_000, description="The platform's share of a sale in basis points (1500 is 15 %)."
    )
    payout_hold_days: int = Field(
        default=7, ge=0, le=180, description="Days after a sale until the creator's part can be paid out."
    )
    payout_minimums: dict[str, int] = Field(
        default_factory=dict, description="Least payout by currency in minor units, as JSON; others keep their default."
    )

    job_lease: float = Field(
        default=12.0, gt=1, description="Seconds without a heartbeat after which a job is taken back."
    )
    job_sweep: float = Field(default=2.0, gt=0, description="Seconds between two looks of the scheduler at the jobs.")

    @field_validator("review_time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("There is no such time zone; give one as Europe/Berlin or Asia/Shanghai.") from None
        return value

    @field_validator("data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @cached_property
    def budget_micro(self) -> int:
        """What a person's jobs may cost in a month, in millionths; 0 is no limit."""
        return int(self.budget_monthly * 1_000_000)

    @cached_property
    def further_language_models(self) -> tuple[str, ...]:
        """The models that may be chosen instead of the usual one."""
        return tuple(name.strip() for name in self.language_models.split(",") if name.strip())

    @cached_property
    def image_result_hosts(self) -> frozenset[str]:
        """The hosts from which results may be fetched, in lower case."""
        return frozenset(name.strip().lower() for name in self.images_result_hosts.split(",") if name.strip())

    @cached_property
    def openai_speech_models(self) -> tuple[str, ...]:
        """The speech models of the OpenAI-compatible server; none are OpenAI's own."""
        return tuple(name.strip() for name in self.speech_openai_models.split(",") if name.strip())

    @cached_property
    def media_folder(self) -> Path:
        """Where the bytes of media files lie."""
        return self.data / "media"
