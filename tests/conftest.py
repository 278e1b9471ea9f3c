"""The name `trapline`; guest programs and modules for the commands: out of C where zig is there, Debian's where they
were fetched."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "tests" / "data" / "functions.c"
MODULES = ROOT / ".cache" / "modules"
TARGETS = {
    "arm64": ("aarch64-linux-musl",),
    "riscv": ("riscv64-linux-musl",),
    "x86": ("x86_64-linux-musl",),
    "loongarch": ("loongarch64-linux-musl", "-mcpu=generic_la64"),  # without vectors
    "mips": ("mipsel-linux-musleabi",),
}
FLAGS = ("-g0", "-ffreestanding", "-fno-stack-protector", "-fno-sanitize=all", "-w")  # -g0: no path of the checkout
FIXED = ("-fno-pic", "-fno-pie")
KINDS = {
    "o": (*FIXED, "-c", "-DMODULE"),
    "pic.o": ("-fPIC", "-c", "-DMODULE"),
    "elf": (*FIXED, "-nostdlib", "-static", "-Wl,--no-gc-sections"),
    "pic.elf": ("-fPIC", "-nostdlib", "-static", "-Wl,--no-gc-sections"),
}


def pytest_configure(config):
    """`import trapline` is the tree under test, here and in processes: what is installed may be another checkout."""
    folder = tempfile.TemporaryDirectory()
    (Path(folder.name) / "trapline").symlink_to(ROOT / "emu" / "api")
    sys.path.insert(0, folder.name)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([folder.name, str(ROOT), *([before] if before else [])])
    config.add_cleanup(folder.cleanup)


@pytest.fixture
def interruptible():
    """SIGINT raises KeyboardInterrupt here, also where the tests were started to ignore it (nohup, a script's job)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """compiled(arch, level, kind): an object (`o`, `pic.o`), as modules are, or a static program (`elf`, `pic.elf`)."""
    folder = tmp_path_factory.mktemp("compiled")

    def compiled(arch, level, kind):
        if importlib.util.find_spec("ziglang") is None:
            pytest.skip("ziglang is not installed")
        target, *more = TARGETS[arch]
        output = folder / f"{arch}-{level}.{kind}"
        if not output.exists():
            how = KINDS[kind]
            command = [sys.executable, "-m", "ziglang", "cc", "-target", target, f"-O{level}", *more, *FLAGS, *how]
            command += [SOURCE.name, "-o", str(output)]
            subprocess.run(command, check=True, capture_output=True, cwd=SOURCE.parent)
        return output

    return compiled


@pytest.fixture(scope="session")
def module():
    """module(arch, name): a kernel module of Debian."""

    def module(arch, name):
        path = MODULES / arch / f"{name}.ko"
        if not path.exists():
            pytest.skip(f"{arch}/{name}.ko is not there (tools/fetch_modules.py fetches it)")
        return path

    return module


@pytest.fixture
def assembled(tmp_path):
    """assembled(arch, text): an object out of assembly."""

    def assembled(arch, text):
        if importlib.util.find_spec("ziglang") is None:
            pytest.skip("ziglang is not installed")
        source, output = tmp_path / f"{arch}.s", tmp_path / f"{arch}.o"
        source.write_text(text)
        command = [sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[arch][0], "-c", source, "-o", output]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        return output

    return assembled
