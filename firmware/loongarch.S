/* The loongarch part of the guest kernel (LA64, no FPU): see README.md for what each symbol is and computes. */
#include "guest.h"

/* An address, absolutely: all of them are below 2^31. */
.macro address reg, name
	lu12i.w	\reg, %abs_hi20(\name)
	ori	\reg, \reg, %abs_lo12(\name)
.endm

	.text

/* guest_start(cpu, fn, count): the host stops the CPU at guest_exit, with the result in $a0. */
function guest_start
	address	$t0, stacks
	addi.d	$t1, $a0, 1
	slli.d	$t1, $t1, GUEST_STACK_SHIFT
	add.d	$sp, $t0, $t1
	bl	guest_loop
end guest_start

function guest_exit
	b	guest_exit
end guest_exit

/* Probed at their first instruction. */

function probe_me
	addi.d	$a0, $a0, 3
	slli.d	$a0, $a0, 1
	jr	$ra
end probe_me

function nested_target
	addi.d	$a0, $a0, 2
	slli.d	$a0, $a0, 1
	jr	$ra
end nested_target

function leaf_add
	addi.d	$a0, $a0, 5
	jr	$ra
end leaf_add

/* Probed in the middle: what goes through pc or the link register. */

function probe_branch
	andi	$t0, $a0, 1
site probe_branch_site
	bnez	$t0, 1f
	addi.d	$a0, $a0, 16
1:	addi.d	$a0, $a0, 1
	jr	$ra
end probe_branch

function probe_call
	addi.d	$sp, $sp, -16
	st.d	$ra, $sp, 8
site probe_call_site
	bl	leaf_add
	slli.d	$a0, $a0, 1
	addi.d	$a0, $a0, 1
	ld.d	$ra, $sp, 8
	addi.d	$sp, $sp, 16
	jr	$ra
end probe_call

function probe_indirect
	addi.d	$sp, $sp, -16
	st.d	$ra, $sp, 8
	address	$t0, leaf_add
site probe_indirect_site
	jirl	$ra, $t0, 0
	slli.d	$a0, $a0, 1
	addi.d	$a0, $a0, 3
	ld.d	$ra, $sp, 8
	addi.d	$sp, $sp, 16
	jr	$ra
end probe_indirect

function probe_ret
	addi.d	$a0, $a0, 7
site probe_ret_site
	jr	$ra
end probe_ret

/* Address arithmetic and loads. */

function probe_pcrel
	address	$t1, probe_pcrel_site
site probe_pcrel_site
	pcaddu12i $t0, 1
	sub.d	$t0, $t0, $t1
	add.d	$a0, $a0, $t0
	jr	$ra
end probe_pcrel

function probe_load
	andi	$t0, $a0, 3
	slli.d	$t0, $t0, 3
	address	$t1, load_ring
	add.d	$t0, $t0, $t1
site probe_load_site
	ld.d	$t0, $t0, 0
	sub.d	$t0, $t0, $t1
	add.d	$a0, $a0, $t0
	jr	$ra
end probe_load

/* Faults on a bad address are expected here. */
function probe_extable
	address	$t1, load_ring
site probe_extable_site
	ld.d	$t0, $t1, 0
	sub.d	$t0, $t0, $t1
	add.d	$a0, $a0, $t0
	jr	$ra
site probe_extable_fixup
	addi.d	$a0, $zero, -14
	jr	$ra
end probe_extable

	.section __ex_table, "a"
	.balign	4
	.long	probe_extable_site - .
	.long	probe_extable_fixup - .
	.short	0, 0			/* type and data: nobody here reads them */
	.text

/* LL and SC, and an AM instruction. */

function probe_atomic
	address	$t1, shared_counter
site probe_atomic_load
1:	ll.d	$t0, $t1, 0
site probe_atomic_mid
	addi.d	$t0, $t0, 1
site probe_atomic_store
	sc.d	$t0, $t1, 0
	beqz	$t0, 1b
	addi.d	$a0, $a0, 9
	jr	$ra
end probe_atomic

function atomic_add
	address	$t1, shared_counter
site atomic_add_site
	amadd_db.d $zero, $a0, $t1
	jr	$ra
end atomic_add

/* Traps that the text has of its own. */

function foreign_break
	addi.d	$a0, $a0, 1
site foreign_break_site
	break	10			/* the kprobe breakpoint word, placed by somebody else */
	addi.d	$a0, $a0, 20
	jr	$ra
end foreign_break

function bug_site
	break	1
	addi.d	$a0, $a0, 1
	jr	$ra
end bug_site

function warn_site
	break	1
	addi.d	$a0, $a0, 2
	jr	$ra
end warn_site

	.section __bug_table, "a"
	.quad	bug_site, 0
	.quad	warn_site, 1
