/* See registers.h. */

#define GENERAL 0
#define FLAGS 128
#define MASKS 136
#define VECTORS 200
#define MXCSR (VECTORS + 32 * 64)
#define X87_CONTROL (MXCSR + 4)
#define X87_TAGS (MXCSR + 6)
#define X87 (MXCSR + 8)
#define STACK (X87 + 32)
#define STACK_BYTES 1024
#define SIZE (STACK + STACK_BYTES)


	.macro move_in base
	pushq \base+FLAGS(%rip)
	popfq
	movq \base+8*3(%rip), %rbx
	movq \base+8*12(%rip), %r12
	movq \base+8*13(%rip), %r13
	movq \base+8*14(%rip), %r14
	movq \base+8*15(%rip), %r15
	movq \base+8*1(%rip), %rcx
	movq \base+8*2(%rip), %rdx
	movq \base+8*6(%rip), %rsi
	movq \base+8*7(%rip), %rdi
	movq \base+8*8(%rip), %r8
	movq \base+8*9(%rip), %r9
	movq \base+8*10(%rip), %r10
	movq \base+8*11(%rip), %r11
	movq \base+8*0(%rip), %rax
	.endm

	.macro move_out base
	movq %rax, \base+8*0(%rip)
	movq %rcx, \base+8*1(%rip)
	movq %rdx, \base+8*2(%rip)
	movq %rbx, \base+8*3(%rip)
	movq %rsp, \base+8*4(%rip)
	movq %rbp, \base+8*5(%rip)
	movq %rsi, \base+8*6(%rip)
	movq %rdi, \base+8*7(%rip)
	movq %r8, \base+8*8(%rip)
	movq %r9, \base+8*9(%rip)
	movq %r10, \base+8*10(%rip)
	movq %r11, \base+8*11(%rip)
	movq %r12, \base+8*12(%rip)
	movq %r13, \base+8*13(%rip)
	movq %r14, \base+8*14(%rip)
	movq %r15, \base+8*15(%rip)
	pushfq
	popq \base+FLAGS(%rip)
	.endm

	.macro vectors_in base
	cmpl $1, registers_vectors(%rip)
	je 11f
	ja 12f
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups \base+VECTORS+64*\n(%rip), %xmm\n
	.endr
	jmp 13f
11:
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups \base+VECTORS+64*\n(%rip), %ymm\n
	.endr
	jmp 13f
12:
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vmovups \base+VECTORS+64*\n(%rip), %zmm\n
	.endr
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7
	kmovq \base+MASKS+8*\n(%rip), %k\n
	.endr
13:
	.endm

	.macro vectors_out base
	cmpl $1, registers_vectors(%rip)
	je 21f
	ja 22f
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups %xmm\n, \base+VECTORS+64*\n(%rip)
	.endr
	jmp 23f
21:
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups %ymm\n, \base+VECTORS+64*\n(%rip)
	.endr
	jmp 23f
22:
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vmovups %zmm\n, \base+VECTORS+64*\n(%rip)
	.endr
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7
	kmovq %k\n, \base+MASKS+8*\n(%rip)
	.endr
23:
	.endm

	/* Control words and, of the x87 stack, tags and two registers; leaves the stack empty. */
	.macro control_out base
	stmxcsr \base+MXCSR(%rip)
	fnstenv environment(%rip)
	movw environment+8(%rip), %ax
	movw %ax, \base+X87_TAGS(%rip)
	movw environment(%rip), %ax
	movw %ax, \base+X87_CONTROL(%rip)
	fldcw environment(%rip)
	cmpw $-1, \base+X87_TAGS(%rip)
	je 31f
	fstpt \base+X87(%rip)
	fstpt \base+X87+16(%rip)
31:
	.endm

	.text
	.globl registers_call
	.type registers_call, @function
registers_call:
	.cfi_startproc
	pushq %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	movq %rsp, %rbp
	.cfi_def_cfa_register rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	.cfi_offset rbx, -24
	.cfi_offset r12, -32
	.cfi_offset r13, -40
	.cfi_offset r14, -48
	.cfi_offset r15, -56
	stmxcsr kept_mxcsr(%rip)
	fnstcw kept_control(%rip)
	movq %rdi, function(%rip)
	movq %rbp, kept_rbp(%rip)
	movq %rsp, kept_rsp(%rip)
	andq $-64, %rsp
	subq registers_skew(%rip), %rsp
	subq $STACK_BYTES, %rsp
	leaq registers_in+STACK(%rip), %rsi
	movq %rsp, %rdi
	movl $STACK_BYTES, %ecx
	rep movsb
	vectors_in registers_in
	ldmxcsr registers_in+MXCSR(%rip)
	fldcw registers_in+X87_CONTROL(%rip)
	movq %rsp, registers_in+8*4(%rip)
	move_in registers_in
	.cfi_remember_state
	.cfi_undefined rip /* rbp is about to be anything: nobody unwinds from here on */
	movq registers_in+8*5(%rip), %rbp
	call *function(%rip)
	move_out registers_out
	movq kept_rbp(%rip), %rbp
	.cfi_restore_state
	vectors_out registers_out
	control_out registers_out
	ldmxcsr kept_mxcsr(%rip)
	fldcw kept_control(%rip)
	movq kept_rsp(%rip), %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	.cfi_def_cfa rsp, 8
	ret
	.cfi_endproc
	.size registers_call, . - registers_call

	.globl registers_target
	.type registers_target, @function
registers_target:
	.cfi_startproc
	move_out registers_seen
	vectors_out registers_seen
	control_out registers_seen
	leaq 8(%rsp), %rsi
	leaq registers_seen+STACK(%rip), %rdi
	movl $STACK_BYTES, %ecx
	rep movsb
	cmpl $0, registers_keep(%rip)
	jne 1f
	vectors_in registers_result
	fldt registers_result+X87+16(%rip)
	fldt registers_result+X87(%rip)
	move_in registers_result
	ret
1:	move_in registers_seen
	ret
	.cfi_endproc
	.size registers_target, . - registers_target

	.globl registers_call_on
	.type registers_call_on, @function
registers_call_on:
	.cfi_startproc
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
registers_skew: .skip 8
function: .skip 8
kept_rbp: .skip 8
kept_rsp: .skip 8
environment: .skip 32
registers_vectors: .skip 4
registers_keep: .skip 4
kept_mxcsr: .skip 4
kept_control: .skip 2

	.section .note.GNU-stack, "", @progbits
