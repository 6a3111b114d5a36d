"""What Alembic runs to migrate: inside the transaction of the caller, so that a killed process leaves no half schema."""

from alembic import context

from arbml.store.migrations import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
