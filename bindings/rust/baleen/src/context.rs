//! What the whole process shares.
use crate::counts::MemoryPlan;
use crate::error::{check, Result};
use crate::model::{COptions, Model, ModelOptions};
use crate::session::SessionOptions;
use crate::{ffi, sys};
use std::mem::{size_of, zeroed};
use std::os::raw::{c_char, c_void};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

/// How much the log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum LogLevel {
    Off,
    Error,
    Warning,
    Info,
    Debug,
}

impl LogLevel {
    fn from_c(level: sys::baleen_log_level) -> LogLevel {
        match level {
            sys::BALEEN_LOG_OFF => LogLevel::Off,
            sys::BALEEN_LOG_ERROR => LogLevel::Error,
            sys::BALEEN_LOG_WARNING => LogLevel::Warning,
            sys::BALEEN_LOG_INFO => LogLevel::Info,
            _ => LogLevel::Debug,
        }
    }
}

/// Which backends there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backends {
    /// Only those built into the library.
    BuiltIn,
    /// Also the plug-ins in the folder of the library.
    Beside,
    /// Also the plug-ins in this folder.
    In(PathBuf),
}

type Log = dyn Fn(LogLevel, &str) + Send + Sync;

/// How to make a context.
#[derive(Default)]
pub struct ContextOptions {
    /// 0: one for each core that this process may use.
    pub threads: u32,
    /// Where the lines of the log go, up to a level.  Called from any thread.
    pub log: Option<(LogLevel, Box<Log>)>,
    /// None: only those built into the library.
    pub backends: Option<Backends>,
    /// Most bytes that the states of all sessions take, of the host; 0: no
    /// limit.
    pub state_memory_limit: u64,
    /// Folder to which the states of idle sessions go when it is reached.
    pub state_path: Option<PathBuf>,
}

/// What C calls as long as anything made from the context lives: everything
/// that is made from it keeps it.
pub(crate) struct Hooks {
    log: Option<Box<Log>>,
}

struct Handle {
    raw: *mut sys::baleen_context,
    // Dropped after the handle, whose release may still log.
    hooks: Arc<Hooks>,
}

// The library's contexts may be used from any thread.
unsafe impl Send for Handle {}
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        unsafe { sys::baleen_context_release(self.raw) }
    }
}

/// What the whole process shares: devices and worker threads.
#[derive(Clone)]
pub struct Context {
    handle: Arc<Handle>,
}

/// Something that computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// "cpu", "cuda", ...
    pub backend: String,
    /// "NVIDIA H200", ...
    pub name: String,
    /// Bytes; 0 if the device does not say.
    pub memory_total: u64,
    /// Bytes.
    pub memory_free: u64,
    /// Whether it shares its memory with the host.
    pub unified_memory: bool,
}

unsafe extern "C" fn log(
    user: *mut c_void,
    level: sys::baleen_log_level,
    message: *const c_char,
) {
    let hooks = &*(user as *const Hooks);
    if let Some(log) = &hooks.log {
        let line = ffi::copied_text(message);
        // There may be no caller to panic in: this may be a thread of C's.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| {
            log(LogLevel::from_c(level), &line)
        }));
    }
}

impl Context {
    /// Makes a context.
    pub fn new(options: ContextOptions) -> Result<Context> {
        let mut c: sys::baleen_context_options = unsafe { zeroed() };
        c.struct_size = size_of::<sys::baleen_context_options>() as u32;
        c.thread_count = options.threads;
        c.state_memory_limit = options.state_memory_limit;
        let state_path =
            options.state_path.as_deref().map(ffi::path).transpose()?;
        c.state_path = ffi::pointer(&state_path);
        let backend_path = match options.backends.unwrap_or(Backends::BuiltIn) {
            Backends::BuiltIn => None,
            Backends::Beside => Some(ffi::name("the path", "")?),
            Backends::In(folder) => Some(ffi::path(&folder)?),
        };
        c.backend_path = ffi::pointer(&backend_path);
        let (level, function) = match options.log {
            Some((level, function)) => (level, Some(function)),
            None => (LogLevel::Off, None),
        };
        let hooks = Arc::new(Hooks { log: function });
        if hooks.log.is_some() {
            c.log_level = level as sys::baleen_log_level;
            c.log = Some(log);
            c.log_user_data = Arc::as_ptr(&hooks) as *mut c_void;
        }
        let mut raw = ptr::null_mut();
        check(|failure| unsafe {
            sys::baleen_context_create(&c, &mut raw, failure)
        })?;
        Ok(Context { handle: Arc::new(Handle { raw, hooks }) })
    }

    /// Loads a backend plug-in by its absolute path.  Its devices come after
    /// those already there.
    pub fn load_backend(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = ffi::path(path.as_ref())?;
        check(|failure| unsafe {
            sys::baleen_context_load_backend(
                self.handle.raw,
                path.as_ptr(),
                failure,
            )
        })
    }

    /// The devices.  The first is the CPU.
    pub fn devices(&self) -> Result<Vec<Device>> {
        let count =
            unsafe { sys::baleen_context_device_count(self.handle.raw) };
        (0..count).map(|index| self.device(index)).collect()
    }

    fn device(&self, index: u32) -> Result<Device> {
        let mut info: sys::baleen_device_info = unsafe { zeroed() };
        info.struct_size = size_of::<sys::baleen_device_info>() as u32;
        check(|failure| unsafe {
            sys::baleen_context_device_info(
                self.handle.raw,
                index,
                &mut info,
                failure,
            )
        })?;
        Ok(Device {
            backend: unsafe { ffi::copied_text(info.backend.as_ptr()) },
            name: unsafe { ffi::copied_text(info.name.as_ptr()) },
            memory_total: info.memory_total,
            memory_free: info.memory_free,
            unified_memory: info.flags & sys::BALEEN_DEVICE_UNIFIED_MEMORY != 0,
        })
    }

    /// Loads the model in a folder or packed file.
    pub fn load(
        &self,
        path: impl AsRef<Path>,
        options: ModelOptions<'_>,
    ) -> Result<Model> {
        let path = ffi::path(path.as_ref())?;
        let mut c = COptions::new(options)?;
        let mut raw = ptr::null_mut();
        c.check(|options, failure| unsafe {
            let context = self.handle.raw;
            sys::baleen_model_load(
                context,
                path.as_ptr(),
                options,
                &mut raw,
                failure,
            )
        })?;
        Ok(Model::new(raw, Arc::clone(&self.handle.hooks)))
    }

    /// Writes the model in a folder to one file in the fast layout of the
    /// device that the options name, which [`load`](Context::load) opens at
    /// once.
    pub fn pack(
        &self,
        path: impl AsRef<Path>,
        packed_path: impl AsRef<Path>,
        options: ModelOptions<'_>,
    ) -> Result<()> {
        let path = ffi::path(path.as_ref())?;
        let packed = ffi::path(packed_path.as_ref())?;
        let mut c = COptions::new(options)?;
        c.check(|options, failure| unsafe {
            let context = self.handle.raw;
            sys::baleen_model_pack(
                context,
                path.as_ptr(),
                packed.as_ptr(),
                options,
                failure,
            )
        })
    }

    /// What a model and a session of it would take, to the byte, before
    /// anything is loaded.
    pub fn plan(
        &self,
        path: impl AsRef<Path>,
        model: ModelOptions<'_>,
        session: SessionOptions,
    ) -> Result<MemoryPlan> {
        let path = ffi::path(path.as_ref())?;
        let mut c = COptions::new(model)?;
        let session = session.to_c()?;
        MemoryPlan::ask(|plan, failure| unsafe {
            sys::baleen_context_plan(
                self.handle.raw,
                path.as_ptr(),
                c.options(),
                session.options(),
                plan,
                failure,
            )
        })
    }
}
