/* Functions that need no operating system, for tests of relocation and of probes on every instruction. */
typedef unsigned int u32;
typedef unsigned char u8;

static u32 table[256];
static int ready;
u32 calls;

static void fill(void)
{
	for (u32 i = 0; i < 256; i++) {
		u32 c = i;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
		table[i] = c;
	}
	ready = 1;
}

u32 crc32(const u8 *p, u32 n) /* as zlib has it */
{
	u32 c = ~0u;
	if (!ready)
		fill();
	calls++;
	while (n--)
		c = table[(c ^ *p++) & 255] ^ c >> 8;
	return ~c;
}

__attribute__((noinline)) u32 fib(u32 n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static u32 add(u32 a) { return a + 7; }
static u32 mul(u32 a) { return a * 3; }
static u32 shift(u32 a) { return a << 2; }
u32 (*const ops[])(u32) = {add, mul, shift, add};

__attribute__((noinline)) u32 step(u32 a, u32 k)
{
	switch (k & 7) {
	case 0: return a + 1;
	case 1: return a ^ 0x55;
	case 2: return a * 5;
	case 3: return a - 9;
	case 4: return a >> 1;
	case 5: return ~a;
	default: return a;
	}
}

u32 mix(u32 a, u32 n) /* calls through pointers, and a jump table */
{
	for (u32 i = 0; i < n; i++)
		a = step(ops[i & 3](a), i);
	return a;
}

static const char text[] = "probe";
const char *const names[] = {text, "all"};

u32 chars(u32 i) /* pointers in data */
{
	u32 s = 0;
	for (const char *p = names[i & 1]; *p; p++)
		s = s * 31 + *p;
	return s;
}

const u8 here[0xa00] = {[9] = 1}, there[0xa00] = {[9] = 2}, yonder[0xa00] = {[9] = 4};

u32 far(u32 i) /* addresses with every kind of lower half */
{
	return here[i] + there[i] + yonder[i];
}

#ifdef MODULE
u32 outside(u32);
extern u32 missing;

u32 needs_function(u32 a) { return outside(a) + 1; }
u32 needs_data(u32 a) { return missing + a; }
#endif

void _start(void) {}
void __start(void) {}
