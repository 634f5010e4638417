//! libarena.a from Rust, by the symbols of its C ABI alone: no header, no binding generator.
//! Exits 0, or panics with the assertion that failed.

use std::ffi::c_void;
use std::ptr::null_mut;

/// `struct arena` of arena.h.
#[repr(C)]
struct Arena {
    base: *mut u8,
    capacity: usize,
    next: usize,
    end: usize,
    highest: usize,
    overflow_count: u64,
}

extern "C" {
    fn arena_init(arena: *mut Arena, buffer: *mut c_void, size: usize);
    fn arena_alloc(arena: *mut Arena, size: usize, alignment: usize) -> *mut c_void;
    fn arena_alloc_items(
        arena: *mut Arena,
        item_size: usize,
        alignment: usize,
        count: usize,
    ) -> *mut c_void;
    fn arena_mark(arena: *const Arena) -> usize;
    fn arena_rewind(arena: *mut Arena, position: usize);
    fn arena_reset(arena: *mut Arena);
    fn arena_remaining(arena: *const Arena) -> usize;
    fn arena_utilization(arena: *const Arena) -> f64;
    fn arena_high_water(arena: *const Arena) -> usize;
    fn arena_overflow_count(arena: *const Arena) -> u64;
    fn arena_thread() -> *mut Arena;
    fn arena_thread_set_capacity(capacity: usize);
    fn arena_thread_reset();
    fn arena_thread_utilization() -> f64;
}

const EMPTY: Arena = Arena {
    base: null_mut(),
    capacity: 0,
    next: 0,
    end: 0,
    highest: 0,
    overflow_count: 0,
};

#[repr(align(64))]
struct Buffer([u8; 1024]);

fn check_own_buffer() {
    let mut buffer = Buffer([0; 1024]);
    let base = buffer.0.as_mut_ptr();
    let mut arena = EMPTY;
    unsafe {
        arena_init(&mut arena, base.cast(), 1024);
        assert_eq!(arena_alloc(&mut arena, 3, 1), base.cast());
        let position = arena_mark(&arena);
        assert_eq!(position, 3);

        let numbers: *mut f64 = arena_alloc_items(&mut arena, 8, 8, 63).cast();
        assert_eq!(numbers, base.add(8).cast());
        let numbers = std::slice::from_raw_parts_mut(numbers, 63);
        numbers.iter_mut().enumerate().for_each(|(i, number)| *number = i as f64);
        assert_eq!(numbers.iter().sum::<f64>(), 1953.0);
        assert_eq!(arena_remaining(&arena), 512);
        assert_eq!(arena_utilization(&arena), 0.5);

        assert!(arena_alloc(&mut arena, 513, 1).is_null());
        assert!(arena_alloc_items(&mut arena, usize::MAX, 1, 2).is_null());
        assert_eq!(arena_overflow_count(&arena), 2);

        arena_rewind(&mut arena, position);
        assert_eq!(arena_remaining(&arena), 1021);
        arena_reset(&mut arena);
        assert_eq!(arena_remaining(&arena), 1024);
        assert_eq!(arena_high_water(&arena), 512);
    }
}

fn check_thread_arena() {
    unsafe {
        let mine = arena_thread();
        assert!(!mine.is_null());
        assert_eq!(arena_thread(), mine);
        assert_eq!((*mine).capacity, 1 << 20);
        assert!(!arena_alloc(mine, 1 << 19, 4096).is_null());
        assert_eq!(arena_thread_utilization(), 0.5);
        arena_thread_reset();
        assert_eq!(arena_thread_utilization(), 0.0);

        arena_thread_set_capacity(5000);
        let other = std::thread::spawn(|| (arena_thread() as usize, (*arena_thread()).capacity));
        let (address, capacity) = other.join().unwrap();
        assert_ne!(address, mine as usize);
        assert_eq!(capacity, 5000);
    }
}

fn main() {
    check_own_buffer();
    check_thread_arena();
}
