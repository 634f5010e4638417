# Wrapping functions that the user named: a module of its own, loaded only when specs ask for it, so
# that the decoder it needs stays out of every other process. One convenience library, linked by the
# module and by the unit tests. Of arch/, the folder of the processor that is built for is taken.
if HAVE_WRAP
wrap_machine_sources =
wrap_machine_thunk =
if WRAP_X86_64
wrap_machine_sources += \
	src/wrap/arch/x86_64/convention.c \
	src/wrap/arch/x86_64/entry.c \
	src/wrap/arch/x86_64/instruction.c \
	src/wrap/arch/x86_64/machine.h \
	src/wrap/arch/x86_64/scan.c \
	src/wrap/arch/x86_64/stack.S
wrap_machine_thunk += \
	src/wrap/arch/x86_64/state.c \
	src/wrap/arch/x86_64/thunk.S
endif
if WRAP_AARCH64
wrap_machine_sources += \
	src/wrap/arch/aarch64/convention.c \
	src/wrap/arch/aarch64/entry.c \
	src/wrap/arch/aarch64/instruction.c \
	src/wrap/arch/aarch64/machine.h \
	src/wrap/arch/aarch64/scan.c \
	src/wrap/arch/aarch64/stack.S
wrap_machine_thunk += \
	src/wrap/arch/aarch64/state.c \
	src/wrap/arch/aarch64/thunk.S
endif

noinst_LTLIBRARIES += src/wrap/libwrap.la
src_wrap_libwrap_la_SOURCES = \
	$(wrap_machine_sources) \
	src/base/compiler.h \
	src/base/iberty.h \
	src/base/numbers.h \
	src/base/descriptor.c \
	src/base/descriptor.h \
	src/base/find_object.h \
	src/base/text.c \
	src/base/text.h \
	src/base/track.h \
	src/next/named_host.h \
	src/wrap/bindings.c \
	src/wrap/bindings.h \
	src/wrap/branches.c \
	src/wrap/branches.h \
	src/wrap/code.c \
	src/wrap/code.h \
	src/wrap/convention.h \
	src/wrap/describe.c \
	src/wrap/describe.h \
	src/wrap/entry.h \
	src/wrap/instruction.h \
	src/wrap/loader.c \
	src/wrap/loader.h \
	src/wrap/machine.h \
	src/wrap/memory.c \
	src/wrap/memory.h \
	src/wrap/names.c \
	src/wrap/names.h \
	src/wrap/object.c \
	src/wrap/object.h \
	src/wrap/patch.c \
	src/wrap/patch.h \
	src/wrap/refuse.c \
	src/wrap/refuse.h \
	src/wrap/scan.h \
	src/wrap/spec.c \
	src/wrap/spec.h \
	src/wrap/symbols.c \
	src/wrap/symbols.h
src_wrap_libwrap_la_CFLAGS = $(shim_cflags)
src_wrap_libwrap_la_LIBADD = $(ZYDIS_LIBS) $(IBERTY_LIBS)

# What wrapped calls run into. Whom it asks (wrap_host) is set by who links it.
noinst_LTLIBRARIES += src/wrap/libthunk.la
src_wrap_libthunk_la_SOURCES = \
	$(wrap_machine_thunk) \
	src/base/compiler.h \
	src/next/named_host.h \
	src/wrap/machine.h \
	src/wrap/unwind.c \
	src/wrap/unwind.h \
	src/wrap/thunk.c \
	src/wrap/thunk.h
src_wrap_libthunk_la_CFLAGS = $(shim_cflags)

pkglib_LTLIBRARIES += libarenashim-wrap.la
libarenashim_wrap_la_SOURCES = \
	src/wrap/apply.c \
	src/wrap/apply.h \
	src/wrap/listing.c \
	src/wrap/listing.h \
	src/wrap/match.c \
	src/wrap/match.h \
	src/wrap/wrap.c
libarenashim_wrap_la_CFLAGS = $(shim_cflags)
libarenashim_wrap_la_LIBADD = src/wrap/libwrap.la src/wrap/libthunk.la
libarenashim_wrap_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared \
	-Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete $(parts_ldflags) \
	-Wl,--exclude-libs,libiberty.a
endif
