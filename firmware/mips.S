/*
 * The mips part of the guest kernel (MIPS32 release 2, little endian): see README.md for what each symbol is and
 * computes. Delay slots are written out. Except where the README says so they hold an instruction that
 * does something: Linux treats a branch in front of a nop differently (SKIP_DELAYSLOT), which is what
 * probe_delay_nop is for.
 */
#include "guest.h"

	.set	noreorder
	.set	noat
	.text

.macro address reg, name
	lui	\reg, %hi(\name)
	addiu	\reg, \reg, %lo(\name)
.endm

/* guest_start(cpu, fn, count): the host stops the CPU at guest_exit, with the result in $v0. */
function guest_start
	address	$t0, stacks - 16	/* o32: the caller provides a home for four arguments */
	addiu	$t1, $a0, 1
	sll	$t1, $t1, GUEST_STACK_SHIFT
	jal	guest_loop
	addu	$sp, $t0, $t1
end guest_start

function guest_exit
	b	guest_exit
	nop
end guest_exit

/* Probed at their first instruction, which adds in place so that doing it twice shows. */

function probe_me
	addiu	$a0, $a0, 3
	jr	$ra
	sll	$v0, $a0, 1
end probe_me

function nested_target
	addiu	$a0, $a0, 2
	jr	$ra
	sll	$v0, $a0, 1
end nested_target

function leaf_add
	addiu	$a0, $a0, 2
	jr	$ra
	addiu	$v0, $a0, 3
end leaf_add

/* Probed in the middle: what goes through pc or the link register. */

function probe_branch
	andi	$t0, $a0, 1
site probe_branch_site
	bnez	$t0, 1f
	addiu	$v0, $a0, 1
	addiu	$v0, $v0, 16
1:	jr	$ra
	addiu	$t0, $zero, 0
end probe_branch

function probe_call
	addiu	$sp, $sp, -32
	sw	$ra, 28($sp)
site probe_call_site
	jal	leaf_add
	addiu	$t0, $zero, 1
	sll	$v0, $v0, 1
	lw	$ra, 28($sp)
	addiu	$sp, $sp, 32
	jr	$ra
	addu	$v0, $v0, $t0
end probe_call

function probe_indirect
	addiu	$sp, $sp, -32
	sw	$ra, 28($sp)
	address	$t9, leaf_add
site probe_indirect_site
	jalr	$t9
	addiu	$t0, $zero, 3
	sll	$v0, $v0, 1
	lw	$ra, 28($sp)
	addiu	$sp, $sp, 32
	jr	$ra
	addu	$v0, $v0, $t0
end probe_indirect

function probe_ret
	addiu	$v0, $a0, 3
site probe_ret_site
	jr	$ra
	addiu	$v0, $v0, 4
end probe_ret

/* A link register is the only way to see the pc: it points past the delay slot. */
function probe_pcrel
	move	$t1, $ra
	address	$t0, probe_pcrel_site + 8 - 0x1000
site probe_pcrel_site
	bal	1f
	move	$v0, $a0
1:	subu	$t0, $ra, $t0
	move	$ra, $t1
	jr	$ra
	addu	$v0, $v0, $t0
end probe_pcrel

function probe_load
	andi	$t0, $a0, 3
	sll	$t0, $t0, 2
	address	$t1, load_ring
	addu	$t0, $t0, $t1
site probe_load_site
	lw	$t0, 0($t0)
	subu	$t0, $t0, $t1
	jr	$ra
	addu	$v0, $a0, $t0
end probe_load

/* Faults on a bad address are expected here. */
function probe_extable
	address	$t1, load_ring
site probe_extable_site
	lw	$t0, 0($t1)
	subu	$t0, $t0, $t1
	jr	$ra
	addu	$v0, $a0, $t0
site probe_extable_fixup
	jr	$ra
	addiu	$v0, $zero, -14
end probe_extable

	.section __ex_table, "a"
	.balign	4
	.word	probe_extable_site, probe_extable_fixup
	.text

/* Delay slots: one that does something (a probe in it is refused), and a nop with a probed instruction behind it. */
function probe_delay
	andi	$t0, $a0, 1
site probe_delay_branch
	bnez	$t0, 1f
site probe_delay_slot
	addiu	$v0, $a0, 1
	addiu	$v0, $v0, 16
1:	sltiu	$t1, $a0, 2
site probe_delay_nop
	bnez	$t1, 2f
	nop
	addiu	$v0, $v0, 32
2:	addiu	$v0, $v0, 64
site probe_delay_after
	addiu	$v0, $v0, 3
	jr	$ra
	sll	$v0, $v0, 1
end probe_delay

/* Branch likely: the delay slot is executed only if the branch is taken. */
function probe_likely
	andi	$t0, $a0, 1
	addiu	$v0, $a0, 2
site probe_likely_site
	beql	$t0, $zero, 1f
	addiu	$v0, $v0, 8
	addiu	$v0, $v0, 1
1:	jr	$ra
	addiu	$t0, $zero, 0
end probe_likely

/* LL and SC. */

function probe_atomic
	address	$t1, shared_counter
site probe_atomic_load
1:	ll	$t0, 0($t1)
site probe_atomic_mid
	addiu	$t0, $t0, 1
site probe_atomic_store
	sc	$t0, 0($t1)
	beqz	$t0, 1b
	addiu	$v0, $a0, 4
	jr	$ra
	addiu	$v0, $v0, 5
end probe_atomic

function atomic_add
	address	$t1, shared_counter
1:	ll	$t0, 0($t1)
	addu	$t0, $t0, $a0
	sc	$t0, 0($t1)
	beqz	$t0, 1b
	addiu	$v0, $zero, 0
	jr	$ra
	addu	$v0, $v0, $a0
end atomic_add

/* Traps that the text has of its own. */

function foreign_break
	addiu	$v0, $a0, 1
site foreign_break_site
	.word	0x000080cd		/* the kprobe breakpoint word, placed by somebody else: code 515 at bit 6 */
	addiu	$v0, $v0, 15
	jr	$ra
	addiu	$v0, $v0, 5
end foreign_break

function foreign_break_gas
	addiu	$v0, $a0, 1
site foreign_break_gas_site
	break	515			/* the assembler puts the code at bit 16 */
	addiu	$v0, $v0, 15
	jr	$ra
	addiu	$v0, $v0, 5
end foreign_break_gas

function bug_site
	break	12
	jr	$ra
	addiu	$v0, $a0, 1
end bug_site

	.section __bug_table, "a"
	.word	bug_site, 0
