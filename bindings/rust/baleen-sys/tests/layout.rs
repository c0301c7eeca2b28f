//! The bindings have the sizes, offsets and values that the C compiler gives
//! the header.
#![cfg(target_pointer_width = "64")]

use baleen_sys::*;
use std::mem::{size_of, MaybeUninit};
use std::ptr::addr_of;

macro_rules! exact {
    ($name:ident, $size:expr) => {
        assert_eq!(size_of::<$name>(), $size, stringify!($name));
    };
}

// What may grow is at least as large as it was in version 1.0.
macro_rules! size {
    ($name:ident, $size:expr) => {
        assert!(size_of::<$name>() >= $size, stringify!($name));
    };
}

macro_rules! at {
    ($name:ident, $member:ident, $offset:expr) => {{
        let place = MaybeUninit::<$name>::uninit();
        let begin = place.as_ptr();
        let member = unsafe { addr_of!((*begin).$member) as usize };
        assert_eq!(
            member - begin as usize,
            $offset,
            concat!(stringify!($name), ".", stringify!($member))
        );
    }};
}

macro_rules! is {
    ($name:ident, $value:expr) => {
        assert_eq!($name as i64, $value, stringify!($name));
    };
}

#[test]
fn layout_is_that_of_c() {
    include!("layout.inc")
}

#[test]
fn library_is_that_of_the_header() {
    let running = unsafe { baleen_version() };
    assert_eq!(running / 10000, BALEEN_VERSION / 10000);
    assert!(running >= BALEEN_VERSION);
}
