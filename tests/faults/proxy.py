"""A proxy before a database, to cut a node off from it: connections hang, and none is refused.

A process that is cut off learns nothing: no reset, no end of file. That is the hard case.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import URL, make_url


class Proxy:
    """Passes bytes from a port of its own to a server's port or socket, until it is cut."""

    def __init__(self, url: str) -> None:
        server = self.lead_to(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._passing = threading.Event()
        self._passing.set()
        self._sockets: list[socket.socket] = [self._listener]
        port = self._listener.getsockname()[1]
        # Or MongoDB's driver would ask the server where it is, and go there.
        query = {"directConnection": "true"} if server.drivername == "mongodb" else {}
        self.url = server.set(host="127.0.0.1", port=port, query=query).render_as_string(False)
        self._spawn(self._accept)

    def lead_to(self, url: str) -> URL:
        """New connections go there, as when a name is given to another server."""
        scheme, _, path = url.partition("://")
        server = make_url("redis:///0" if scheme == "unix" else url)
        folder = server.query.get("host")  # of PostgreSQL's socket
        self._socket = f"{folder}/.s.PGSQL.5432" if folder else server.query.get("unix_socket")
        if scheme == "unix":  # Redis's
            self._socket = path
        self._address = (server.host or "127.0.0.1", server.port or 0)
        return server

    def cut(self) -> None:
        """Hold back every byte, both ways, of old connections and new ones."""
        self._passing.clear()

    def mend(self) -> None:
        """Pass on what was held back, and all that follows."""
        self._passing.set()

    def close(self) -> None:
        self._passing.set()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _spawn(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                self._sockets += [client, server]
                self._spawn(self._pass_on, client, server)
                self._spawn(self._pass_on, server, client)

    def _connect(self) -> socket.socket:
        if self._socket is None:
            return socket.create_connection(self._address)
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._socket))
        return server

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._passing.wait()
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
