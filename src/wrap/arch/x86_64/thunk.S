/*
 * wrap_thunk: see thunk.h.
 *
 * The frame, from rbp:
 *
 *    16        arguments on the stack
 *     8        return address
 *     0        rbp of the caller
 *    -8        r11 of the caller
 *   -16        rax, rdi and the flags, for the function, then of it
 *   -48        struct named_call, which the personality routine finds here: see unwind.c
 *   rsp        the copied arguments
 *
 * enter and leave touch no register but rax, their result, and the flags. They are called before the
 * arguments are copied and after these are given up, so that they find the stack almost as the caller
 * left it. The vector register that the copying uses is written by SSE forms, which leave its upper
 * part alone.
 *
 * The code is cut into pieces, each with unwind information of its own: those in which a scope may
 * be open have the personality routine.
 */

#define R11 -8
#define RAX -16
#define RDI -24
#define FLAGS -32
#define CALL -48
#define FUNCTION CALL
#define TOKEN (CALL + 8)
#define FRAME 48
#define ARGUMENTS 16

/* What is usually copied; and where rsp is then, as far from the arguments as a multiple of 64. */
#define USUAL 256
#define USUAL_RSP (ARGUMENTS - 320)

/* Where a longer copy keeps xmm8. */
#define XMM8 (-FRAME - 16)

/* Offsets in next/named_host.h, which thunk.c checks. */
#define FUNCTION_TARGET 0
#define FUNCTION_STACK_BYTES 8
#define HOST_ENTER 0
#define HOST_ENTER_SLOWLY 8
#define HOST_LEAVE 16
#define HOST_LEAVE_SLOWLY 24
#define HOST_STACK_BYTES 32

#define PAGE 4096

	/* What a C function may overwrite and is not in the frame already. */
	.macro push_general
	pushq %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	movq %rsp, %rbp
	.cfi_def_cfa_register rbp
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	.endm

	.macro pop_general
	movq -8(%rbp), %rcx
	movq -16(%rbp), %rdx
	movq -24(%rbp), %rsi
	movq -32(%rbp), %r8
	movq -40(%rbp), %r9
	movq -48(%rbp), %r10
	movq -56(%rbp), %r11
	leave
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	.endm

	/* A further piece, in which the frame stands. */
	.macro piece
	.cfi_endproc
	.cfi_startproc
	.cfi_def_cfa rbp, 16
	.cfi_offset rbp, -16
	.endm

	/* The same with a scope that may be open. */
	.macro open_piece
	piece
	.cfi_personality 0x1b, wrap_personality /* relative to here, 4 bytes */
	.endm

	/* The flags of arithmetic: pushf and popf take ten times as long. */
	.macro note_state
	movq %rax, RAX(%rbp)
	movq %rdi, RDI(%rbp)
	lahf
	seto %al
	movw %ax, FLAGS(%rbp)
	.endm

	.macro restore_state
	movw FLAGS(%rbp), %ax
	addb $127, %al
	sahf
	movq RAX(%rbp), %rax
	movq RDI(%rbp), %rdi
	.endm

	/* Back to the caller's frame and registers; its unwind information is to be restored behind the
	 * jump that follows. */
	.macro drop_frame
	restore_state
	leave
	.cfi_remember_state
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	.endm

	.text
	.globl wrap_thunk
	.hidden wrap_thunk
	.hidden wrap_host
	.hidden wrap_personality
	.hidden wrap_state_compact
	.hidden wrap_state_mask
	.hidden wrap_state_bytes
	.type wrap_thunk, @function
	.p2align 6
wrap_thunk:
	.cfi_startproc
	endbr64
	/* rbp comes to lie next to the return address, where those look who follow such frames. */
	movq %rax, RAX - 8(%rsp)
	movq -8(%rsp), %rax
	pushq %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	movq %rsp, %rbp
	.cfi_def_cfa_register rbp
	leaq -FRAME(%rsp), %rsp
	movq %rax, R11(%rbp)
	movq RAX(%rbp), %rax
	piece
	note_state
	movq %r11, FUNCTION(%rbp)
	leaq CALL(%rbp), %rdi
	movq wrap_host(%rip), %rax
	call *HOST_ENTER(%rax)
	testb %al, %al
	je .Lenter_slowly
	open_piece
.Lentered:

	/* What lies in the page of the return address can be read. All is copied from the highest
	 * address down, so that the stack grows page by page. */
	leal ARGUMENTS - 8(%rbp), %edi
	movq FUNCTION_STACK_BYTES(%r11), %rax
	andl $PAGE - 1, %edi
	leaq 8(%rdi, %rax), %rdi
	cmpq $PAGE, %rdi
	ja .Lnext_page
.Lcounted:
	cmpq $USUAL, %rax
	jne .Lcopy_unusual
	leaq USUAL_RSP(%rbp), %rsp
.Lcopy_usual:
	movups %xmm8, -16(%rsp) /* in the red zone: no signal writes over it */
	.irp offset, 240, 224, 208, 192, 176, 160, 144, 128, 112, 96, 80, 64
	movups ARGUMENTS + \offset(%rbp), %xmm8
	movups %xmm8, \offset(%rsp)
	.endr
	/* The caller has just written these, in words, and a longer load would have to wait until
	 * they are in the cache. */
	.irp offset, 56, 40, 24, 8
	movq ARGUMENTS + \offset(%rbp), %rax
	movq ARGUMENTS + \offset - 8(%rbp), %rdi
	movq %rax, \offset(%rsp)
	movq %rdi, \offset - 8(%rsp)
	.endr
	movups -16(%rsp), %xmm8
.Lcopied:

	movq FUNCTION_TARGET(%r11), %rax
	movq R11(%rbp), %r11
	movq %rax, -8(%rsp)
	restore_state
	call *-8(%rsp)
	note_state
	leaq -FRAME(%rbp), %rsp
	leaq CALL(%rbp), %rdi
	movq wrap_host(%rip), %rax
	call *HOST_LEAVE(%rax)
	piece
	testb %al, %al
	je .Lleave_slowly
.Lleft:
	drop_frame
	ret
	.cfi_restore_state

	/* Any other number of bytes. */
.Lcopy_unusual:
	testq %rax, %rax
	je .Lcopied
	leaq ARGUMENTS - XMM8 + 63(%rax), %rdi
	andq $-64, %rdi
	negq %rdi
	leaq ARGUMENTS(%rbp, %rdi), %rsp
	cmpq $USUAL, %rax
	jb .Lcopy_8
	movups %xmm8, XMM8(%rbp)
.Lcopy_16:
	movups ARGUMENTS - 16(%rbp, %rax), %xmm8
	movups %xmm8, -16(%rsp, %rax)
	subq $16, %rax
	cmpq $USUAL, %rax
	jne .Lcopy_16
	movups XMM8(%rbp), %xmm8
	jmp .Lcopy_usual
.Lcopy_8:
	movq ARGUMENTS - 8(%rbp, %rax), %rdi
	movq %rdi, -8(%rsp, %rax)
	subq $8, %rax
	jne .Lcopy_8
	jmp .Lcopied

.Lnext_page:
	movq %r11, %rdi
	movq wrap_host(%rip), %rax
	movq HOST_STACK_BYTES(%rax), %rax
	call call_keeping_general
	jmp .Lcounted
.Lenter_slowly:
	movq $0, TOKEN(%rbp)
	open_piece
	leaq CALL(%rbp), %rdi
	movq wrap_host(%rip), %rax
	movq HOST_ENTER_SLOWLY(%rax), %rax
	call call_keeping_state
	cmpq $0, TOKEN(%rbp)
	jne .Lentered
	/* No scope was opened, there are too many: without the frame, recursion takes no more stack
	 * than it would. */
	movq FUNCTION_TARGET(%r11), %rax
	movq R11(%rbp), %r11
	movq %rax, FUNCTION(%rbp)
	drop_frame
	jmp *FUNCTION - 8(%rsp) /* in the red zone */
	.cfi_restore_state
.Lleave_slowly:
	leaq CALL(%rbp), %rdi
	movq wrap_host(%rip), %rax
	movq HOST_LEAVE_SLOWLY(%rax), %rax
	call call_keeping_state
	piece
	jmp .Lleft
	.cfi_endproc
	.size wrap_thunk, . - wrap_thunk

/* Calls rax with rdi and with the address of the arguments, and returns its result; all other
 * general registers stay. */
	.type call_keeping_general, @function
call_keeping_general:
	.cfi_startproc
	push_general
	andq $-16, %rsp
	movq (%rbp), %rsi
	addq $ARGUMENTS, %rsi
	call *%rax
	pop_general
	ret
	.cfi_endproc
	.size call_keeping_general, . - call_keeping_general

/*
 * Calls rax with rdi; all other registers stay: vector, mask and x87 registers, too, and their
 * control words. The x87 stack, which may hold results, is empty for it, as the ABI demands.
 */
	.type call_keeping_state, @function
call_keeping_state:
	.cfi_startproc
	push_general
	subq wrap_state_bytes(%rip), %rsp
	andq $-64, %rsp
	movq %rax, %rcx
	movl wrap_state_mask(%rip), %eax
	xorl %edx, %edx
	testl %eax, %eax
	je 1f
	/* The header, which the instruction leaves alone in part. */
	movq %rdx, 512(%rsp)
	movq %rdx, 520(%rsp)
	movq %rdx, 528(%rsp)
	movq %rdx, 536(%rsp)
	movq %rdx, 544(%rsp)
	movq %rdx, 552(%rsp)
	movq %rdx, 560(%rsp)
	movq %rdx, 568(%rsp)
	cmpb $0, wrap_state_compact(%rip)
	je 3f
	xsavec64 (%rsp)
	jmp 4f
3:	xsave64 (%rsp)
4:	fninit
	fldcw (%rsp)
	call *%rcx
	movl wrap_state_mask(%rip), %eax
	xorl %edx, %edx
	xrstor64 (%rsp)
	jmp 2f
1:	fxsave64 (%rsp)
	fninit
	fldcw (%rsp)
	call *%rcx
	fxrstor64 (%rsp)
2:	pop_general
	ret
	.cfi_endproc
	.size call_keeping_state, . - call_keeping_state

	.section .note.GNU-stack, "", @progbits
