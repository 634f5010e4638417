//! `Arena` hands out what it says.
#![cfg(feature = "arena")]

use arenashim::Arena;
use std::mem::MaybeUninit;
use std::panic::{catch_unwind, AssertUnwindSafe};

#[test]
fn over_a_buffer() {
    let mut buffer = [MaybeUninit::uninit(); 256];
    let mut arena = Arena::over(&mut buffer);
    let byte = arena.alloc(1u8).unwrap();
    let numbers = arena.alloc_slice(20, 2.5f64).unwrap();
    let copy = arena.alloc_copy(&[1u16, 2, 3]).unwrap();
    assert_eq!(numbers.as_ptr() as usize % 8, 0);
    numbers[19] = 4.0;
    assert_eq!((*byte, numbers[0], numbers[19], copy), (1, 2.5, 4.0, &mut [1, 2, 3][..]));
    assert!(arena.alloc([0u8; 200]).is_none());
    assert!(arena.alloc_slice(usize::MAX, 0u64).is_none());
    assert_eq!(arena.overflow_count(), 2);
    let used = 256 - arena.remaining();
    assert!((167..=180).contains(&used) && arena.utilization() > 0.6);
    arena.reset();
    assert_eq!((arena.remaining(), arena.high_water()), (256, used));
}

#[test]
fn of_nothing() {
    let arena = Arena::with_capacity(0);
    assert!(arena.alloc(1u8).is_none());
    assert_eq!(arena.alloc_slice(0, 1u64).unwrap().len(), 0);
    assert_eq!(arena.alloc_slice(9, ()).unwrap().len(), 9);
}

#[test]
fn within() {
    let mut arena = Arena::with_capacity(100);
    arena.alloc_slice(10, 0u8).unwrap();
    assert_eq!(arena.within(|arena| arena.alloc_slice(50, 1u8).unwrap().len()), 50);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        arena.within(|arena| {
            arena.alloc_slice(60, 1u8).unwrap();
            panic!("inside");
        })
    }));
    assert!(caught.is_err());
    assert_eq!((arena.remaining(), arena.high_water()), (90, 70));
}
