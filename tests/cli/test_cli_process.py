"""The command line as a process: ^C and other signals, workers that die, a reader that goes away, a terminal."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emu.cli import main

ROOT = Path(__file__).parents[2]
LONG = ("--arch", "mips", "--patching", "live", "--preempt", "full")
PATIENCE = 60  # seconds until a process counts as hanging


@pytest.fixture
def start():
    """`trapline` in a session of its own, so that a ^C can be given to all of its processes as a terminal does."""
    started = []

    def run(*arguments, python=("-m", "emu.cli")):
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "preexec_fn": default_signals}
        process = subprocess.Popen([sys.executable, *python, *arguments], cwd=ROOT, start_new_session=True, **how)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def default_signals():
    """As a terminal starts a command, also where the tests themselves were started to ignore some (nohup, a job)."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def endless(tmp_path):
    """A scenario with far too many interleavings, which tells through a file when its first executions are over."""
    path, told = tmp_path / "long.py", tmp_path / "told"
    path.write_text(
        f"""
from pathlib import Path
from emu.explore.ops import load

worlds = []

def forever(lab):
    \"\"\"How many?\"\"\"
    async def steps():
        for _ in range(1000):
            await load("x")
    worlds.append(1)
    if len(worlds) == 4:
        Path({str(told)!r}).touch()
    return {{"cpu0": steps(), "cpu1": steps()}}
"""
    )
    return f"{path}::forever", told


def wait_for(path):
    deadline = time.monotonic() + PATIENCE
    while not os.path.lexists(path):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def interrupt(process, everybody, number=signal.SIGINT):
    if everybody:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


def workers_of(process):
    """The processes that a process has started."""
    return [int(number) for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


BOTH = pytest.mark.parametrize("everybody", [True, False], ids=["group", "parent"])


@BOTH
def test_an_interrupted_search_prints_what_it_has(start, tmp_path, everybody):
    scenario, told = endless(tmp_path)
    process = start("explore", scenario, "--arch", "loongarch")
    wait_for(told)
    interrupt(process, everybody)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert re.fullmatch(r"trapline: interrupted: \d+ executions are done\n", err)
    assert re.search(r"^\d+ executions: not complete: interrupted$", out, re.M)


@pytest.mark.parametrize("command", ["explore", "compare"])
def test_what_contradicts_an_expectation_is_said_after_an_interrupt_too(start, tmp_path, command):
    """Of two expectations: a hit was found where none is expected; that there is no oops is not known by then."""
    path, told = tmp_path / "long.py", tmp_path / "told"
    path.write_text(
        f"""
from pathlib import Path
from trapline import Kprobe, load, register_kprobe, run_guest

worlds = []

def hit_first(lab):
    async def hit_and_go_on(n):
        if n == 0:
            await run_guest(lab.cpus[0])
        for _ in range(1000):
            await load("x")
    worlds.append(1)
    if len(worlds) == 4:
        Path({str(told)!r}).touch()
    lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))))
    return {{"cpu0": hit_and_go_on(0), "cpu1": hit_and_go_on(1)}}
"""
    )
    expected = ("--expect", "hit=never", "--expect", "oops=never")
    grid = ("--variant", "mainline", "--patching", "live", "--preempt", "none") if command == "compare" else ()
    process = start(command, f"{path}::hit_first", "--arch", "mips", *grid, *expected)
    wait_for(told)
    interrupt(process, True)
    _, err = process.communicate(timeout=PATIENCE)
    contradicted, interrupted = err.splitlines()
    assert process.returncode == 130
    assert "hit is in all that were run, expected never: trapline run " in contradicted
    assert interrupted.startswith("trapline: interrupted: ")


def test_an_interrupted_search_is_still_one_json_object(start, tmp_path):
    scenario, told = endless(tmp_path)
    process = start("explore", scenario, "--arch", "loongarch", "--json")
    wait_for(told)
    interrupt(process, True)
    out, _ = process.communicate(timeout=PATIENCE)
    cell = json.loads(out)
    assert (process.returncode, cell["complete"]) == (130, False)
    assert cell["executions"] >= 1


@BOTH
def test_an_interrupted_comparison_prints_the_cells_that_are_done(start, tmp_path, everybody):
    """foreign_break has one execution a cell and comes first; then no cell ever ends."""
    scenario, told = endless(tmp_path)
    options = ("--arch", "loongarch", "--variant", "mainline", "seed", "--patching", "live")
    process = start("compare", "foreign_break", scenario, *options, "--json")
    wait_for(told)
    interrupt(process, everybody)
    out, err = process.communicate(timeout=PATIENCE)
    found = json.loads(out)
    cells = found["cells"]
    assert (process.returncode, found["complete"], len(found["not_searched"])) == (130, False, 8 - len(cells))
    assert err == f"trapline: interrupted: {len(cells)} of at most 8 cells are done\n"
    assert {cell["scenario"] for cell in cells} == {"foreign_break"}
    assert len(cells) >= 3  # the two workers had got to the other scenario


def test_an_interrupted_decision_prints_the_verdicts_that_are_complete(start):
    """Whenever it comes; but for this test not before the command has begun, on a busy machine."""
    for delay in (1.5, 5, 15):
        process = start("decide", "recheck", "--json")
        time.sleep(delay)
        interrupt(process, True)
        out, err = process.communicate(timeout=PATIENCE)
        if out:
            break
    found = json.loads(out)
    verdicts = found["verdicts"]
    assert (process.returncode, found["complete"]) == (130, False)
    complete = [verdict for verdict in verdicts if verdict["complete"]]
    assert err == f"trapline: interrupted: {len(complete)} verdicts are complete\n"
    not_searched = {(cell["arch"], cell["patching"], cell["preempt"]) for cell in found["not_searched"]}
    for verdict in verdicts:
        assert verdict["complete"] == ((verdict["arch"], verdict["patching"], verdict["preempt"]) not in not_searched)
        assert verdict["without"]["complete"] and verdict["with"]["complete"]


@BOTH
def test_an_interrupted_sweep_prints_what_it_counted(start, tmp_path, everybody):
    journal = tmp_path / "journal"
    process = start("sweep", "arm64", "--jobs", "2", "--json", "--resume", str(journal))
    wait_for(journal)
    interrupt(process, everybody)
    out, err = process.communicate(timeout=PATIENCE)
    report = json.loads(out)
    assert (process.returncode, report["complete"]) == (130, False)
    assert 0 < sum(report["rows"].values()) == report["words"] < 2**32
    assert err == f"trapline: interrupted: {report['words']} of {2**32} words are counted\n"


def test_a_killed_sweep_leaves_no_workers_and_is_resumed(start, tmp_path):
    """Its workers share its standard output: that ends when the last of them does."""
    journal = tmp_path / "journal"
    command = ("sweep", "loongarch", "--jobs", "2", "--json", "--resume", str(journal))
    process = start(*command, python=("-c", sweep_of("range(0x2000, 0x3000)")))
    wait_for(journal)
    process.kill()
    process.communicate(timeout=PATIENCE)
    done = json.loads(journal.read_text())["done"]
    assert 0 < len(done) < 256
    process = start(*command, python=("-c", sweep_of("range(0x2000, 0x3000)")))
    report = json.loads(process.communicate(timeout=PATIENCE)[0])
    assert (process.returncode, report["complete"], sum(report["rows"].values())) == (0, True, 2**28)
    assert report["rows"]["ll_w"] == 2**24


def sweep_of(space):
    """A program that sweeps through fewer words: those whose upper halves are given."""
    return f"""
import sys
from functools import partial
from emu.cli import main, sweep_command
sweep_command.SweepJob = partial(sweep_command.SweepJob, space={space})
sys.exit(main(sys.argv[1:]))
"""


def test_an_interrupted_trial_of_instructions_prints_what_it_has(start):
    """In the middle of a row."""
    options = ("--row", "insns.decode:pcaddu18i", "--count", "1000000000", "--json")
    for delay in (3, 10, 30):
        process = start("transparent", "loongarch", *options)
        time.sleep(delay)
        interrupt(process, True)
        out, err = process.communicate(timeout=PATIENCE)
        found = json.loads(out)
        if found["encodings"]:
            break
    assert process.returncode == 130
    assert err == f"trapline: interrupted: {found['encodings']} encodings are compared\n"
    assert (found["complete"], found["deaths"]) == (False, [])
    [difference] = found["differences"]
    assert difference["rules"] == ["pcaddu18i"] and difference["count"] <= 2 * found["encodings"] + 2


def test_a_comparison_on_one_core_is_interrupted_too(start, tmp_path):
    """There are no other processes then: the search that is under way ends, and no other begins."""
    scenario, told = endless(tmp_path)
    code = "import os, sys; os.cpu_count = lambda: 1; from emu.cli import main; sys.exit(main(sys.argv[1:]))"
    process = start("compare", scenario, "--arch", "loongarch", "--patching", "live", python=("-c", code))
    wait_for(told)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert err.startswith("trapline: interrupted: 1 of at most ")
    assert "not all interleavings" in out


@pytest.mark.parametrize("delay", [0.02, 0.06, 0.1, 0.2, 0.4])
def test_an_interrupt_at_any_moment_shows_no_traceback(start, delay):
    """Also while trapline is being imported, from its entry point on."""
    begin = "import sys; from emu.cli import main; print('begins', file=sys.stderr, flush=True)"
    code = f"{begin}; sys.exit(main(sys.argv[1:]))"
    process = start("explore", "reregister_vs_hit", *LONG, "--cpus", "3", python=("-c", code))
    assert process.stderr.readline() == "begins\n"
    time.sleep(delay)
    interrupt(process, True)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert re.fullmatch(r"trapline: interrupted(: \d+ executions are done)?\n", err)


# Other signals, and workers that die


def runs(pid):
    """Whether a process is there, and more than what its parent has not asked for yet."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] not in "ZX"


OTHERS = {signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.mark.parametrize(("number", "everybody"), [(signal.SIGTERM, True), (signal.SIGHUP, False)])
def test_sigterm_and_sighup_print_what_is_known(start, tmp_path, number, everybody):
    scenario, told = endless(tmp_path)
    process = start("compare", "foreign_break", scenario, "--arch", "loongarch", "--patching", "live")
    wait_for(told)
    interrupt(process, everybody, number)
    interrupt(process, everybody, number)  # as `timeout` does, and a shell whose terminal is closed
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == OTHERS[number]
    assert re.fullmatch(r"trapline: interrupted: \d+ of at most \d+ cells are done\n", err)
    assert "foreign_break\n" in out and "not searched" in out


def test_signals_that_the_process_was_started_to_ignore_stay_ignored(start, tmp_path):
    """nohup: SIGHUP does nothing, SIGTERM ends it."""
    scenario, told = endless(tmp_path)
    code = (
        "import signal, sys; signal.signal(1, signal.SIG_IGN); from emu.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    process = start("explore", scenario, "--arch", "loongarch", python=("-c", code))
    wait_for(told)
    interrupt(process, True, signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    interrupt(process, True, signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 143


def test_a_killed_comparison_leaves_no_workers(start, tmp_path):
    """Its standard output, which they share, ends when the last of them does."""
    scenario, told = endless(tmp_path)
    process = start("compare", scenario, "--arch", "loongarch", "--patching", "live")
    wait_for(told)
    workers = workers_of(process)
    process.kill()
    process.communicate(timeout=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while any(map(runs, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)  # its files are closed a moment before a process is gone
    assert workers and not any(map(runs, workers))


def test_a_worker_that_dies_costs_its_cell_only(start, tmp_path):
    """Each process that searches this scenario ends itself; the other one's cells are printed."""
    path = tmp_path / "dies.py"
    path.write_text('import os\n\ndef leaves(lab):\n    """Who?"""\n    os._exit(0)\n')
    options = ("--arch", "loongarch", "--variant", "mainline", "--patching", "live", "--preempt", "none")
    process = start("compare", f"{path}::leaves", "foreign_break", *options)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    where = f"{path}::leaves loongarch mainline live none 2 coherent"
    assert err == f"trapline: {where}: not searched: the process that did it died twice (exit status 0)\n"
    assert re.search(r"^mainline +live +none +not searched$", out, re.M)
    assert re.search(r"^foreign_break\n.*\n.*\nmainline +live +none +oops!$", out, re.M)
    assert "1 cells, 1 executions, not all interleavings" in out


def test_a_killed_worker_is_replaced(start, tmp_path):
    """The first execution of the first cell waits to be killed; its cell is searched again."""
    path, waits = tmp_path / "waits.py", tmp_path / "waits"
    path.write_text(
        f"""
import os
import time
from pathlib import Path
from emu.explore.ops import load

def waits(lab):
    \"\"\"Who?\"\"\"
    file = Path({str(waits)!r})
    if not file.is_symlink():
        file.symlink_to(str(os.getpid()))  # there with its content at once
        time.sleep(100)
    async def steps():
        await load("x")
    return {{"cpu0": steps()}}
"""
    )
    options = ("--arch", "loongarch", "--variant", "mainline", "seed", "--patching", "live", "--preempt", "none")
    process = start("compare", f"{path}::waits", *options, "--json")
    wait_for(waits)
    os.kill(int(waits.readlink().name), signal.SIGKILL)
    out, err = process.communicate(timeout=PATIENCE)
    found = json.loads(out)
    assert (process.returncode, err, found["complete"]) == (0, "", True)
    assert [cell["executions"] for cell in found["cells"]] == [1, 1]


@pytest.mark.parametrize(
    ("command", "error"), [("explore", "KeyboardInterrupt"), ("compare", "KeyboardInterrupt"), ("compare", "Mine")]
)
def test_a_scenario_that_raises_what_ends_programs_is_named(start, tmp_path, command, error):
    path = tmp_path / "bad.py"
    path.write_text(f'class Mine(BaseException): pass\n\ndef bad(lab):\n    """Who?"""\n    raise {error}\n')
    process = start(command, f"{path}::bad", "--arch", "loongarch")
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (2, "")
    assert re.fullmatch(rf"trapline: .*bad raised {error}: at {path}:5; expected it to return\n", err)
    assert (command == "compare") == ("bad.py::bad loongarch" in err)


def test_a_full_disk_loses_nothing_that_is_counted(start, tmp_path):
    """No file may have more than 2,000 bytes here: that is a journal of some ten chunks."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"
    journal = tmp_path / "journal"
    options = ("sweep", "csky", "--jobs", "2", "--json", "--resume", str(journal))
    process = start(*options, python=("-B", "-c", limit + sweep_of("range(256)")))
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, json.loads(out)["words"]) == (0, 2**24)
    assert re.fullmatch(rf"trapline: {journal}: File too large: the sweep goes on, .*\n", err)
    assert os.listdir(tmp_path) == ["journal"]
    assert 0 < journal.stat().st_size <= 2000


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        *(("sweep loongarch --resume", kind) for kind in ("fifo", "device", "directory")),
        ("opcode loongarch --elf", "fifo"),
        ("probe-all", "device"),
    ],
)
def test_what_is_no_file_is_refused_at_once(start, tmp_path, kind, command):
    path = {"fifo": tmp_path / "fifo", "device": "/dev/zero", "directory": tmp_path}[kind]
    if kind == "fifo":
        os.mkfifo(path)
    more = ["f", "--arch", "loongarch"] if command == "probe-all" else []
    process = start(*command.split(), str(path), *more)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (2, "")
    assert err.count("\n") == 1 and "expected a regular file" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sweep", "loongarch", "--jobs", "100000000000"), "--jobs: '100000000000': expected at most 1024"),
        (("sweep", "loongarch", "--list", "9" * 20), f"--list/--limit-list: '{'9' * 20}': expected at most {2**32}"),
        (("transparent", "loongarch", "--jobs", "1025"), "--jobs: '1025': expected at most 1024"),
    ],
)
def test_numbers_that_nothing_can_hold_are_one_line(capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        main(list(arguments))
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("delay", "number"), [(0.0, signal.SIGINT), (0.015, signal.SIGTERM), (0.05, signal.SIGINT)])
def test_python_itself_is_not_interrupted_while_it_begins(delay, number):
    """Where it is started as tools/trapline does it."""
    blocked = ["env", f"--block-signal={','.join(one.name[3:] for one in (signal.SIGINT, *OTHERS))}"]
    if subprocess.run([*blocked, "true"], capture_output=True).returncode:
        pytest.skip("this env cannot block signals")
    command = [*blocked, sys.executable, "-m", "emu.cli", "explore", "reregister_vs_hit", *LONG, "--cpus", "3"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=default_signals) as process:
        while "python" not in Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")[0]:
            time.sleep(0.001)
        time.sleep(delay)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert err == "trapline: interrupted\n"


# A reader that goes away


@pytest.mark.parametrize(
    "command",
    [
        "compare foreign_break --arch mips arm64 --patching live",
        "explore unregister_vs_hit --arch arm64 --patching live --timeline",
        "run unregister_vs_hit --arch arm64",
        "list",
    ],
)
def test_a_closed_pipe_is_no_error(command):
    line = f"{sys.executable} -m emu.cli {command} | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


# A terminal


def on_a_terminal(*arguments, **environment):
    """What the command line prints on a pseudo-terminal."""
    master, slave = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | environment
    command = [sys.executable, "-m", "emu.cli", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=slave, stderr=subprocess.DEVNULL, env=env) as process:
        os.close(slave)
        text = b""
        try:
            while part := os.read(master, 4096):
                text += part
        except OSError:  # Linux: the other side is closed
            pass
        process.wait(timeout=PATIENCE)
    os.close(master)
    return text.decode().replace("\r\n", "\n")


RACE = ("explore", "unregister_vs_hit", "--arch", "arm64", "--patching", "live")


def test_bad_outcomes_are_coloured_on_a_terminal_and_columns_stay_in_line():
    text = on_a_terminal(*RACE)
    assert "\x1b[31moops\x1b[0m" in text
    assert "\x1b[31mhit" not in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    rows = plain.splitlines()[1:6]  # below what was searched
    start = rows[0].index("frequency")
    assert [row[start - 2 : start] for row in rows] == ["  "] * 5
    assert [row[start] for row in rows[2:]] == ["s"] * 3  # sometimes
    assert (
        plain
        == subprocess.run(
            [sys.executable, "-m", "emu.cli", *RACE], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
        ).stdout
    )


def test_no_color_is_obeyed():
    assert "\x1b" not in on_a_terminal(*RACE, NO_COLOR="1")
    assert "\x1b" in on_a_terminal(*RACE, NO_COLOR="")  # https://no-color.org: when it is not empty


def test_json_has_no_colour_on_a_terminal():
    assert json.loads(on_a_terminal(*RACE, "--json"))["outcomes"]["oops"]["frequency"] == "sometimes"


def test_a_limit_of_addresses_that_a_few_engines_fit_in():
    """Each engine would reserve 1 GiB by itself, and end the process where that is not to be had (-v is in KiB)."""
    command = 'ulimit -v 2000000; exec "$0" -m emu.cli run unregister_vs_hit --arch arm64 --cpus 4'
    done = subprocess.run(["sh", "-c", command, sys.executable], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_through_a_symbolic_link_trapline_knows_its_own_code(tmp_path):
    """Files of code are named by the path that they were imported by."""
    for name in ("emu", "arches", "firmware"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "emu.cli", "run", "unregister_vs_hit", "--arch", "riscv"]
    there = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=there, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
