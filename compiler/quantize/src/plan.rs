//! What quantization decides: side tables of a graph.

use crate::{ChannelFactors, Flow, Grid, Layer, Method, Precision};
use qcc_ir::ValueId;
use qcc_tensor::Tensor;
use rustc_hash::FxHashMap;

/// The decisions for one graph.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The layers of the graph.
    pub layers: Vec<Layer>,
    /// What becomes of each.
    pub choices: Vec<Choice>,
    /// Which values are codes.
    pub flow: Flow,
    /// The grid of every class of the flow, and how its range was chosen.
    pub grids: Vec<Chosen>,
    /// What the channels of values are divided by before they are quantized.
    pub factors: FxHashMap<ValueId, ChannelFactors>,
}

/// A grid and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chosen {
    /// The grid.
    pub grid: Grid,
    /// How its range was found; `None` if it follows from the operator.
    pub method: Option<Method>,
}

/// What becomes of a layer.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// It stays as it is.
    Float,
    /// Its weights are codes; it runs on integers, unless it is only weights that are quantized.
    Integer(Precision, IntegerLayer),
}

impl Choice {
    /// Parameters of the layer if its weights are codes.
    pub fn integer(&self) -> Option<&IntegerLayer> {
        match self {
            Choice::Float => None,
            Choice::Integer(_, integer) => Some(integer),
        }
    }
}

/// Parameters of a layer whose weights are codes.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegerLayer {
    /// Codes of the weights, in the shape of the weights.
    pub codes: Tensor,
    /// Scale of each output's weights, or of each block of them, one output after the other.
    pub scales: Vec<f32>,
    /// The grid of what it reads, if the layer has one of its own.
    pub input: Option<Grid>,
    /// Bias of each output, corrections included; empty if there is none.
    pub bias: Vec<f32>,
    /// Expected square of the error of each output, if errors are independent.
    pub noise: Vec<f64>,
}

impl IntegerLayer {
    /// Whether sums of products of its weights with any codes of 16 bits fit 32 bits, with room for weights that are rounded
    /// another way.
    pub fn fits_codes_of_16_bits(&self, layer: &Layer) -> bool {
        const MOST: i64 = (1 << 31) / (1 << 15) * 9 / 10;
        let inner: usize = layer.weights.shape()[layer.output_axis + 1..].iter().product();
        let mut sums = vec![0i64; layer.outputs()];
        for (i, w) in self.codes.slice::<i8>().iter().enumerate() {
            sums[i / inner % layer.outputs()] += i64::from(*w).abs();
        }
        sums.iter().all(|sum| *sum <= MOST)
    }
}

impl Plan {
    /// How layers compute.
    pub fn precisions(&self) -> Vec<Precision> {
        let of = |choice: &Choice| match choice {
            Choice::Float => Precision::Float,
            Choice::Integer(precision, _) => *precision,
        };
        self.choices.iter().map(of).collect()
    }

    /// The grid of what a layer reads.
    pub fn input_grid(&self, layer: &Layer) -> Option<Grid> {
        self.flow.class_of.get(&layer.input).map(|&class| self.grids[class].grid)
    }
}
