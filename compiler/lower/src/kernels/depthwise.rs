//! Depthwise convolution: vectors across channels, taps two at a time.

use super::Generated;
use super::conv::ConvSpec;
use super::product;

/// The kernel of a convolution in which every channel is a group.
///
/// # Errors
/// A body that does not fit the output.
pub fn generate(spec: &ConvSpec) -> Result<Generated, String> {
    product::generate(spec)
}
