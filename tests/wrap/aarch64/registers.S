/* See registers.h. */

#define SP_AT 8 * 31
#define FLAGS 8 * 32
#define FPCR 8 * 33
#define FPSR 8 * 34
#define PREDICATES 8 * 35
#define VECTORS (PREDICATES + 16 * 32)
#define STACK (VECTORS + 32 * 256)
#define STACK_BYTES 1024
#define SIZE (STACK + STACK_BYTES)

	.arch_extension sve

	.macro address reg, symbol
	adrp \reg, \symbol
	add \reg, \reg, :lo12:\symbol
	.endm

	/* From the record that x16 leads to: all but x16, x17, x29 and the stack pointer. */
	.macro move_in
	ldr x17, [x16, FLAGS]
	msr nzcv, x17
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
	ldr x\n, [x16, 8 * \n]
	.endr
	.endm

	.macro move_out
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
	str x\n, [x16, 8 * \n]
	.endr
	mov x17, sp
	str x17, [x16, SP_AT]
	mrs x17, nzcv
	str x17, [x16, FLAGS]
	.endm

	/* Uses x17 and x15. */
	.macro vectors what
	adrp x17, registers_vectors
	ldr w17, [x17, :lo12:registers_vectors]
	cbnz w17, 1f
	add x17, x16, VECTORS
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\what\()r q\n, [x17]
	add x17, x17, 256
	.endr
	b 2f
1:	add x17, x16, PREDICATES
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	\what\()r p\n, [x17]
	add x17, x17, 32
	.endr
	add x17, x16, VECTORS
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\what\()r z\n, [x17]
	add x17, x17, 256
	.endr
2:
	.endm

	.macro control_in
	ldr x17, [x16, FPCR]
	msr fpcr, x17
	ldr x17, [x16, FPSR]
	msr fpsr, x17
	.endm

	.macro control_out
	mrs x17, fpcr
	str x17, [x16, FPCR]
	mrs x17, fpsr
	str x17, [x16, FPSR]
	.endm

	/* Bytes of the stack, by x0 to x3. */
	.macro copy to, from
	mov x0, \to
	mov x1, \from
	mov x2, STACK_BYTES
3:	ldr x3, [x1], 8
	str x3, [x0], 8
	subs x2, x2, 8
	b.ne 3b
	.endm

	.text
	.globl registers_call
	.type registers_call, @function
registers_call:
	.cfi_startproc
	stp x29, x30, [sp, -176]!
	.cfi_def_cfa_offset 176
	.cfi_offset x29, -176
	.cfi_offset x30, -168
	stp x19, x20, [sp, 16]
	stp x21, x22, [sp, 32]
	stp x23, x24, [sp, 48]
	stp x25, x26, [sp, 64]
	stp x27, x28, [sp, 80]
	stp d8, d9, [sp, 96]
	stp d10, d11, [sp, 112]
	stp d12, d13, [sp, 128]
	stp d14, d15, [sp, 144]
	mrs x16, fpcr
	stp x0, x16, [sp, 160]
	mov x29, sp
	.cfi_def_cfa_register x29
	address x17, registers_skew
	ldr x17, [x17]
	sub x16, x29, STACK_BYTES
	and x16, x16, -64
	sub sp, x16, x17
	address x16, registers_in
	mov x17, STACK
	add x17, x16, x17
	mov x4, sp
	copy x4, x17
	mov x17, sp
	str x17, [x16, SP_AT]
	str x29, [x16, 8 * 29]
	vectors ld
	control_in
	move_in
	ldr x16, [x29, 160]
	blr x16
	address x16, registers_out
	move_out
	vectors st
	control_out
	mov sp, x29
	ldr x16, [x29, 168]
	msr fpcr, x16
	ldp x19, x20, [sp, 16]
	ldp x21, x22, [sp, 32]
	ldp x23, x24, [sp, 48]
	ldp x25, x26, [sp, 64]
	ldp x27, x28, [sp, 80]
	ldp d8, d9, [sp, 96]
	ldp d10, d11, [sp, 112]
	ldp d12, d13, [sp, 128]
	ldp d14, d15, [sp, 144]
	ldp x29, x30, [sp], 176
	.cfi_def_cfa sp, 0
	.cfi_restore x29
	.cfi_restore x30
	ret
	.cfi_endproc
	.size registers_call, . - registers_call

	.globl registers_target
	.type registers_target, @function
registers_target:
	.cfi_startproc
	address x16, registers_seen
	move_out
	vectors st
	control_out
	mov x4, STACK
	add x4, x16, x4
	mov x5, sp
	copy x4, x5
	address x17, registers_keep
	ldr w17, [x17]
	cbnz w17, 4f
	address x16, registers_result
	vectors ld
4:	move_in
	ret
	.cfi_endproc
	.size registers_target, . - registers_target

	.globl registers_call_on
	.type registers_call_on, @function
registers_call_on:
	.cfi_startproc
	stp x29, x30, [sp, -16]!
	.cfi_def_cfa_offset 16
	.cfi_offset x29, -16
	.cfi_offset x30, -8
	mov x29, sp
	.cfi_def_cfa_register x29
	mov sp, x0
	blr x1
	mov sp, x29
	ldp x29, x30, [sp], 16
	.cfi_def_cfa sp, 0
	.cfi_restore x29
	.cfi_restore x30
	ret
	.cfi_endproc
	.size registers_call_on, . - registers_call_on

	.bss
	.globl registers_in, registers_seen, registers_result, registers_out
	.globl registers_vectors, registers_skew, registers_keep
	.p2align 6
registers_in: .skip SIZE
	.p2align 6
registers_seen: .skip SIZE
	.p2align 6
registers_result: .skip SIZE
	.p2align 6
registers_out: .skip SIZE
	.p2align 3
registers_skew: .skip 8
registers_vectors: .skip 4
registers_keep: .skip 4

	.section .note.GNU-stack, "", @progbits
