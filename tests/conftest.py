"""The tests run alike however they were started."""

import signal

# Behind `nohup`, or in the background of a script, these are ignored, and every program inherits that: ours would
# rightly go on at a Ctrl-C that a test sends.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)
