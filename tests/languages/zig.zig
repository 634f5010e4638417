//! The file for Zig: scopes and arenas. Exits 1 when something is not so. The argument
//! says whether the shim is there.

const std = @import("std");
const arenashim = @import("arenashim.zig");

fn sumOfSquares(count: usize, preloaded: bool) !u64 {
    const scope = arenashim.Scope.begin(@src(), "sum of squares");
    defer scope.end();
    try expect(arenashim.isActive() == preloaded);
    const squares = try std.heap.c_allocator.alloc(u64, count);
    for (squares, 0..) |*square, i| square.* = i * i;
    var sum: u64 = 0;
    for (squares) |square| sum += square;
    if (!preloaded) std.heap.c_allocator.free(squares);
    return sum;
}

fn keep(value: u8) ![]u8 {
    const scope = arenashim.Scope.beginRetaining(@src(), "keep");
    defer scope.end();
    const kept = try std.heap.c_allocator.alloc(u8, 1000);
    @memset(kept, value);
    return kept;
}

fn expect(holds: bool) !void {
    if (!holds) return error.NotSo;
}

fn arenas() !void {
    var buffer: [256]u8 align(16) = undefined;
    var arena = arenashim.Arena.init(&buffer);
    const byte = arena.alloc(u8, 1).?;
    const numbers = arena.alloc(f64, 20).?;
    try expect(@intFromPtr(numbers.ptr) == @intFromPtr(byte.ptr) + 8);
    const position = arena.mark();
    try expect(arena.alloc(u8, 50) != null and arena.alloc(u8, 50) == null);
    try expect(arena.overflow_count == 1);
    arena.rewind(position);
    try expect(arena.remaining() == 256 - 168 and arena.highWater() == 218);
    arena.reset();
    try expect(arena.remaining() == 256);
    const own = arenashim.Arena.ofThread().?;
    try expect(own.alloc(u32, 1000).?.len == 1000 and own == arenashim.Arena.ofThread().?);
}

fn run(preloaded: bool) !void {
    try expect(!arenashim.isActive());
    var kept: [100][]u8 = undefined;
    for (&kept, 0..) |*one, i| {
        one.* = try keep(@intCast(i));
        try expect(try sumOfSquares(100, preloaded) == 328350);
    }
    for (kept, 0..) |one, i| {
        try expect(std.mem.allEqual(u8, one, @as(u8, @intCast(i))));
        std.heap.c_allocator.free(one);
    }
    try arenas();
}

/// As in C, which every version of Zig has in the same way.
pub export fn main(count: c_int, arguments: [*]const [*:0]const u8) c_int {
    const preloaded = count > 1 and std.mem.eql(u8, std.mem.span(arguments[1]), "shim");
    run(preloaded) catch |failure| {
        std.debug.print("{s}\n", .{@errorName(failure)});
        return 1;
    };
    return 0;
}
