//! Work as numbers of units.

use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul};

/// Declares the kinds of units with what they are.
macro_rules! units {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// A kind of work.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Unit {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Unit {
            /// Every kind.
            pub const ALL: &[Unit] = &[$(Unit::$name,)*];

            /// Its name in files.
            pub fn name(self) -> &'static str {
                match self {
                    $(Unit::$name => $text,)*
                }
            }
        }
    };
}

units! {
    /// Starting a kernel: handing out its ranges and reaching full speed.
    Launch "launch",
    /// A multiply-accumulate of 8-bit codes with constant weights, channels last.
    Integer "integer-mac",
    /// The same with weights of 7 bits: sums of several products fit 16 bits.
    Short "short-mac",
    /// A multiply-accumulate of 16-bit numbers: transformed windows with transformed taps, codes of 16 bits with weights.
    Tiled "tiled-mac",
    /// A multiply-accumulate of a depthwise integer convolution, which reuses nothing.
    Depthwise "depthwise-mac",
    /// A byte of weights of an integer product, read once.
    Weight "weight-byte",
    /// A code that an integer kernel reads.
    Code "code",
    /// A sum of an integer product that its body gets.
    Sum "sum",
    /// A multiply-accumulate of single-precision floats.
    Float "float-mac",
    /// A code of a weight that a kernel makes a float, for the rows of one tile.
    Unpack "unpacked-weight",
    /// A float that the windows of a convolution are gathered into.
    Gather "gather",
    /// A multiply-accumulate of a depthwise float convolution.
    DepthwiseFloat "depthwise-float-mac",
    /// An element that a window of a pool or a sum looks at.
    Window "window",
    /// A byte that is moved without computing with it.
    Move "moved-byte",
    /// A byte of a border that is filled.
    Fill "filled-byte",
    /// A byte that a kernel reads or writes beside its core's work.
    Byte "byte",
    /// The same for a byte of a tensor that is larger than a core's caches, in addition.
    Far "far-byte",
    /// An element of an addition, a multiplication, a comparison in a body.
    Cheap "cheap",
    /// An element of a requantization: a conversion, a multiplication, a rounding.
    Requantize "requantize",
    /// An element of a division or a square root.
    Divide "divide",
    /// An element of an exponential, a logarithm, an error function.
    Transcendental "transcendental",
    /// A look-up in a table of 256 entries.
    Lookup "lookup",
    /// An element of an operator that has no kernel and runs on its reference evaluation. Convolutions and products on
    /// reference evaluation pay it for every multiply-accumulate.
    Reference "reference",
    /// A node that only gives bytes another shape; not free, so that fewer nodes are better.
    View "view",
    /// A nanosecond that a rule file names.
    Hint "hint",
}

const COUNT: usize = Unit::ALL.len();

/// How many units of each kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work([f64; COUNT]);

impl Work {
    /// No work.
    pub const NONE: Work = Work([0.0; COUNT]);

    /// So many units of a kind.
    pub fn of(unit: Unit, count: f64) -> Work {
        let mut work = Work::NONE;
        work.0[unit as usize] = count;
        work
    }

    /// Units of a kind.
    pub fn count(&self, unit: Unit) -> f64 {
        self.0[unit as usize]
    }
}

impl Add for Work {
    type Output = Work;

    fn add(mut self, other: Work) -> Work {
        self += other;
        self
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, more)| *mine += more);
    }
}

impl Mul<f64> for Work {
    type Output = Work;

    fn mul(self, factor: f64) -> Work {
        Work(self.0.map(|count| count * factor))
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Work>>(parts: I) -> Work {
        parts.fold(Work::NONE, |sum, part| sum + part)
    }
}
