"""A way to a PostgreSQL server that can be cut."""

import socket
from contextlib import suppress
from select import select
from threading import Thread
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

_CHUNK = 65_536


class Proxy:
    """Passes on what clients and a server say to each other, until it is cut."""

    def __init__(self, server: str) -> None:
        """Listen for clients of the server that a URL names."""
        with psycopg.connect(server) as connection:
            self._host, self._port = connection.info.host, connection.info.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._last_words: bytes | None = None
        self._are_heard = False
        self.url = _through(server, *self._listener.getsockname())
        self._threads = [Thread(target=self._accept)]
        self._threads[0].start()

    def cut_at(self, words: bytes, *, are_heard: bool) -> None:
        """Cut the connection of the client that says this next, and have the server hear it or not."""
        self._last_words, self._are_heard = words, are_heard

    def cut(self) -> None:
        """End all connections."""
        while self._open:
            _end(self._open.pop())

    def close(self) -> None:
        """End all connections, and take no more."""
        _end(self._listener)
        self._threads[0].join()
        self._listener.close()
        self.cut()
        for each in self._threads:
            each.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._threads.append(Thread(target=self._serve, args=[client]))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, self._connected() as server:
            self._open += [client, server]
            while True:
                for source in select([client, server], [], [])[0]:
                    said = source.recv(_CHUNK)
                    if not said or (source is client and self._is_cut(said, server)):
                        return
                    (server if source is client else client).sendall(said)

    def _connected(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self._host}/.s.PGSQL.{self._port}")
        return server

    def _is_cut(self, said: bytes, server: socket.socket) -> bool:
        if self._last_words is None or self._last_words not in said:
            return False
        self._last_words = None
        if self._are_heard:
            server.sendall(said)
        return True


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def _through(server: str, host: str, port: int) -> str:
    """The URL of a server by another way, on which it can be read what is said."""
    options = {
        **conninfo_to_dict(server),
        "host": host,
        "port": str(port),
        "sslmode": "disable",
        "gssencmode": "disable",
    }
    return f"postgresql:///?{urlencode(options, quote_via=quote)}"
