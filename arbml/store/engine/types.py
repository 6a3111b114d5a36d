"""Physical types and table options, chosen so that both databases keep the same values in the same order.

SQLite tables are STRICT: a text in a number column is refused there as PostgreSQL refuses it. Text compares by code
point in both (PostgreSQL by the "C" collation), which is also how Python sorts.
"""

from typing import Any

from sqlalchemy import REAL, BigInteger, Boolean, Dialect, Double, Integer, Numeric, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

ID = Integer()
INT64: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
FLOAT64: TypeEngine[Any] = Double().with_variant(REAL(), "sqlite")
TEXT: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
BOOL: TypeEngine[bool] = Boolean(create_constraint=False).with_variant(Integer(), "sqlite")


class Raw(TypeDecorator[int]):
    """A contract's integer of up to 256 bits, exactly: NUMERIC(78, 0) in PostgreSQL, decimal text in SQLite, `int` in Python.

    Bulk writes go past SQLAlchemy: `Database.raw` gives them the values that the driver wants.
    """

    impl = Numeric(78, 0)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric(78, 0))

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name != "sqlite" else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


RAW = Raw()

TABLE: dict[str, Any] = {"sqlite_strict": True}
"""Options of every table."""

CLUSTERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}
"""Options of a table whose rows lie in the order of its primary key: half the size, and a range read is one walk."""
