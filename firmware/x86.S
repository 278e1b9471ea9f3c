/* The x86 part of the guest kernel (x86-64, general registers only): see README.md for each symbol. */
#include "guest.h"

	.text

/* guest_start(cpu, fn, count): the host stops the CPU at guest_exit, with the result in rax. */
function guest_start
	lea	1(%rdi), %rax
	shl	$GUEST_STACK_SHIFT, %rax
	lea	stacks(%rax), %rsp
	call	guest_loop
end guest_start

	.balign	8, 0x90
function guest_exit
	jmp	guest_exit
end guest_exit

/* Probed at their first instruction. */

function probe_me
	add	$3, %rdi
	lea	(%rdi,%rdi), %rax
	ret
end probe_me

function nested_target
	add	$2, %rdi
	lea	(%rdi,%rdi), %rax
	ret
end nested_target

function leaf_add
	add	$5, %rdi
	mov	%rdi, %rax
	ret
end leaf_add

/* Probed in the middle: what goes through rip or the stack. */

function probe_branch
	lea	1(%rdi), %rax
	test	$1, %dil
site probe_branch_site
	jnz	1f
	add	$16, %rax
1:	ret
end probe_branch

function probe_call
	sub	$8, %rsp
site probe_call_site
	call	leaf_add
	lea	1(%rax,%rax), %rax
	add	$8, %rsp
	ret
end probe_call

function probe_indirect
	sub	$8, %rsp
	mov	$leaf_add, %r11d
site probe_indirect_site
	call	*%r11
	lea	3(%rax,%rax), %rax
	add	$8, %rsp
	ret
end probe_indirect

function probe_ret
	lea	7(%rdi), %rax
site probe_ret_site
	ret
end probe_ret

/* Address arithmetic and loads. */

function probe_pcrel
	mov	$probe_pcrel_site, %ecx
site probe_pcrel_site
	lea	probe_pcrel_site + 0x1000(%rip), %rax
	sub	%rcx, %rax
	add	%rdi, %rax
	ret
end probe_pcrel

function probe_load
	mov	%rdi, %rax
	and	$3, %eax
	lea	load_ring(,%rax,8), %rax
site probe_load_site
	mov	(%rax), %rax
	sub	$load_ring, %rax
	add	%rdi, %rax
	ret
end probe_load

/* Faults on a bad address are expected here. */
function probe_extable
	mov	$load_ring, %ecx
site probe_extable_site
	mov	(%rcx), %rax
	sub	%rcx, %rax
	add	%rdi, %rax
	ret
site probe_extable_fixup
	mov	$-14, %rax
	ret
end probe_extable

	.section __ex_table, "a"
	.balign	4
	.long	probe_extable_site - .
	.long	probe_extable_fixup - .
	.long	0			/* data: nobody here reads it */
	.text

/* One locked instruction is the whole loop that other architectures need. */

function probe_atomic
	mov	$1, %eax
site probe_atomic_load
site probe_atomic_mid
site probe_atomic_store
	lock xadd %rax, shared_counter
	lea	9(%rdi), %rax
	ret
end probe_atomic

function atomic_add
	mov	%rdi, %rax
site atomic_add_site
	lock xadd %rdi, shared_counter
	ret
end atomic_add

/* A nop that is patched into a jump while others run through it; the target is told apart by the result. */
function text_patch_nop5
	lea	1(%rdi), %rax
	.balign	8, 0x90
site nop5_site
	.byte	0x0f, 0x1f, 0x44, 0x00, 0x00
	add	$2, %rax
	ret
site nop5_target
	add	$64, %rax
	ret
end text_patch_nop5

/* Traps that the text has of its own. */

function foreign_break
	lea	1(%rdi), %rax
site foreign_break_site
	int3				/* the kprobe breakpoint, placed by somebody else */
	add	$20, %rax
	ret
end foreign_break

function bug_site
	ud2
	lea	1(%rdi), %rax
	ret
end bug_site

function warn_site
	ud2
	lea	2(%rdi), %rax
	ret
end warn_site

	.section __bug_table, "a"
	.quad	bug_site, 0
	.quad	warn_site, 1
