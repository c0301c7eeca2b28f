//! Saved states.
use crate::error::Result;
use crate::model::{Progress, Watcher};
use crate::session::{Session, Window};
use crate::{ffi, sys};
use std::mem::{size_of, zeroed};
use std::os::raw::c_void;
use std::path::Path;

/// How to save a session's state.
#[derive(Default)]
pub struct SaveOptions<'a> {
    /// At most what the session keeps; the default is all of it.
    pub window: Window,
    /// Told of the bytes that are done.
    pub progress: Option<&'a mut Progress<'a>>,
}

impl SaveOptions<'_> {
    fn to_c(&self) -> sys::baleen_save_options {
        let mut c: sys::baleen_save_options = unsafe { zeroed() };
        c.struct_size = size_of::<sys::baleen_save_options>() as u32;
        c.window = self.window as sys::baleen_window;
        c
    }
}

impl Session {
    /// The session's state, for [`load`](Session::load) with the same model,
    /// on any device, by this and any later version of the same major number.
    pub fn save(&mut self) -> Result<Vec<u8>> {
        self.save_with(SaveOptions::default())
    }

    /// The same with options.
    pub fn save_with(&mut self, options: SaveOptions<'_>) -> Result<Vec<u8>> {
        let mut c = options.to_c();
        let mut watcher = Watcher::new(options.progress);
        (c.progress, c.progress_user_data) = Watcher::to_c(&mut watcher);
        let raw = self.raw();
        let result = self.cancel_state().call(|| {
            ffi::filled(0, |buffer: *mut u8, capacity, size, failure| unsafe {
                let buffer = buffer as *mut c_void;
                sys::baleen_session_save(
                    raw, &c, buffer, capacity, size, failure,
                )
            })
        });
        Watcher::resume(&mut watcher);
        result
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
        self.save_file_with(path, SaveOptions::default())
    }

    /// The same with options.
    pub fn save_file_with(
        &mut self,
        path: impl AsRef<Path>,
        options: SaveOptions<'_>,
    ) -> Result<()> {
        let path = ffi::path(path.as_ref())?;
        let mut c = options.to_c();
        let mut watcher = Watcher::new(options.progress);
        (c.progress, c.progress_user_data) = Watcher::to_c(&mut watcher);
        let result = self.check(|session, failure| unsafe {
            sys::baleen_session_save_file(session, &c, path.as_ptr(), failure)
        });
        Watcher::resume(&mut watcher);
        result
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
