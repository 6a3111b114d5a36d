"""An index on the time of blocks: each training asks for those of a period that came late, retention for the old ones."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_blocks_ts_ms", "blocks", ["ts_ms"])
