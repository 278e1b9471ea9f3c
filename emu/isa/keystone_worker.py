"""The process that Keystone runs in, because no text is safe for it; the only file that imports it.

A line of JSON comes in for each text, and one goes out. Nothing of trapline is imported: this file is a program. It can
open no file, so that `.incbin` and `.include` read nothing, and its memory and processor time are limited. Whoever
started it ends it if an answer takes too long.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from functools import cache
from typing import Any

import keystone

MEMORY = 1 << 30  # bytes of addresses; Python and Keystone alone have 100 MiB
SECONDS = 10  # of processor time for one text, should nobody be left to end this process
OPEN_FILES = 3  # standard input, output and error


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C is for the parent
    confine()
    for line in sys.stdin:
        allow(SECONDS)
        print(json.dumps(answer(**json.loads(line))), flush=True)


def confine() -> None:
    """No more files, processes and core dumps; memory up to a limit."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))


def allow(seconds: int) -> None:
    """This many more seconds of processor time, then SIGXCPU, which ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    total = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (total, resource.RLIM_INFINITY))


def answer(arch: str, modes: list[str], text: str, addr: int, most: int) -> dict[str, str]:
    """The code in hexadecimal, or what is wrong with it: what Keystone says, or that it has more than `most` bytes."""
    try:
        code, _ = engine(arch, tuple(modes)).asm(text, addr, as_bytes=True)
    except keystone.KsError as error:
        return {"error": error.message}
    if code and len(code) > most:
        return {"error": f"{len(code)} bytes, not at most {most}"}
    return {"code": (code or b"").hex()}


@cache
def engine(arch: str, modes: tuple[str, ...]) -> Any:
    mode = 0
    for name in modes:
        mode |= getattr(keystone, f"KS_MODE_{name}")
    return keystone.Ks(getattr(keystone, f"KS_ARCH_{arch}"), mode)


if __name__ == "__main__":
    main()
