"""What Alembic runs: on the connection that it is handed, in the transaction that the caller holds."""

from alembic import context

from pointcloud_gateway.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
)
context.run_migrations()
