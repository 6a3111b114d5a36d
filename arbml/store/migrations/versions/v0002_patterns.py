"""Patterns."""

import sqlalchemy as sa
from alembic import op

from arbml.store.engine.types import INT64, TABLE, TEXT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "patterns",
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("ts_ms", INT64, primary_key=True, autoincrement=False),
        sa.Column("ts_known_ms", INT64, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("retired_ms", INT64),
        **TABLE,
    )
