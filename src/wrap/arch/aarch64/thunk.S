/*
 * wrap_thunk: see thunk.h.
 *
 * The frame, from x29:
 *
 *   176        arguments on the stack
 *    32        x0 to x15, x18 and the flags, for the function, then of it
 *    16        struct named_call, which the personality routine finds here: see unwind.c
 *     0        x29 and x30 of the caller
 *    sp        the copied arguments
 *
 * No compiler can be told to keep all registers here (named_host.h): those that C functions may
 * overwrite lie in the frame, or are kept while one is called, in enter and leave, too. These are called
 * before the arguments are copied and after these are given up, so that they find the stack almost as the
 * caller left it.
 *
 * The code is cut into pieces, each with unwind information of its own: those in which a scope may
 * be open have the personality routine.
 */

#define CALL 16
#define FUNCTION CALL
#define TOKEN (CALL + 8)
#define KEPT 32
#define FRAME 176

/* Offsets in next/named_host.h, which thunk.c checks. */
#define FUNCTION_TARGET 0
#define FUNCTION_STACK_BYTES 8
#define HOST_ENTER 0
#define HOST_ENTER_SLOWLY 8
#define HOST_LEAVE 16
#define HOST_LEAVE_SLOWLY 24
#define HOST_STACK_BYTES 32

#define PAGE 4096

	/* A further piece, in which the frame stands. */
	.macro piece
	.cfi_endproc
	.cfi_startproc
	.cfi_def_cfa x29, FRAME
	.cfi_offset x29, -FRAME
	.cfi_offset x30, -FRAME + 8
	.endm

	/* The same with a scope that may be open. */
	.macro open_piece
	piece
	.cfi_personality 0x1b, wrap_personality /* relative to here, 4 bytes */
	.endm

	.macro note_state
	stp x0, x1, [x29, KEPT]
	stp x2, x3, [x29, KEPT + 16]
	stp x4, x5, [x29, KEPT + 32]
	stp x6, x7, [x29, KEPT + 48]
	stp x8, x9, [x29, KEPT + 64]
	stp x10, x11, [x29, KEPT + 80]
	stp x12, x13, [x29, KEPT + 96]
	stp x14, x15, [x29, KEPT + 112]
	mrs x16, nzcv
	stp x18, x16, [x29, KEPT + 128]
	.endm

	.macro restore_state
	ldp x18, x16, [x29, KEPT + 128]
	msr nzcv, x16
	ldp x14, x15, [x29, KEPT + 112]
	ldp x12, x13, [x29, KEPT + 96]
	ldp x10, x11, [x29, KEPT + 80]
	ldp x8, x9, [x29, KEPT + 64]
	ldp x6, x7, [x29, KEPT + 48]
	ldp x4, x5, [x29, KEPT + 32]
	ldp x2, x3, [x29, KEPT + 16]
	ldp x0, x1, [x29, KEPT]
	.endm

	/* x16 is the function of the host at that offset, x0 the call. */
	.macro host_function offset
	adrp x16, wrap_host
	ldr x16, [x16, :lo12:wrap_host]
	ldr x16, [x16, \offset]
	add x0, x29, CALL
	.endm

	/* x16 is what the call goes on to. */
	.macro load_target
	ldr x16, [x29, FUNCTION]
	ldr x16, [x16, FUNCTION_TARGET]
	.endm

	/* Back to the caller's frame; its unwind information is to be restored behind the jump that
	 * follows. */
	.macro drop_frame
	ldp x29, x30, [sp], FRAME
	.cfi_remember_state
	.cfi_def_cfa sp, 0
	.cfi_restore x29
	.cfi_restore x30
	.endm

	.text
	.globl wrap_thunk
	.hidden wrap_thunk
	.hidden wrap_host
	.hidden wrap_personality
	.hidden wrap_state_sve
	.type wrap_thunk, @function
	.p2align 6
wrap_thunk:
	.cfi_startproc
	hint 34 /* bti c */
	stp x29, x30, [sp, -FRAME]!
	.cfi_def_cfa_offset FRAME
	.cfi_offset x29, -FRAME
	.cfi_offset x30, -FRAME + 8
	mov x29, sp
	.cfi_def_cfa_register x29
	note_state
	stp x17, xzr, [x29, FUNCTION]
	host_function HOST_ENTER
	bl call_keeping_vectors
	tbz w0, 0, .Lenter_slowly
	open_piece
.Lentered:

	/* What lies in the page below the arguments is this frame. All is copied from the highest
	 * address down, so that the stack grows page by page. */
	ldr x0, [x29, FUNCTION]
	ldr x2, [x0, FUNCTION_STACK_BYTES]
	add x1, x29, FRAME
	sub x3, x1, 1
	and x3, x3, PAGE - 1
	add x3, x3, x2
	cmp x3, PAGE - 1
	b.hi .Lnext_page
.Lcounted:
	sub sp, sp, x2
	add x1, x1, x2
	mov x3, x29
	cbz x2, .Lcopied
.Lcopy:
	ldp x4, x5, [x1, -16]!
	stp x4, x5, [x3, -16]!
	subs x2, x2, 16
	b.ne .Lcopy
.Lcopied:

	restore_state
	load_target
	blr x16
	note_state
	mov sp, x29
	host_function HOST_LEAVE
	bl call_keeping_vectors
	piece
	tbz w0, 0, .Lleave_slowly
.Lleft:
	restore_state
	drop_frame
	ret
	.cfi_restore_state

.Lnext_page:
	adrp x16, wrap_host
	ldr x16, [x16, :lo12:wrap_host]
	ldr x16, [x16, HOST_STACK_BYTES]
	bl call_keeping_vectors
	mov x2, x0
	add x1, x29, FRAME
	b .Lcounted
.Lenter_slowly:
	open_piece
	host_function HOST_ENTER_SLOWLY
	bl call_keeping_vectors
	ldr x0, [x29, TOKEN]
	cbnz x0, .Lentered
	/* No scope was opened, there are too many: without the frame, recursion takes no more stack
	 * than it would. */
	restore_state
	load_target
	drop_frame
	br x16
	.cfi_restore_state
.Lleave_slowly:
	host_function HOST_LEAVE_SLOWLY
	bl call_keeping_vectors
	piece
	b .Lleft
	.cfi_endproc
	.size wrap_thunk, . - wrap_thunk

/* Calls x16 with x0 and x1, and returns its result; vector registers, predicates, and the control words
 * stay. */
	.type call_keeping_vectors, @function
call_keeping_vectors:
	.cfi_startproc
	stp x29, x30, [sp, -32]!
	.cfi_def_cfa_offset 32
	.cfi_offset x29, -32
	.cfi_offset x30, -24
	mov x29, sp
	.cfi_def_cfa_register x29
	mrs x9, fpcr
	mrs x10, fpsr
	stp x9, x10, [x29, 16]
	adrp x9, wrap_state_sve
	ldrb w9, [x9, :lo12:wrap_state_sve]
	cbnz w9, 1f
	sub sp, sp, 512
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	str q\n, [sp, 16 * \n]
	.endr
	blr x16
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	ldr q\n, [sp, 16 * \n]
	.endr
	b 2f
	.arch_extension sve
1:	addvl sp, sp, -32
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	str z\n, [sp, \n, mul vl]
	.endr
	addpl sp, sp, -16
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	str p\n, [sp, \n, mul vl]
	.endr
	blr x16
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	ldr p\n, [sp, \n, mul vl]
	.endr
	addpl sp, sp, 16
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	ldr z\n, [sp, \n, mul vl]
	.endr
2:	ldp x9, x10, [x29, 16]
	msr fpcr, x9
	msr fpsr, x10
	mov sp, x29
	ldp x29, x30, [sp], 32
	.cfi_def_cfa sp, 0
	.cfi_restore x29
	.cfi_restore x30
	ret
	.cfi_endproc
	.size call_keeping_vectors, . - call_keeping_vectors

	.section .note.GNU-stack, "", @progbits
