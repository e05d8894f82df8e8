"""A way to a service on loopback that can be cut and mended, as a cable can."""

import contextlib
import socket
import threading


class TcpLink:
    """Passes bytes on, both ways; cut, it takes connections and passes nothing."""

    def __init__(self, port: int) -> None:
        """Begin.

        Args:
            port: where the service listens.
        """
        self._to = port
        self._guard = threading.Lock()
        self._whole = threading.Event()
        self._whole.set()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        self._whole.clear()

    def mend(self) -> None:
        """What came meanwhile is lost; new connections come through."""
        with self._guard:
            for one in self._open:
                _shut(one)
        self._whole.set()

    def close(self) -> None:
        """End all of it."""
        _shut(self._listener)
        self._listener.close()
        self.mend()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket()
                with self._guard:
                    self._open |= {near, far}
                threading.Thread(target=self._serve, args=(near, far), daemon=True).start()

    def _serve(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            far.connect(("127.0.0.1", self._to))
            back = threading.Thread(target=self._pass, args=(far, near), daemon=True)
            back.start()
            self._pass(near, far)
            back.join()
        with self._guard:
            self._open -= {near, far}
        near.close()
        far.close()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._whole.is_set():
                    target.sendall(data)
        if self._whole.is_set():
            _shut(target)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
