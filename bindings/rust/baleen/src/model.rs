//! Weights and a tokenizer.
use crate::chat::Encoder;
use crate::context::Hooks;
use crate::counts::MemoryPlan;
use crate::error::{check, Result};
use crate::ffi::{self, Guard};
use crate::reply::{Reply, ReplyOptions};
use crate::session::{Session, SessionOptions};
use crate::{sys, Token};
use std::ffi::CString;
use std::mem::{size_of, zeroed};
use std::ops::ControlFlow;
use std::os::raw::{c_char, c_void};
use std::sync::Arc;

/// Told how much of a long call is done, and of how much; a break makes the
/// call fail with [`Status::Cancelled`](crate::Status::Cancelled).
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// How to load a model.
#[derive(Default)]
pub struct ModelOptions<'a> {
    /// No weights, so no sessions.
    pub tokenizer_only: bool,
    /// No weights; sessions take their memory and count, but compute nothing.
    pub shapes_only: bool,
    /// Check every weight; slow.
    pub verify: bool,
    /// Keep the weights out of swap.
    pub lock_memory: bool,
    /// Copy the weights to the fast layout in memory.
    pub repack: bool,
    /// Bring experts that do not fit to the device, for the same bits.
    pub fetch_experts: bool,
    /// Spread the layers over these; empty: the library chooses.
    pub devices: &'a [u32],
    /// Bytes of each device; 0: what is free.
    pub device_memory_limit: u64,
    /// What is too special for a member here, such as `("cpu.isa", "avx2")`.
    pub settings: &'a [(&'a str, &'a str)],
    /// Told of the bytes that are done.
    pub progress: Option<&'a mut Progress<'a>>,
}

/// A progress closure as C calls it.
pub(crate) struct Watcher<'a> {
    guard: Guard,
    progress: &'a mut Progress<'a>,
}

impl<'a> Watcher<'a> {
    pub(crate) fn new(
        progress: Option<&'a mut Progress<'a>>,
    ) -> Option<Box<Watcher<'a>>> {
        progress.map(|progress| {
            Box::new(Watcher { guard: Guard::default(), progress })
        })
    }

    /// What C is to call, and with what.
    pub(crate) fn to_c(
        watcher: &mut Option<Box<Watcher<'a>>>,
    ) -> (Option<sys::baleen_progress_fn>, *mut c_void) {
        match watcher {
            Some(watcher) => {
                let user = &mut **watcher as *mut Watcher<'_> as *mut c_void;
                (Some(progress), user)
            }
            None => (None, std::ptr::null_mut()),
        }
    }

    /// Goes on with a panic of the closure.
    pub(crate) fn resume(watcher: &mut Option<Box<Watcher<'a>>>) {
        if let Some(watcher) = watcher {
            watcher.guard.resume();
        }
    }
}

/// [`ModelOptions`] as C has them, with what they point to.
pub(crate) struct COptions<'a> {
    c: sys::baleen_model_options,
    // These own what `c` points to.
    _devices: &'a [u32],
    _texts: Vec<(CString, CString)>,
    _settings: Vec<sys::baleen_setting>,
    watcher: Option<Box<Watcher<'a>>>,
}

unsafe extern "C" fn progress(user: *mut c_void, done: u64, total: u64) -> i32 {
    let watcher = &mut *(user as *mut Watcher<'_>);
    let progress = &mut watcher.progress;
    let answer = watcher.guard.run(|| progress(done, total));
    i32::from(answer != Some(ControlFlow::Continue(())))
}

impl<'a> COptions<'a> {
    pub(crate) fn new(options: ModelOptions<'a>) -> Result<COptions<'a>> {
        let mut c: sys::baleen_model_options = unsafe { zeroed() };
        c.struct_size = size_of::<sys::baleen_model_options>() as u32;
        c.flags =
            ffi::flag(options.tokenizer_only, sys::BALEEN_MODEL_TOKENIZER_ONLY)
                | ffi::flag(options.shapes_only, sys::BALEEN_MODEL_SHAPES_ONLY)
                | ffi::flag(options.verify, sys::BALEEN_MODEL_VERIFY)
                | ffi::flag(options.lock_memory, sys::BALEEN_MODEL_LOCK_MEMORY)
                | ffi::flag(options.repack, sys::BALEEN_MODEL_REPACK)
                | ffi::flag(
                    options.fetch_experts,
                    sys::BALEEN_MODEL_FETCH_EXPERTS,
                );
        c.devices = ffi::first(options.devices);
        c.device_count = options.devices.len() as u32;
        c.device_memory_limit = options.device_memory_limit;
        let mut texts = Vec::new();
        for (name, value) in options.settings {
            texts.push((
                ffi::name("a setting", name)?,
                ffi::name("a setting", value)?,
            ));
        }
        let settings: Vec<_> = texts
            .iter()
            .map(|(name, value)| sys::baleen_setting {
                name: name.as_ptr(),
                value: value.as_ptr(),
            })
            .collect();
        c.settings = ffi::first(&settings);
        c.setting_count = settings.len() as u32;
        let watcher = Watcher::new(options.progress);
        Ok(COptions {
            c,
            _devices: options.devices,
            _texts: texts,
            _settings: settings,
            watcher,
        })
    }

    pub(crate) fn options(&mut self) -> &sys::baleen_model_options {
        (self.c.progress, self.c.progress_user_data) =
            Watcher::to_c(&mut self.watcher);
        &self.c
    }

    /// Makes a call with the options.
    pub(crate) fn check(
        &mut self,
        call: impl FnOnce(
            *const sys::baleen_model_options,
            *mut sys::baleen_error,
        ) -> sys::baleen_status,
    ) -> Result<()> {
        let options: *const _ = self.options();
        let result = check(|failure| call(options, failure));
        Watcher::resume(&mut self.watcher);
        result
    }
}

pub(crate) struct Handle {
    pub(crate) raw: *mut sys::baleen_model,
    // Dropped after the handle, whose release may still log.
    pub(crate) hooks: Arc<Hooks>,
}

// The library's models may be used from any thread.
unsafe impl Send for Handle {}
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        unsafe { sys::baleen_model_release(self.raw) }
    }
}

/// A set of weights and its tokenizer; never changes once loaded.
#[derive(Clone)]
pub struct Model {
    pub(crate) handle: Arc<Handle>,
}

/// What a model is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ModelInfo {
    pub name: String,
    /// "deepseek_v4"
    pub architecture: String,
    /// "mtp", "dspark" or ""
    pub drafter: String,
    pub encoder: Encoder,
    pub vocabulary_size: u32,
    pub hidden_size: u32,
    pub layer_count: u32,
    /// Layers by kind of attention: window only,
    pub window_layer_count: u32,
    /// compressed sparse,
    pub csa_layer_count: u32,
    /// heavily compressed.
    pub hca_layer_count: u32,
    /// Layers that guess further tokens; 0: none.
    pub draft_layer_count: u32,
    /// Routed experts of a layer,
    pub expert_count: u32,
    /// and how many of them a token visits.
    pub experts_per_token: u32,
    /// The longest sequence it was trained for.
    pub position_limit: u64,
    pub parameter_count: u64,
    /// In the files.
    pub weight_bytes: u64,
}

impl Model {
    pub(crate) fn new(raw: *mut sys::baleen_model, hooks: Arc<Hooks>) -> Model {
        Model { handle: Arc::new(Handle { raw, hooks }) }
    }

    pub(crate) fn raw(&self) -> *mut sys::baleen_model {
        self.handle.raw
    }

    /// What the model is.
    pub fn info(&self) -> Result<ModelInfo> {
        let mut info: sys::baleen_model_info = unsafe { zeroed() };
        info.struct_size = size_of::<sys::baleen_model_info>() as u32;
        check(|failure| unsafe {
            sys::baleen_model_get_info(self.raw(), &mut info, failure)
        })?;
        Ok(ModelInfo {
            name: unsafe { ffi::copied_text(info.name.as_ptr()) },
            architecture: unsafe {
                ffi::copied_text(info.architecture.as_ptr())
            },
            drafter: unsafe { ffi::copied_text(info.drafter.as_ptr()) },
            encoder: Encoder::from_c(info.encoder),
            vocabulary_size: info.vocabulary_size,
            hidden_size: info.hidden_size,
            layer_count: info.layer_count,
            window_layer_count: info.window_layer_count,
            csa_layer_count: info.csa_layer_count,
            hca_layer_count: info.hca_layer_count,
            draft_layer_count: info.draft_layer_count,
            expert_count: info.expert_count,
            experts_per_token: info.experts_per_token,
            position_limit: info.position_limit,
            parameter_count: info.parameter_count,
            weight_bytes: info.weight_bytes,
        })
    }

    /// The value of a key of the model's configuration, as JSON text.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let key = ffi::name("the key", key).ok()?;
        unsafe {
            ffi::lent_text(sys::baleen_model_metadata(self.raw(), key.as_ptr()))
        }
    }

    /// Splits text, which may hold any bytes, into tokens.
    pub fn tokenize(&self, text: impl AsRef<[u8]>) -> Result<Vec<Token>> {
        self.tokenize_with(text.as_ref(), 0)
    }

    /// The same, with special tokens where the text has their names.  Not for
    /// strangers' text.
    pub fn tokenize_special(
        &self,
        text: impl AsRef<[u8]>,
    ) -> Result<Vec<Token>> {
        self.tokenize_with(text.as_ref(), sys::BALEEN_TEXT_SPECIAL)
    }

    fn tokenize_with(&self, text: &[u8], flags: u32) -> Result<Vec<Token>> {
        // Three bytes a token, and a few for short texts.
        ffi::filled(
            text.len() / 3 + 8,
            |tokens, capacity, count, failure| unsafe {
                let bytes = text.as_ptr() as *const c_char;
                let model = self.raw();
                sys::baleen_model_tokenize(
                    model,
                    bytes,
                    text.len(),
                    flags,
                    tokens,
                    capacity,
                    count,
                    failure,
                )
            },
        )
    }

    /// Joins tokens into text.  That of a few tokens may begin or end inside a
    /// character, so it is bytes.
    pub fn detokenize(&self, tokens: &[Token]) -> Result<Vec<u8>> {
        self.detokenize_with(tokens, 0)
    }

    /// The same, with special tokens under their names.
    pub fn detokenize_special(&self, tokens: &[Token]) -> Result<Vec<u8>> {
        self.detokenize_with(tokens, sys::BALEEN_TEXT_SPECIAL)
    }

    fn detokenize_with(&self, tokens: &[Token], flags: u32) -> Result<Vec<u8>> {
        ffi::filled(
            tokens.len() * 6 + 8,
            |text: *mut u8, capacity, count, failure| unsafe {
                let model = self.raw();
                sys::baleen_model_detokenize(
                    model,
                    tokens.as_ptr(),
                    tokens.len(),
                    flags,
                    text as *mut c_char,
                    capacity,
                    count,
                    failure,
                )
            },
        )
    }

    /// The token with exactly this name, such as `</think>`.
    pub fn find_token(&self, name: &str) -> Option<Token> {
        let name = ffi::name("the name", name).ok()?;
        let token =
            unsafe { sys::baleen_model_find_token(self.raw(), name.as_ptr()) };
        (token >= 0).then_some(token)
    }

    /// Whether the model ends its turn with this token.
    pub fn is_end(&self, token: Token) -> bool {
        unsafe { sys::baleen_model_is_end(self.raw(), token) != 0 }
    }

    /// Makes an empty session.
    pub fn session(&self, options: SessionOptions) -> Result<Session> {
        Session::new(self, options)
    }

    /// Makes a reader of one turn of the model.
    pub fn reply(&self, options: &ReplyOptions<'_>) -> Result<Reply> {
        Reply::new(self, options)
    }

    /// What a session would take, beside what the model does.
    pub fn plan(&self, options: SessionOptions) -> Result<MemoryPlan> {
        let c = options.to_c()?;
        MemoryPlan::ask(|plan, failure| unsafe {
            sys::baleen_model_plan(self.raw(), c.options(), plan, failure)
        })
    }
}
