//! Environment variables that choose what the suite runs on. The library reads none.

use pixtape::gpu::Request;
use pixtape::plan::PlanOptions;

/// The adapter that `PIXTAPE_ADAPTER` names, or the best; checked shaders if `PIXTAPE_CHECKED` is
/// set.
pub fn request() -> Request {
    let off = |v: String| v == "1" || v.eq_ignore_ascii_case("true");
    Request {
        adapter: std::env::var("PIXTAPE_ADAPTER").ok(),
        checked: std::env::var_os("PIXTAPE_CHECKED").is_some(),
        no_driver_cache: std::env::var("MESA_SHADER_CACHE_DISABLE").is_ok_and(off),
        ..Request::default()
    }
}

/// The default, with the parts of a variant that `PIXTAPE_VARIANT` forces on convolutions.
pub fn plan_options() -> PlanOptions {
    let force = std::env::var("PIXTAPE_VARIANT")
        .map(|text| text.parse().unwrap_or_else(|e| panic!("PIXTAPE_VARIANT: {e}")));
    PlanOptions { force: force.unwrap_or_default(), ..PlanOptions::default() }
}

/// The same of a training whose gradients are read: all of them in the store.
#[allow(dead_code, reason = "not every test reads gradients")]
pub fn with_gradients() -> PlanOptions {
    PlanOptions { fuse_adam: Some(false), ..plan_options() }
}
