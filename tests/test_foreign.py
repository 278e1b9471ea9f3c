"""Text that others wrote: escaped, shortened, and numbers of a sane length."""

import pytest

from emu.foreign import LONGEST_LINE, escaped, one_line, whole_number


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name", "plain name"),
        ("a\nb", r"a\nb"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\u202egnirts", r"\u202egnirts"),  # turns what follows around
        ("\u2028", r"\u2028"),
        ("\x9b31m", r"\x9b31m"),  # CSI of 8 bits
        ("\udcff", r"\udcff"),
        ("naïve", "naïve"),
    ],
)
def test_nothing_that_moves_a_cursor_is_left(text, shown):
    assert escaped(text) == shown


def test_a_megabyte_in_a_message_is_shortened_and_what_was_expected_stays():
    said = one_line(f"word '{'f' * 1_000_000}': expected hexadecimal")
    assert said.startswith("word 'ffff") and said.endswith("ffff': expected hexadecimal")
    assert len(said) < 300 and "999" in said


def test_a_megabyte_of_words_too():
    said = one_line(f"{'a ' * 500_000}: expected a number")
    assert len(said) <= LONGEST_LINE and said.endswith(": expected a number")


def test_an_ordinary_message_is_not_touched():
    message = f"/{'folder/' * 25}file.elf: no symbol 'x': did you mean y?"
    assert one_line(message) == message


@pytest.mark.parametrize("text", ["9" * 5000, "0x" + "f" * 6000, "", "x", "1.5"])
def test_numbers_that_are_none(text):
    with pytest.raises(ValueError):
        whole_number(text)


def test_numbers_that_are_some():
    assert whole_number("0x10") == 16 and whole_number("ff", 16) == 255 and whole_number("0b11") == 3
