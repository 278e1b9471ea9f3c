"""What is said of a name that there is not."""

import pytest

from emu.spelling import near_to, one_of


def test_few_names_are_listed_with_what_may_have_been_meant():
    assert one_of("seeed", ["mainline", "seed"]) == "expected one of mainline, seed (did you mean seed?)"
    assert one_of("x", ["mainline", "seed"]) == "expected one of mainline, seed"


def test_many_names_are_counted():
    names = [f"name{number}" for number in range(100)]
    assert one_of("xyz", names, "rows") == "expected one of 100 rows, such as name0, name1, name2"
    assert one_of("name7z", names, "rows").startswith("expected one of 100 rows (did you mean name7")


@pytest.mark.parametrize("slip", ["stop-machine", "STOP_MACHINE", "stop_machin", "stopmachine"])
def test_slips(slip):
    assert near_to(slip, ["live", "stop_machine", "text_poke"]) == ["stop_machine"]


def test_a_name_of_a_megabyte_takes_no_time():
    assert near_to("x" * 1_000_000, ["seed", "mainline"]) == []
