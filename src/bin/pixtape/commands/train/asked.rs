//! A training that is asked by signals to save, or to save and end: what it answers, at once, and
//! how long that will take.

use crate::signals::{Answering, Ask, answer};
use indicatif::ProgressBar;
use pixtape::Result;
use pixtape::session::{Event, Observer, Session};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Times of a training, in microseconds, and whether somebody waits for a checkpoint.
#[derive(Debug, Default)]
struct Times {
    step: AtomicU64,
    save: AtomicU64,
    waits: AtomicBool,
}

/// Says when what was asked for is saved.
#[derive(Debug)]
struct Saved {
    times: Arc<Times>,
    bar: Option<ProgressBar>,
}

/// Has signals answered for a session from here on; what is said goes above the bar.
pub(super) fn listen(session: &mut Session<'_>, bar: Option<ProgressBar>) -> Answering {
    let times = Arc::new(Times::default());
    session.observe(Saved { times: times.clone(), bar: bar.clone() });
    let (stop, save) = (session.stop_flag(), session.save_flag());
    answer(move |ask| {
        times.waits.store(true, Ordering::SeqCst);
        let about = times.about();
        match ask {
            Ask::Stop { name, impatient } => {
                let first = !stop.swap(true, Ordering::SeqCst);
                let more = if impatient {
                    "; another Ctrl-C, a second from now or later, ends at once and loses the \
                     steps since the last checkpoint"
                } else {
                    ""
                };
                // HUP and TERM may come any number of times; who presses keys is told each time.
                if first || impatient {
                    say(
                        bar.as_ref(),
                        &format!("{name}: finishing the step, then saving{about}{more}"),
                    );
                }
            }
            Ask::Save { name } => {
                save.store(true, Ordering::SeqCst);
                say(bar.as_ref(), &format!("{name}: saving after this step{about}"));
            }
        }
    })
}

impl Times {
    /// How long it takes from now until a checkpoint is written, at most.
    fn about(&self) -> String {
        let of = |time: &AtomicU64| Duration::from_micros(time.load(Ordering::SeqCst));
        let (step, save) = (of(&self.step).as_secs_f64(), of(&self.save).as_secs_f64());
        if step + save == 0.0 { String::new() } else { format!(" (about {:.1} s)", step + save) }
    }
}

impl Observer for Saved {
    fn event(&mut self, event: &Event) -> Result<()> {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        match event {
            // Losses arrive a few steps late: these are waited for too.
            Event::Step(step) => {
                self.times.step.store(micros(step.seconds * 4), Ordering::SeqCst);
            }
            Event::Saved { step, seconds, .. } => {
                self.times.save.store(micros(*seconds), Ordering::SeqCst);
                if self.times.waits.swap(false, Ordering::SeqCst) {
                    let seconds = seconds.as_secs_f64();
                    say(self.bar.as_ref(), &format!("saved step {step} in {seconds:.1} s"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Prints a line to stderr.
fn say(bar: Option<&ProgressBar>, text: &str) {
    match bar {
        Some(bar) => bar.suspend(|| eprintln!("{text}")),
        None => eprintln!("{text}"),
    }
}
