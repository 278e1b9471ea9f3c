"""`python -m emu.cli`, for machines where the entry point is not on the path."""

import sys

from emu.cli import process

sys.exit(process())
