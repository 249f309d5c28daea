/// How a supervised worker is; the number is the value of the gauge `nova_worker_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkerState {
    /// It runs.
    Running = 0,
    /// It failed, and waits to be started again.
    Restarting = 1,
    /// It stopped because it was asked to, or has finished its work.
    Stopped = 2,
    /// It failed for good, or had to be cut.
    Failed = 3,
}

impl WorkerState {
    pub(super) fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Running,
            1 => Self::Restarting,
            2 => Self::Stopped,
            _ => Self::Failed,
        }
    }
}
