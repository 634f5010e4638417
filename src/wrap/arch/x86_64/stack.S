/* loader_call_on: see loader.c. */
	.text
	.globl loader_call_on
	.hidden loader_call_on
	.type loader_call_on, @function
loader_call_on:
	.cfi_startproc
	endbr64
	pushq %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	movq %rsp, %rbp
	.cfi_def_cfa_register rbp
	movq %rdi, %rsp
	call *%rsi
	leave
	.cfi_def_cfa rsp, 8
	ret
	.cfi_endproc
	.size loader_call_on, . - loader_call_on

	.section .note.GNU-stack, "", @progbits
