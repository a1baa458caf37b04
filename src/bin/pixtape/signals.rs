//! Signals: what ends the program, and what a training is asked by schedulers and terminals.
//!
//! One thread waits for them for the whole program. Alone they end it, after the files that were
//! being written aside are removed. While a training runs they set its flags: INT, TERM and HUP
//! end it after the step at hand, in whatever number and order; USR1 and USR2, by which schedulers
//! warn, save and go on.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// A second Ctrl-C that comes sooner than this after the first was answered is the same one, which
/// wrappers and terminals may pass on twice.
const SAME: Duration = Duration::from_secs(1);

/// What signals mean to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listens {
    /// INT, TERM and HUP end it.
    ToEnds,
    /// USR1 and USR2 mean something too.
    WithWarnings,
}

/// What a signal asks a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// To save and end.
    Stop {
        /// The signal.
        name: &'static str,
        /// Whether a second one ends the program at once.
        impatient: bool,
    },
    /// To save and go on.
    Save {
        /// The signal.
        name: &'static str,
    },
}

type Answer = Box<dyn FnMut(Ask) + Send>;

/// Who answers, and what was asked so far.
struct Line {
    answer: Option<Answer>,
    /// When the first Ctrl-C was answered.
    interrupted: Option<Instant>,
}

static LINE: Mutex<Line> = Mutex::new(Line { answer: None, interrupted: None });
/// The first signal that asked a training to end, and whether it did end before its time.
static FIRST: AtomicI32 = AtomicI32::new(0);
static ENDED: AtomicI32 = AtomicI32::new(0);

fn line() -> std::sync::MutexGuard<'static, Line> {
    LINE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// As long as it lives, signals are answered by a training.
#[derive(Debug)]
pub(crate) struct Answering(());

/// Has signals answered by `answer`, on the thread that waits for them.
pub(crate) fn answer(answer: impl FnMut(Ask) + Send + 'static) -> Answering {
    line().answer = Some(Box::new(answer));
    Answering(())
}

impl Answering {
    /// A signal has ended the training before its time: so does the program.
    pub fn ended(&self) {
        ENDED.store(FIRST.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        line().answer = None;
    }
}

/// The exit code of a program that has done what it was told: 128 and the number of the signal that
/// ended a training before its time, as a shell counts, else 0.
pub(crate) fn exit_code() -> ExitCode {
    let signal = ENDED.load(Ordering::SeqCst);
    u8::try_from(signal).map_or(ExitCode::SUCCESS, |signal| match signal {
        0 => ExitCode::SUCCESS,
        other => ExitCode::from(128 + other),
    })
}

/// What a signal comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Nothing,
    End,
    Stop,
    Save,
}

/// What a signal comes to for a program that trains or does something else; `answered`: how long
/// ago the first Ctrl-C was.
fn meaning(signal: i32, warns: bool, trains: bool, answered: Option<Duration>) -> Meaning {
    match (trains, warns) {
        // There is nothing to save yet.
        (false, true) => Meaning::Nothing,
        (true, true) => Meaning::Save,
        (true, false) if signal != INTERRUPT => Meaning::Stop,
        (true, false) if answered.is_none_or(|since| since < SAME) => Meaning::Stop,
        (_, false) => Meaning::End,
    }
}

/// Handles a signal, on the thread that waits for them.
fn came(signal: i32, name: &'static str, warns: bool) {
    let mut line = line();
    let Line { answer, interrupted } = &mut *line;
    let answered = interrupted.map(|first| first.elapsed());
    match (meaning(signal, warns, answer.is_some(), answered), answer) {
        (Meaning::Save, Some(answer)) => answer(Ask::Save { name }),
        (Meaning::Stop, Some(answer)) => {
            let impatient = signal == INTERRUPT;
            let _ = FIRST.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
            answer(Ask::Stop { name, impatient });
            if impatient {
                interrupted.get_or_insert_with(Instant::now);
            }
        }
        (Meaning::End, _) => end(signal),
        _ => {}
    }
}

/// Ctrl-C.
const INTERRUPT: i32 = 2;

#[cfg(unix)]
mod system {
    use super::{Listens, came};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    use signal_hook::iterator::Signals;
    use signal_hook::{flag, low_level};
    use std::sync::Arc;

    fn name(signal: i32) -> &'static str {
        match signal {
            SIGINT => "Ctrl-C",
            SIGTERM => "SIGTERM",
            SIGHUP => "SIGHUP",
            SIGUSR1 => "SIGUSR1",
            _ => "SIGUSR2",
        }
    }

    /// Whether the program was started with a signal ignored, as `nohup` does.
    fn is_ignored(signal: i32) -> bool {
        // SAFETY: sigaction is plain old data, for which zeros are a value; with no new action the
        // call only writes the present one to it.
        unsafe {
            let mut now: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &mut now) == 0
                && now.sa_sigaction == libc::SIG_IGN
        }
    }

    /// Begins to listen. Where the system does not let it, signals do what they do by default.
    pub(crate) fn listen(to: Listens) {
        // A file that grows beyond `ulimit -f` is an error of writing, and no end.
        let _ = flag::register(libc::SIGXFSZ, Arc::default());
        let mut signals = vec![SIGINT, SIGTERM];
        if !is_ignored(SIGHUP) {
            signals.push(SIGHUP);
        }
        if to == Listens::WithWarnings {
            signals.extend([SIGUSR1, SIGUSR2]);
        }
        let Ok(mut signals) = Signals::new(signals) else { return };
        let thread = std::thread::Builder::new().name("pixtape-signals".into());
        let _ = thread.spawn(move || {
            for signal in signals.forever() {
                came(signal, name(signal), matches!(signal, SIGUSR1 | SIGUSR2));
            }
        });
    }

    /// Ends the program as the signal does by default.
    pub(super) fn end(signal: i32) -> ! {
        pixtape::io::abandon_unfinished();
        // The first process of a container does not get its own signals.
        if std::process::id() != 1 {
            let _ = low_level::emulate_default_handler(signal);
        }
        low_level::exit(128 + signal)
    }
}

#[cfg(not(unix))]
mod system {
    use super::{INTERRUPT, Listens, came};

    /// Begins to listen to Ctrl-C, Ctrl-Break, and the events of a window, session or machine that
    /// is closed.
    pub(crate) fn listen(_: Listens) {
        let _ = ctrlc::set_handler(|| came(INTERRUPT, "Ctrl-C", false));
    }

    pub(super) fn end(signal: i32) -> ! {
        pixtape::io::abandon_unfinished();
        std::process::exit(128 + signal)
    }
}

use system::end;
pub(crate) use system::listen;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_second_ctrl_c_after_an_answer_ends_a_training_at_once() {
        let (late, soon) = (Some(2 * SAME), Some(SAME / 2));
        for answered in [None, soon, late] {
            for signal in [1, 15] {
                assert_eq!(meaning(signal, false, true, answered), Meaning::Stop);
                assert_eq!(meaning(signal, false, false, answered), Meaning::End);
            }
            assert_eq!(meaning(10, true, true, answered), Meaning::Save);
            assert_eq!(meaning(10, true, false, answered), Meaning::Nothing);
        }
        assert_eq!(meaning(INTERRUPT, false, true, None), Meaning::Stop);
        assert_eq!(meaning(INTERRUPT, false, true, soon), Meaning::Stop);
        assert_eq!(meaning(INTERRUPT, false, true, late), Meaning::End);
        assert_eq!(meaning(INTERRUPT, false, false, None), Meaning::End);
    }
}
