//! Saved states.
use crate::error::Result;
use crate::session::{Session, Window};
use crate::{ffi, sys};
use std::mem::{size_of, zeroed};
use std::os::raw::c_void;
use std::path::Path;
use std::ptr;

impl Session {
    /// The session's state, for [`load`](Session::load) with the same model,
    /// on any device, by this and any later version of the same major number.
    pub fn save(&mut self) -> Result<Vec<u8>> {
        self.save_window(Window::Default)
    }

    /// The same with at most these states of the attention window.
    pub fn save_window(&mut self, window: Window) -> Result<Vec<u8>> {
        let mut options: sys::baleen_save_options = unsafe { zeroed() };
        options.struct_size = size_of::<sys::baleen_save_options>() as u32;
        options.window = window as sys::baleen_window;
        let raw = self.raw();
        self.cancel_state().call(|| {
            ffi::filled(0, |buffer: *mut u8, capacity, size, failure| unsafe {
                let buffer = buffer as *mut c_void;
                sys::baleen_session_save(
                    raw, &options, buffer, capacity, size, failure,
                )
            })
        })
    }

    /// Replaces the session's state by a saved one.  Bytes that were changed
    /// are refused with [`Status::Corrupt`](crate::Status::Corrupt).
    pub fn load(&mut self, state: &[u8]) -> Result<()> {
        self.check(|session, failure| unsafe {
            let bytes = state.as_ptr() as *const c_void;
            sys::baleen_session_load(session, bytes, state.len(), failure)
        })
    }

    /// [`save`](Session::save) to a file, which has the old bytes or the new
    /// ones, whatever happens meanwhile.
    pub fn save_file(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = ffi::path(path.as_ref())?;
        self.check(|session, failure| unsafe {
            sys::baleen_session_save_file(
                session,
                ptr::null(),
                path.as_ptr(),
                failure,
            )
        })
    }

    /// Reads what [`save_file`](Session::save_file) wrote.
    pub fn load_file(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = ffi::path(path.as_ref())?;
        self.check(|session, failure| unsafe {
            sys::baleen_session_load_file(session, path.as_ptr(), failure)
        })
    }

    /// Writes the state to the context's `state_path` and frees its memory; the
    /// next call that needs it brings it back.
    pub fn evict(&mut self) -> Result<()> {
        self.check(|session, failure| unsafe {
            sys::baleen_session_evict(session, failure)
        })
    }
}
