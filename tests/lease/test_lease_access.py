"""Who may ask etcd: certificates both ways, users and passwords, and what `watchdog run` says when it is not let in."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import doc_pages
from certificates import Authority
from harness import Watchdog
from lease_etcd import EtcdServer
from waiting import wait_until

Hosts = Callable[[str], Watchdog]
LATE_S = 60.0
BEGUN = "begun"  # the environment of the program, as soon as it has begun
PROGRAM = ("sh", "-c", f"env > {BEGUN}.new; mv {BEGUN}.new {BEGUN}; exec sleep 600")
PASSWORD = "open-sesame-7351"
MANUAL = doc_pages.ROOT / "docs" / "high-availability.md"


def begin(dog: Watchdog, url: str, ttl_s: int = 15, **login: str) -> subprocess.Popen[bytes]:
    """Start a watchdog over a program that shows its environment."""
    variables = {f"WATCHDOG_LEASE_{key.upper()}": value for key, value in login.items()}
    return dog.run(
        *("--lease", f"{url}/t/main", "--lease-ttl", f"{ttl_s}s", "--no-heartbeat", "--stop-timeout", "2s"),
        *("--", *PROGRAM),
        **variables,
    )


def problem(dog: Watchdog, part: str) -> dict[str, Any]:
    """What ``status`` says, as soon as it speaks of that."""

    def look() -> dict[str, Any] | None:
        report = dog.status()
        return report if part in (report.get("lease") or {}).get("problem", "") else None

    # The journal costs nothing to look at; many commands would take the time of those that are looked at.
    wait_until(lambda: any(part in one["message"] for one in dog.facts("notice")), f"a line {part!r}", LATE_S)
    return wait_until(look, f"a problem {part!r}", LATE_S)  # type: ignore[return-value]


def is_refused(dog: Watchdog, part: str) -> None:
    """It stands by with one clear line, and nothing was started."""
    report = problem(dog, part)
    assert (report["state"], report["lease"]["held"], report["child"]) == ("standing by", False, None)
    assert report["exit_code"] == (5 if report["lease"]["cut_off"] else 0)
    said = [fact["message"] for fact in dog.facts("notice") if fact["topic"] == "lease"]
    assert len(said) == 1, said
    assert part in said[0]
    wait_until(lambda: said[0] in dog.own_log() and said[0] in dog.printed(), "the line for people", LATE_S)
    assert not dog.facts("spawned")
    assert not (dog.folder / BEGUN).exists()
    dog.stop()


class Secure:
    """An etcd that shows a certificate and wants one."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.stranger = Authority(folder), Authority(folder, "stranger")
        self.server, self.late = self.authority.sign("server"), self.authority.sign("late", days=-1)
        self.client, self.foreign = self.authority.sign("client"), self.stranger.sign("foreign")
        want = ("--client-cert-auth", "--trusted-ca-file", str(self.authority.cert))
        self.etcd = EtcdServer(folder, *want, tls=self.server)

    def login(self, **other: Path) -> dict[str, str]:
        """The right files, or others."""
        right = {"ca": self.authority.cert, "cert": self.client.cert, "key": self.client.key}
        return {key: str(path) for key, path in (right | other).items()}


@pytest.fixture
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """Nothing is in it."""
    made = Secure(tmp_path_factory.mktemp("etcds"))
    yield made
    made.etcd.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_certificates_are_asked_for_on_both_sides(secure: Secure, hosts: Hosts) -> None:
    """With the right ones the program runs; a wrong authority, a wrong name, a missing, foreign or late one is said."""
    url = secure.etcd.url
    bare = url.replace("etcds:", "etcd:")
    named = url.replace("127.0.0.1", "localhost")  # which is not in its certificate
    none = {"ca": str(secure.authority.cert)}
    foreign = secure.login(cert=secure.foreign.cert, key=secure.foreign.key)
    refused = (
        (
            "stranger",
            url,
            secure.login(ca=secure.stranger.cert),
            "certificate is not trusted: unable to get local issuer",
        ),
        ("name", named, secure.login(), "certificate is not trusted: Hostname mismatch"),
        ("none", url, none, "if it wants a certificate of ours, look at WATCHDOG_LEASE_CERT"),
        ("foreign", url, foreign, "if it wants a certificate of ours, look at WATCHDOG_LEASE_CERT"),
        ("bare", bare, {}, "if it wants TLS, write etcds://"),
    )
    for name, address, login, _ in refused:
        begin(hosts(name), address, **login)
    shown = problem(hosts("none"), refused[2][3])["lease"]["problem"]
    assert shown in " ".join(hosts("none").cli("status").stdout.split())
    for name, _, _, text in refused:
        is_refused(hosts(name), text)

    good = hosts("good")
    begin(good, url, ttl_s=6, **secure.login())
    wait_until((good.folder / BEGUN).exists, "the program", LATE_S)
    lease = good.await_health("healthy", LATE_S)["lease"]
    assert (lease["held"], lease["problem"], lease["cut_off"]) == (True, "", False)

    for name in ("cert", "key"):  # etcd reads them anew for each connection
        right, late = getattr(secure.server, name), getattr(secure.late, name)
        right.write_bytes(late.read_bytes())
    problem(good, "certificate has expired")
    late = hosts("late")
    begin(late, url, **secure.login())
    is_refused(late, "certificate has expired")
    good.stop()


@pytest.mark.timeout(120)
def test_a_file_that_is_no_certificate_is_an_error_at_start(hosts: Hosts, tmp_path: Path) -> None:
    """Exit code 10 and one line that names the setting or the file; so is a contradiction between settings."""
    dog = hosts("a")
    (tmp_path / "no.pem").write_text("nothing")
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    no, cert, key = str(tmp_path / "no.pem"), str(authority.cert), str(other.own.key)
    for scheme, login, text in (
        ("etcds", {"ca": "missing.pem"}, "lease-ca: cannot read"),
        ("etcds", {"ca": no}, "no.pem holds no certificate"),
        ("etcds", {"cert": cert, "key": key}, "is not its key in plain form"),
        ("etcds", {"key": key}, "lease-cert is not"),
        ("etcd", {"ca": cert}, "without TLS"),
        ("etcd", {"password": PASSWORD}, "lease-user is not"),
    ):
        process = begin(dog, f"{scheme}://127.0.0.1:1", **login)
        assert process.wait(LATE_S) == 10, text
        said = dog.outputs[-1].read_text()
        assert text in said
        assert said.count("\n") == 1, said
    assert PASSWORD not in dog.printed()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_user_with_the_least_rights_holds_it_and_a_wrong_password_is_said(
    etcd: EtcdServer, hosts: Hosts
) -> None:
    """The password shows nowhere; accepted no more, the program ends in time; accepted at last, it begins by itself."""
    root = ("--user", "root:sesame")
    etcd.ctl("user", "add", "lodger:0")
    typed = [one for one, _ in doc_pages.read_only(MANUAL) if one.startswith("etcdctl ")]
    assert typed, "the manual says how a user comes to its rights"
    for words in (command.replace("trackers/main", "t/main").split()[1:] for command in typed):
        if words[:2] == ["user", "add"]:
            password = "sesame" if words[2] == "root" else PASSWORD
            etcd.ctl(*words, "--interactive=false", given=f"{password}\n")
        else:
            etcd.ctl(*words)
    wrong, nobody, lodger, right = hosts("wrong"), hosts("nobody"), hosts("lodger"), hosts("right")
    begin(wrong, etcd.url, ttl_s=5, user="tracker", password=f"{PASSWORD}-not")
    begin(nobody, etcd.url)
    begin(lodger, etcd.url, user="lodger", password="0")
    is_refused(nobody, "etcd asks for a user; set WATCHDOG_LEASE_USER")
    is_refused(lodger, "must read and write t/main and all that begins with t/main/")
    text = "does not accept the user 'tracker'; look at WATCHDOG_LEASE_USER and WATCHDOG_LEASE_PASSWORD"
    problem(wrong, text)

    (right.folder / "tracked_tokens.json").write_text("{}")
    process = begin(right, etcd.url, ttl_s=5, user="tracker", password=PASSWORD)
    begun = wait_until((right.folder / BEGUN).exists, "the program", LATE_S)
    assert begun
    assert "t/main/state" in etcd.ctl(*root, "get", "--prefix", "t/main/", "--keys-only")
    assert "WATCHDOG_LEASE_USER=tracker" in (right.folder / BEGUN).read_text()
    for pid in (process.pid, *right.marked()):
        assert PASSWORD not in Path(f"/proc/{pid}/cmdline").read_text()
        if pid != process.pid:
            assert PASSWORD not in Path(f"/proc/{pid}/environ").read_text()
    shown = [right.printed(), *(right.cli(*words).stdout for words in (("status", "--json"), ("config",)))]
    assert not [text for text in shown if PASSWORD in text]

    etcd.ctl(*root, "user", "passwd", "tracker", "--interactive=false", given=f"{PASSWORD}-not\n")
    problem(right, text)
    wait_until((wrong.folder / BEGUN).exists, "the program on the host whose password is right now", LATE_S)
    assert right.await_state("standing by", LATE_S)["child"] is None
    for dog in (right, wrong):
        dog.stop()
        kept = [path.read_bytes() for path in dog.folder.rglob("*") if path.is_file()]
        assert kept
        assert not [content for content in kept if PASSWORD.encode() in content]
