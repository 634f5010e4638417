//! Scopes for Zig programs that may run under libarenashim.so, and the functions of libarena.a.
//!
//!     const arenashim = @import("arenashim.zig");
//!
//!     const scope = arenashim.Scope.begin(@src(), "step");
//!     defer scope.end();
//!
//! What the thread draws in a scope by the C library (std.heap.c_allocator) comes from its arena, and
//! is gone at the scope's end; a scope of `Scope.beginRetaining` drops nothing. The program must link
//! the C library dynamically (`-lc`). Without the shim a scope does nothing.

const std = @import("std");

// Zig 0.12 and 0.14 have other names than before.
const CallingConvention = std.builtin.CallingConvention;
const c_calls: CallingConvention = if (@hasDecl(CallingConvention, "c")) .c else .C;
const monotonic: std.builtin.AtomicOrder =
    if (@hasField(std.builtin.AtomicOrder, "monotonic")) .monotonic else .Monotonic;

/// `arena_scope_site` and its flags.
const Site = extern struct {
    label: ?[*:0]const u8,
    file: ?[*:0]const u8,
    line: u32,
    flags: u32,
};
const retains: u32 = 1;

/// `arena_scope_token`: an id of 0 stands for no scope.
const Token = extern struct { id: u64 };

extern "c" fn dlsym(handle: ?*anyopaque, name: [*:0]const u8) ?*anyopaque;
extern "c" fn dlerror() ?[*:0]const u8;

/// The shim's function of that name, looked up at the first use; null without the shim. A function
/// that does not exist has the address 1 until then.
fn Function(comptime name: [:0]const u8, comptime Type: type) type {
    return struct {
        var address: usize = 1;

        fn get() ?*const Type {
            var known = @atomicLoad(usize, &address, monotonic);
            if (known == 1) {
                known = @intFromPtr(dlsym(null, name));
                if (known == 0) _ = dlerror(); // what it has noted is not the program's
                @atomicStore(usize, &address, known, monotonic);
            }
            return @ptrFromInt(known);
        }
    };
}

const begin_function = Function("arena_scope_begin", fn (*const Site) callconv(c_calls) Token);
const end_function = Function("arena_scope_end", fn (Token) callconv(c_calls) void);
const active_function = Function("arena_scope_active", fn () callconv(c_calls) c_int);

/// An open scope, in the thread that has begun it.
pub const Scope = struct {
    token: Token,

    fn beginAs(
        source: std.builtin.SourceLocation,
        label: [:0]const u8,
        flags: u32,
    ) Scope {
        const function = begin_function.get() orelse return .{ .token = .{ .id = 0 } };
        const site = Site{ .label = label, .file = source.file, .line = source.line, .flags = flags };
        return .{ .token = function(&site) };
    }

    /// What is alive at the end of the scope is gone.
    pub fn begin(source: std.builtin.SourceLocation, comptime label: [:0]const u8) Scope {
        return beginAs(source, label, 0);
    }

    /// What is alive at the end of the scope stays valid until it is freed.
    pub fn beginRetaining(source: std.builtin.SourceLocation, comptime label: [:0]const u8) Scope {
        return beginAs(source, label, retains);
    }

    pub fn end(scope: Scope) void {
        if (scope.token.id != 0) end_function.get().?(scope.token);
    }
};

/// Whether the calling thread is in a scope that the shim serves.
pub fn isActive() bool {
    const function = active_function.get() orelse return false;
    return function() != 0;
}

/// `struct arena`, over a buffer of the caller's. The functions need libarena.a.
pub const Arena = extern struct {
    base: ?[*]u8,
    capacity: usize,
    next: usize,
    end: usize,
    highest: usize,
    overflow_count: u64,

    pub fn init(buffer: []u8) Arena {
        var arena: Arena = undefined;
        arena_init(&arena, buffer.ptr, buffer.len);
        return arena;
    }

    /// Room for so many; null, and nothing but the count of overflows has changed, where there is none.
    pub fn alloc(arena: *Arena, comptime T: type, count: usize) ?[]T {
        if (@sizeOf(T) == 0) @compileError("arenashim: nothing to allocate in " ++ @typeName(T));
        if (count == 0) return &[0]T{};
        const first = arena_alloc_items(arena, @sizeOf(T), @alignOf(T), count) orelse return null;
        return @as([*]T, @ptrCast(@alignCast(first)))[0..count];
    }

    pub fn mark(arena: *const Arena) usize {
        return arena_mark(arena);
    }

    pub fn rewind(arena: *Arena, position: usize) void {
        arena_rewind(arena, position);
    }

    pub fn reset(arena: *Arena) void {
        arena_reset(arena);
    }

    pub fn remaining(arena: *const Arena) usize {
        return arena_remaining(arena);
    }

    pub fn highWater(arena: *const Arena) usize {
        return arena_high_water(arena);
    }

    /// The calling thread's own arena; null without memory for one.
    pub fn ofThread() ?*Arena {
        return arena_thread();
    }
};

extern fn arena_init(arena: *Arena, buffer: ?*anyopaque, size: usize) void;
extern fn arena_alloc_items(arena: *Arena, item_size: usize, alignment: usize, count: usize) ?*anyopaque;
extern fn arena_mark(arena: *const Arena) usize;
extern fn arena_rewind(arena: *Arena, position: usize) void;
extern fn arena_reset(arena: *Arena) void;
extern fn arena_remaining(arena: *const Arena) usize;
extern fn arena_high_water(arena: *const Arena) usize;
extern fn arena_thread() ?*Arena;
