"""The gateway's settings: environment variables that begin with POINTCLOUD_, or lines of a `.env` file."""

from pathlib import Path
from typing import Annotated

import limits
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Words = Annotated[tuple[str, ...], NoDecode]
"""Separated by commas."""
Count = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """What an install decides."""

    model_config = SettingsConfigDict(env_prefix="POINTCLOUD_", env_file=".env", extra="ignore", frozen=True)

    # Where things are.
    store: str = "file:///data"
    """Where artefacts lie: a URL that obstore knows (file, s3, gs, az)."""
    database: str = "sqlite+aiosqlite:////data/archive.db"
    """Where the archive of jobs lies: a URL of SQLAlchemy's, with sqlite+aiosqlite or postgresql+asyncpg."""
    web: Path = Path("/app/web")
    """Folder of the built web page."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Of the web page, the REST service, viewer pages and octrees."""
    store_port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """Of the store service, for stage pods and the operator."""
    external_url: str = "http://localhost:8080"
    """Where users reach `port`, without a trailing slash."""
    default_namespace: str = "default"
    """Of jobs whose id names none."""

    # Who may do what.
    store_readers: Words = ()
    """Usernames that may read every artefact: the operator's service account."""
    store_managers: Words | None = None
    """Usernames that may remove artefacts: by default `store_readers`."""
    api_keys: Path | None = None
    """Folder of a mounted Secret: a file for each key, named after it, with the key in it."""
    signing_key: Annotated[SecretStr, Field(min_length=32)] | None = None
    """What links and webhooks are signed with; without it, a key is made and kept in the store."""
    anonymous_viewing: bool = True
    """Whether whoever knows its address may look at a point cloud."""
    live_logs: bool = True
    """Whether to read logs of running pods from the API server; those of ended ones are in the store."""
    cors_origins: Words = ("*",)
    """Origins whose pages may use this service from a browser; * for all."""
    trusted_proxies: Words = ()
    """Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto count."""
    rate_limit: str = "1200/minute"
    """Requests of one client (a user, or else an address) to one replica, as the library `limits` writes it; empty for
    no limit. Behind a proxy that is not in `trusted_proxies`, all who have not signed in count as one."""
    webhooks_allow_private: bool = False
    """Whether a webhook may lead to a loopback, link-local, private or otherwise not globally routed address."""

    # How much may come in.
    max_file_bytes: Count = 50_000_000_000
    max_files: Count = 5000
    """Of one job."""
    max_job_bytes: Count = 100_000_000_000
    """Of all files of one job together."""
    max_concurrent_uploads: Count = 64
    """Of this process; each may hold 4 MiB of memory."""
    upload_expiry_seconds: Count = 86_400
    """After which an unfinished upload that nobody continues is removed."""
    idle_seconds: Count = 60
    """How long a request's body may stay silent."""

    @field_validator("rate_limit")
    @classmethod
    def _readable(cls, value: str) -> str:
        if value:
            limits.parse(value)  # raises ValueError that quotes it
        return value

    @field_validator("store_readers", "store_managers", "cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
