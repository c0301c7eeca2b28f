//! Small things that every call of C needs.
use crate::error::{check, Error, Result, Status};
use crate::sys;
use std::any::Any;
use std::ffi::{CStr, CString};
use std::os::raw::c_char;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::ptr;

/// Text that ends in NUL, and so may hold none.
pub(crate) fn name(what: &str, text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| {
        Error::new(
            Status::InvalidArgument,
            format!("There is a NUL in {}.", what),
        )
    })
}

pub(crate) fn optional_name(
    what: &str,
    text: Option<&str>,
) -> Result<Option<CString>> {
    text.map(|text| name(what, text)).transpose()
}

pub(crate) fn path(path: &Path) -> Result<CString> {
    match path.to_str() {
        Some(text) => name("the path", text),
        None => {
            Err(Error::new(Status::InvalidArgument, "The path is not UTF-8."))
        }
    }
}

/// Where the text begins, or NULL.
pub(crate) fn pointer(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(ptr::null(), |text| text.as_ptr())
}

/// Where the values begin, or NULL if there are none.
pub(crate) fn first<T>(values: &[T]) -> *const T {
    if values.is_empty() {
        ptr::null()
    } else {
        values.as_ptr()
    }
}

/// Text that C lends; None for NULL.
///
/// # Safety
/// It must live as long as the caller uses it.
pub(crate) unsafe fn lent_text<'a>(text: *const c_char) -> Option<&'a str> {
    if text.is_null() {
        return None;
    }
    CStr::from_ptr(text).to_str().ok()
}

/// A copy of text that ends in NUL; empty for NULL.
///
/// # Safety
/// It must be NULL or end in NUL.
pub(crate) unsafe fn copied_text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    CStr::from_ptr(text).to_string_lossy().into_owned()
}

/// What C lends; empty for NULL.
///
/// # Safety
/// There must be as many values, as long as the caller uses them.
pub(crate) unsafe fn lent<'a, T>(values: *const T, count: usize) -> &'a [T] {
    if values.is_null() {
        return &[];
    }
    std::slice::from_raw_parts(values, count)
}

/// Calls `fill` with a buffer, and once more with a larger one if need be.
pub(crate) fn filled<T: Copy + Default>(
    guess: usize,
    mut fill: impl FnMut(
        *mut T,
        usize,
        *mut usize,
        *mut sys::baleen_error,
    ) -> sys::baleen_status,
) -> Result<Vec<T>> {
    let mut buffer = vec![T::default(); guess];
    loop {
        let mut count = 0;
        let mut needs_more = false;
        let result = check(|failure| {
            let status =
                fill(buffer.as_mut_ptr(), buffer.len(), &mut count, failure);
            needs_more = status == sys::BALEEN_BUFFER_TOO_SMALL;
            status
        });
        if needs_more {
            buffer = vec![T::default(); count];
            continue;
        }
        result?;
        buffer.truncate(count);
        return Ok(buffer);
    }
}

pub(crate) fn flag(set: bool, value: u32) -> u32 {
    if set {
        value
    } else {
        0
    }
}

/// Keeps panics of the caller's closures from passing through C.
#[derive(Default)]
pub(crate) struct Guard {
    panicked: Option<Box<dyn Any + Send>>,
}

impl Guard {
    /// Calls the closure unless one has panicked already.
    pub(crate) fn run<T>(&mut self, closure: impl FnOnce() -> T) -> Option<T> {
        if self.panicked.is_some() {
            return None;
        }
        match panic::catch_unwind(AssertUnwindSafe(closure)) {
            Ok(value) => Some(value),
            Err(payload) => {
                self.panicked = Some(payload);
                None
            }
        }
    }

    /// Goes on with the panic that was held back.
    pub(crate) fn resume(&mut self) {
        if let Some(payload) = self.panicked.take() {
            panic::resume_unwind(payload);
        }
    }
}
