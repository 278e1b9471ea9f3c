"""`python -m trapline`: the command line."""

import sys

from emu.cli import process

sys.exit(process())
