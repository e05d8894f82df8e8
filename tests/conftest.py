"""The tests run alike however they were started."""

import signal

# Behind `nohup`, or in the background of a script, these are ignored, and every program inherits that: ours would
# rightly go on at a Ctrl-C that a test sends.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _name in ("SIGHUP", "SIGQUIT", "SIGTERM", "SIGTSTP", "SIGTTIN", "SIGTTOU"):
    _number = getattr(signal, _name, None)  # Windows has few of them
    if _number is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)
