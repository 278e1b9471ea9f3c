"""Break a rule table on purpose, one bit of one row at a time, and see what the comparison would not notice."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from emu.verdict.rules import WORD_BITS, Rule, RuleTable
from emu.verdict.site import Release
from tools.rule_meanings import Meanings

Said = Mapping[int, Collection[str | None]]  # what each disassembler makes of a word


def mutants(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """Wider, moved and narrower by each bit, and with each bit of the non-zero condition gone; and what was done."""
    for bit in (1 << number for number in range(WORD_BITS)):
        if rule.mask & bit:
            yield f"mask without {bit:08x}", replace(rule, mask=rule.mask ^ bit, value=rule.value & ~bit)
            yield f"value ^ {bit:08x}", replace(rule, value=rule.value ^ bit)
        elif rule.nonzero & bit:
            yield f"condition without {bit:08x}", replace(rule, nonzero=rule.nonzero ^ bit)
        else:
            yield f"mask and {bit:08x}", replace(rule, mask=rule.mask | bit)
            yield f"mask and value and {bit:08x}", replace(rule, mask=rule.mask | bit, value=rule.value | bit)


def survivors(
    table: RuleTable, meanings: Meanings, said: Said, release: Release | None, features: Collection[str] = ()
) -> Iterator[str]:
    """Row and change of every mutant, and every row gone, that decides about words of `said` and is not given away.

    The last row, which takes all, is left as it is.
    """
    rules = table.in_force(release, features)
    decided = {word: _decides(rules, word) for word in said}
    for at, rule in enumerate(rules[:-1]):
        near = [word for word in said if ((word ^ rule.value) & rule.mask).bit_count() <= 1]
        for change, put in [*mutants(rule), ("gone", None)]:
            touched = [word for word in near if put is None or rule.matches(word) != put.matches(word)]
            broken = (*rules[:at], *([put] if put else []), *rules[at + 1 :])
            moved = [(word, row) for word in touched if (row := _decides(broken, word)) != decided[word]]
            if moved and all(meanings.judge_word(word, said[word], row, release) for word, row in moved):
                yield f"{rule.name}: {change}"


def _decides(rules: tuple[Rule, ...], word: int) -> str:
    return next(rule.name for rule in rules if rule.matches(word))
