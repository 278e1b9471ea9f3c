"""Signals at random times to commands that run as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COMMANDS = (
    ("list",),
    ("opcode", "arm64", "--elf", "firmware/arm64.elf"),
    ("explore", "unregister_vs_hit", "--arch", "riscv", "--patching", "live"),
    ("compare", "unregister_vs_hit", "--arch", "riscv"),
    ("transparent", "riscv", "--count", "500"),
    ("sweep", "riscv"),
    ("probe-all", "firmware/riscv.elf", "probe_call", "5", "--arch", "riscv"),
)
SECONDS = 60


def interrupted(rng: Random) -> tuple[str, str]:
    """What was done, and what is wrong with how it ended, "" if nothing is."""
    arguments, number, group = rng.choice(COMMANDS), rng.choice(SIGNALS), rng.random() < 0.5
    delay = rng.choice((rng.uniform(0.0, 0.15), rng.uniform(0.1, 1.5)))
    what = f"{' '.join(arguments)}: {number.name} after {delay:.3f} s{' to its group' if group else ''}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-m", "emu.cli", *arguments]
    running = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    time.sleep(delay)
    if running.poll() is None:
        (os.killpg if group else os.kill)(running.pid, number)
    try:
        _, err = running.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        return what, f"still there, or somebody who holds its output, {SECONDS} s later"
    return what, _complaint(running.returncode, err.decode("utf-8", "replace"), number)


def _complaint(status: int, err: str, number: signal.Signals) -> str:
    if "Traceback" in err and "in main" in err:  # until it begins, an interrupt is Python's to report
        return f"traceback: {err.strip().splitlines()[-1][:300]}"
    if status not in (0, 1, 128 + number, 130, -number):
        return f"exit status {status}: {err[:300]!r}"
    return ""
