"""What can be wrong with what the user gave us; each message has the value, the place and what was expected.

A guest that dies is an outcome, not an error. The command line turns every `TraplineError` into one
line on standard error and exit status 2.
"""


class TraplineError(Exception):
    """Base of every error that is the input's fault and not trapline's.

    >>> import trapline
    >>> try:
    ...     trapline.run("foreign_break", "alpha")
    ... except trapline.TraplineError as error:
    ...     print(str(error).partition(":")[0])
    architecture 'alpha'
    """


class UsageError(TraplineError):
    """An unknown name, or a combination of settings that makes no sense.

    >>> import trapline
    >>> trapline.run("foreign_break", "mips", cpus=9)
    Traceback (most recent call last):
    emu.errors.UsageError: cpus 9: expected 1 to 8, the stacks that the firmware has
    """


class TableError(TraplineError):
    """A row of an instruction or rule table that does not parse or contradicts another."""


class DecodeError(TraplineError):
    """A word that is no instruction, or has the wrong size."""


class EncodeError(TraplineError):
    """An operand that does not fit its field, or a mnemonic the table does not know."""


class ImageError(TraplineError):
    """An ELF file that is not one, is for another machine, is truncated or lacks a symbol."""


class MemoryAccessError(TraplineError):
    """A host access to an address that no region holds."""


class ScheduleError(TraplineError):
    """A schedule that does not parse, or does not fit the execution it is replayed on.

    >>> import trapline
    >>> trapline.replay("foreign_break", "mips", "cpu1", cpus=1)
    Traceback (most recent call last):
    emu.errors.ScheduleError: schedule step 1: cpu1 cannot run there; expected cpu0
    """


class GuestError(TraplineError):
    """A guest that does something no scenario can use: it never ends, faults, or writes to its text."""


class HandlerError(TraplineError):
    """A probe's handler or a scenario that raises a Python exception, gives something odd, or never ends.

    >>> import trapline
    >>> trapline.run(lambda lab: "cpu0", "mips")
    Traceback (most recent call last):
    emu.errors.HandlerError: <lambda> gave str; expected a dict of CPU name to coroutine
    """


class WorkerError(TraplineError):
    """Workers of a sweep or search that are lost again and again."""
