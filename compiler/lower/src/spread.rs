//! Ops that write a grid larger than the one they read, each element of which belongs to one of the input: resampling to
//! the nearest element by whole factors, and transposed convolutions whose windows touch but do not overlap.

use crate::kernels::body::{Body, Fn2, Node, Operand};
use crate::kernels::layout::{Elem, TensorLayout};
use crate::kernels::map::{self, MapSpec};
use crate::kernels::moves::Strided;
use crate::lower::Walk;
use qcc_ir::{NodeId, OpNode};
use qcc_kernel::program::{BufferId, Gemm, Matrix};
use qcc_tensor::{DType, Tensor};

/// How a coordinate of the result becomes one of the input, and which neighbour is taken: the pairs for which element `i`
/// of an axis enlarged `f` times is element `i / f`.
const REPEATING: [(&str, &str); 5] = [
    ("asymmetric", "floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
    ("half_pixel_symmetric", "round_prefer_floor"),
    ("half_pixel_symmetric", "round_prefer_ceil"),
];

impl Walk<'_, '_> {
    /// A `Resize` that repeats elements, as a move.
    ///
    /// # Errors
    /// Why there is no kernel.
    pub fn repeated(&mut self, id: NodeId, node: &OpNode, name: &str) -> Result<(), String> {
        let x = node.inputs[0].ok_or("no input")?;
        let text = |key: &str| node.attrs.str(key).unwrap_or_default();
        let how = (text("coordinate_transformation_mode"), text("nearest_mode"));
        let sized = node.inputs.get(2).copied().flatten().is_none();
        if sized && text("keep_aspect_ratio_policy") != "stretch" {
            return Err("a resampling that keeps the ratio of its axes has no kernel".into());
        }
        if text("mode") != "nearest" || !REPEATING.contains(&how) {
            return Err(format!("a resampling by {}, {} has no kernel", text("mode"), how.0));
        }
        let (shape, result) = (self.graph.ty(x).shape.to_vec(), self.graph.ty(id.output(0)).shape.to_vec());
        let fits = shape.iter().zip(&result).all(|(&from, &to)| from > 0 && to.is_multiple_of(from));
        if !fits {
            return Err(format!("a resampling of {shape:?} to {result:?} is not by whole factors"));
        }
        let factors: Vec<usize> = shape.iter().zip(&result).map(|(&from, &to)| to / from).collect();
        // A scale may be larger than the sizes say: 2.1 makes 4 of 2.
        if let Some(scales) = node.inputs.get(2).copied().flatten() {
            let given = self.constant_of(scales).filter(|t| t.dtype() == DType::F32).map(|t| t.slice::<f32>().to_vec());
            let named: Vec<usize> = match node.attrs.ints("axes") {
                Some(axes) => axes.iter().map(|&a| (if a < 0 { a + shape.len() as i64 } else { a }) as usize).collect(),
                None => (0..shape.len()).collect(),
            };
            let exact = given.is_some_and(|s| named.iter().zip(&s).all(|(&axis, &s)| factors[axis] as f32 == s));
            if !exact {
                return Err("a resampling by scales that are no whole numbers".into());
            }
        }
        let (buffer, from) = self.strided(x);
        let strides = from.strides.iter().flat_map(|&s| [s, 0]).collect();
        self.spread(id, name, (buffer, Strided { strides, ..from }), &factors)
    }

    /// A `ConvTranspose` in which every element of the result belongs to one window: a product, then a move.
    ///
    /// # Errors
    /// Why there is no kernel.
    pub fn touching_windows(&mut self, id: NodeId, node: &OpNode, name: &str) -> Result<(), String> {
        let (x, w) = (node.inputs[0].ok_or("no input")?, node.inputs[1].ok_or("no weights")?);
        let all = |key: &str, value: i64| node.attrs.ints(key).unwrap_or(&[]).iter().all(|&v| v == value);
        let plain = node.attrs.int("group") == Some(1) && all("dilations", 1) && all("pads", 0);
        let (input, weights) = (self.graph.ty(x).clone(), self.graph.ty(w).clone());
        let result = self.graph.ty(id.output(0)).clone();
        let (&[n, c, h, width], &[_, filters, kh, kw]) = (input.shape.as_slice(), weights.shape.as_slice()) else {
            return Err("a transposed convolution over other than two axes".into());
        };
        if !plain || input.dtype != DType::F32 || result.shape.as_slice() != [n, filters, h * kh, width * kw] {
            return Err("a transposed convolution whose windows overlap".into());
        }
        let bias = match node.inputs.get(2).copied().flatten() {
            Some(bias) => Some(self.constant_of(bias).cloned().ok_or("a bias that is a run-time value")?),
            None => None,
        };
        let (a, b) = (self.dense(x).0, self.dense(w).0);
        let (pixels, columns) = (h * width, filters * kh * kw);
        // Rows of the product are (filter, row, column) of the window, its columns pixels.
        let mut planes = self.out.buffer(name, 4 * n * columns * pixels);
        let types = [Some(&input), Some(&weights)];
        let macs = (node.op.macs)(&types, std::slice::from_ref(&result), &node.attrs);
        let gemm = Gemm {
            batch: n,
            m: pixels,
            n: columns,
            k: c,
            a: Matrix { buffer: a, offset: 0, row: 1, column: pixels, batch: c * pixels },
            b: Matrix { buffer: b, offset: 0, row: columns, column: 1, batch: 0 },
            c: Matrix { buffer: planes, offset: 0, row: 1, column: pixels, batch: columns * pixels },
            im2col: None,
        };
        self.push_gemm(name, gemm, macs);
        if let Some(bias) = bias {
            planes = self.biased(name, planes, &bias, [n, kh * kw, pixels])?;
        }
        let strides = [columns * pixels, 0, kh * kw * pixels, 0, width, kw * pixels, 1, pixels];
        let strides = strides.iter().map(|&s| 4 * s as isize).collect();
        let from = Strided { bytes: 4 * n * columns * pixels, offset: 0, strides };
        self.spread(id, name, (planes, from), &[1, 1, kh, kw])
    }

    /// The planes with the bias of their filter added.
    fn biased(
        &mut self,
        name: &str,
        planes: BufferId,
        bias: &Tensor,
        [images, taps, pixels]: [usize; 3],
    ) -> Result<BufferId, String> {
        let each: Vec<f32> = bias.slice::<f32>().iter().flat_map(|&v| std::iter::repeat_n(v, taps)).collect();
        let rows = each.len();
        let output = TensorLayout::dense(images, 1, rows, pixels, Elem::F32);
        let mut body = Body::new();
        let x = body.operand(Operand::Tensor(output));
        let added = body.operand(Operand::Tensor(TensorLayout::dense(1, 1, rows, 1, Elem::F32)));
        body.push(Node::Binary(Fn2::Add, x, added));
        let spec = MapSpec { name: name.into(), output, body };
        let generated = map::generate(&spec, self.options.target.width)?;
        let constant = self.out.constant(name, Tensor::new([rows], each).to_shared());
        let sum = self.out.buffer(name, output.bytes());
        let ns = self.ns(qcc_cost::moved(2 * output.data_bytes()));
        self.push_kernel(name, generated, &[], &[planes, constant], sum, 0, ns);
        Ok(sum)
    }
}
