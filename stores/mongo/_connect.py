"""From a URL to a client: what may be said in it, and what we say where it says nothing."""

import re
from collections.abc import Mapping
from typing import Any, Final

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import MongoClient, uri_parser
from pymongo.errors import ConfigurationError, PyMongoError

from ._schema import Document

SCHEMES: Final = ("mongodb", "mongodb+srv")
CONNECT_TIMEOUT_S: Final = 10
SILENCE_S_MAX: Final = 60
"""A server that says nothing for so long in the middle of a statement is given up, so that a stop
that waits for the call has an end."""
MAJORITY_S_MAX: Final = 30
"""How long a write may wait for the majority of a replica set to have it."""
CONNECTIONS: Final = 5

_URL: Final = re.compile(r"(mongodb(?:\+srv)?)://(?:[^@/]*@)?([^@/?]+)(?:[/?].*)?", re.S)
_LOOKS: Final = "no address of a MongoDB; one looks like mongodb://user:password@host/"
CODEC: Final[CodecOptions[Document]] = CodecOptions(
    document_class=dict,
    uuid_representation=UuidRepresentation.STANDARD,
    tz_aware=True,
    unicode_decode_error_handler="backslashreplace",  # other programs may write what is no UTF-8
)


def read_url(text: str) -> str:
    """What may be shown of an address. Raises ValueError, whose text has nothing of a password."""
    url = _URL.fullmatch(text)
    if url is None:
        raise ValueError(_LOOKS)
    scheme, hosts = url.groups()
    if scheme == "mongodb":  # to read the other one, a name server must be asked
        try:
            uri_parser.parse_uri(text, warn=False)
        except (PyMongoError, ValueError):
            raise ValueError(_LOOKS) from None
    return f"{scheme}://{hosts}"


def check_options(url: str, options: Mapping[str, Any]) -> None:
    """Raises ValueError for options that will not do, where that can be told without a network."""
    if url.startswith("mongodb:"):
        make_client(url, {**options, "connect": False}).close()


def make_client(url: str, options: Mapping[str, Any]) -> MongoClient[Document]:
    """A client that connects by itself, and may have asked a name server.

    The URL's own options win over ours, and `options` over both. Raises ValueError for options that
    will not do, and ConfigurationError where no server is named.
    """
    query = url.partition("?")[2].lower()
    said = {part.partition("=")[0] for part in query.split("&")}
    ours: dict[str, Any] = {
        "appname": "oncue",
        "w": "majority",
        "journal": True,
        "wTimeoutMS": MAJORITY_S_MAX * 1000,
        "connectTimeoutMS": CONNECT_TIMEOUT_S * 1000,
        "serverSelectionTimeoutMS": CONNECT_TIMEOUT_S * 1000,
        "socketTimeoutMS": SILENCE_S_MAX * 1000,
        "maxPoolSize": CONNECTIONS + 1,  # one for the change stream
    }
    chosen = {key: value for key, value in ours.items() if key.lower() not in said}
    known = {key.lower() for key in options}
    chosen = {key: value for key, value in chosen.items() if key.lower() not in known}
    try:
        client = MongoClient[Document](url, **chosen, **options)
        if not client.write_concern.acknowledged:
            client.close()
            raise ValueError("w=0 acknowledges nothing")
        return client
    except ConfigurationError as error:
        if url.startswith("mongodb+srv:"):
            raise
        raise ValueError(f"the client's options will not do: {error}") from None
    except (TypeError, ValueError, OSError) as error:  # OSError: a certificate is not there
        raise ValueError(f"the client's options will not do: {error}") from None
