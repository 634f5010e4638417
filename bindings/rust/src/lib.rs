//! Scopes for programs that may run under `libarenashim.so`, whose allocator serves what a thread
//! draws in a scope from that thread's arena. Without the shim in the process a scope is a load and a
//! compare, and there is nothing to link.
//!
//! ```
//! fn different_words(text: &str) -> usize {
//!     let _scope = arenashim::scope!("different words");
//!     let words: std::collections::HashSet<&str> = text.split(' ').collect();
//!     words.len()
//! }
//! assert_eq!(different_words("to be or not to be"), 4);
//! ```
//!
//! These scopes *retain*: what is alive at their end stays valid until it is dropped, as Rust
//! promises. So values may leave a scope, a panic may carry its payload out of one, and what the
//! standard library keeps for itself (the buffer of standard output, thread-local values) may be drawn
//! in one. What is freed in a scope is used again at once, and when nothing is alive at its end the
//! arena starts afresh.
//!
//! With the feature `arena` there is [`Arena`], the allocator of `arenashim/arena.h`, which is
//! independent of the shim.
#![warn(missing_docs)]

use std::marker::PhantomData;
use std::os::raw::{c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(feature = "arena")]
mod arena;
#[cfg(feature = "arena")]
pub use arena::Arena;

/// Where a scope is marked: `arena_scope_site` of `arenashim/scope.h`. Made by [`scope!`].
#[doc(hidden)]
#[repr(C)]
pub struct Site {
    label: *const c_char,
    file: *const c_char,
    line: u32,
    flags: u32,
}

/// `ARENA_SCOPE_RETAINS`.
const RETAINS: u32 = 1;

// The texts are literals, and nobody writes to them.
unsafe impl Sync for Site {}

impl Site {
    /// Both texts end with a NUL.
    #[doc(hidden)]
    pub const fn new(label: &'static str, file: &'static str, line: u32) -> Site {
        Site {
            label: label.as_ptr().cast(),
            file: file.as_ptr().cast(),
            line,
            flags: RETAINS,
        }
    }
}

/// `arena_scope_token`: an id of 0 stands for no scope.
#[derive(Clone, Copy)]
#[repr(C)]
struct Token {
    id: u64,
}

extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlerror() -> *mut c_char;
}

/// A function of the shim's, looked up at its first use. Threads that race find the same.
struct Function {
    name: &'static str, // with a NUL
    address: AtomicUsize,
}

const NOT_LOOKED_UP: usize = 1;

impl Function {
    const fn new(name: &'static str) -> Function {
        Function {
            name,
            address: AtomicUsize::new(NOT_LOOKED_UP),
        }
    }

    /// 0 when the shim is not in the process.
    #[inline]
    fn address(&self) -> usize {
        match self.address.load(Ordering::Relaxed) {
            NOT_LOOKED_UP => self.look_up(),
            address => address,
        }
    }

    #[cold]
    fn look_up(&self) -> usize {
        // In glibc and musl alike a null handle means the order of search of the whole process.
        let address = unsafe { dlsym(ptr::null_mut(), self.name.as_ptr().cast()) } as usize;
        if address == 0 {
            unsafe { dlerror() }; // what it has noted is not the program's
        }
        self.address.store(address, Ordering::Relaxed);
        address
    }
}

static BEGIN: Function = Function::new("arena_scope_begin\0");
static END: Function = Function::new("arena_scope_end\0");
static ACTIVE: Function = Function::new("arena_scope_active\0");

/// An open scope, until it is dropped: made by [`scope!`].
///
/// It belongs to its thread:
///
/// ```compile_fail
/// fn needs_send<T: Send>(_: T) {}
/// needs_send(arenashim::scope!("elsewhere"));
/// ```
///
/// so that a future which holds one over an `.await` is not `Send` either. Scopes end in the reverse
/// order of their begins; in another order the end of an outer one ends those in it, which the shim
/// says and counts, and nothing is invalid.
#[must_use = "the scope ends where this is dropped: write `let _scope = ...`"]
pub struct Scope {
    token: Token,
    of_thread: PhantomData<*const ()>,
}

impl Scope {
    #[doc(hidden)]
    #[inline]
    pub fn begin(site: &'static Site) -> Scope {
        let token = match BEGIN.address() {
            0 => Token { id: 0 },
            address => {
                let begin: extern "C" fn(*const Site) -> Token =
                    unsafe { std::mem::transmute(address) };
                begin(site)
            }
        };
        Scope {
            token,
            of_thread: PhantomData,
        }
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        if self.token.id != 0 {
            let end: extern "C" fn(Token) = unsafe { std::mem::transmute(END.address()) };
            end(self.token)
        }
    }
}

/// Begins a scope, which ends where the guard is dropped. The label is a literal; with the file and
/// the line it names the site in the shim's statistics.
///
/// ```
/// let _scope = arenashim::scope!("parse");
/// ```
#[macro_export]
macro_rules! scope {
    ($label:literal) => {{
        static SITE: $crate::Site = $crate::Site::new(
            ::std::concat!($label, "\0"),
            ::std::concat!(::std::file!(), "\0"),
            ::std::line!(),
        );
        $crate::Scope::begin(&SITE)
    }};
}

/// Whether the calling thread is in a scope that the shim serves.
pub fn is_active() -> bool {
    match ACTIVE.address() {
        0 => false,
        address => {
            let active: extern "C" fn() -> c_int = unsafe { std::mem::transmute(address) };
            active() != 0
        }
    }
}
