//! What Rust promises holds of values that are drawn in scopes and used after them. With and without
//! the shim: tests/languages/rust.sh runs both.

use std::cell::RefCell;
use std::io::Write;
use std::panic::{catch_unwind, panic_any, AssertUnwindSafe};
use std::sync::mpsc;
use std::thread;

/// Goes over what scopes have drawn before, where that was not kept.
fn overwrite() {
    let _scope = arenashim::scope!("overwrite");
    let blocks: Vec<Vec<u8>> = (1..200).map(|i| vec![0xee; i * 8]).collect();
    assert_eq!(blocks[9][79], 0xee);
}

fn message(payload: Box<dyn std::any::Any + Send>) -> String {
    overwrite();
    *payload.downcast::<String>().expect("the message of a panic")
}

#[test]
fn is_served_by_the_shim_if_that_is_there() {
    let preloaded = std::env::var("LD_PRELOAD").map_or(false, |list| list.contains("libarenashim"));
    assert!(!arenashim::is_active());
    {
        let _outer = arenashim::scope!("outer");
        let _inner = arenashim::scope!("inner");
        assert_eq!(arenashim::is_active(), preloaded);
    }
    assert!(!arenashim::is_active());
}

#[test]
fn values_leave_scopes() {
    let mut kept = Vec::new();
    for i in 0..1000 {
        let _scope = arenashim::scope!("leave");
        kept.push(format!("value {i}"));
    }
    overwrite();
    assert!(kept.iter().enumerate().all(|(i, value)| *value == format!("value {i}")));
}

#[test]
fn panics_carry_their_payload_out() {
    for i in 0..100 {
        let caught = catch_unwind(|| {
            let _scope = arenashim::scope!("panics");
            let _inner = arenashim::scope!("inner");
            let drawn = vec![i; 100];
            panic!("with {} values of {i}", drawn.len());
        });
        assert_eq!(message(caught.unwrap_err()), format!("with 100 values of {i}"));
        assert!(!arenashim::is_active());
    }
}

#[test]
fn panics_carry_any_payload_out() {
    let caught = catch_unwind(|| {
        let _scope = arenashim::scope!("any payload");
        panic_any(vec![String::from("first"), String::from("second")]);
    });
    overwrite();
    let payload = caught.unwrap_err().downcast::<Vec<String>>().unwrap();
    assert_eq!(*payload, ["first", "second"]);
}

#[test]
fn panics_end_threads_in_scopes() {
    let thread = thread::spawn(|| {
        let _scope = arenashim::scope!("thread");
        let text = String::from("of a thread");
        panic!("{text}");
    });
    assert_eq!(message(thread.join().unwrap_err()), "of a thread");
}

#[test]
fn panics_pass_through_destructors_with_scopes() {
    struct Draws(RefCell<Vec<u8>>);
    impl Drop for Draws {
        fn drop(&mut self) {
            let _scope = arenashim::scope!("destructor");
            self.0.borrow_mut().extend([7; 1000]);
        }
    }
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _scope = arenashim::scope!("unwound");
        let _draws = Draws(RefCell::new(vec![1; 10]));
        panic!("{}", "through a destructor");
    }));
    assert_eq!(message(caught.unwrap_err()), "through a destructor");
}

#[test]
fn what_the_library_keeps_is_kept() {
    thread_local!(static LIST: RefCell<Vec<String>> = RefCell::new(Vec::new()));
    let (sender, receiver) = mpsc::channel();
    let thread = {
        let _scope = arenashim::scope!("kept by the library");
        writeln!(std::io::stdout(), "# a buffer of standard output").unwrap();
        LIST.with(|list| list.borrow_mut().push("a thread-local value".to_string()));
        let words = vec![String::from("sent"), String::from("over")];
        thread::spawn(move || sender.send(words).unwrap())
    };
    overwrite();
    writeln!(std::io::stdout(), "# is used again").unwrap();
    LIST.with(|list| assert_eq!(list.borrow()[0], "a thread-local value"));
    thread.join().unwrap();
    assert_eq!(receiver.recv().unwrap(), ["sent", "over"]);
}
