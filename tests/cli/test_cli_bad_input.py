"""Bad input is one clear line on standard error, exit status 2, and nothing on standard output."""

import shutil

import pytest

from emu.cli import main
from emu.explore import execution
from emu.lab import lab
from emu.lab.lab import FIRMWARE

RACE = ("unregister_vs_hit", "--arch", "arm64")

SCENARIOS = '''
import sys

from emu.explore.ops import load, wait
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe, unregister_kprobe
from emu.kernel.probe import Kprobe

a_number = 3


def guest(lab):
    """What does the guest compute?"""
    return {"cpu0": run_guest(lab.cpus[0])}


def raises(lab):
    raise ValueError("of two\\nlines")


def raises_with_a_guest_under_way(lab):
    begun = run_guest(lab.cpus[0])
    return {"cpu0": run_guest(lab.cpus[0]), "cpu1": begun.nothing}


def a_third_cpu(lab):
    return {"cpu0": run_guest(lab.cpus[0]), "cpu2": run_guest(lab.cpus[2])}


def forgets_to_boot(lab):
    register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me")))
    return guest(lab)


def gives_nothing(lab):
    pass


def gives_a_list(lab):
    return [run_guest(lab.cpus[0])]


def gives_a_coroutine(lab):
    return run_guest(lab.cpus[0])


def gives_a_number(lab):
    return {"cpu0": 3, "cpu1": run_guest(lab.cpus[1])}


def gives_functions(lab):
    return {"cpu0": lambda: None}


def three_cpus(lab):
    return {"cpu2": run_guest(lab.cpus[0])}


def probed(lab, **handlers):
    lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me"), **handlers)))
    return guest(lab)


def pre_handler_raises(lab):
    def pre(p, regs):
        return 1 / 0

    return probed(lab, pre_handler=pre)


def async_handler_raises(lab):
    async def pre(p, regs):
        raise KeyError("nothing")

    return probed(lab, pre_handler=pre)


def post_handler_raises(lab):
    def post(p, regs, flags):
        regs.get("no_such_register")

    return probed(lab, post_handler=post)


def handler_without_parameters(lab):
    def pre():
        pass

    return probed(lab, pre_handler=pre)


def code_raises_at_once(lab):
    async def code():
        raise RuntimeError("at once")

    return {"cpu0": code(), "cpu1": run_guest(lab.cpus[1])}


def code_raises_later(lab):
    async def code():
        await load("x")
        raise RuntimeError("later")

    return {"cpu0": run_guest(lab.cpus[0]), "cpu1": code()}


class Stranger:
    def __await__(self):
        yield


def awaits_something_else(lab):
    async def code():
        await Stranger()

    return {"cpu0": code(), "cpu1": run_guest(lab.cpus[1])}


def no_parameter():
    return {}


def handler_is_a_number(lab):
    return probed(lab, pre_handler=5)


def handler_sets_a_register_to_text(lab):
    def pre(p, regs):
        regs.pc = "probe_me"

    return probed(lab, pre_handler=pre)


def leaves(lab):
    sys.exit(0)


def code_leaves(lab):
    async def code():
        sys.exit()

    return {"cpu0": code()}


def notifier_raises(lab):
    def notifier(event, cpu, regs):
        raise LookupError(event)

    lab.register_die_notifier("mine", notifier)
    return {"cpu0": run_guest(lab.cpus[0], "foreign_break")}


def waits_for_an_error(lab):
    async def code():
        await wait("x", lambda: 1 / 0)

    return {"cpu0": code()}


def two_guests_on_one_cpu(lab):
    return {"cpu0": run_guest(lab.cpus[0]), "cpu1": run_guest(lab.cpus[0], "leaf_add")}


def boots_a_number(lab):
    lab.boot(5)


def boots_something_else(lab):
    async def code():
        await Stranger()

    lab.boot(code())


def boots_without_end(lab):
    async def code():
        while True:
            await load("x")

    lab.boot(code())


def endless(lab):
    return {"cpu0": run_guest(lab.cpus[0], "probe_ret", 1_000_000)}


def no_such_function(lab):
    return {"cpu0": run_guest(lab.cpus[0], "nothing_of_that_name")}


def boot_fails(lab):
    lab.boot(register_kprobe(lab.kernel, Kprobe(symbol_name="guest_start")))
    return {}


def boot_waits(lab):
    async def locked():
        async with lab.kernel.kprobe_mutex:
            await unregister_kprobe(lab.kernel, Kprobe())

    lab.boot(locked())
    return {}


def no_such_outcome(lab):
    lab.kernel.note("success")
    return {}


def jumps_to_data(lab):
    return {"cpu0": run_guest(lab.cpus[0], "shared_counter")}
'''


@pytest.fixture
def refused(capsys, recwarn):
    """Run the command line: the one line it says, without its name."""

    def run(*arguments, name="trapline"):
        try:
            status = main(arguments)
        except SystemExit as exit:  # argparse
            status = exit.code
        out, err = capsys.readouterr()
        assert (status, out) == (2, "")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        assert err.startswith(f"{name}: ")
        assert not recwarn.list  # no coroutine that nobody awaited
        return err.removeprefix(f"{name}: ").rstrip("\n")

    return run


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SCENARIOS)
    return lambda function: f"{path}::{function}"


# Names and numbers


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("unregister_vs_hit", "--arch", "vax"),
            "architecture 'vax': expected one of arm64, csky, ",
        ),
        ((*RACE, "--variant", "old"), "variant 'old' of arm64: expected one of mainline, seed, "),
        ((*RACE, "--patching", "brutal"), "patching 'brutal': expected one of live, stop_machine"),
        ((*RACE, "--cpus", "9"), "cpus 9: expected 1 to 8, the stacks that the firmware has"),
        ((*RACE, "--cpus", "1"), "unregister_vs_hit needs cpu1; expected one of cpu0 (--cpus)"),
        (("no_such", "--arch", "arm64"), "scenario 'no_such': expected FILE.py::FUNCTION or one of "),
        (("cells", "--arch", "arm64"), "scenario 'cells': expected FILE.py::FUNCTION or one of "),
        (("foreign_break_gas", "--arch", "arm64"), "arm64: its firmware has no foreign_break_gas_site"),
        ((*RACE, "--expect", "oops"), "--expect 'oops': expected OUTCOME=never|sometimes|always, OUTCOME one of hit, "),
        ((*RACE, "--expect", "oops=rarely"), "--expect 'oops=rarely': expected OUTCOME=never|sometimes|always"),
        ((*RACE, "--expect", "crash=never"), "--expect 'crash=never': expected OUTCOME=never|sometimes|always"),
    ],
)
def test_what_there_is_not(refused, arguments, said):
    assert refused("explore", *arguments).startswith(said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "the following arguments are required: SCENARIO, --arch"),
        (("unregister_vs_hit",), "the following arguments are required: --arch"),
        ((*RACE, "--preempt", "some"), "argument --preempt: 'some': expected one of none, full"),
        ((*RACE, "--views", "odd"), "argument --views: 'odd': expected one of coherent, stale"),
        ((*RACE, "--cpus", "0"), "argument --cpus: '0': expected a whole number, at least 1"),
        ((*RACE, "--cpus", "two"), "argument --cpus: 'two': expected a whole number, at least 1"),
        ((*RACE, "--limit", "0"), "argument --limit: '0': expected a whole number, at least 1"),
        ((*RACE, "--limit", "-3"), "argument --limit: '-3': expected a whole number, at least 1"),
        ((*RACE, "--bound", "-1"), "argument --bound: '-1': expected a whole number, at least 0"),
        ((*RACE, "--bound", "1.5"), "argument --bound: '1.5': expected a whole number, at least 0"),
        ((*RACE, "--vari", "seed"), "unrecognized arguments: --vari seed"),  # no abbreviations
    ],
)
def test_what_argparse_sees(refused, arguments, said):
    name = "trapline" if "--vari" in arguments else "trapline explore"
    text = refused("explore", *arguments, name=name)
    assert text.startswith(said)
    assert text.endswith(f"(see {name} --help)")


def test_no_command_and_an_unknown_one(refused):
    assert "'frobnicate': expected one of list, run, " in refused("frobnicate")


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("cpu0*", "schedule item 1 'cpu0*': expected NAME or NAME*COUNT, such as cpu0*2"),
        ("cpu0 cpu1*0", "schedule item 2 'cpu1*0': expected NAME or NAME*COUNT, such as cpu0*2"),
        ("cpu0 *2", "schedule item 2 '*2': expected NAME or NAME*COUNT, such as cpu0*2"),
        ("cpu0*99999999", "schedule item 1 'cpu0*99999999': expected at most 1000000 steps in all"),
        ("cpu0 cpu7", "schedule step 2: cpu7 cannot run there; expected cpu0 or cpu1"),
        ("cpu0 cpu1", "the schedule ends after step 2, but cpu0 or cpu1 can still run; expected more steps"),
        ("", "the schedule ends after step 0, but cpu0 or cpu1 can still run; expected more steps"),
    ],
)
def test_schedules(refused, schedule, said):
    assert refused("run", *RACE, "--patching", "live", "--schedule", schedule) == said


def test_a_schedule_that_is_too_long(refused, capsys):
    main(["run", "foreign_break", "--arch", "mips", "--cpus", "1", "--json"])
    capsys.readouterr()
    said = refused("run", "foreign_break", "--arch", "mips", "--cpus", "1", "--schedule", "cpu0*50")
    assert "the execution is over; expected the schedule to end here, but it has" in said


def test_schedule_and_seed_exclude_each_other(refused):
    text = refused("run", *RACE, "--seed", "1", "--schedule", "cpu0", name="trapline run")
    assert text.startswith("argument --schedule: not allowed with argument --seed")
    assert "at least 0" in refused("run", *RACE, "--seed", "-1", name="trapline run")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "no_such"), "scenario 'no_such': expected"),
        (("compare", "--arch", "arm64", "vax"), "architecture 'vax': expected one of"),
        (("compare", "--arch", "arm64", "--variant", "v9"), "variant 'v9' of arm64: expected one of mainline, seed"),
        (("compare", "--arch", "arm64", "--patching", "none"), "patching 'none': expected one of live"),
        (
            ("compare", "foreign_break_gas", "--arch", "arm64"),
            "compare foreign_break_gas: expected an architecture that",
        ),
        (("compare", "--expect", "x=never"), "--expect 'x=never': expected"),
        (("decide", "recheck", "--arch", "vax"), "architecture 'vax': expected one of"),
        (("decide", "recheck", "--arch", "arm64", "--patching", "none"), "patching 'none': expected one of live"),
    ],
)
def test_compare_and_decide(refused, arguments, said):
    assert refused(*arguments).startswith(said)


# Scenarios of others


def test_a_file_of_ones_own_runs(scenario, capsys):
    assert main(["explore", scenario("guest"), "--arch", "arm64"]) == 0
    assert "1 executions: every interleaving" in capsys.readouterr().out


@pytest.mark.filterwarnings("default")
def test_what_a_scenario_forgot_to_await_is_an_error(scenario, capsys):
    assert main(["run", scenario("forgets_to_boot"), "--arch", "arm64"]) == 2
    assert "coroutine 'register_kprobe' was never awaited; expected `await`" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("raises", "raises raised ValueError: of two lines at {file}:18; expected it to return"),
        (
            "raises_with_a_guest_under_way",
            "raises_with_a_guest_under_way raised AttributeError: 'coroutine' object has",
        ),
        ("a_third_cpu", "cpu2: expected one of cpu0, cpu1 (--cpus)"),
        ("gives_nothing", "gives_nothing gave NoneType; expected a dict of CPU name to coroutine"),
        ("gives_a_list", "gives_a_list gave list; expected a dict of CPU name to coroutine"),
        ("gives_a_coroutine", "gives_a_coroutine gave coroutine; expected a dict of CPU name to coroutine"),
        ("gives_a_number", "gives_a_number gave 3 for cpu0; expected a coroutine, such as run_guest(...)"),
        ("gives_functions", "gives_functions gave <function gives_functions.<locals>.<lambda> at "),
        ("handler_is_a_number", "handler 5: expected a function"),
        (
            "handler_sets_a_register_to_text",
            "pre raised TypeError: unsupported operand type(s) for &: 'str' and 'int' at {file}:",
        ),
        ("leaves", "leaves raised SystemExit: 0 at {file}:"),
        ("code_leaves", "code raised SystemExit: at {file}:"),
        (
            "waits_for_an_error",
            "cpu0 at wait x: ZeroDivisionError('division by zero'); expected to be told whether it can",
        ),
        ("two_guests_on_one_cpu", "run_guest('leaf_add'): cpu0 is running a guest already; expected one at a time"),
        ("boots_a_number", "boot: 5: expected a coroutine, such as register_kprobe(...)"),
        ("boots_something_else", "boot: code awaited None; expected trapline's own awaitables"),
        ("three_cpus", "three_cpus needs cpu2; expected one of cpu0, cpu1 (--cpus)"),
        ("pre_handler_raises", "pre raised ZeroDivisionError: division by zero at {file}:"),
        ("async_handler_raises", "pre raised KeyError: 'nothing' at {file}:"),
        ("post_handler_raises", "register 'no_such_register': expected one of x0..x30 or an ABI name"),
        (
            "handler_without_parameters",
            "pre raised TypeError: handler_without_parameters.<locals>.pre() takes 0 positional arguments"
            " but 2 were given at {file}:",
        ),
        ("code_raises_at_once", "code raised RuntimeError: at once at {file}:"),
        ("code_raises_later", "code raised RuntimeError: later at {file}:"),
        ("awaits_something_else", "cpu0 awaited something that gave None; expected trapline's own awaitables"),
        (
            "no_parameter",
            "no_parameter raised TypeError: no_parameter() takes 0 positional arguments but 1 was given at {file}:",
        ),
        ("no_such_function", "{firmware}: no symbol 'nothing_of_that_name'"),
        ("boot_fails", "boot: register_kprobe gave -EINVAL; expected 0"),
        ("boot_waits", "boot: locked waits for kprobe_mutex; expected it to need nobody else"),
        ("no_such_outcome", "outcome 'success': expected one of hit, missed, "),
        ("jumps_to_data", "cpu0 at 0x100000: fetch of 0x100000; expected an address in the image"),
        ("endless", "cpu0 at "),
        ("missing", "scenario '{file}::missing': no function 'missing' there; expected one of guest, raises, "),
        ("a_number", "scenario '{file}::a_number': no function 'a_number' there; expected one of guest, raises, "),
        ("", "scenario '{file}::': no function '' there; expected one of guest, raises, "),
    ],
)
def test_scenarios_that_go_wrong(refused, scenario, function, said):
    name = scenario(function)
    text = refused("explore", name, "--arch", "arm64")
    assert text.startswith(said.format(file=name.partition("::")[0], firmware=FIRMWARE / "arm64.elf"))
    if function == "endless":
        assert text.endswith(": no end after 200000 instructions; expected guest_exit")


def test_a_notifier_that_raises(refused, scenario):
    text = refused("run", scenario("notifier_raises"), "--arch", "mips")
    assert text.startswith("notifier raised LookupError: DIE_BREAK at ")


def test_a_boot_that_never_ends(refused, scenario, monkeypatch):
    monkeypatch.setattr(execution, "LONGEST", 100)
    text = refused("run", scenario("boots_without_end"), "--arch", "mips")
    assert text == "boot: code: no end after 100 steps; expected it to end"


def test_what_goes_wrong_in_another_process_is_one_line_too(refused, scenario):
    text = refused("compare", scenario("code_raises_later"), "--arch", "arm64", "--patching", "live")
    assert ": code raised RuntimeError: later at " in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("def f(:\n", "{file}:1: invalid syntax; expected a Python file"),
        ("import no_such_module_anywhere\n", "{file} raised ModuleNotFoundError: No module named 'no_such"),
        ("x = 1 / 0\n", "{file} raised ZeroDivisionError: division by zero at {file}:1; expected a file that can be"),
        ("x = 1\n", "scenario '{file}::f': no function 'f' there; expected a file that defines one"),
        ("from os import getcwd\n", "scenario '{file}::f': no function 'f' there; expected a file that defines one"),
        ("import sys; sys.exit(0)", "{file} raised SystemExit: 0 at {file}:1; expected a file that can be imported"),
        ("\0", "{file}: source code string cannot contain null bytes; expected a Python file"),
        (None, "scenario file '{file}': expected a Python file"),
    ],
)
def test_files_that_are_none(refused, tmp_path, content, said):
    path = tmp_path / "broken.py"
    if content is not None:
        path.write_text(content)
    assert refused("run", f"{path}::f", "--arch", "riscv").startswith(said.format(file=path))


def test_a_directory_and_a_file_of_another_kind(refused, tmp_path):
    (tmp_path / "notes.txt").write_text("def f(lab): pass")
    for path in (tmp_path, tmp_path / "notes.txt"):
        assert refused("run", f"{path}::f", "--arch", "riscv") == f"scenario file '{path}': expected a Python file"


# Firmware


@pytest.fixture
def firmware(tmp_path, monkeypatch):
    """A folder of firmware that can be damaged."""
    for image in FIRMWARE.glob("*.elf"):
        shutil.copy(image, tmp_path)
    monkeypatch.setattr(lab, "FIRMWARE", tmp_path)
    return tmp_path


def test_missing_firmware(refused, firmware):
    (firmware / "arm64.elf").unlink()
    said = refused("explore", *RACE)
    assert said == f"{firmware / 'arm64.elf'}: cannot be read: No such file or directory; expected an ELF file"


def test_truncated_firmware(refused, firmware):
    """Anywhere: in the header, in the tables, in the text."""
    path = firmware / "arm64.elf"
    whole = path.read_bytes()
    for size in (0, 3, 20, 64, 0x1000, 0x1100, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert refused("explore", *RACE).startswith(f"{path}: ")


def test_firmware_of_another_machine(refused, firmware):
    shutil.copy(firmware / "riscv.elf", firmware / "arm64.elf")
    said = refused("explore", *RACE)
    assert "for EM_RISCV, 64-bit, little endian; expected EM_AARCH64, 64-bit, little" in said


def test_firmware_that_is_none(refused, firmware):
    (firmware / "mips.elf").write_text("#!/bin/sh\n")
    assert "not an ELF: starts with 23 21 2f 62" in refused("run", "two_cpus_hit", "--arch", "mips")
