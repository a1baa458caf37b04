//! What this crate's own tests need beyond the public interface. Not covered by any promise.

use crate::Store;
use crate::gpu::Gpu;
use crate::store::StoreId;

pub use crate::gpu::hook::Call;
pub use crate::ops::sample_kernels::sample_kernels;
pub use crate::ops::unpack::samples as unpack_kernels;

/// Text of the kernels.
pub mod shader {
    pub use crate::shader::{FILES, Source, Tune, load};
}

/// Tunings that use every kernel between them.
pub fn sample_tunings() -> Vec<crate::ops::Tuning> {
    crate::ops::Tuning::samples()
}

/// An empty store whose pages are at most this large: so that small nets have several.
pub fn store_with_page_limit(bytes: u64) -> Store {
    Store::with_page_limit(bytes)
}

/// [`PoolPages::new`](crate::ops::PoolPages::new) with pages of at most `limit` bytes.
pub fn pool_with_page_limit(
    store: &mut Store,
    set: &str,
    size: u32,
    [h, w, c]: [u32; 3],
    limit: u64,
) -> crate::ops::PoolPages {
    crate::ops::PoolPages::with_page_limit(store, set, size, [h, w], c, limit)
}

/// Index of the page of a tensor; pages are counted over the whole store.
pub fn page_index(store: &Store, id: StoreId) -> usize {
    store.buffer_index(id)
}

/// Bytes, role and label of a page.
pub fn page_info(store: &Store, index: usize) -> (u64, crate::store::Role, &str) {
    store.buffer_info(index)
}

/// Has a function called before each submission of a device and before each of its buffers is made:
/// to destroy the device then, to make it slow, or (`true`) to refuse a buffer for lack of memory.
/// The first function that is set stays.
pub fn hook(gpu: &Gpu, hook: impl FnMut(Call<'_>) -> bool + Send + 'static) {
    gpu.set_hook(hook);
}

/// Sets how long a wait for a device may last before it counts as lost, once.
#[cfg(not(target_arch = "wasm32"))]
pub fn patience(gpu: &Gpu, patience: std::time::Duration) {
    gpu.set_patience(patience);
}

/// Every dispatch of a plan, in order, under the label of its node.
pub fn plan_dispatches(plan: &crate::Plan) -> impl Iterator<Item = (&str, &crate::ops::Dispatch)> {
    plan.nodes().iter().flat_map(|node| node.dispatches.iter().map(|d| (node.label.as_str(), d)))
}
