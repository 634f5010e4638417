/*
 * Functions for check_patch.c, each with something of its own in its first instruction. They are
 * called as f(n, helper, table, count): x0, x1, x2, x3, by samples_enter.
 */

/* NAME: ... NAME_end: and traps up to the next function. */
	.macro begin name
	.p2align 5
	.globl \name
	.type \name, @function
\name:
	.endm
	.macro finish name
	.globl \name\()_end
\name\()_end:
	.size \name, . - \name
	brk 1
	.endm

	.data
	.p2align 4
	.globl samples_table
samples_table:
	.quad 0
	.quad samples_helper

	.section .rodata
	.p2align 4
	.skip 24
far_value:
	.quad 7654321

	.text
	.p2align 4
value:	.quad 1234567
signed:	.word -1234567
single:	.single 2.5
quad:	.quad 17, 4

/* See samples.h. */
	.globl samples_enter
samples_enter:
	mov x15, x30
	cmp x0, 3
	br x4

/* Returns its return address and n. */
	.globl samples_helper
samples_helper:
	add x0, x0, x30
	ret

/* ---- what is copied as it is ---- */

begin plain
	add x0, x0, 1
	add x0, x0, 2
	ret
finish plain

begin landing
	hint 34 /* bti c */
	add x0, x0, 1
	ret
finish landing

begin landing_any
	hint 38 /* bti jc */
	add x0, x0, 1
	ret
finish landing_any

/* The function goes on with a return address that must be its own again. */
begin signs
	hint 25 /* paciasp */
	add x0, x0, 1
	hint 29 /* autiasp */
	ret
finish signs

begin signs_by_b
	hint 27 /* pacibsp */
	add x0, x0, 1
	hint 31 /* autibsp */
	ret
finish signs_by_b

begin lands_and_signs
	hint 34
	hint 25
	add x0, x0, 1
	hint 29
	ret
finish lands_and_signs

begin returns
	ret
finish returns

begin nop_first
	nop
	add x0, x0, 3
	ret
finish nop_first

/* ---- branches ---- */

	.macro condition name, instruction:vararg
begin on_\name
	\instruction, 1f
	mov x0, 100
	ret
1:	mov x0, 200
	ret
finish on_\name
	.endm
	.irp name, eq, ne, cs, cc, mi, pl, vs, vc, hi, ls, ge, lt, gt, le
begin on_\name
	b.\name 1f
	mov x0, 100
	ret
1:	mov x0, 200
	ret
finish on_\name
	.endr
	condition zero, cbz x0
	condition zero_word, cbz w0
	condition other, cbnz x0
	condition bit, tbnz x0, 0
	condition no_bit, tbz w0, 1
	condition high_bit, tbnz x0, 63

begin branch_behind
	cbz x0, 1f
1:	add x0, x0, 3
	ret
finish branch_behind

begin jump
	b 1f
	mov x0, 7
1:	add x0, x0, 5
	ret
finish jump

begin jump_away
	b samples_helper
finish jump_away

begin jump_register
	br x1
finish jump_register

begin call_first
	bl samples_helper
	br x15
finish call_first

begin call_register
	blr x1
	br x15
finish call_register

begin recursive
	stp x29, x30, [sp, -16]!
	cmp x0, 0
	b.le 1f
	sub x0, x0, 1
	bl recursive
	add x0, x0, 2
1:	ldp x29, x30, [sp], 16
	ret
finish recursive

/* ---- what is reckoned from its address ---- */

begin an_address
	adr x1, 1f
	ldr x0, [x1]
	ret
1:	.quad 1111
finish an_address

begin address_before
	adr x1, value
	ldr x0, [x1]
	ret
finish address_before

begin page
	adrp x1, value
	ldr x0, [x1, :lo12:value]
	ret
finish page

begin page_far
	adrp x1, far_value
	ldr x0, [x1, :lo12:far_value]
	ret
finish page_far

begin load
	ldr x1, value
	add x0, x0, x1
	ret
finish load

begin load_word
	ldr w0, signed
	ret
finish load_word

begin load_signed
	ldrsw x0, signed
	ret
finish load_signed

begin load_single
	ldr s0, single
	fcvt d0, s0
	fmov x0, d0
	ret
finish load_single

begin load_double
	ldr d0, value
	fmov x0, d0
	ret
finish load_double

begin load_quad
	ldr q0, quad
	mov x0, v0.d[1]
	ret
finish load_quad

begin load_nothing
	ldr xzr, value
	ret
finish load_nothing

begin prefetch
	prfm pldl1keep, value
	ret
finish prefetch

/* ---- what is refused ---- */

begin landing_alone
	hint 34
finish landing_alone

begin loop_at_entry
	sub x0, x0, 1
	cmp x0, 0
	b.gt loop_at_entry
	ret
finish loop_at_entry

begin loop_at_entry_late
	sub x0, x0, 1
	cbnz x0, 1f
	ret
1:	b loop_at_entry_late
finish loop_at_entry_late

begin loop_behind_landing
	hint 34
1:	sub x0, x0, 1
	cbnz x0, 1b
	ret
finish loop_behind_landing

begin loop_to_landing
	hint 34
	sub x0, x0, 1
	cbnz x0, loop_to_landing
	ret
finish loop_to_landing

begin loop_behind_signing
	hint 25
1:	sub x0, x0, 1
	tbz x0, 63, 1b
	hint 29
	ret
finish loop_behind_signing

begin cold_part
	mov x0, 7
	ret
finish cold_part
	.p2align 8
	cbz x0, cold_part
	ret

begin breakpoint
	brk 0
	ret
finish breakpoint

begin trap
	udf 0
finish trap

begin system_call
	svc 0
	ret
finish system_call

begin call_link_register
	blr x30
	ret
finish call_link_register

begin call_signed
	.inst 0xd63f083f /* blraaz x1 */
	ret
finish call_signed

begin jump_signed
	.inst 0xd61f083f /* braaz x1 */
finish jump_signed

begin signs_its_address
	.inst 0xdac1a7fe /* pacibsppc */
	ret
finish signs_its_address

begin modifies_signing
	.inst 0xd50324ff /* pacm */
	paciasp
	ret
finish modifies_signing

begin unknown_branch
	.inst 0x74000040 /* cbgt w0, w0, of later processors */
	ret
finish unknown_branch

/* ---- for tests of their own ---- */

begin spare
	add x0, x0, 1
	add x0, x0, 2
	ret
finish spare

begin changed
	mov x0, 7
	ret
finish changed

begin twice
	add x0, x0, 5
	add x0, x0, 6
	ret
finish twice

begin unwritable
	add x0, x0, 8
	add x0, x0, 6
	ret
finish unwritable

/* What patched functions go through: counts the call and notes the record. */
	.globl samples_thunk
samples_thunk:
	stp x0, x1, [sp, -16]!
	adrp x0, samples_calls
	ldr x1, [x0, :lo12:samples_calls]
	add x1, x1, 1
	str x1, [x0, :lo12:samples_calls]
	adrp x0, samples_last
	str x17, [x0, :lo12:samples_last]
	ldp x0, x1, [sp], 16
	ldr x16, [x17]
	br x16

	.bss
	.globl samples_calls, samples_last
	.p2align 3
samples_calls:
	.skip 8
samples_last:
	.skip 8

	.section .note.GNU-stack, "", @progbits
