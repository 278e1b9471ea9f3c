"""Compare our instruction tables with the tools that know the ISA; exit status 1 if something disagrees.

    python -m tools.check_tables loongarch              a slice of some seconds
    python -m tools.check_tables loongarch --full       ten million words, a million instructions: minutes to hours
    python -m tools.check_tables ARCH --help            what there is for an architecture

Each architecture's comparisons are in `tools/check_<arch>.py`, which has a `main` with options of its own; `FULL` is
what `--full` stands for.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __package__ in (None, ""):  # started as a file: the project's root is not on the path yet
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def architectures() -> list[str]:
    """Those that have a checker."""
    names = (path.stem.removeprefix("check_") for path in Path(__file__).parent.glob("check_*.py"))
    return sorted(name for name in names if name not in ("tables", "common"))


def main(arguments: list[str]) -> int:
    """What the architecture's checker returns: 0 if all that was compared agrees; 2 for bad usage."""
    if not arguments or arguments[0] not in architectures():
        wanted = f"expected an architecture: {', '.join(architectures())}"
        print(wanted if not arguments else f"{arguments[0]!r}: {wanted}", file=sys.stderr)
        return 2
    checker = importlib.import_module(f"tools.check_{arguments[0]}")
    options = [option for option in arguments[1:] if option != "--full"]
    if len(options) < len(arguments) - 1:
        options = [*checker.FULL, *options]
    return int(checker.main(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
