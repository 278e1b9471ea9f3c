"""Tasks and the interrupts that push them aside."""

from emu.explore.ops import load, wait
from emu.explore.task import Task


class Source:
    """Interrupts that are pending as long as there are handlers."""

    def __init__(self):
        self.handlers = []

    def pending(self):
        return bool(self.handlers)

    def take(self):
        return self.handlers.pop(0)


def test_a_task_says_what_it_will_do_before_it_does_it():
    done = []

    async def code():
        await load("a")
        done.append("a")
        await load("b")
        done.append("b")

    task = Task("t", code())
    task.start()
    assert (repr(task.op), done) == ("load a", [])
    task.step()
    assert (repr(task.op), done) == ("load b", ["a"])
    task.step()
    assert (task.op, done, task.enabled()) == (None, ["a", "b"], False)


def test_an_interrupt_runs_before_the_announced_step_and_then_it_goes_on():
    order = []

    async def code():
        await load("a")
        order.append("task")

    async def handler():
        order.append("enter")
        await load("h")
        order.append("leave")

    source = Source()
    task = Task("t", code(), source)
    task.start()
    source.handlers.append(handler())
    assert task.interrupted()
    task.step()
    assert (order, repr(task.op)) == (["enter"], "load h")
    task.step()
    assert (order, repr(task.op)) == (["enter", "leave"], "load a")
    task.step()
    assert order == ["enter", "leave", "task"]


def test_a_blocked_task_is_enabled_by_an_interrupt_and_blocked_again_after_it():
    async def code():
        await wait("never", lambda: False)

    async def handler():
        pass

    source = Source()
    task = Task("t", code(), source)
    task.start()
    assert not task.enabled()
    source.handlers.append(handler())
    assert task.enabled()
    task.step()
    assert not task.enabled()
    task.close()


def test_an_idle_task_serves_interrupts():
    served = []

    async def handler():
        served.append(1)

    source = Source()
    task = Task("t", None, source)
    task.start()
    assert not task.enabled()
    source.handlers.append(handler())
    task.step()
    assert (served, task.enabled()) == ([1], False)
