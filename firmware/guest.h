/*
 * What the C part and the assembly parts of every guest kernel share.
 * firmware/README.md is the contract: which symbols there are and what they compute.
 */
#ifndef GUEST_H
#define GUEST_H

#define GUEST_CPUS 8
#define GUEST_STACK_SHIFT 10
#define GUEST_STACK_SIZE (1 << GUEST_STACK_SHIFT)

#ifdef __ASSEMBLER__

/* A function: everything from here to its `end` is its size. */
.macro function name
	.globl	\name
	.type	\name, %function
	.balign	8
\name:
.endm

.macro end name
	.size	\name, . - \name
.endm

/* A label in the middle of a function, where a probe goes; it has neither type nor size. */
.macro site name
	.globl	\name
\name:
.endm

#else

typedef long (*guest_fn)(long);

#endif
#endif
