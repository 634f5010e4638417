/*
 * Functions for check_patch.c, each with something of its own in its first bytes. They are called
 * as f(n, helper, table, count): rdi, rsi, rdx, rcx.
 */

/* NAME: ... NAME_end: and traps up to the next function. */
.macro begin name
        .balign 32, 0xcc
        .globl \name
        .type \name, @function
\name:
.endm
.macro finish name
        .globl \name\()_end
\name\()_end:
        .size \name, . - \name
.endm

        .data
        .balign 16
value:  .quad 1234567
cell:   .quad 0
number: .double 2.5
        .globl samples_table
samples_table:
        .quad 0
        .quad samples_helper
        .quad samples_answer
pointer:
        .quad samples_helper

        .text

/* Returns its return address and n. */
        .globl samples_helper
samples_helper:
        mov (%rsp), %rax
        add %rdi, %rax
        ret

samples_answer:
        lea 42(%rdi), %rax
        ret

/* ---- what is copied as it is ---- */

begin plain
        lea 1(%rdi), %rax
        add $2, %rax
        ret
finish plain

begin five_bytes
        mov $7, %eax
        add %rdi, %rax
        ret
finish five_bytes

begin landing
        endbr64
        lea 1(%rdi), %rax
        add $2, %rax
        ret
finish landing

begin prefixes
        lock xadd %rdi, cell(%rip)
        xor %eax, %eax
        xchg %rax, cell(%rip)
        ret
finish prefixes

begin repeated
        xor %ecx, %ecx
        rep stosb
        mov %rdi, %rax
        ret
finish repeated

begin returns
        lea (%rdi,%rdi), %eax
        ret
        int3
finish returns

/* ---- what is reckoned from its address ---- */

begin load
        mov value(%rip), %rax
        add %rdi, %rax
        ret
finish load

begin compare
        cmpl $1234567, value(%rip)
        sete %al
        movzbl %al, %eax
        ret
finish compare

begin store
        movl $77, cell(%rip)
        mov cell(%rip), %eax
        movq $0, cell(%rip)
        ret
finish store

begin vector
        movsd number(%rip), %xmm0
        cvtsi2sd %rdi, %xmm1
        mulsd %xmm1, %xmm0
        cvtsd2si %xmm0, %rax
        ret
finish vector

begin load_address
        lea value(%rip), %rax
        mov (%rax), %rax
        ret
finish load_address

begin after_push
        push %rbx
        mov value(%rip), %rbx
        lea (%rbx,%rdi), %rax
        pop %rbx
        ret
finish after_push

/* ---- branches ---- */

.macro condition name
begin on_\name
        cmp $3, %edi
        j\name 1f
        mov $100, %eax
        ret
1:      mov $200, %eax
        ret
finish on_\name
.endm
.irp name, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g
        condition \name
.endr

begin branch_long
        test %edi, %edi
        {disp32} jle 1f
        mov $100, %eax
        ret
1:      mov $200, %eax
        ret
finish branch_long

begin branch_twice
        test %edi, %edi
        jle 1f
        cmp $2, %edi
        jle 2f
        mov $100, %eax
        ret
1:      mov $200, %eax
        ret
2:      mov $300, %eax
        ret
finish branch_twice

begin branch_first
        jrcxz 1f
        test %edi, %edi
        jle 1f
        mov $100, %eax
        ret
1:      mov $200, %eax
        ret
finish branch_first

begin branch_behind
        test %rdi, %rdi
        jle 1f
1:      lea 3(%rdi), %rax
        ret
finish branch_behind

begin jump_short
        jmp 1f
        .skip 20, 0xcc
1:      lea 3(%rdi), %rax
        ret
finish jump_short

begin jump_long
        {disp32} jmp samples_answer
finish jump_long

begin jump_indirect
        jmp *pointer(%rip)
finish jump_indirect

begin jump_register
        mov %rsi, %rax
        jmp *%rax
finish jump_register

begin count_rcx
        jrcxz 1f
        mov %rdi, %rax
        ret
1:      mov $200, %eax
        ret
finish count_rcx

begin count_ecx
        jecxz 1f
        mov %rdi, %rax
        ret
1:      mov $200, %eax
        ret
finish count_ecx

.macro counted name
begin with_\name
        cmp $2, %edi
        \name 1f
        lea (%rcx,%rcx), %rax
        ret
1:      mov %rcx, %rax
        ret
finish with_\name
.endm
.irp name, loop, loope, loopne
        counted \name
.endr

/* ---- calls ---- */

begin call_first
        call samples_helper
        add $5, %rax
        ret
finish call_first

begin call_second
        push %rbx
        call samples_helper
        pop %rbx
        ret
finish call_second

begin call_next
        call 1f
1:      pop %rax
        add %rdi, %rax
        ret
finish call_next

begin call_register
        sub $8, %rsp
        call *%rsi
        add $8, %rsp
        ret
finish call_register

begin call_high_register
        xchg %rsi, %r12
        call *%r12
        xchg %rsi, %r12
        ret
finish call_high_register

begin call_memory
        push %rbx
        push %rbp
        call *8(%rdx)
        pop %rbp
        pop %rbx
        ret
finish call_memory

begin call_pointer
        call *pointer(%rip)
        ret
finish call_pointer

begin recursive
        dec %rdi
        {disp32} js 1f
        call recursive
        add $10, %rax
        ret
1:      xor %eax, %eax
        ret
finish recursive

/* ---- entries made for it ---- */

.macro patchable name, bytes:vararg
begin \name
        .byte \bytes
        lea 1(%rdi), %rax
        ret
finish \name
.endm
patchable nop_one, 0x90, 0x90, 0x90, 0x90, 0x90
patchable nop_more, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90
patchable nop_five, 0x0f, 0x1f, 0x44, 0x00, 0x00
patchable nop_mixed, 0x66, 0x90, 0x0f, 0x1f, 0x40, 0x00
patchable nop_landing, 0xf3, 0x0f, 0x1e, 0xfa, 0x0f, 0x1f, 0x44, 0x00, 0x00
patchable nop_few, 0x90, 0x90, 0x90

/* ---- short ones ---- */

begin short_traps
        mov %edi, %eax
        ret
finish short_traps
        .balign 16, 0xcc

begin short_nops
        mov %edi, %eax
        ret
finish short_nops
        nopw 0x0(%rax,%rax,1)
        .balign 16, 0x90

begin short_crowded
        mov %edi, %eax
        ret
finish short_crowded
        xor %eax, %eax
        ret

        .balign 32
        .skip 12, 0xcc
        .globl short_at_border
short_at_border:
        mov %edi, %eax
        ret
finish short_at_border
        nop
        nop
        nop
        nop
        ret

begin short_falls_through
        xor %eax, %eax
        nop
finish short_falls_through
        add %rdi, %rax
        ret

begin cut_instruction
        mov $7, %eax
        .byte 0xc3
        .globl cut_instruction_end
cut_instruction_end = cut_instruction + 4

/* ---- what is refused ---- */

begin loop_at_entry
        dec %rdi
        jg loop_at_entry
        mov %rdi, %rax
        ret
finish loop_at_entry

begin loop_behind_landing
        endbr64
1:      dec %rdi
        add $0, %eax
        jg 1b
        mov %rdi, %rax
        ret
finish loop_behind_landing

begin loop_to_landing
        endbr64
        lea -1(%rdi), %rdi
        test %rdi, %rdi
        jg loop_to_landing
        mov %rdi, %rax
        ret
finish loop_to_landing

begin loop_at_entry_late
        test %rdi, %rdi
        jg 1f
        mov %rdi, %rax
        ret
1:      dec %rdi
        jmp loop_at_entry_late
finish loop_at_entry_late

begin loop_inside
        xor %eax, %eax
1:      inc %rax
        dec %rdi
        jg 1b
        ret
finish loop_inside

begin loop_inside_late
        xor %eax, %eax
1:      inc %rax
        test %rdi, %rdi
        jg 2f
        ret
2:      dec %rdi
        jmp 1b
finish loop_inside_late

begin entered_from_afar
        xor %eax, %eax
        lea (%rdi,%rdi), %rax
        ret
finish entered_from_afar
        .balign 4096, 0xcc
        {disp32} jmp entered_from_afar + 2

begin branched_from_afar
        xor %eax, %eax
        lea (%rdi,%rdi), %rax
        ret
finish branched_from_afar
        .balign 4096, 0xcc
        {disp32} jne branched_from_afar + 2

        .balign 16
        xor %ecx, %ecx
        jmp entered_from_before + 2
begin entered_from_before
        xor %eax, %eax
        lea (%rdi,%rdi), %rax
        ret
finish entered_from_before

begin entered_from_behind
        xor %eax, %eax
        lea (%rdi,%rdi), %rax
        ret
finish entered_from_behind
        .balign 16
        .skip 64, 0xcc
        xor %ecx, %ecx
        jmp entered_from_behind + 2

begin cold_part
        mov $7, %eax
        ret
finish cold_part
        .balign 256, 0xcc
        test %rdi, %rdi
        {disp32} js cold_part

begin refers_to_itself
        xor %eax, %eax
1:      mov %rdi, %rax
        lea 1b(%rip), %rcx
        ret
finish refers_to_itself

begin breakpoint
        int3
        mov $7, %eax
        ret
finish breakpoint

begin trap
        ud2
finish trap

begin system_call
        mov %edi, %eax
        syscall
        mov $1, %eax
        ret
finish system_call

begin transaction
        xbegin 1f
1:      mov $1, %eax
        ret
finish transaction

begin prefixed_jump
        .byte 0x66, 0xe9, 0, 0, 0, 0
        ret
finish prefixed_jump

begin prefixed_address
        mov value(%eip), %rax
        ret
finish prefixed_address

begin call_early
        call *%rsi
        mov %rax, %rdi
        ret
finish call_early

begin call_stack
        push %rsi
        nop
        call *(%rsp)
        pop %rdx
        ret
finish call_stack

begin far_return
        mov %edi, %eax
        push %rax
        lretl
        nop
finish far_return

begin no_code
        .byte 0x06, 0x06, 0x06, 0x06, 0x06, 0x06
        ret
finish no_code

begin no_code_later
        mov $7, %eax
        ret
        .byte 0x06
finish no_code_later

/* ---- for tests of their own ---- */

begin spare
        lea 1(%rdi), %rax
        add $2, %rax
        ret
finish spare

begin changed
        mov $7, %eax
        ret
finish changed

begin twice
        lea 5(%rdi), %rax
        add $6, %rax
        ret
finish twice

begin unwritable
        lea 8(%rdi), %rax
        add $6, %rax
        ret
finish unwritable

/* What patched functions go through: counts the call, notes the record and the caller's r11. */
        .globl samples_thunk
samples_thunk:
        incq samples_calls(%rip)
        mov %r11, samples_last(%rip)
        mov -8(%rsp), %r11
        mov %r11, samples_kept(%rip)
        mov samples_last(%rip), %r11
        jmp *(%r11)

/* Calls its first argument with a value in r11. */
        .globl samples_keep
samples_keep:
        mov %rsi, %r11
        jmp *%rdi

        .bss
        .globl samples_calls, samples_last, samples_kept
        .balign 8
samples_calls:
        .skip 8
samples_last:
        .skip 8
samples_kept:
        .skip 8

        .section .note.GNU-stack, "", @progbits
