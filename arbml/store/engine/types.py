"""Physical types and table options, chosen so that both databases keep the same values in the same order.

SQLite tables are STRICT: a text in a number column is refused there as PostgreSQL refuses it. Text compares by code
point in both (PostgreSQL by the "C" collation), which is also how Python sorts.
"""

from typing import Any

from sqlalchemy import REAL, BigInteger, Boolean, Double, Integer, Text
from sqlalchemy.types import TypeEngine

ID = Integer()
INT64: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
FLOAT64: TypeEngine[Any] = Double().with_variant(REAL(), "sqlite")
TEXT: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
BOOL: TypeEngine[bool] = Boolean(create_constraint=False).with_variant(Integer(), "sqlite")

TABLE: dict[str, Any] = {"sqlite_strict": True}
"""Options of every table."""

CLUSTERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}
"""Options of a table whose rows lie in the order of its primary key: half the size, and a range read is one walk."""
