"""The gateway's settings: environment variables that begin with POINTCLOUD_."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """What an install decides."""

    model_config = SettingsConfigDict(env_prefix="POINTCLOUD_", frozen=True)

    store: str = "file:///data"
    """Where artefacts lie: a URL that obstore knows (file, s3, gs, az)."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Of pages and octrees, for everybody."""
    store_port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """Of the store service, for stage pods and the operator."""
    store_readers: Annotated[tuple[str, ...], NoDecode] = ()
    """Usernames, separated by commas, that may read every artefact: the operator's service account."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ("*",)
    """Origins, separated by commas, whose pages may read octrees from here; * for all."""

    @field_validator("store_readers", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
