mod admission;
mod layer;
mod line;

pub(crate) use admission::is_shed;
pub use admission::{LoadShed, Permit};
pub use layer::{LoadShedLayer, LoadShedding};
