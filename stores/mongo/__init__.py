"""The MongoDB store, for MongoDB 4.4 and newer. Needs `oncue[mongodb]`."""

from importlib.util import find_spec

if find_spec("pymongo") is None:
    raise ModuleNotFoundError(
        "the MongoDB store needs PyMongo; pip install 'oncue[mongodb]'", name="pymongo"
    )

from ._connect import read_url
from ._schema import VERSION as SCHEMA_VERSION
from ._schema import SchemaTooNew
from ._store import MongoStore

__all__ = ["SCHEMA_VERSION", "MongoStore", "SchemaTooNew", "read_url"]
