"""The SQL store, for SQLite, PostgreSQL and MySQL / MariaDB. Needs `oncue[sql]`."""

from importlib.util import find_spec

if find_spec("sqlalchemy") is None:
    raise ModuleNotFoundError(
        "the SQL stores need SQLAlchemy; pip install 'oncue[sql]'", name="sqlalchemy"
    )

from ._connect import read_url
from ._migrations import VERSION as SCHEMA_VERSION
from ._migrations import SchemaTooNew
from ._store import SqlStore

__all__ = ["SCHEMA_VERSION", "SchemaTooNew", "SqlStore", "read_url"]
