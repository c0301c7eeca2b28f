//! What calls come to.
use crate::{ffi, sys};
use std::fmt;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// How a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// A bug in the library, or a way to fail that this crate does not know.
    Internal,
    /// A bug in the calling program.
    InvalidArgument,
    /// Of the host or a device; see the message.
    OutOfMemory,
    /// No such file, device, token or name.
    NotFound,
    /// The system refused a read or write.
    Io,
    /// A file, state or reply is malformed.
    Corrupt,
    /// Not by this build, model or device.
    Unsupported,
    /// No room for another token.
    SessionFull,
    /// A closure or a [`Canceller`](crate::Canceller) asked for it.
    Cancelled,
    /// In use by another session.
    Busy,
    /// A device failed; drop what lives on it.
    DeviceLost,
}

impl Status {
    pub(crate) fn from_c(status: sys::baleen_status) -> Status {
        match status {
            sys::BALEEN_INVALID_ARGUMENT => Status::InvalidArgument,
            sys::BALEEN_OUT_OF_MEMORY => Status::OutOfMemory,
            sys::BALEEN_NOT_FOUND => Status::NotFound,
            sys::BALEEN_IO => Status::Io,
            sys::BALEEN_CORRUPT => Status::Corrupt,
            sys::BALEEN_UNSUPPORTED => Status::Unsupported,
            sys::BALEEN_SESSION_FULL => Status::SessionFull,
            sys::BALEEN_CANCELLED => Status::Cancelled,
            sys::BALEEN_BUSY => Status::Busy,
            sys::BALEEN_DEVICE_LOST => Status::DeviceLost,
            _ => Status::Internal,
        }
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    status: Status,
    message: String,
}

impl Error {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Error {
        Error { status, message: message.into() }
    }

    /// How the call failed.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Why, in one sentence of plain English.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Makes a call with a place for its error, and a result of what it returned.
pub(crate) fn check(
    call: impl FnOnce(*mut sys::baleen_error) -> sys::baleen_status,
) -> Result<()> {
    let mut failure =
        sys::baleen_error { status: sys::BALEEN_OK, message: [0; 252] };
    match call(&mut failure) {
        sys::BALEEN_OK => Ok(()),
        status => {
            let message = unsafe { ffi::copied_text(failure.message.as_ptr()) };
            Err(Error::new(Status::from_c(status), message))
        }
    }
}
