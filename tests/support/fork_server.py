"""Forks processes of Python that have loaded mailnode already; `support.forked_python` starts it and asks it.

Each request is JSON with a length before it, and with four files: the process's three streams, and where its id and, at
its end, its status are told.
"""

import atexit
import gc
import io
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

NUMBER = struct.Struct("!i")
STREAMS = 3
_NO_PARTS = "mailnode.store.migrations"
# What mailnode loads only when it needs it.
_LATER = (
    *("alembic.command", "alembic.ddl.postgresql", "alembic.ddl.sqlite", "asyncio", "css_inline", "tinycss2"),
    *("cryptography.hazmat.primitives.ciphers.aead", "cryptography.x509", "httpx2", "procrastinate", "psycopg"),
    *("pydantic", "python_socks.async_.asyncio", "quickjs", "rich.progress", "rich.table", "ruamel.yaml"),
    *("sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.pysqlite", "uvicorn.loops.asyncio"),
    *("uvicorn.protocols.http.h11_impl", "uvloop"),
)


def load() -> None:
    """Import all of mailnode, and all that it may use; what is not installed is left out."""
    import mailnode

    inner = [found.name for found in pkgutil.walk_packages(mailnode.__path__, "mailnode.")]
    for name in (*inner, *_LATER):
        if not (name.startswith(_NO_PARTS) or name.endswith(".__main__")):
            with suppress(ModuleNotFoundError):
                import_module(name)
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from support import schema

    del sys.path[0]
    schema.know_by_heart()
    schema.learn()
    gc.collect()
    gc.freeze()


def serve(control: socket.socket) -> dict[str, Any]:
    """Fork for each request; returns in the fork only, with what was asked. Ends when nobody can ask any more."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if wake in ready:
                os.read(wake, 4096)
                _reap(told)
            if control.fileno() not in ready:
                continue
            asked, files = _hear(control)
            process = os.fork()
            if not process:
                break
            os.write(files[STREAMS], NUMBER.pack(process))
            told[process] = files.pop()
            for file in files:
                os.close(file)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    control.close()
    for number, file in enumerate(files[:STREAMS]):
        os.dup2(file, number)
    for file in (*files, *told.values(), wake, waker):
        os.close(file)
    return asked


def _hear(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, files, _, _ = socket.recv_fds(control, NUMBER.size, STREAMS + 1)
    if not head:
        os._exit(0)
    (size,) = NUMBER.unpack(head)
    octets = b""
    while len(octets) < size:
        octets += control.recv(size - len(octets))
    return json.loads(octets), files


def _reap(told: dict[int, int]) -> None:
    while told:
        process, status = os.waitpid(-1, os.WNOHANG)
        if not process:
            return
        file = told.pop(process)
        with suppress(BrokenPipeError):
            os.write(file, NUMBER.pack(os.waitstatus_to_exitcode(status)))
        os.close(file)


def become(asked: dict[str, Any]) -> None:
    """Take on what a process is given at its start, as Python would."""
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
    for name, number, errors in (("stdout", 1, "strict"), ("stderr", 2, "backslashreplace")):
        is_line_buffered = not at_once and (number == 2 or os.isatty(number))
        text = io.TextIOWrapper(
            open(number, "wb", 0 if at_once else -1, closefd=False),  # noqa: SIM115 -- for all of its life
            encoding=encoding,
            errors=errors,
            line_buffering=is_line_buffered,
            write_through=at_once,
        )
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(open(0, "rb", closefd=False), encoding=encoding)  # type: ignore[misc]  # noqa: SIM115
    given = os.environ.get("PYTHONPATH", "")
    sys.path[1:1] = [entry for entry in given.split(os.pathsep) if entry and entry not in sys.path]
    invalidate_caches()


def run(arguments: list[str]) -> None:
    """Do what `python ARGUMENTS` does: `-m module`, `-c code` or a file."""
    if arguments[0] == "-c":
        sys.argv, sys.path[0] = ["-c", *arguments[2:]], ""
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(arguments[1], "<string>", "exec"), main.__dict__)
    elif arguments[0] == "-m":
        sys.argv, sys.path[0] = ["-m", *arguments[2:]], str(Path.cwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = arguments, os.path.dirname(os.path.realpath(arguments[0]))  # noqa: PTH120
        runpy.run_path(arguments[0], run_name="__main__")


def end(status: object) -> NoReturn:
    """End as Python ends, but for the modules: to take those apart again takes longer than all the rest."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    if status is not None and not isinstance(status, int):
        sys.stderr.write(f"{status}\n")
        status = 1
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        status = 120
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit((status or 0) & 0xFF)


if __name__ == "__main__":
    load()
    with socket.socket(fileno=int(sys.argv[1])) as asking:
        wanted = serve(asking)
    become(wanted)
    try:
        run(wanted["arguments"])
    except SystemExit as ended:
        end(ended.code)
    except BaseException:  # noqa: BLE001 -- as Python's own end does
        sys.excepthook(*sys.exc_info())
        end(1)
    end(0)
