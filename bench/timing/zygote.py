"""The program of a zygote: a process that imports one framework, runs nothing in it, and forks those that measure.

Run as `python -m bench.timing.zygote FD BACKEND [--no-fork] [ORIGIN [FOLDER]...]`, with the origin of a backend that
does not come with the harness and the folders that it imports from. A fork for every measurement costs tens of
milliseconds, a fresh import of a framework seconds. With `--no-fork` it serves a single request itself: the same
protocol where forking is unsafe. The parent's handle of it is in `bench.run.interpreter`.

Nobody outlives the parent: it has a guard, and the kernel kills the children with the zygote; see `bench.timing.guard`.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import traceback
from functools import partial
from typing import NoReturn

from bench.errors import ChildError
from bench.model.backends import BACKENDS
from bench.model.loading import BYTECODE, from_source
from bench.model.registry import Registry
from bench.timing.channel import Channel
from bench.timing.guard import adopt_orphans, children, die_with_parent, end_orphans, guard
from bench.timing.prints import shorten
from bench.timing.protocol import REPLY, REQUEST, Task
from bench.timing.tasks import work
from bench.timing.turns import serve_turns


def serve_one(connection: socket.socket) -> None:
    """Answer the one request that comes over `connection`."""
    channel = Channel(connection, meanwhile=partial(shorten, sys.stdout.fileno()))
    request = REQUEST.validate_json(channel.receive())
    if request.task is Task.TURNS:
        serve_turns(request, channel)
    else:
        channel.send(REPLY.dump_json(work(request, channel.beat)))
    channel.close()


def _child(connection: socket.socket, parent: int) -> NoReturn:
    """Live as a forked child, and end without running the zygote's exit handlers."""
    try:
        os.setsid()  # whatever the implementation starts can be killed with it
        die_with_parent(parent)
        adopt_orphans()  # so that an orphan of the zygote's comes from a child that is dead
        serve_one(connection)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - nothing may return into the zygote's loop
        traceback.print_exc()
        os._exit(1)


def serve(control: socket.socket) -> None:
    """Fork a child for every request until the parent hangs up."""
    channel = Channel(control)
    me, own = os.getpid(), children()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 4096, 1)
        if not message:
            return
        if descriptors:
            connection = socket.socket(fileno=descriptors[0])
            pid = os.fork()
            if pid == 0:
                control.close()
                _child(connection, me)
            connection.close()
            own.add(pid)
            channel.send_object({"pid": pid})
        else:
            pid, status = os.waitpid(int(message), 0)
            own.discard(pid)
            end_orphans(own)
            channel.send_object({"exit": os.waitstatus_to_exitcode(status)})


def main() -> None:
    """Serve, and load what the user wrote from its source meanwhile."""
    control = int(sys.argv[1])
    guard(control)
    connection = socket.socket(fileno=control)
    Channel(connection).send_object({"pid": os.getpid()})
    with from_source(os.environ[BYTECODE]):
        serve_backend(sys.argv[2], connection)


def serve_backend(backend: str, connection: socket.socket) -> None:
    """Import the framework, report readiness, serve."""
    if loaded := [argument for argument in sys.argv[3:] if argument != "--no-fork"]:
        Registry().load(
            loaded[0], loaded[1:], stay=True
        )  # its neighbours are its framework: a child need not import them again
    BACKENDS[backend].preload()
    # A framework leaves hundreds of thousands of objects. Frozen, they are never scanned again: a child's collections
    # cost microseconds, and do not write to pages that it shares with its siblings.
    gc.collect()
    gc.freeze()
    try:
        if "--no-fork" in sys.argv:
            serve_one(connection)
        else:
            Channel(connection).send_object({"ready": os.getpid()})
            serve(connection)
    except ChildError:
        pass  # the parent is gone or has closed this zygote; there is nobody left to tell


if __name__ == "__main__":
    main()
