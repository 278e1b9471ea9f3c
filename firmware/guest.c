/*
 * The part of the guest kernel that is the same on every architecture.
 *
 * There is no library and no start-up code: the host places the image in memory, and `guest_start` in
 * the architecture's assembly part sets the stack and calls `guest_loop`. Initialised data is read-only
 * and lies beside the text, so that what changes while a guest runs is three pages.
 */
#include "guest.h"

#define SHARED __attribute__((section(".shared")))

/* What several CPUs write; these accesses are the ones worth interleaving. */
SHARED long shared_counter = 0;
SHARED long results[GUEST_CPUS] = {0};

/* Not shared: each CPU touches its own part only. */
__attribute__((aligned(16))) char stacks[GUEST_CPUS][GUEST_STACK_SIZE];

/*
 * Every entry points to the next one, the last to the first: loading through a register into the same
 * register (probe_load) goes one entry on, so a load left out or done twice is off by one entry.
 */
const void *const load_ring[4] = {&load_ring[1], &load_ring[2], &load_ring[3], &load_ring[0]};

/* Calls fn(0) .. fn(count - 1); the order and every result matter for what is returned. */
long guest_loop(long cpu, guest_fn fn, long count)
{
	unsigned long result = 0;

	for (long i = 0; i < count; i++)
		result = result * 31 + (unsigned long)fn(i);
	results[cpu] = (long)result;
	return (long)result;
}
