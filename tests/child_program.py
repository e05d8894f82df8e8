r"""A program to supervise that does what it is told: ``child_program.py TAG [ORDER...]``.

It stands alone and starts quickly. It works in its folder: the file ``plan`` (line n is what run n does at first, the
last one also all later runs) goes before the orders of the command line, and lines that are appended to ``orders``
while it runs are obeyed one by one. Several orders on one line are parted by ``;``. It appends ``begin PID SECONDS``
and ``end PID SECONDS`` to ``stamps``, and writes its pid into ``ready`` when its first orders are done.

Signs: ``beat EVERY [JSON]``, ``beat-in-place EVERY [JSON]``, ``touch EVERY``, ``write JSON``, ``raw HEX``, ``silent``,
``notify TEXT``, ``dump-handler SIGNAL``. Ends: ``block``, ``exit CODE``, ``die SIGNAL``, ``deaf``, ``slow SECONDS``.
Output: ``print TEXT``, ``bytes HEX``, ``flood MEGABYTES``, ``close-output``. Others: ``member``, ``daemon``,
``deaf-daemon``, ``threads COUNT``, ``grow MEGABYTES``, ``listen``, ``late SECONDS``, ``note NAME``.
In JSON ``$pid``, ``$seq`` and ``$run`` stand for what they say; in TEXT ``\n`` is a line end.
"""

import os
import select
import signal
import sys
import time

LOOK_S = 0.02


def append(name, text):
    with open(name, "ab", buffering=0) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def replace(name, content):
    new = f"{name}.new{os.getpid()}"
    with open(new, "wb") as file:
        file.write(content)
    os.replace(new, name)


def stamp(word):
    append("stamps", f"{word} {os.getpid()} {time.monotonic():.6f}\n")


def stuck_here():
    """Where a frozen program stands; its stacks must name this place."""
    while True:
        select.select([], [], [])


class Program:
    """What it was told, and what it has done of it."""

    def __init__(self, path):
        self.path = path
        self.every = 0.0
        self.style = ""
        self.text = "{}"
        self.next_at = 0.0
        self.seq = 0
        self.kept = []
        self.slow_s = 0.0
        self.read = os.path.getsize("orders") if os.path.exists("orders") else 0

    def turn(self):
        """One look at the orders, one beat if it is due."""
        for line in self.fresh_lines():
            self.obey_all(line)
        if self.style and time.monotonic() >= self.next_at:
            self.next_at = time.monotonic() + self.every
            self.beat()
        time.sleep(min(LOOK_S, self.every or LOOK_S))

    def fresh_lines(self):
        if not os.path.exists("orders"):
            return []
        with open("orders", "rb") as file:
            file.seek(self.read)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]  # a line that is still being written waits
        self.read += len(whole)
        return whole.decode().splitlines()

    def obey_all(self, line):
        for order in line.split(";"):
            if order.strip():
                self.obey(order.strip())

    def obey(self, order):
        word, _, rest = order.partition(" ")
        getattr(self, "do_" + word.replace("-", "_"))(rest)

    def beat(self):
        self.seq += 1
        run = os.environ.get("WATCHDOG_RUN_ID", "")
        text = self.text.replace("$pid", str(os.getpid())).replace("$seq", str(self.seq)).replace("$run", run)
        if self.style == "touch":
            with open(self.path, "ab"):
                os.utime(self.path)
        elif self.style == "in place":
            with open(self.path, "wb") as file:
                file.write(text.encode())
        else:
            replace(self.path, text.encode())

    def begin_beating(self, style, rest):
        every, _, text = rest.partition(" ")
        self.style, self.every, self.text = style, float(every), text or "{}"
        self.next_at = time.monotonic() + self.every
        self.beat()

    def do_beat(self, rest):
        self.begin_beating("replace", rest)

    def do_beat_in_place(self, rest):
        self.begin_beating("in place", rest)

    def do_touch(self, rest):
        self.begin_beating("touch", rest)

    def do_write(self, rest):
        self.text = rest

    def do_raw(self, rest):
        with open(self.path, "wb") as file:
            file.write(bytes.fromhex(rest))

    def do_silent(self, _):
        self.style = ""

    def do_block(self, _):
        append("blocked", f"{os.getpid()}\n")
        stuck_here()

    def do_exit(self, rest):
        stamp("end")
        os._exit(int(rest))

    def do_die(self, rest):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        number = signal.Signals[rest]
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        stamp("end")
        os.kill(os.getpid(), number)
        stuck_here()

    def do_print(self, rest):
        os.write(1, rest.replace("\\n", "\n").encode() + b"\n")

    def do_bytes(self, rest):
        os.write(1, bytes.fromhex(rest))

    def do_flood(self, rest):
        line = b"0123456789abcdef" * 6 + b"..\n"
        for _ in range(int(rest) * 1_000_000 // len(line)):
            os.write(1, line)

    def do_member(self, _):
        if os.fork() == 0:
            append("members", f"{os.getpid()}\n")
            stuck_here()

    def do_daemon(self, rest):
        if os.fork() == 0:
            os.setsid()
            if os.fork() != 0:
                os._exit(0)
            signal.signal(signal.SIGTERM, signal.SIG_IGN if rest == "deaf" else signal.SIG_DFL)
            append("members", f"{os.getpid()}\n")
            stuck_here()
        os.wait()

    def do_deaf_daemon(self, _):
        self.do_daemon("deaf")

    def do_deaf(self, _):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def do_slow(self, rest):
        self.slow_s = float(rest)

    def do_late(self, rest):
        time.sleep(float(rest))

    def do_close_output(self, _):
        os.close(1)
        os.close(2)

    def do_grow(self, rest):
        self.kept.append(b"\xff" * (int(rest) * 1_000_000))

    def do_listen(self, _):
        import socket

        listener = socket.create_server(("127.0.0.1", 0))
        self.kept.append(listener)
        replace("port", str(listener.getsockname()[1]).encode())

    def do_dump_handler(self, rest):
        import faulthandler

        faulthandler.register(signal.Signals[rest], all_threads=True)

    def do_threads(self, rest):
        import threading

        for _ in range(int(rest)):
            threading.Thread(target=stuck_here, daemon=True).start()

    def do_notify(self, rest):
        import socket

        address = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(rest.replace("\\n", "\n").encode(), address)

    def do_note(self, rest):
        replace(rest, str(os.getpid()).encode())

    def end(self, *_):
        """SIGTERM: take the time that was ordered, and leave a sign of an orderly end."""
        time.sleep(self.slow_s)
        stamp("end")
        append("CLEAN", f"{os.getpid()}\n")
        os._exit(0)


def opening(runs_before):
    """What this run does at first."""
    if os.path.exists("plan"):
        with open("plan", encoding="utf-8") as file:
            lines = file.read().splitlines()
        return [lines[min(runs_before, len(lines) - 1)]]
    return sys.argv[2:]


def main():
    before = 0
    if os.path.exists("stamps"):
        with open("stamps", encoding="utf-8") as file:
            before = sum(line.startswith("begin") for line in file)
    stamp("begin")
    program = Program(os.environ.get("WATCHDOG_HEARTBEAT", "heartbeat.json"))
    signal.signal(signal.SIGTERM, program.end)
    for line in opening(before):
        program.obey_all(line)
    replace("ready", str(os.getpid()).encode())
    while True:
        program.turn()


if __name__ == "__main__":
    main()
