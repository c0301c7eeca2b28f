//! Ending a session's call from elsewhere.
use crate::error::{Error, Result, Status};
use crate::sys;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Ends the call that is inside a session, from any thread; see
/// [`Session::canceller`](crate::Session::canceller).
#[derive(Clone)]
pub struct Canceller {
    state: Arc<State>,
}

/// What a session and its cancellers share.
pub(crate) struct State {
    // The library forgets a cancel that comes while no call is inside, and one
    // that comes just before a call is inside would be such.  So it is noted
    // here too, where the session's callbacks see it.
    asked: AtomicBool,
    session: Mutex<Raw>,
}

/// NULL once the session is gone.
struct Raw(*mut sys::baleen_session);

// Used for baleen_session_cancel alone, which any thread may call.
unsafe impl Send for Raw {}

impl Canceller {
    /// Makes the session's call fail with [`Status::Cancelled`] within about
    /// one layer of one chunk; or, if it has none at the moment, its next one.
    /// Does nothing when the session is gone.
    pub fn cancel(&self) {
        self.state.asked.store(true, Ordering::SeqCst);
        let session =
            self.state.session.lock().unwrap_or_else(PoisonError::into_inner);
        if !session.0.is_null() {
            unsafe { sys::baleen_session_cancel(session.0) }
        }
    }
}

impl State {
    pub(crate) fn new() -> Arc<State> {
        Arc::new(State {
            asked: AtomicBool::new(false),
            session: Mutex::new(Raw(ptr::null_mut())),
        })
    }

    pub(crate) fn canceller(self: &Arc<State>) -> Canceller {
        Canceller { state: Arc::clone(self) }
    }

    /// Says which session there is, or with NULL that it goes.
    pub(crate) fn set(&self, session: *mut sys::baleen_session) {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).0 = session;
    }

    /// Whether somebody asked for the present call's end.
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// The same, and forgets it.
    pub(crate) fn take(&self) -> bool {
        self.asked.swap(false, Ordering::SeqCst)
    }

    /// Makes a call, unless its end has been asked for before it begins.
    pub(crate) fn call<T>(
        &self,
        call: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if self.take() {
            let message = "The call was cancelled before it began.";
            return Err(Error::new(Status::Cancelled, message));
        }
        let result = call();
        if matches!(&result, Err(error) if error.status() == Status::Cancelled)
        {
            self.take();
        }
        result
    }
}
