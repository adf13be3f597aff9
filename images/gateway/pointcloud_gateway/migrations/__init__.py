"""How one released schema of the archive becomes the next: Alembic's scripts, applied when the gateway starts."""
