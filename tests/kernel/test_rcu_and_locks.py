"""synchronize_rcu, mutexes, the die chain, threads on one CPU."""

import pytest

from emu.explore.ops import load, wait
from emu.kernel.interrupts import CpuInterrupts, raise_interrupt
from emu.kernel.locks import Mutex
from emu.kernel.notifier import notify_die, register_die_notifier
from emu.kernel.rcu import quiescent, synchronize_rcu
from emu.kernel.state import DieNotifier, Interrupt
from emu.kernel.threads import threads


@pytest.fixture
def kernel(make_lab):
    kernel = make_lab("arm64", cpus=3).kernel
    kernel.booting = False
    return kernel


def waiting(code):
    """What kernel code waits for, None if it is over."""
    try:
        op = code.send(None)
    except StopIteration:
        return None
    return op


def test_rcu_waits_for_nobody_where_everybody_can_be_scheduled(kernel):
    op = waiting(synchronize_rcu(kernel))
    assert (repr(op), op.ready()) == ("wait synchronize_rcu", True)


def irqs_off(cpu):
    cpu.irqs_enabled = False


def irqs_on(cpu):
    cpu.irqs_enabled = True


def preempt_disable(cpu):
    cpu.preempt_count += 1


def preempt_enable(cpu):
    cpu.preempt_count -= 1


def enter_trap(cpu):
    cpu.trap_depth += 1


def leave_trap(cpu):
    cpu.trap_depth -= 1


SECTIONS = [(irqs_off, irqs_on), (preempt_disable, preempt_enable), (enter_trap, leave_trap)]


@pytest.mark.parametrize(("enter", "leave"), SECTIONS)
def test_rcu_waits_for_every_reader_that_was_there_and_for_no_later_one(kernel, enter, leave):
    first, second, later = kernel.percpu
    enter(first)
    enter(second)
    op = waiting(synchronize_rcu(kernel))
    enter(later)
    assert not op.ready()
    leave(first)
    assert not op.ready()
    leave(second)
    assert op.ready()


def test_a_reader_that_left_and_came_back_is_not_waited_for(kernel):
    cpu = kernel.percpu[0]
    irqs_off(cpu)
    op = waiting(synchronize_rcu(kernel))
    assert not op.ready()
    quiescent(cpu)  # what a guest says between two traps
    assert op.ready()


def test_a_trap_handler_with_interrupts_on_is_a_reader_unless_the_kernel_is_preemptible(make_lab):
    for preempt, reader in (("none", True), ("full", False)):
        kernel = make_lab("mips", preempt=preempt).kernel
        kernel.booting = False
        enter_trap(kernel.percpu[0])
        assert waiting(synchronize_rcu(kernel)).ready() is not reader


def test_before_the_other_cpus_are_up_there_are_no_readers(kernel):
    kernel.booting = True
    irqs_off(kernel.percpu[0])
    assert waiting(synchronize_rcu(kernel)) is None


# Mutexes


def test_a_mutex_lets_one_in_at_a_time():
    mutex, inside = Mutex("m"), []

    async def task(name):
        async with mutex:
            inside.append(name)
            await load("x")
            inside.remove(name)

    first, second = task("a"), task("b")
    assert repr(first.send(None)) == "wait m"
    blocked = second.send(None)
    assert blocked.ready()
    first.send(None)  # takes it
    assert (inside, blocked.ready()) == (["a"], False)
    assert waiting(first) is None
    assert blocked.ready()
    second.send(None)
    assert inside == ["b"]
    second.close()


def test_a_mutex_is_released_when_its_holder_is_abandoned_or_raises():
    mutex = Mutex("m")

    async def fails():
        async with mutex:
            raise RuntimeError

    code = fails()
    code.send(None)
    with pytest.raises(RuntimeError):
        code.send(None)
    assert not mutex.held


# The die chain


def chain_of(kernel, calls, *notifiers):
    for name, priority, stops in notifiers:

        def call(event, cpu, regs, name=name, stops=stops):
            calls.append((event, name))
            return stops

        register_die_notifier(kernel.die_chain, DieNotifier(name, priority, call))


def test_the_highest_priority_is_asked_first_and_equals_in_the_order_of_registration(kernel):
    calls = []
    chain_of(kernel, calls, ("a", 0, False), ("b", 5, False), ("c", 0, False), ("d", -1, False), ("e", 5, False))
    assert not notify_die("DIE_TRAP", kernel.percpu[0], None)
    assert calls == [("DIE_TRAP", name) for name in "beacd"]
    assert kernel.outcomes == {"passed-on"}


def test_notify_stop_ends_the_chain(kernel):
    calls = []
    chain_of(kernel, calls, ("low", 1, False), ("stops", 2, True), ("high", 3, False))
    assert notify_die("DIE_INT3", kernel.percpu[0], None)
    assert calls == [("DIE_INT3", "high"), ("DIE_INT3", "stops")]


# Interrupts and threads


def test_plain_interrupts_come_before_the_stopper_and_in_their_order(kernel):
    cpu, taken = kernel.percpu[0], []

    def interrupt(name, stopper=False):
        async def handler(cpu):
            taken.append(name)

        return Interrupt(name, handler, stopper)

    for name in ("stopper", "first", "second"):
        raise_interrupt(cpu, interrupt(name, name == "stopper"))
    interrupts = CpuInterrupts(cpu)
    while interrupts.pending():
        waiting(interrupts.take())
    assert taken == ["first", "second", "stopper"]


@pytest.mark.parametrize(
    ("irqs", "preempt_count", "plain", "stopper"),
    [(True, 0, True, True), (True, 1, True, False), (False, 0, False, False), (False, 1, False, False)],
)
def test_when_interrupts_and_the_stopper_are_taken(kernel, irqs, preempt_count, plain, stopper):
    async def handler(cpu):
        pass

    cpu = kernel.percpu[0]
    cpu.irqs_enabled, cpu.preempt_count = irqs, preempt_count
    interrupts = CpuInterrupts(cpu)
    assert not interrupts.pending()
    raise_interrupt(cpu, Interrupt("stopper", handler, stopper=True))
    assert interrupts.pending() is stopper
    raise_interrupt(cpu, Interrupt("ipi", handler))
    assert interrupts.pending() is plain


def test_threads_switch_only_where_the_running_one_must_wait():
    order, go = [], []

    async def first():
        order.append("a1")
        await load("x")
        order.append("a2")
        await wait("go", lambda: bool(go))
        order.append("a3")

    async def second():
        await load("y")
        order.append("b1")
        go.append(True)
        await load("z")
        order.append("b2")

    code = threads(first(), second())
    while waiting(code) is not None:
        pass
    assert order == ["a1", "a2", "b1", "a3", "b2"]


def test_threads_that_all_wait_are_one_wait():
    async def sleeps(name):
        await wait(name, lambda: False)

    code = threads(sleeps("p"), sleeps("q"))
    op = waiting(code)
    assert (repr(op), op.ready()) == ("wait p or q", False)
    code.close()
