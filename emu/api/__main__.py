"""`python -m trapline`: the command line."""

import sys

from emu.cli import main

sys.exit(main())
