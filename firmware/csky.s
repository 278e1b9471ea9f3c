# The C-SKY part of the guest kernel, guest.c's included: see README.md for what each symbol is and computes.
#
# There is no compiler, so this is all assembly, for tools/csky_assembler; GNU as reads it as well. Arguments are in
# r0.., the result in r0, the stack pointer is r14 and the link register r15; r4-r11 belong to the caller.

.macro function name
	.global	\name
	.type	\name, @function
	.balignw 8, 0x6c03		# nops
\name:
.endm

.macro end name
	.size	\name, . - \name
.endm

# A label in the middle of a function, where a probe goes; it has neither type nor size.
.macro site name
	.global	\name
\name:
.endm

.macro object name
	.global	\name
	.type	\name, @object
\name:
.endm

	.text

# guest_start(cpu, fn, count): the host stops the CPU at guest_exit, with the result in r0.
function guest_start
	lrw	r3, stacks + 1024
	lsli	r12, r0, 10
	addu	r3, r3, r12
	mov	r14, r3
	bsr	guest_loop
end guest_start

function guest_exit
	br	guest_exit
end guest_exit
	.literals

function guest_loop
	push	r4-r8, r15
	mov	r4, r0
	mov	r5, r1
	mov	r6, r2
	movi	r7, 0			# the result so far
	movi	r8, 0			# i
.Lloop:	cmplt	r8, r6
	bf	.Ldone
	mov	r0, r8
	jsr	r5
	lsli	r1, r7, 5
	subu	r7, r1, r7
	addu	r7, r7, r0
	addi	r8, r8, 1
	br	.Lloop
.Ldone:	lrw	r1, results
	ixw	r1, r1, r4
	st.w	r7, (r1, 0)
	mov	r0, r7
	pop	r4-r8, r15
end guest_loop
	.literals

# Probed at their first instruction.

function probe_me
	addi	r0, 3
	lsli	r0, r0, 1
	rts
end probe_me

function nested_target
	addi	r0, 2
	lsli	r0, r0, 1
	rts
end nested_target

function leaf_add
	addi	r0, 5
	rts
end leaf_add

# Probed in the middle: what goes through pc or the link register.

function probe_branch
	btsti	r0, 0
site probe_branch_site
	bt	.Lodd
	addi	r0, 16
.Lodd:	addi	r0, 1
	rts
end probe_branch

function probe_call
	push	r15
site probe_call_site
	bsr	leaf_add
	lsli	r0, r0, 1
	addi	r0, 1
	pop	r15
end probe_call

# With the 32-bit jsr, which Linux simulates; of the 16-bit one its table has the wrong word (probe_jsr16).
function probe_indirect
	push	r15
	lrw	r1, leaf_add
site probe_indirect_site
	jsr32	r1
	lsli	r0, r0, 1
	addi	r0, 3
	pop	r15
end probe_indirect
	.literals

function probe_ret
	addi	r0, 7
site probe_ret_site
	rts
end probe_ret

# Address arithmetic and loads.

# The link register shows the pc. (grs would as well, but Linux does not simulate that: probe_grs.)
function probe_pcrel
	mov	r2, r15
	lrw	r1, probe_pcrel_site + 4 - 0x1000
site probe_pcrel_site
	bsr	.Lhere
.Lhere:	subu	r1, r15, r1
	addu	r0, r0, r1
	jmp	r2
end probe_pcrel
	.literals

function probe_load
	andi	r1, r0, 3
	lrw	r2, load_ring
	ixw	r1, r2, r1
site probe_load_site
	ld.w	r1, (r1, 0)
	subu	r1, r1, r2
	addu	r0, r0, r1
	rts
end probe_load
	.literals

# Faults on a bad address are expected here.
function probe_extable
	lrw	r2, load_ring
site probe_extable_site
	ld.w	r1, (r2, 0)
	subu	r1, r1, r2
	addu	r0, r0, r1
	rts
site probe_extable_fixup
	movi	r1, 13
	nor	r0, r1, r1		# -14
	rts
end probe_extable
	.literals

	.section __ex_table, "a"
	.global	ex_table_start
	.global	ex_table_end
ex_table_start:
	.word	probe_extable_site, probe_extable_fixup
ex_table_end:
	.text

# Exclusives.

function probe_atomic
	lrw	r1, shared_counter
site probe_atomic_load
	ldex.w	r2, (r1, 0)
site probe_atomic_mid
	addi	r2, 1
site probe_atomic_store
	stex.w	r2, (r1, 0)
	bez	r2, probe_atomic_load
	addi	r0, 9
	rts
end probe_atomic

function atomic_add
	lrw	r1, shared_counter
.Ladd:	ldex.w	r2, (r1, 0)
	addu	r2, r2, r0
	stex.w	r2, (r1, 0)
	bez	r2, .Ladd
	rts
end atomic_add
	.literals

# Traps that the text has of its own.

function foreign_break
	addi	r0, 1
site foreign_break_site
	.short	0x1464			# the kprobe breakpoint word, placed by somebody else
	addi	r0, 20
	rts
end foreign_break

function bug_site
	bkpt
	addi	r0, 1
	rts
end bug_site

# What Linux gets wrong on C-SKY: each of these has its place here.

# The PSR is restored as a whole after the step, and C with it.
function probe_compare
	clrc
site probe_compare_site
	cmplti	r0, 4
	bt	.Lless
	addi	r0, 16
.Lless:	addi	r0, 1
	rts
end probe_compare

# Simulated, but the pc is left where it is. This one is not at a multiple of 4, so the base is rounded down.
function probe_lrw16
	mov	r2, r0
site probe_lrw16_site
	lrw16	r1, [.Lnear]
	addu	r0, r2, r1
	rts
	.balign	4
.Lnear:	.word	0x01234567
end probe_lrw16

function probe_lrw32
	mov	r2, r0
site probe_lrw32_site
	lrw32	r1, [.Lwide]
	addu	r0, r2, r1
	rts
	.balign	4
.Lwide:	.word	0x07654321
end probe_lrw32

# A distance of 600 bytes. The kernel's sign bit is one too low, so it goes to 424 bytes before the branch instead.
function probe_branch_far
	br	probe_branch_far_site
	.fill	212, 2, 0x6c03		# nops
	addi	r0, 64
	rts
site probe_branch_far_site
	br16	.Lfar
	.fill	299, 2, 0
.Lfar:	addi	r0, 11
	rts
end probe_branch_far

# The kernel's row for the 16-bit jsr is not the word that it is made of, so it is stepped, and traps in leaf_add.
function probe_jsr16
	push	r15
	lrw	r1, leaf_add
site probe_jsr16_site
	jsr16	r1
	lsli	r0, r0, 1
	addi	r0, 3
	pop	r15
end probe_jsr16
	.literals

# The kernel's pop of r28 loads r29: probe_pop32 adds up what pop_r28 left in both.
function probe_pop32
	push	r15
	movi	r28, 5
	movi	r29, 2
	bsr	pop_r28
	addu	r0, r0, r28
	lsli	r1, r29, 4
	addu	r0, r0, r1
	pop	r15
end probe_pop32

function pop_r28
	push	r15, r28
	movi	r28, 100
site probe_pop32_site
	pop	r15, r28
end pop_r28

# Stepped, and 32 bits long: only the first halfword is copied to the slot.
function probe_step32
	mov	r1, r0
site probe_step32_site
	addi32	r0, r1, 258
	rts
end probe_step32

# Goes by its own address, but is stepped in the slot.
function probe_grs
	lrw	r2, probe_grs_site
site probe_grs_site
	grs	r1, probe_grs_site + 0x1000
	subu	r1, r1, r2
	addu	r0, r0, r1
	rts
end probe_grs
	.literals

# Every entry points to the next one, the last to the first.
	.section .rodata
	.balign	4
object load_ring
	.word	load_ring + 4, load_ring + 8, load_ring + 12, load_ring
end load_ring

# Only for the host: Linux has no bug table on C-SKY, where BUG() is a bkpt and WARN does not trap.
	.section __bug_table, "a"
	.global	bug_table_start
	.global	bug_table_end
bug_table_start:
	.word	bug_site, 0
bug_table_end:

	.section .shared, "aw"
	.global	shared_start
	.global	shared_end
shared_start:
object shared_counter
	.word	0
end shared_counter
object results
	.word	0, 0, 0, 0, 0, 0, 0, 0
end results
shared_end:

	.section .bss
object stacks
	.space	8192
end stacks
