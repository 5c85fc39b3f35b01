//! What the kernel says a process has used, and the arithmetic of samples.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time and memory of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    /// Time on a CPU, all threads, user and kernel.
    pub(crate) cpu: Duration,
    /// Resident memory, in bytes.
    pub(crate) memory: u64,
}

impl Account {
    pub(crate) fn of(process: u32) -> Result<Self, String> {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task"))
            .map_err(|error| format!("this benchmark reads /proc, which is Linux only: {error}"))?;
        // The first number of schedstat is nanoseconds on a CPU: finer than the ticks of /proc/PID/stat.
        let nanoseconds: u64 = tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
            .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
            .sum();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).map_err(|error| error.to_string())?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes: u64 = resident.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        Ok(Self { cpu: Duration::from_nanos(nanoseconds), memory: kilobytes * 1024 })
    }
}

/// The time that this process has been on a CPU, all threads, user and kernel.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

pub(crate) fn median(samples: &mut [Duration]) -> Duration {
    quantile(samples, 0.5)
}

/// The value below which `share` of the samples lie.
pub(crate) fn quantile(samples: &mut [Duration], share: f64) -> Duration {
    samples.sort_unstable();
    let at = ((samples.len() as f64 - 1.0) * share).round() as usize;
    samples.get(at).copied().unwrap_or_default()
}
