//! The system's figures of this process, by the names that all Prometheus clients use.

use std::fs;

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// The figures of this process in `/proc` (proc_pid_stat(5)).
struct Process {
    cpu_s: f64,
    /// Seconds since 1970.
    started_at: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
    open_files: u64,
}

/// The process as metrics; none where the system does not tell.
pub(super) fn registry() -> Registry {
    let mut all = Registry::default();
    let Some(process) = Process::read() else { return all };
    let cpu = ConstCounter::new(process.cpu_s);
    all.register_with_unit("process_cpu", "Time on a processor, in the system's calls too", Unit::Seconds, cpu);
    let started = ConstGauge::new(process.started_at);
    all.register_with_unit("process_start_time", "When the process started", Unit::Seconds, started);
    let resident = ConstGauge::new(process.resident_bytes);
    all.register_with_unit("process_resident_memory", "Memory that the process has", Unit::Bytes, resident);
    let in_all = ConstGauge::new(process.virtual_bytes);
    all.register_with_unit("process_virtual_memory", "Addresses that the process has", Unit::Bytes, in_all);
    all.register("process_open_fds", "Files and connections that are open", ConstGauge::new(process.open_files));
    if let Some(most) = getrlimit(Resource::Nofile).current {
        all.register("process_max_fds", "Files and connections that may be open", ConstGauge::new(most));
    }
    all
}

impl Process {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program, in brackets, may have spaces and brackets; the third field follows.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let system = fs::read_to_string("/proc/stat").ok()?;
        let booted_at: u32 = system.lines().find_map(|line| line.strip_prefix("btime ")?.parse().ok())?;
        let (started, page) = (seconds(field(22)?)?, u64::try_from(page_size()).ok()?);
        Some(Self {
            cpu_s: seconds(field(14)?.checked_add(field(15)?)?)?,
            started_at: f64::from(booted_at) + started,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)?.checked_mul(page)?,
            open_files: u64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?,
        })
    }
}

/// The seconds of so many ticks of the system's clock.
fn seconds(ticks: u64) -> Option<f64> {
    let per_second = clock_ticks_per_second();
    let part = u32::try_from(ticks.checked_rem(per_second)?).ok()?;
    let whole = u32::try_from(ticks.checked_div(per_second)?).ok()?;
    Some(f64::from(whole) + f64::from(part) / f64::from(u32::try_from(per_second).ok()?))
}
