"""Where the page listens, and when it refuses to start."""

import signal
import socket
import subprocess
import sys

import psutil
import pytest

from web_page import TOKEN, Page, Stream


def listening(pid):
    """The addresses at which a process listens."""
    return {
        (one.laddr.ip, one.laddr.port)
        for one in psutil.Process(pid).net_connections("tcp")
        if one.status == psutil.CONN_LISTEN
    }


def test_only_this_machine_can_reach_it_by_default(rig):
    """Without options it listens on the loopback address alone, and says where."""
    page = Page(rig, token=None)
    assert listening(page.process.pid) == {("127.0.0.1", page.port)}
    assert f"tracker: http://127.0.0.1:{page.port}/" in page.text()
    assert "WATCHDOG_WEB_TOKEN" in page.text()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_addresses_need_a_token(rig, host):
    """An address that others can reach is refused in one line without a token, before anything listens."""
    found = rig.cli("web", "--host", host, "--port", "0")
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert "WATCHDOG_WEB_TOKEN" in found.stderr
    found = rig.cli("web", "--port", "0", WATCHDOG_WEB_HOST=host, WATCHDOG_WEB_TOKEN="  ")
    assert found.returncode == 2


def test_with_a_token_others_may_come_but_must_show_it(rig):
    """On a public address everything but the probes takes the token; the page itself is an empty frame."""
    page = Page(rig, "--host", "0.0.0.0")
    assert listening(page.process.pid) == {("0.0.0.0", page.port)}
    for path in ("/status", "/log", "/metrics", "/incidents/x", "/events"):
        assert page.get(path).status == 401, path
        assert page.get(path, Authorization="Bearer wrong").status == 401, path
    assert page.get("/status", Authorization=f"Bearer {TOKEN}").status == 200
    cookie, _ = page.sign_in()
    assert page.get("/log", Cookie=cookie).status == 200
    stream = Stream(page, Cookie=cookie)
    assert stream.status == 200
    stream.close()
    assert page.get("/").status == page.get("/static/page.js").status == 200
    for path in ("/health", "/ping", "/ready"):  # nothing runs, and whoever asks may know that much
        assert page.get(path, host="10.0.0.7:10000").status == 503, path
    assert page.get("/status", host="evil.example", Authorization=f"Bearer {TOKEN}").status == 403


def test_an_address_in_use_is_its_own_code(rig):
    """Exit 15 and one line that names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = rig.cli("web", "--port", str(port))
    assert found.returncode == 15
    assert found.stderr.count("\n") == 1
    assert f"port {port}" in found.stderr


def free_port():
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def test_the_port_comes_from_where_it_is_set(rig):
    """An option wins over the environment, that over the file, and what Kubernetes sets is no port."""
    port = free_port()
    page = Page(rig, "--port=0", PORT=str(free_port()))
    assert page.port not in {0, 8787}
    assert page.stop() == 0
    rig.write("watchdog.toml", f'web-port = {port}\nweb-allow-host = ["a.example", "b.example"]\n')
    page = Page(rig, port_option=False, WATCHDOG_WEB_PORT="tcp://10.0.0.1:80")
    assert page.port == port
    assert page.get("/health", host="b.example").status == 503
    assert page.stop() == 0
    other = free_port()
    page = Page(rig, port_option=False, PORT=str(other))
    assert page.port == other
    assert page.stop() == 0
    (rig.folder / "watchdog.toml").unlink()
    assert Page(rig, port_option=False, PORT=str(port)).port == port


@pytest.mark.parametrize("port", ["http", "-1", "65536", "8787 ", "9" * 400])
def test_a_port_of_nonsense_is_a_wrong_setting(rig, port):
    """PORT of the environment is checked like any setting."""
    found = rig.cli("web", PORT=port)
    assert found.returncode == 10
    assert found.stderr.startswith("Error: PORT: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--port", "99999"), "99999"),
        (("--host", ""), "empty"),
        (("--host", "no such host"), "cannot be found"),
        (("--keepalive-url", "ftp://x"), "web address"),
        (("--keepalive-url", "https://me:secret@example.org/"), "password"),
        (("--keepalive-interval", "0"), "too short"),
        (("--name", "../x"), "cannot be a name"),
        (("-C", "/no/such/folder"), "does not exist"),
    ],
)
def test_a_wrong_option_is_one_line(rig, words, says):
    """Exit 2, and the line says what is wrong."""
    found = rig.cli("web", *words)
    assert found.returncode == 2
    assert says in found.stderr
    assert found.stderr.count("\n") == 1
    assert "secret" not in found.stderr


def test_a_missing_extra_says_how_to_get_it(rig):
    """Without starlette the command says what to install."""
    (rig.folder / "starlette.py").write_text("raise ModuleNotFoundError('no starlette', name='starlette')\n")
    found = rig.cli("web", "--port", "0", PYTHONPATH=str(rig.folder))
    assert found.returncode == 10
    assert "tracker-watchdog[web]" in found.stderr


def test_the_page_is_no_part_of_other_commands(rig):
    """Nothing of the page is loaded by the commands that people use all the time."""
    script = (
        "import sys; from watchdog_cli.cli.main import group; "
        "group.main(['status'], standalone_mode=False) or None"
    )
    script = f"try:\n {script}\nfinally:\n print(*sys.modules, file=sys.stderr)"
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=rig.folder,
        env=rig.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    loaded = set(found.stderr.split())
    assert "watchdog_cli.cli.status" in loaded
    heavy = ("starlette", "uvicorn", "watchdog_cli.web", "asyncio")
    assert not {name for name in loaded if name.startswith(heavy)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.timeout(90)
def test_an_order_to_end_is_understood_as_soon_as_the_address_is_told(rig, number):
    """Who ends it the moment it has said where it is finds an orderly end, not a traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "watchdog_cli", "web", "--port", "0"],
        cwd=rig.folder,
        env=rig.environment(PYTHONUNBUFFERED="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = process.stdout.readline()
    process.send_signal(number)
    _, complaints = process.communicate(timeout=60)
    assert "http://127.0.0.1:" in told
    assert process.returncode == 0, complaints
    assert "Traceback" not in complaints
