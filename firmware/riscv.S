/* The riscv part of the guest kernel (RV64IMAC): see README.md for what each symbol is and computes. */
#include "guest.h"

/* An instruction in its 32-bit form, where a compressed one would do. */
.macro wide insn:vararg
	.option	push
	.option	norvc
	\insn
	.option	pop
.endm

	.text

/* guest_start(cpu, fn, count): the host stops the CPU at guest_exit, with the result in a0. */
function guest_start
	lui	t0, %hi(stacks)
	addi	t0, t0, %lo(stacks)
	addi	t1, a0, 1
	slli	t1, t1, GUEST_STACK_SHIFT
	add	sp, t0, t1
	jal	guest_loop
	wide	j guest_exit
end guest_start

function guest_exit
	wide	j guest_exit
end guest_exit

/* Probed at their first instruction. */

function probe_me
	wide	addi a0, a0, 3
	slli	a0, a0, 1
	ret
end probe_me

function nested_target
	wide	addi a0, a0, 2
	slli	a0, a0, 1
	ret
end nested_target

function leaf_add
	wide	addi a0, a0, 5
	ret
end leaf_add

/* Probed in the middle: what goes through pc or the link register. */

function probe_branch
	andi	t0, a0, 1
site probe_branch_site
	wide	bnez t0, 1f
	addi	a0, a0, 16
1:	addi	a0, a0, 1
	ret
end probe_branch

function probe_call
	addi	sp, sp, -16
	sd	ra, 8(sp)
site probe_call_site
	wide	jal ra, leaf_add
	slli	a0, a0, 1
	addi	a0, a0, 1
	ld	ra, 8(sp)
	addi	sp, sp, 16
	ret
end probe_call

function probe_indirect
	addi	sp, sp, -16
	sd	ra, 8(sp)
	lui	t0, %hi(leaf_add)
	addi	t0, t0, %lo(leaf_add)
site probe_indirect_site
	wide	jalr ra, 0(t0)
	slli	a0, a0, 1
	addi	a0, a0, 3
	ld	ra, 8(sp)
	addi	sp, sp, 16
	ret
end probe_indirect

function probe_ret
	addi	a0, a0, 7
site probe_ret_site
	wide	jalr zero, 0(ra)
end probe_ret

/* Address arithmetic and loads. */

function probe_pcrel
	lui	t1, %hi(probe_pcrel_site)
	addi	t1, t1, %lo(probe_pcrel_site)
site probe_pcrel_site
	auipc	t0, 1
	sub	t0, t0, t1
	add	a0, a0, t0
	ret
end probe_pcrel

function probe_load
	andi	t0, a0, 3
	slli	t0, t0, 3
	lui	t1, %hi(load_ring)
	addi	t1, t1, %lo(load_ring)
	add	t0, t0, t1
site probe_load_site
	wide	ld t0, 0(t0)
	sub	t0, t0, t1
	add	a0, a0, t0
	ret
end probe_load

/* Faults on a bad address are expected here. */
function probe_extable
	lui	t1, %hi(load_ring)
	addi	t1, t1, %lo(load_ring)
site probe_extable_site
	wide	ld t0, 0(t1)
	sub	t0, t0, t1
	add	a0, a0, t0
	ret
site probe_extable_fixup
	li	a0, -14
	ret
end probe_extable

	.section __ex_table, "a"
	.balign	4
	.long	probe_extable_site - .
	.long	probe_extable_fixup - .
	.short	0, 0			/* type and data: nobody here reads them */
	.text

/* Reservations. */

function probe_atomic
	lui	t1, %hi(shared_counter)
	addi	t1, t1, %lo(shared_counter)
site probe_atomic_load
1:	lr.d	t0, (t1)
site probe_atomic_mid
	wide	addi t0, t0, 1
site probe_atomic_store
	sc.d	t2, t0, (t1)
	bnez	t2, 1b
	addi	a0, a0, 9
	ret
end probe_atomic

function atomic_add
	lui	t1, %hi(shared_counter)
	addi	t1, t1, %lo(shared_counter)
site atomic_add_site
	amoadd.d zero, a0, (t1)
	ret
end atomic_add

/* Compressed instructions, and a 32-bit one that two words hold halves of. */
function probe_compressed
	c.mv	a1, a0
	c.li	a0, 0
site probe_c_addi_site
	c.addi	a1, 3
site probe_c_mv_site
	c.mv	a2, a1
	wide	andi a3, a2, 1
site probe_c_beqz_site
	c.beqz	a3, 1f
	c.addi	a0, 16
1:	c.add	a0, a2
site probe_c_j_site
	c.j	2f
	c.addi	a0, 8
2:	wide	andi a3, a2, 2
site probe_c_bnez_site
	c.bnez	a3, 3f
	c.addi	a0, 4
3:	c.mv	a4, ra
	lui	a5, %hi(leaf_add)
	wide	addi a5, a5, %lo(leaf_add)
site probe_c_jalr_site
	c.jalr	a5
	c.mv	ra, a4
	.balign	4
	c.nop				/* half a word, so that the next one starts in the middle */
site probe_straddle_site
	wide	addi a0, a0, 32
site probe_c_jr_site
	c.jr	ra
end probe_compressed

/* Traps that the text has of its own. */

function foreign_break
	addi	a0, a0, 1
site foreign_break_site
	wide	ebreak			/* the kprobe breakpoint word, placed by somebody else */
	addi	a0, a0, 20
	ret
end foreign_break

function foreign_break_c
	addi	a0, a0, 1
site foreign_break_c_site
	c.ebreak
	addi	a0, a0, 22
	ret
end foreign_break_c

function bug_site
	ebreak				/* compressed, as kernels with C have it */
	addi	a0, a0, 1
	ret
end bug_site

function warn_site
	ebreak
	addi	a0, a0, 2
	ret
end warn_site

	.section __bug_table, "a"
	.quad	bug_site, 0
	.quad	warn_site, 1
