"""A certificate authority of the tests' own, and what it has signed; by the openssl of the system."""

import subprocess
from pathlib import Path
from typing import NamedTuple

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Certificate(NamedTuple):
    """Two files in PEM."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates; nobody else knows it."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self.own = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
        _openssl(
            *("req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name} of a test"),
            *("-out", self.own.cert, "-keyout", self.own.key),
        )

    @property
    def cert(self) -> Path:
        """What others need to trust it."""
        return self.own.cert

    def sign(self, name: str, *, days: int = 2) -> Certificate:
        """For 127.0.0.1, as server and as client; with days below zero it has run out."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extra = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extra.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        _openssl("req", "-new", *_KEY, "-subj", f"/CN={name}", "-out", request, "-keyout", made.key)
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.own.cert, "-CAkey", self.own.key),
            *("-CAcreateserial", "-extfile", extra, "-days", str(days), "-out", made.cert),
        )
        return made


def _openssl(*words: str | Path) -> None:
    done = subprocess.run(["openssl", *words], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
