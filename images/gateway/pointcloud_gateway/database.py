"""The archive's database: SQLite or PostgreSQL, its schema brought up to date, its faults put into two words.

SQLite stays in its default journal mode. A write-ahead log would let readers go on beside a writer, but every process
that uses one must share memory, and the file may lie on a network volume that two nodes mount while one replica
replaces another. There is one writer and little to write, so nothing is lost by it but some waiting.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, Self

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import DatabaseError as SqlDatabaseError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import NullPool

_log = logging.getLogger(__name__)

_SQLITE: Final = "sqlite+aiosqlite"
_POSTGRESQL: Final = "postgresql+asyncpg"
_EXAMPLES: Final = f"{_SQLITE}:////data/archive.db or {_POSTGRESQL}://user:password@host/database"
_CONNECT_SECONDS: Final = 5
_STATEMENT_SECONDS: Final = 30
_MIGRATION_SECONDS: Final = 600
"""How long one replica waits for another that brings the schema up to date."""
_LOCK: Final = 0x706F696E74636C64
"""PostgreSQL's advisory lock of who migrates: "pointcld"."""
_AUTOCOMMIT: Final = {"isolation_level": "AUTOCOMMIT"}

# What PostgreSQL answers (the first two or all five characters of a SQLSTATE) when the settings are wrong, rather than
# the database out of order for a while.
_SETTINGS_STATES: Final = {
    "28": "refuses the user or the password",
    "3D": "has no database of that name",
    "42501": "does not let the user do that",
}
_UNDEFINED_TABLE: Final = "42P01"
_PASSING_CLASSES: Final = ("08", "25", "40", "53", "55", "57", "58", "XX")
"""Connection lost, read-only for now, rolled back, out of resources, locked, shut down, I/O error, internal error."""


class DatabaseError(Exception):
    """The database of the settings cannot be used: a sentence for whoever installs, without the password."""


class ArchiveUnavailableError(Exception):
    """The database does not answer, or not rightly; worth another try."""


class Database:
    """Connections to one database whose schema is this version's."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._engine = _engine(url)
        self._migrating = asyncio.Lock()
        self._migrated = False
        self._failed_at = -math.inf
        self._failure = ""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        """Bring the schema up to date, and close all connections in the end.

        A database that does not answer is no reason to stop: it is tried again at every use.

        Raises:
            DatabaseError: When the URL, the credentials or the schema are wrong.
        """
        database = cls(_parsed(url))
        try:
            try:
                await database._migrate()
            except ArchiveUnavailableError as error:
                _log.warning("the archive is not available for now: %s", error)
            yield database
        finally:
            await database._engine.dispose()

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for single queries. Raises ArchiveUnavailableError."""
        async with self._ready() as engine, engine.execution_options(**_AUTOCOMMIT).connect() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed when the block ends well. Raises ArchiveUnavailableError."""
        async with self._ready() as engine, engine.begin() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def _ready(self) -> AsyncIterator[AsyncEngine]:
        try:
            with _translated():
                if not self._migrated:
                    await self._migrate()
                yield self._engine
        except (ArchiveUnavailableError, DatabaseError) as error:
            # Whatever comes back may be another database, an empty one for instance.
            self._migrated = False
            raise ArchiveUnavailableError(f"the archive's database is out of order: {error}") from error

    async def _migrate(self) -> None:
        """Raises DatabaseError, ArchiveUnavailableError. Who asks while another tries shares what comes of it."""
        asked = time.monotonic()
        async with self._migrating:
            if self._migrated:
                return
            if self._failed_at >= asked:
                raise ArchiveUnavailableError(self._failure)
            try:
                await self._bring_up_to_date()
            except (ArchiveUnavailableError, DatabaseError) as error:
                self._failed_at, self._failure = time.monotonic(), str(error)
                raise
            self._migrated = True

    async def _bring_up_to_date(self) -> None:
        if self._url.drivername == _SQLITE:
            _make_folder(Path(self._url.database or ""))
        engine = _engine(self._url, migrating=True)
        try:
            with _translated():
                async with engine.begin() as connection:
                    await connection.run_sync(_upgrade)
        finally:
            await engine.dispose()


def upsert(connection: AsyncConnection, table: type[DeclarativeBase]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT with `on_conflict_do_…`, which both databases have and spell alike."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def storable(text: str, limit: int) -> str:
    """`text` without what a database refuses (U+0000, halves of surrogate pairs), cut to `limit` characters."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")[:limit]


def migrations(connection: Connection | None = None) -> Config:
    """Alembic's settings, with the connection to migrate."""
    config = Config()
    config.set_main_option("script_location", "pointcloud_gateway:migrations")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    """Raises DatabaseError for a schema that this version does not know."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    # SQLite: the transaction began IMMEDIATE, so this connection is the only one that writes.
    config = migrations(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise DatabaseError(
            f"The archive's database was made by a later version of the gateway (its schema is {', '.join(unknown)}): "
            "install that version or a later one again, or name another database."
        )
    command.upgrade(config, "head")


def _engine(url: URL, *, migrating: bool = False) -> AsyncEngine:
    patience = _MIGRATION_SECONDS if migrating else _STATEMENT_SECONDS
    if url.drivername == _POSTGRESQL:
        limits: dict[str, Any] = {"timeout": _CONNECT_SECONDS, "command_timeout": patience}
    else:
        limits = {"timeout": patience}  # SQLite's busy_timeout
    pool: dict[str, Any] = {"poolclass": NullPool} if migrating else {"pool_pre_ping": True, "pool_timeout": patience}
    engine = create_async_engine(url, connect_args=limits, **pool)
    if url.drivername == _SQLITE:
        # Alembic makes tables anew, which foreign keys to them would not survive.
        event.listen(
            engine.sync_engine, "connect", lambda connection, _: _enforce(connection, foreign_keys=not migrating)
        )
        event.listen(engine.sync_engine, "begin", _begin_immediate)
    return engine


def _enforce(connection: Any, *, foreign_keys: bool) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    """Take SQLite's write lock at once: a transaction that reads first could not wait for it later."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The URL is not repeated: where a password stands in it cannot be told.
        raise DatabaseError(f"POINTCLOUD_DATABASE is no URL of a database: write {_EXAMPLES}.") from None
    if parsed.drivername not in {_SQLITE, _POSTGRESQL}:
        raise DatabaseError(f"POINTCLOUD_DATABASE begins with {parsed.drivername}://: write {_EXAMPLES}.")
    if parsed.drivername == _SQLITE and parsed.database in {None, "", ":memory:"}:
        raise DatabaseError(f"POINTCLOUD_DATABASE names no file: write {_EXAMPLES}.")
    return parsed


def _make_folder(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab"):
            pass
    except OSError as error:
        raise DatabaseError(
            f"The archive's file {file} cannot be written ({error.strerror}): "
            "mount a volume there that the gateway's user may write to, or name another place in POINTCLOUD_DATABASE."
        ) from None


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Says what the drivers raise in this module's two words; what is a defect of ours stays as it is."""
    try:
        yield
    except DBAPIError as error:
        state = _state(error.orig)
        if error.connection_invalidated or _passing(error, state):
            raise ArchiveUnavailableError(_sentence(error.orig)) from error
        _raise_settings(state, error)
        if type(error) is SqlDatabaseError and not state:
            raise DatabaseError(
                f"The archive's file cannot be read ({_sentence(error)}): put a backup in its place, or move it away, "
                "and a new one is made and filled from the cluster."
            ) from None
        raise
    except asyncpg.PostgresError as error:  # while connecting, when SQLAlchemy wraps nothing
        _raise_settings(_state(error), error)
        raise ArchiveUnavailableError(_sentence(error)) from error
    except (OSError, TimeoutError, PoolTimeoutError, asyncpg.InterfaceError) as error:
        raise ArchiveUnavailableError(_sentence(error)) from error


def _passing(error: DBAPIError, state: str) -> bool:
    if state:
        return state.startswith(_PASSING_CLASSES) or state == _UNDEFINED_TABLE
    return isinstance(error, OperationalError | InterfaceError)


def _raise_settings(state: str, error: Exception) -> None:
    for known, meaning in _SETTINGS_STATES.items():
        if state.startswith(known):
            raise DatabaseError(
                f"The server of POINTCLOUD_DATABASE {meaning} ({_sentence(error)}): correct the URL or the rights."
            ) from None


def _state(error: BaseException | None) -> str:
    return getattr(error, "sqlstate", None) or ""


def _sentence(error: BaseException | None) -> str:
    """The first line of what a driver says; SQLAlchemy's own text would add the statement and its values."""
    error = getattr(error, "orig", error)
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
