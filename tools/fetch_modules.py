"""Kernel modules of Debian, for tests that want real ones: `tools/fetch_modules.py [ARCH...]`.

apt fetches one small kernel package per architecture into .cache, with an apt state of its own, so that nothing on
this machine changes; the modules that the tests want are unpacked beside it. They are GPL and not part of trapline.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "modules"
SUITE = "bookworm"
PACKAGES = {  # our name: (Debian's, how the package is called, without the version)
    "x86": ("amd64", "cloud-amd64"),
    "arm64": ("arm64", "cloud-arm64"),
    "mips": ("mipsel", "4kc-malta"),
}
WANTED = ("crc7", "crc-itu-t", "crc8", "crc4", "crc-ccitt", "cordic", "lz4_compress", "lzo_compress", "bch", "ext4")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="fetch_modules.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("arch", nargs="*", metavar="ARCH", help=f"of {', '.join(PACKAGES)}; default: all")
    names = parser.parse_args(arguments).arch
    unknown = [name for name in names if name not in PACKAGES]
    if unknown:
        parser.error(f"{unknown[0]!r}: expected one of {', '.join(PACKAGES)}")
    for name in names or PACKAGES:
        folder = CACHE / name
        if folder.is_dir() and any(folder.iterdir()):
            continue
        fetch(*PACKAGES[name], folder)
        print(f"{name}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    return 0


def fetch(debian: str, flavour: str, folder: Path) -> None:
    """Download the newest package of a flavour and keep a few of its modules."""
    state = CACHE / f"apt-{debian}"
    options = private_apt(state, debian)
    run(["apt-get", *options, "update"])
    search = run(["apt-cache", *options, "search", "--names-only", rf"^linux-image-[0-9.-]+-{flavour}(-unsigned)?$"])
    package = sorted(line.split()[0] for line in search.splitlines())[-1]
    run(["apt-get", *options, "download", package], cwd=state)
    (deb,) = state.glob("*.deb")
    root = state / "root"
    run(["dpkg-deb", "-x", str(deb), str(root)])
    folder.mkdir(parents=True, exist_ok=True)
    for name in WANTED:
        for path in root.rglob(f"{name}.ko*"):
            shutil.copy(path, folder / path.name)
    shutil.rmtree(state)


def private_apt(state: Path, debian: str) -> list[str]:
    """Options that give apt another architecture and folders of its own."""
    for part in ("lists/partial", "cache/archives/partial", "etc"):
        (state / part).mkdir(parents=True, exist_ok=True)
    source = f"deb [signed-by={KEYRING} arch={debian}] {mirror()} {SUITE} main\n"
    (state / "etc" / "sources.list").write_text(source, encoding="utf-8")
    (state / "status").write_text("", encoding="utf-8")
    settings = {
        "Dir::Etc::sourcelist": state / "etc" / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "APT::Architecture": debian,
        "APT::Architectures": debian,
        "APT::Sandbox::User": "root",
    }
    return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]


def mirror() -> str:
    """Where this machine's apt gets Debian from."""
    lines = run(["apt-get", "indextargets", "--format", "$(SITE)", f"Codename: {SUITE}"]).split()
    return lines[0]


def run(command: list[str], cwd: Path | None = None) -> str:
    return subprocess.run(command, check=True, cwd=cwd, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
