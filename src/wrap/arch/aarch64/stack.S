/* loader_call_on: see loader.c. */
	.text
	.globl loader_call_on
	.hidden loader_call_on
	.type loader_call_on, @function
loader_call_on:
	.cfi_startproc
	hint 34 /* bti c */
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
	.size loader_call_on, . - loader_call_on

	.section .note.GNU-stack, "", @progbits
