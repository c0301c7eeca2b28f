//! Counts of bytes, tokens and operations.
use crate::error::{check, Result};
use crate::session::Session;
use crate::sys;
use std::mem::{size_of, zeroed};
use std::ops::Index;
use std::time::Duration;

/// Parts of the model, for counts by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Part {
    Embedding,
    Hyper,
    Projection,
    Compressor,
    Indexer,
    Attention,
    Router,
    Experts,
    SharedExpert,
    Head,
    Drafter,
}

/// A number for each [`Part`], which indexes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerPart([u64; 16]);

impl Index<Part> for PerPart {
    type Output = u64;

    fn index(&self, part: Part) -> &u64 {
        &self.0[part as usize]
    }
}

/// Where how many bytes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Of files; the system may drop and reread them.
    pub weights_mapped: u64,
    /// Allocated.
    pub weights_host: u64,
    /// Of all devices but the CPU.
    pub weights_device: u64,
    /// Of one session, filled to its capacity.
    pub session_host: u64,
    /// The same of devices.
    pub session_device: u64,
    /// Of the model, shared by its sessions.
    pub scratch_host: u64,
    /// The same of devices.
    pub scratch_device: u64,
    /// All weights.
    pub weights_by_part: PerPart,
}

impl MemoryPlan {
    pub(crate) fn ask(
        call: impl FnOnce(
            *mut sys::baleen_memory_plan,
            *mut sys::baleen_error,
        ) -> sys::baleen_status,
    ) -> Result<MemoryPlan> {
        let mut c: sys::baleen_memory_plan = unsafe { zeroed() };
        c.struct_size = size_of::<sys::baleen_memory_plan>() as u32;
        check(|failure| call(&mut c, failure))?;
        Ok(MemoryPlan {
            weights_mapped: c.weights_mapped,
            weights_host: c.weights_host,
            weights_device: c.weights_device,
            session_host: c.session_host,
            session_device: c.session_device,
            scratch_host: c.scratch_host,
            scratch_device: c.scratch_device,
            weights_by_part: PerPart(c.weights_by_part),
        })
    }
}

/// What a session has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Stats {
    /// The one in use.
    pub seed: u64,
    /// Read by append and set_tokens.
    pub prompt_tokens: u64,
    pub reused_tokens: u64,
    pub generated_tokens: u64,
    pub drafted_tokens: u64,
    /// Of those drafted.
    pub accepted_tokens: u64,
    /// Held now, shared pages in full;
    pub state_bytes: u64,
    /// those pages alone.
    pub state_bytes_shared: u64,
    pub evictions: u64,
    pub prompt_time: Duration,
    pub generate_time: Duration,
}

/// Bytes moved and operations done; an addition and a multiplication are two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counters {
    /// Computed: read, generated or guessed in vain.
    pub positions: u64,
    pub state_bytes_read: u64,
    pub state_bytes_written: u64,
    pub weight_bytes: PerPart,
    pub operations: PerPart,
    /// The same sum, by the wider factor's format.
    pub operations_fp4: u64,
    pub operations_fp8: u64,
    pub operations_bf16: u64,
    pub operations_f32: u64,
    /// A share, by rows, of the bytes of weights that steps read.
    pub pass_weight_bytes: u64,
}

impl Counters {
    fn from_c(c: &sys::baleen_session_counters) -> Counters {
        Counters {
            positions: c.positions,
            state_bytes_read: c.state_bytes_read,
            state_bytes_written: c.state_bytes_written,
            weight_bytes: PerPart(c.weight_bytes),
            operations: PerPart(c.operations),
            operations_fp4: c.operations_fp4,
            operations_fp8: c.operations_fp8,
            operations_bf16: c.operations_bf16,
            operations_f32: c.operations_f32,
            pass_weight_bytes: c.pass_weight_bytes,
        }
    }
}

impl Session {
    /// What the session has done.
    pub fn stats(&self) -> Result<Stats> {
        let mut c: sys::baleen_session_stats = unsafe { zeroed() };
        c.struct_size = size_of::<sys::baleen_session_stats>() as u32;
        check(|failure| unsafe {
            sys::baleen_session_get_stats(self.raw(), &mut c, failure)
        })?;
        Ok(Stats {
            seed: c.seed,
            prompt_tokens: c.prompt_tokens,
            reused_tokens: c.reused_tokens,
            generated_tokens: c.generated_tokens,
            drafted_tokens: c.drafted_tokens,
            accepted_tokens: c.accepted_tokens,
            state_bytes: c.state_bytes,
            state_bytes_shared: c.state_bytes_shared,
            evictions: c.evictions,
            prompt_time: Duration::from_secs_f64(c.prompt_seconds),
            generate_time: Duration::from_secs_f64(c.generate_seconds),
        })
    }

    /// Counts since the session was made, and of the last call that computed.
    pub fn counters(&self) -> Result<(Counters, Counters)> {
        let mut total: sys::baleen_session_counters = unsafe { zeroed() };
        total.struct_size = size_of::<sys::baleen_session_counters>() as u32;
        let mut last = total;
        check(|failure| unsafe {
            sys::baleen_session_get_counters(
                self.raw(),
                &mut total,
                &mut last,
                failure,
            )
        })?;
        Ok((Counters::from_c(&total), Counters::from_c(&last)))
    }
}
