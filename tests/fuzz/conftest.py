"""The generators are a package beside the tests, which `tools/fuzz` uses too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
