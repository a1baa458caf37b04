//! The one error type: every message says what went wrong, where, the numbers, and what to try.

use std::path::PathBuf;

/// Shorthand used throughout the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong. [`Error::exit_code`] tells whose turn it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation was recorded with operands that do not fit each other.
    #[error("{op} {label:?}: {message}")]
    Shape {
        /// The operation, `conv2d` for example.
        op: &'static str,
        /// The label it was recorded under, `G/down3` for example.
        label: String,
        /// Shapes, the rule they break, and what to try.
        message: String,
    },
    /// No adapter, or none by the name asked for.
    #[error("{0}")]
    Adapter(String),
    /// The adapter lacks something that a kernel or a tensor needs.
    #[error("{what} needs {needed}, the adapter offers {available}; {hint}")]
    Limit {
        /// What needs it.
        what: String,
        /// How much is needed, with its unit.
        needed: String,
        /// How much there is, with its unit.
        available: String,
        /// What to lower or choose instead.
        hint: String,
    },
    /// The plan would take more memory than allowed. Raised before anything is allocated.
    #[error(
        "the plan needs {planned} bytes, the limit is {limit} bytes; the largest tensors are \
         {largest}; lower --batch_size, --crop_size or --ngf, or give --recompute"
    )]
    MemoryLimit {
        /// Planned bytes: parameters, gradients, moments, activations, uniforms.
        planned: u64,
        /// The limit they were held against.
        limit: u64,
        /// The three largest tensors with their bytes.
        largest: String,
    },
    /// The device ran out of memory.
    #[error(
        "out of device memory at {label:?}: {message}; lower --batch_size, --crop_size or --ngf, \
         or set --memory_limit"
    )]
    OutOfMemory {
        /// The node or buffer at hand.
        label: String,
        /// The driver's words.
        message: String,
    },
    /// The device is gone: unplugged, reset by a watchdog, or its driver crashed.
    #[error(
        "the device was lost at {label:?}: {message}; start again with --continue_train from the \
         last checkpoint"
    )]
    DeviceLost {
        /// The node or segment at hand.
        label: String,
        /// The driver's words.
        message: String,
    },
    /// wgpu refused a call: our fault.
    #[error("internal: the GPU interface refused {label:?}: {message}")]
    Validation {
        /// The node or object at hand.
        label: String,
        /// wgpu's words.
        message: String,
    },
    /// The checked run found a node whose output is wrong.
    #[error("checked run: node {node} {label:?}: {message}")]
    Check {
        /// Index of the node in the plan.
        node: usize,
        /// Its label.
        label: String,
        /// What was found: a NaN, a word written outside, an element never written.
        message: String,
    },
    /// Weights, moments or statistics are no numbers any more: they are not saved.
    #[error("{name} holds {value}: training has diverged")]
    NotFinite {
        /// Public name of the tensor.
        name: String,
        /// NaN or an infinity.
        value: f32,
    },
    /// A file or folder could not be read or written.
    #[error("{path}: {message}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What happened and what to try.
        message: String,
    },
    /// A combination of options or values that cannot work.
    #[error("{0}")]
    Usage(String),
    /// A mistake of ours.
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// 1 when the user can mend it, 2 when it is our fault.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Validation { .. } | Error::Internal(_) | Error::Check { .. } => 2,
            _ => 1,
        }
    }

    /// An error about a file or folder: `message` says what happened and what to try.
    pub fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Error::File { path: path.into(), message: message.into() }
    }
}
