/* The arm64 part of the guest kernel: see README.md for what each symbol is and computes. */
#include "guest.h"

	.text

/* guest_start(cpu, fn, count): the host stops the CPU at guest_exit, with the result in x0. */
function guest_start
	movz	x3, #:abs_g1:stacks
	movk	x3, #:abs_g0_nc:stacks
	add	x4, x0, #1
	add	x3, x3, x4, lsl #GUEST_STACK_SHIFT
	mov	sp, x3
	bl	guest_loop
end guest_start

function guest_exit
	b	guest_exit
end guest_exit

/* Probed at their first instruction. */

function probe_me
	add	x0, x0, #3
	lsl	x0, x0, #1
	ret
end probe_me

function nested_target
	add	x0, x0, #2
	lsl	x0, x0, #1
	ret
end nested_target

function leaf_add
	add	x0, x0, #5
	ret
end leaf_add

/* Probed in the middle: what goes through pc or the link register. */

function probe_branch
	tst	x0, #1
site probe_branch_site
	b.ne	1f
	add	x0, x0, #16
1:	add	x0, x0, #1
	ret
end probe_branch

function probe_call
	stp	x29, x30, [sp, #-16]!
site probe_call_site
	bl	leaf_add
	lsl	x0, x0, #1
	add	x0, x0, #1
	ldp	x29, x30, [sp], #16
	ret
end probe_call

function probe_indirect
	stp	x29, x30, [sp, #-16]!
	movz	x1, #:abs_g1:leaf_add
	movk	x1, #:abs_g0_nc:leaf_add
site probe_indirect_site
	blr	x1
	lsl	x0, x0, #1
	add	x0, x0, #3
	ldp	x29, x30, [sp], #16
	ret
end probe_indirect

function probe_ret
	add	x0, x0, #7
site probe_ret_site
	ret
end probe_ret

/* Address arithmetic and loads. */

function probe_pcrel
	movz	x2, #:abs_g1:probe_pcrel_site
	movk	x2, #:abs_g0_nc:probe_pcrel_site
site probe_pcrel_site
	adr	x1, probe_pcrel_site + 0x1000
	sub	x1, x1, x2
	add	x0, x0, x1
	ret
end probe_pcrel

function probe_load
	and	x1, x0, #3
	movz	x2, #:abs_g1:load_ring
	movk	x2, #:abs_g0_nc:load_ring
	add	x1, x2, x1, lsl #3
site probe_load_site
	ldr	x1, [x1]
	sub	x1, x1, x2
	add	x0, x0, x1
	ret
end probe_load

function probe_literal
	mov	x1, #0
site probe_literal_site
	ldr	x1, literal
	add	x0, x0, x1
	ret
	.balign	8
literal:
	.quad	0x0123456789abcdef
end probe_literal

/* Faults on a bad address are expected here, so the kernel refuses a probe. */
function probe_extable
	movz	x1, #:abs_g1:load_ring
	movk	x1, #:abs_g0_nc:load_ring
site probe_extable_site
	ldr	x2, [x1]
	sub	x2, x2, x1
	add	x0, x0, x2
	ret
site probe_extable_fixup
	mov	x0, #-14
	ret
end probe_extable

	.section __ex_table, "a"
	.balign	4
	.long	probe_extable_site - .
	.long	probe_extable_fixup - .
	.short	0, 0			/* type and data: nobody here reads them */
	.text

/* Exclusives. */

function probe_atomic
	movz	x1, #:abs_g1:shared_counter
	movk	x1, #:abs_g0_nc:shared_counter
site probe_atomic_load
1:	ldxr	x2, [x1]
site probe_atomic_mid
	add	x2, x2, #1
site probe_atomic_store
	stxr	w3, x2, [x1]
	cbnz	w3, 1b
	add	x0, x0, #9
	ret
end probe_atomic

function atomic_add
	movz	x1, #:abs_g1:shared_counter
	movk	x1, #:abs_g0_nc:shared_counter
1:	ldxr	x2, [x1]
	add	x2, x2, x0
	stxr	w3, x2, [x1]
	cbnz	w3, 1b
	ret
end atomic_add

/* Traps that the text has of its own. */

function foreign_break
	add	x0, x0, #1
site foreign_break_site
	brk	#4			/* the kprobe breakpoint word, placed by somebody else */
	add	x0, x0, #20
	ret
end foreign_break

function bug_site
	brk	#0x800
	add	x0, x0, #1
	ret
end bug_site

function warn_site
	brk	#0x800
	add	x0, x0, #2
	ret
end warn_site

	.section __bug_table, "a"
	.quad	bug_site, 0
	.quad	warn_site, 1
