//! Many samples through one model: how samples lie in arrays, and how results are stacked again.

use crate::failure::Failure;
use crate::stored::Stored;
use qcc_session::Session;
use qcc_tensor::{Tensor, TensorType};
use rayon::prelude::*;

/// The arrays of one model input each, in the order of `names`, matched by name and else by position.
///
/// # Errors
/// Too few arrays, with the names that were expected.
pub fn matched<A>(names: &[String], arrays: Vec<(String, A)>) -> Result<Vec<A>, Failure> {
    if names.iter().all(|n| arrays.iter().any(|(name, _)| name == n)) {
        let mut arrays: Vec<(String, Option<A>)> = arrays.into_iter().map(|(n, a)| (n, Some(a))).collect();
        let mut take = |n: &String| arrays.iter_mut().find(|(name, _)| name == n).and_then(|(_, array)| array.take());
        return names
            .iter()
            .map(|n| take(n).ok_or_else(|| Failure::input(format!("the model has two inputs called {n}"))))
            .collect();
    }
    if arrays.len() == names.len() {
        return Ok(arrays.into_iter().map(|(_, array)| array).collect());
    }
    let given: Vec<&str> = arrays.iter().map(|(n, _)| n.as_str()).collect();
    let message = format!("the model has {} inputs, {} were given", names.len(), given.len());
    let given = if given.is_empty() { String::new() } else { format!(", not {}", given.join(", ")) };
    Err(Failure::input_with_help(message, format!("give one array for each input: {}{given}", names.join(", "))))
}

/// An array of samples.
pub enum Array {
    /// In memory.
    Tensor(Tensor),
    /// In a file.
    Stored(Stored),
}

impl From<Tensor> for Array {
    fn from(tensor: Tensor) -> Self {
        Array::Tensor(tensor)
    }
}

impl From<Stored> for Array {
    fn from(stored: Stored) -> Self {
        Array::Stored(stored)
    }
}

impl Array {
    fn ty(&self) -> &TensorType {
        match self {
            Array::Tensor(t) => t.ty(),
            Array::Stored(s) => s.ty(),
        }
    }

    fn slice(&self, index: usize, count: usize) -> Result<bytes::Bytes, Failure> {
        match self {
            Array::Tensor(t) => {
                let size = t.bytes().len() / count;
                Ok(t.to_shared().slice(index * size..(index + 1) * size))
            }
            Array::Stored(s) => Ok(s.slice(index)?.into()),
        }
    }
}

/// Samples of a model with several inputs: one array per input, samples along axis 0.
pub struct Samples {
    arrays: Vec<Array>,
    ranks: Vec<Option<usize>>,
    count: usize,
}

impl Samples {
    /// Arrays in the order of the inputs, whose ranks are given. An array with one axis more than its input holds
    /// whole inputs, others have the batch as axis 0.
    ///
    /// # Errors
    /// Arrays of different lengths, or empty ones.
    pub fn new<A: Into<Array>>(arrays: Vec<A>, ranks: Vec<Option<usize>>) -> Result<Samples, Failure> {
        let arrays: Vec<Array> = arrays.into_iter().map(Into::into).collect();
        let count = arrays.first().and_then(|a| a.ty().shape.first().copied()).unwrap_or(0);
        if count == 0 || arrays.iter().any(|a| a.ty().shape.first() != Some(&count)) {
            return Err(Failure::input("every array must hold the same number of samples along axis 0, at least one"));
        }
        Ok(Samples { arrays, ranks, count })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The inputs of sample `index`.
    ///
    /// # Errors
    /// A bug in qcc only.
    pub fn inputs(&self, index: usize) -> Result<Vec<Tensor>, Failure> {
        self.arrays.iter().zip(&self.ranks).map(|(array, rank)| self.sample(array, *rank, index)).collect()
    }

    fn sample(&self, array: &Array, rank: Option<usize>, index: usize) -> Result<Tensor, Failure> {
        let bytes = array.slice(index, self.count)?;
        let whole = rank == Some(array.ty().rank() - 1);
        let shape = array.ty().shape[1..].iter().copied();
        let ty = if whole {
            TensorType::new(array.ty().dtype, shape)
        } else {
            TensorType::new(array.ty().dtype, std::iter::once(1).chain(shape))
        };
        Tensor::from_bytes(ty, bytes).map_err(|e| Failure::Bug(e.to_string()))
    }

    fn hold_whole_inputs(&self) -> bool {
        self.arrays.iter().zip(&self.ranks).any(|(a, r)| *r == Some(a.ty().rank() - 1))
    }
}

/// Runs every sample, each worker with a session of its own, and stacks the outputs along axis 0. `progress` is called after
/// each sample.
///
/// # Errors
/// Arrays that do not fit the model; ops that cannot be evaluated.
pub fn run(
    samples: &Samples,
    session: impl Fn() -> Result<Session, Failure> + Sync,
    progress: impl Fn() + Sync,
) -> Result<Vec<(String, Tensor)>, Failure> {
    let first = session()?;
    let names: Vec<String> = first.output_names();
    drop(first);
    let results: Vec<Vec<Tensor>> = (0..samples.count())
        .into_par_iter()
        .map_init(&session, |session, i| {
            let session = session.as_mut().map_err(|e| Failure::Bug(e.to_string()))?;
            let outputs = session.run(&samples.inputs(i)?)?;
            progress();
            Ok(outputs)
        })
        .collect::<Result<_, Failure>>()?;
    let whole = samples.hold_whole_inputs();
    Ok(names.into_iter().enumerate().map(|(j, name)| (name, stacked(results.iter().map(|r| &r[j]), whole))).collect())
}

/// Equal-shaped tensors along axis 0: joined, or with a new axis in front.
fn stacked<'a>(parts: impl Iterator<Item = &'a Tensor> + Clone, new_axis: bool) -> Tensor {
    let first = parts.clone().next().expect("there is at least one sample").ty().clone();
    let count = parts.clone().count();
    let bytes: Vec<u8> = parts.flat_map(|t| t.bytes()).copied().collect();
    let shape: Vec<usize> = if new_axis || first.rank() == 0 {
        std::iter::once(count).chain(first.shape.iter().copied()).collect()
    } else {
        std::iter::once(count * first.shape[0]).chain(first.shape[1..].iter().copied()).collect()
    };
    Tensor::from_bytes(TensorType::new(first.dtype, shape), bytes.into()).expect("outputs of one graph have one shape")
}
