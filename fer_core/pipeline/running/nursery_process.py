"""The process from which stages are forked: it has loaded the libraries that they need, and none of
our own code but what is named here.

Started by `Nursery` as `python -m fer_core.pipeline.running.nursery_process FD MODULES`; FD is a
socket on which it is asked for children and tells how they ended. It ends when the socket is closed
and its last child has ended.
"""

import contextlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from importlib import import_module, reload
from typing import Any

MESSAGE = 1 << 20
"""Greatest size of a message in bytes."""


def main() -> None:
    """Serve until the socket is closed; in a child, run its stage as `python -m` would."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    for name in sys.argv[2].split(","):
        import_module(name)
    order = _serve(channel)
    if order is not None:
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


def _serve(channel: socket.socket) -> dict[str, Any] | None:
    """What a child is to run; None in the parent, at its end."""
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    events = selectors.DefaultSelector()
    events.register(channel, selectors.EVENT_READ)
    events.register(wake, selectors.EVENT_READ)
    children, is_open = 0, True
    while is_open or children:
        ready = {key.fileobj for key, _ in events.select()}
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
            children -= _tell_ended(channel if is_open else None)
        if is_open and channel in ready:
            data, fds, _, _ = socket.recv_fds(channel, MESSAGE, 1)
            if not data:
                events.unregister(channel)
                is_open = False
                continue
            order = json.loads(data)
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for end in (wake, woken):
                    os.close(end)
                channel.close()
                _become(order, fds[0])
                return dict(order)
            children += 1
            os.close(fds[0])
            channel.send(json.dumps({"started": child}).encode())
    return None


def _become(order: dict[str, Any], out: int) -> None:
    """Give the child its own session, output, folder, environment and arguments."""
    os.setsid()
    for stream in (1, 2):
        os.dup2(out, stream)
    os.close(out)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    if "stages" in sys.modules:
        # variables that oneDNN and MKL read at their first use, in the child
        reload(sys.modules["stages"])
    sys.argv = [order["module"], *order["arguments"]]


def _tell_ended(channel: socket.socket | None) -> int:
    """Tell how children have ended; returns how many."""
    count = 0
    while True:
        try:
            child, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return count
        if child == 0:
            return count
        count += 1
        told = {
            "ended": child,
            "status": os.waitstatus_to_exitcode(status),
            "cpu": used.ru_utime + used.ru_stime,
            "peak": used.ru_maxrss,
        }
        with contextlib.suppress(OSError):
            if channel is not None:
                channel.send(json.dumps(told).encode())


if __name__ == "__main__":
    main()
