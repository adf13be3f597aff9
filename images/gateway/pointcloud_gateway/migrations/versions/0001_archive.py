"""The first archive: jobs, their reports and uploads, and the queue of webhooks."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Makes the tables, and notes when."""
    info = op.create_table(
        "archive_info",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("began_at", _TIME, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_archive_info_one_row")),
        sa.PrimaryKeyConstraint("id", name="pk_archive_info"),
    )
    _create_jobs()
    _create_deliveries()
    # Whole seconds, as the times of resources are.
    op.bulk_insert(info, [{"id": 1, "began_at": datetime.now(UTC).replace(microsecond=0)}])


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("uid", sa.String(64), nullable=False),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("owner", sa.String(1024)),
        sa.Column("resource_version", sa.BigInteger, nullable=False),
        sa.Column("resource", sa.JSON, nullable=False),
        sa.Column("phase", sa.String(32), nullable=False),
        sa.Column("images", sa.BigInteger),
        sa.Column("points", sa.BigInteger),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("completed_at", _TIME),
        sa.Column("deleted_at", _TIME),
        sa.Column("forgotten", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_jobs"),
    )
    op.create_index("ix_jobs_created_at_uid", "jobs", ["created_at", "uid"])
    op.create_index("ix_jobs_namespace_name_created_at", "jobs", ["namespace", "name", "created_at"])
    op.create_table(
        "reports",
        sa.Column("job_uid", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("report", sa.JSON, nullable=False),
        sa.ForeignKeyConstraint(["job_uid"], ["jobs.uid"], name="fk_reports_job_uid", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_uid", name="pk_reports"),
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("job_uid", sa.String(64), nullable=False),
        sa.Column("name", sa.String(1024), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sent_by", sa.String(1024)),
        sa.Column("received_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["job_uid"], ["jobs.uid"], name="fk_uploads_job_uid", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    op.create_index("ix_uploads_job_uid", "uploads", ["job_uid"])


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("job_uid", sa.String(64), nullable=False),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_status", sa.Integer),
        sa.Column("last_error", sa.String(500)),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("next_attempt_at", _TIME),
        sa.Column("delivered_at", _TIME),
        sa.ForeignKeyConstraint(["job_uid"], ["jobs.uid"], name="fk_deliveries_job_uid", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_job_uid", "deliveries", ["job_uid"])
    op.create_index("ix_deliveries_status_next_attempt_at", "deliveries", ["status", "next_attempt_at"])
