//! Parts of the fuzz test: mutations, readers, and limits of a case.

pub mod alloc;
pub mod mutate;
pub mod readers;
pub mod seeds;

use readers::Reader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A case that takes longer is a failure: the most pixels that a small file may have take about a
/// second.
const SLOW: Duration = Duration::from_secs(5);
/// A case that takes this long does not end: the process is stopped.
const ENDLESS: Duration = Duration::from_secs(60);

/// Outcome of a case.
pub struct Outcome {
    pub error: Option<String>,
    pub peak: usize,
    pub time: Duration,
}

/// Outcomes of a reader.
#[derive(Default)]
pub struct Tally {
    pub cases: u32,
    pub refused: u32,
    peak: usize,
    slowest: Duration,
}

impl Tally {
    pub fn add(&mut self, outcome: Outcome) {
        self.cases += 1;
        self.refused += u32::from(outcome.error.is_some());
        self.peak = self.peak.max(outcome.peak);
        self.slowest = self.slowest.max(outcome.time);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mib, ms) = (self.peak as f64 / 1048576.0, self.slowest.as_secs_f64() * 1e3);
        write!(
            f,
            "{:>6} cases, {:>6} refused, at most {mib:.2} MiB and {ms:.1} ms",
            self.cases, self.refused
        )
    }
}

/// What is being read, for the watchdog.
static RUNNING: Mutex<Option<(Instant, String)>> = Mutex::new(None);

fn watch() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                if let Some((since, what)) = &*RUNNING.lock().unwrap()
                    && since.elapsed() > ENDLESS
                {
                    eprintln!("{what}: does not end");
                    std::process::exit(101);
                }
            }
        });
    });
}

/// Time that this thread was on a processor, so that other load does not count; the clock where
/// there is no such figure.
fn processor_time(start: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    text.and_then(|t| t.split_whitespace().next()?.parse().ok())
        .map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Reads `bytes` as the reader's file and fails on everything that a broken file must not cause.
pub fn case(reader: &Reader, folder: &Path, bytes: &[u8], what: &str) -> Outcome {
    watch();
    let path = folder.join(reader.file);
    std::fs::write(&path, bytes).unwrap();
    // Formatted before the mark: it takes memory too.
    *RUNNING.lock().unwrap() = Some((Instant::now(), what.to_string()));
    let start = Instant::now();
    let since = processor_time(start);
    let before = alloc::mark();
    let result = catch_unwind(AssertUnwindSafe(|| (reader.read)(&path)));
    let peak = alloc::peak().saturating_sub(before);
    let time = processor_time(start).saturating_sub(since);
    *RUNNING.lock().unwrap() = None;
    let fail = |how: String| -> ! {
        let kept = std::env::temp_dir().join(format!("pixtape-fuzz-{}", reader.file));
        let _ = std::fs::write(&kept, bytes);
        panic!("{what}: {how}; the file is {}", kept.display())
    };
    let error = match result {
        Err(_) => fail("panics".into()),
        Ok(Ok(())) => None,
        Ok(Err(e)) => {
            let text = e.to_string();
            if text.is_empty()
                || text.contains(['\n', '\r', '\0'])
                || text.len() > 2000
                || e.exit_code() != 1
            {
                fail(format!(
                    "the error is not one line that a user can fix: {text:?}, exit code {}",
                    e.exit_code()
                ));
            }
            Some(text)
        }
    };
    let allowed = (reader.bound)(bytes.len() as u64);
    if peak as u64 > allowed {
        fail(format!(
            "takes {peak} bytes of memory for a file of {}, allowed are {allowed}",
            bytes.len()
        ));
    }
    if time > SLOW {
        fail(format!("takes {time:?}"));
    }
    Outcome { error, peak, time }
}
