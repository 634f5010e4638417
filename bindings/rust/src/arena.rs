//! `arena_*` of `arenashim/arena.h`, by libarena.a.

use std::alloc::{handle_alloc_error, Layout};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::os::raw::c_void;
use std::ptr::{self, NonNull};
use std::slice;

/// `struct arena`.
#[repr(C)]
struct Raw {
    base: *mut u8,
    capacity: usize,
    next: usize,
    end: usize,
    highest: usize,
    overflow_count: u64,
}

#[link(name = "arena", kind = "static")]
extern "C" {
    fn arena_init(arena: *mut Raw, buffer: *mut c_void, size: usize);
    fn arena_alloc_items(
        arena: *mut Raw,
        item_size: usize,
        alignment: usize,
        count: usize,
    ) -> *mut c_void;
    fn arena_mark(arena: *const Raw) -> usize;
    fn arena_rewind(arena: *mut Raw, position: usize);
    fn arena_remaining(arena: *const Raw) -> usize;
    fn arena_utilization(arena: *const Raw) -> f64;
    fn arena_high_water(arena: *const Raw) -> usize;
    fn arena_overflow_count(arena: *const Raw) -> u64;
}

/// A bump allocator over one buffer. What it hands out lives until it is reset or dropped, which the
/// borrow checker sees to; no destructor is run, hence values are `Copy`. When it is full it returns
/// `None` and changes nothing but [`overflow_count`](Arena::overflow_count).
///
/// ```
/// let mut arena = arenashim::Arena::with_capacity(1024);
/// let squares = arena.alloc_slice(10, 0u32).unwrap();
/// squares.iter_mut().zip(0..).for_each(|(square, i)| *square = i * i);
/// assert_eq!(squares.iter().sum::<u32>(), 285);
/// assert!(arena.alloc_slice(1000, 0u8).is_none());
/// arena.reset();
/// assert_eq!(arena.remaining(), 1024);
/// ```
///
/// ```compile_fail
/// let mut arena = arenashim::Arena::with_capacity(1024);
/// let number = arena.alloc(7).unwrap();
/// arena.reset();
/// println!("{number}");
/// ```
pub struct Arena<'buffer> {
    raw: UnsafeCell<Raw>,
    owned: Option<NonNull<[MaybeUninit<u8>]>>, // a box's, if it is the arena's
    buffer: PhantomData<&'buffer mut [MaybeUninit<u8>]>,
}

impl Arena<'static> {
    /// An arena with a buffer of its own.
    pub fn with_capacity(bytes: usize) -> Arena<'static> {
        let mut buffer: Vec<MaybeUninit<u8>> = Vec::new();
        if buffer.try_reserve_exact(bytes).is_err() {
            handle_alloc_error(Layout::array::<u8>(bytes).unwrap_or(Layout::new::<u8>()));
        }
        unsafe { buffer.set_len(bytes) }; // nothing of it need be initialised
        let buffer = Box::into_raw(buffer.into_boxed_slice());
        Arena::new(buffer.cast(), bytes, NonNull::new(buffer))
    }
}

impl<'buffer> Arena<'buffer> {
    /// An arena over the caller's buffer, of any alignment.
    pub fn over(buffer: &'buffer mut [MaybeUninit<u8>]) -> Arena<'buffer> {
        Arena::new(buffer.as_mut_ptr().cast(), buffer.len(), None)
    }

    fn new(
        start: *mut u8,
        bytes: usize,
        owned: Option<NonNull<[MaybeUninit<u8>]>>,
    ) -> Arena<'buffer> {
        let mut raw = MaybeUninit::uninit();
        let raw = unsafe {
            arena_init(raw.as_mut_ptr(), start.cast(), bytes);
            raw.assume_init()
        };
        Arena {
            raw: UnsafeCell::new(raw),
            owned,
            buffer: PhantomData,
        }
    }

    fn room<T>(&self, count: usize) -> Option<NonNull<T>> {
        if count == 0 || mem::size_of::<T>() == 0 {
            return Some(NonNull::dangling());
        }
        let (size, alignment) = (mem::size_of::<T>(), mem::align_of::<T>());
        NonNull::new(unsafe { arena_alloc_items(self.raw.get(), size, alignment, count) }.cast())
    }

    /// A place for the value.
    #[allow(clippy::mut_from_ref)] // each place is handed out once
    pub fn alloc<T: Copy>(&self, value: T) -> Option<&mut T> {
        let place = self.room::<T>(1)?;
        unsafe {
            place.as_ptr().write(value);
            Some(&mut *place.as_ptr())
        }
    }

    /// `count` times the value.
    #[allow(clippy::mut_from_ref)]
    pub fn alloc_slice<T: Copy>(&self, count: usize, value: T) -> Option<&mut [T]> {
        let first = self.room::<T>(count)?.as_ptr();
        unsafe {
            for i in 0..count {
                first.add(i).write(value);
            }
            Some(slice::from_raw_parts_mut(first, count))
        }
    }

    /// A copy of the values.
    #[allow(clippy::mut_from_ref)]
    pub fn alloc_copy<T: Copy>(&self, values: &[T]) -> Option<&mut [T]> {
        let first = self.room::<T>(values.len())?.as_ptr();
        unsafe {
            ptr::copy_nonoverlapping(values.as_ptr(), first, values.len());
            Some(slice::from_raw_parts_mut(first, values.len()))
        }
    }

    /// Gives everything back, in no time.
    pub fn reset(&mut self) {
        unsafe { arena_rewind(self.raw.get(), 0) }
    }

    /// Calls `work`, and gives back what it has allocated, also when it panics.
    ///
    /// ```
    /// let mut arena = arenashim::Arena::with_capacity(64);
    /// let largest = arena.within(|arena| {
    ///     let copy = arena.alloc_copy(&[3, 1, 2]).unwrap();
    ///     copy.sort();
    ///     copy[2]
    /// });
    /// assert_eq!((largest, arena.remaining()), (3, 64));
    /// ```
    pub fn within<R>(&mut self, work: impl FnOnce(&Arena<'buffer>) -> R) -> R {
        struct Rewind<'a, 'buffer>(&'a Arena<'buffer>, usize);
        impl Drop for Rewind<'_, '_> {
            fn drop(&mut self) {
                unsafe { arena_rewind(self.0.raw.get(), self.1) }
            }
        }
        let rewind = Rewind(self, unsafe { arena_mark(self.raw.get()) });
        work(rewind.0)
    }

    /// Bytes not in use.
    pub fn remaining(&self) -> usize {
        unsafe { arena_remaining(self.raw.get()) }
    }

    /// Bytes in use / capacity, from 0.0 to 1.0.
    pub fn utilization(&self) -> f64 {
        unsafe { arena_utilization(self.raw.get()) }
    }

    /// The most bytes that were ever in use at once.
    pub fn high_water(&self) -> usize {
        unsafe { arena_high_water(self.raw.get()) }
    }

    /// How many allocations were refused for want of room.
    pub fn overflow_count(&self) -> u64 {
        unsafe { arena_overflow_count(self.raw.get()) }
    }
}

impl Drop for Arena<'_> {
    fn drop(&mut self) {
        if let Some(buffer) = self.owned {
            drop(unsafe { Box::from_raw(buffer.as_ptr()) });
        }
    }
}
