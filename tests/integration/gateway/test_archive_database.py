"""The archive's database: made, brought up to date, refused with a sentence, lost and found again."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from pointcloud_gateway.archive import Archive
from pointcloud_gateway.database import ArchiveUnavailableError, Database, DatabaseError, migrations
from pointcloud_gateway.job_ids import JobId
from pointcloud_gateway.models import Base
from tests.fixtures.jobs import make_job
from tests.fixtures.postgres import Postgres

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "tests/fixtures/schemas"
BEACH = JobId("team", "beach")


async def run_sql(url: str, *statements: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


# The schema.


def differences(connection: Connection) -> list[object]:
    how = {"compare_type": True, "target_metadata": Base.metadata}
    return list(compare_metadata(MigrationContext.configure(connection, opts=how), Base.metadata))


async def test_the_migrations_make_what_the_models_say(database_url: str) -> None:
    async with Database.open(database_url):
        engine = create_async_engine(database_url)
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
        await engine.dispose()


async def test_opening_again_keeps_everything(database_url: str) -> None:
    async with Database.open(database_url) as database:
        await Archive(database).record(make_job())
    async with Database.open(database_url) as database:
        assert await Archive(database).find(BEACH) is not None


async def test_replicas_that_start_at_once_migrate_once(database_url: str) -> None:
    async def start() -> None:
        async with Database.open(database_url) as database:
            await Archive(database).namespaces()

    await asyncio.gather(*(start() for _ in range(4)))


async def test_the_database_of_a_later_version_is_refused(database_url: str) -> None:
    async with Database.open(database_url):
        pass
    await run_sql(database_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(
        DatabaseError, match=r"later version of the gateway \(its schema is 9999\).* install that version"
    ):
        async with Database.open(database_url):
            pass


def released() -> list[str]:
    return [script.revision for script in ScriptDirectory.from_config(migrations()).walk_revisions()]


def test_every_schema_has_a_sample_to_migrate_from() -> None:
    """`tests/fixtures/schemas/<revision>.<engine>.sql`, made when the revision was the newest."""
    wanted = {f"{revision}.{engine}.sql" for revision in released() for engine in ("sqlite", "postgresql")}
    assert {path.name for path in SCHEMAS.iterdir()} == wanted


@pytest.mark.parametrize("revision", released())
async def test_rows_of_a_released_schema_are_read_after_its_migration(
    revision: str, database_url: str, request: pytest.FixtureRequest
) -> None:
    url = make_url(database_url)
    engine, database_name = url.get_backend_name(), url.database
    assert database_name is not None
    sample = (SCHEMAS / f"{revision}.{engine}.sql").read_text()
    if engine == "sqlite":
        with contextlib.closing(sqlite3.connect(database_name)) as connection:
            connection.executescript(sample)
    else:
        server: Postgres = request.getfixturevalue("postgres")
        server.sql(sample, database_name)
    async with Database.open(database_url) as database:
        archive = Archive(database)
        beach = await archive.find(BEACH)
        assert beach is not None
        assert (beach.owner, beach.resource["status"]["points"]) == ("ada", 6427)
        ((old,), _) = await archive.page(namespaces=["team"], limit=10)
        assert old.resource["metadata"]["name"] == "old"
        assert await archive.report("uid-beach") == {"images": 18}
        (upload,) = await archive.uploads("uid-beach")
        assert (upload.name, upload.size, upload.sent_by) == ("a.jpg", 10, "ada")
        (delivery,) = await archive.deliveries("uid-beach")
        assert (delivery.url, delivery.status) == ("https://example.com/hook", "pending")


# What is wrong with the settings.


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "no URL of a database: write sqlite"),
        ("secret-password@host", "no URL of a database"),
        ("mysql://user:secret-password@host/db", "begins with mysql://: write sqlite"),
        ("postgresql://user:secret-password@host/db", r"begins with postgresql://: .*postgresql\+asyncpg"),
        ("sqlite+aiosqlite://", "names no file"),
        ("sqlite+aiosqlite:///:memory:", "names no file"),
        ("sqlite+aiosqlite:////dev/null/archive.db", r"/dev/null/archive\.db cannot be written"),
        ("sqlite+aiosqlite:////proc/archive.db", r"/proc/archive\.db cannot be written"),
    ],
)
async def test_a_wrong_url_is_refused_with_a_sentence(url: str, words: str) -> None:
    with pytest.raises(DatabaseError, match=words) as caught:
        async with Database.open(url):
            pass
    assert "secret-password" not in str(caught.value)


async def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "archive.db").write_text("not a database at all, " * 100)
    with pytest.raises(DatabaseError, match=r"cannot be read .* move it away"):
        async with Database.open(f"sqlite+aiosqlite:///{tmp_path}/archive.db"):
            pass


async def test_a_wrong_password_is_refused_with_a_sentence(postgres: Postgres) -> None:
    name = postgres.create_database()
    postgres.sql("CREATE ROLE locked LOGIN PASSWORD 'right'")
    with postgres.asking_for_passwords("locked"):
        url = make_url(postgres.url(name, "locked")).set(password="secret-password")  # noqa: S106 - a wrong one
        with pytest.raises(DatabaseError, match=r"refuses the user or the password.*correct the URL") as caught:
            async with Database.open(url.render_as_string(hide_password=False)):
                pass
    assert "secret-password" not in str(caught.value)


async def test_a_missing_database_is_refused_with_a_sentence(postgres: Postgres) -> None:
    with pytest.raises(DatabaseError, match="has no database of that name"):
        async with Database.open(postgres.url("nowhere")):
            pass


async def test_a_user_who_may_make_no_tables_is_refused_with_a_sentence(postgres: Postgres) -> None:
    name = postgres.create_database()
    postgres.sql("CREATE ROLE reader LOGIN")
    with pytest.raises(DatabaseError, match="does not let the user do that"):
        async with Database.open(postgres.url(name, "reader")):
            pass


# Outages.


async def test_a_server_that_is_not_there_yet_is_used_once_it_is(own_postgres: Postgres) -> None:
    async with Database.open(own_postgres.url("postgres")) as database:
        archive = Archive(database)
        with pytest.raises(ArchiveUnavailableError):
            await archive.namespaces()
        with own_postgres.running():
            await archive.record(make_job())
            assert await archive.find(BEACH) is not None
        with pytest.raises(ArchiveUnavailableError):
            await archive.find(BEACH)
        with pytest.raises(ArchiveUnavailableError):
            await archive.record(make_job())
        with own_postgres.running():
            assert await archive.find(BEACH) is not None


async def test_questions_asked_at_once_of_a_server_that_is_away_share_one_attempt() -> None:
    """Each would wait for the one before it otherwise, and the last for all of them."""
    attempts = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Database.open(f"postgresql+asyncpg://user@127.0.0.1:{port}/archive") as database:
            of_one = attempts
            answers = await asyncio.gather(*(Archive(database).namespaces() for _ in range(20)), return_exceptions=True)
    assert of_one > 0
    assert attempts == 2 * of_one
    assert all(isinstance(answer, ArchiveUnavailableError) for answer in answers)


async def test_connections_that_the_server_ended_are_replaced(postgres: Postgres) -> None:
    name = postgres.create_database()
    async with Database.open(postgres.url(name)) as database:
        archive = Archive(database)
        await asyncio.gather(*(archive.namespaces() for _ in range(5)))
        postgres.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()",
            name,
        )
        await archive.record(make_job())


async def test_a_database_that_was_emptied_is_made_again(database_url: str) -> None:
    async with Database.open(database_url) as database:
        archive = Archive(database)
        await archive.record(make_job())
        tables = [*(f"DROP TABLE {table.name}" for table in reversed(Base.metadata.sorted_tables))]
        await run_sql(database_url, *tables, "DROP TABLE alembic_version")
        with pytest.raises(ArchiveUnavailableError):
            await archive.namespaces()
        assert await archive.find(BEACH) is None
        await archive.record(make_job())


async def test_a_lost_file_is_made_again_at_the_next_start(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/below/archive.db"
    async with Database.open(url) as database:
        await Archive(database).record(make_job())
    (tmp_path / "below/archive.db").unlink()
    async with Database.open(url) as database:
        assert await Archive(database).find(BEACH) is None


async def test_a_full_disk_is_an_outage(tmp_path: Path) -> None:
    async with Database.open(f"sqlite+aiosqlite:///{tmp_path}/archive.db") as database:
        async with database.writing() as connection:  # the only one so far, so it is used again
            await connection.execute(text("PRAGMA max_page_count = 1"))
        with pytest.raises(ArchiveUnavailableError, match="full"):
            await Archive(database).record(make_job(spec={"padding": "x" * 1_000_000}))


@pytest.fixture
async def writers(database_url: str) -> AsyncIterator[tuple[Archive, Archive]]:
    async with Database.open(database_url) as one, Database.open(database_url) as other:
        yield Archive(one), Archive(other)


async def test_replicas_write_at_once_without_getting_in_each_others_way(writers: tuple[Archive, Archive]) -> None:
    await asyncio.gather(*(archive.record(make_job(f"job-{n}")) for n in range(20) for archive in writers))
    assert len(await writers[0].live()) == 40
