"""Schedules as text."""

import pytest

from emu.errors import ScheduleError
from emu.explore.schedule import format_schedule, parse_schedule, switches


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("", ()),
        ("cpu0", ("cpu0",)),
        ("cpu0*2 cpu1 cpu0", ("cpu0", "cpu0", "cpu1", "cpu0")),
        ("  cpu10*3\n", ("cpu10",) * 3),
    ],
)
def test_parse(text, schedule):
    assert parse_schedule(text) == schedule


def test_format_is_the_shortest_text():
    assert format_schedule(("a", "a", "b", "a")) == "a*2 b a"
    assert format_schedule(()) == ""


@pytest.mark.parametrize("item", ["cpu0*0", "cpu0*", "*2", "0cpu", "cpu0*-1", "cpu0**2", "cpu0,cpu1"])
def test_an_item_that_does_not_parse_is_named(item):
    with pytest.raises(ScheduleError, match="schedule item 2") as error:
        parse_schedule(f"cpu0 {item}")
    assert repr(item) in str(error.value)


def test_a_schedule_beyond_all_measure_is_refused():
    with pytest.raises(ScheduleError, match="expected at most 1000000 steps"):
        parse_schedule("cpu0*999999999999")


def test_switches():
    assert switches(("a", "a", "b", "a")) == 2
    assert switches(()) == 0
