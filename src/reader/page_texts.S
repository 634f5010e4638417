/*
 * page.css and page.js as strings. By a file of its own: the symbols of assembly in a C file are unknown
 * to link-time optimization.
 */
#define TEXT(name, file) \
    .globl name; \
    .hidden name; \
    name: \
    .incbin file; \
    .byte 0

    .section .rodata
TEXT(page_css, "reader/page.css")
TEXT(page_js, "reader/page.js")

    .section .note.GNU-stack, "", %progbits
