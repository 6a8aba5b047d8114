//! What the calls of a [`Block`](crate::Block) may use: counted while they run, since their types and how often they run
//! follow from data.

use crate::OpError;

/// Operations that a call counts beside its elements and products: looking it up, typing it and reserving its results
/// takes as long as some thousand operations.
const CALL: u64 = 1 << 10;

/// What is left to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Operations: products, elements read and written.
    pub work: u64,
    /// Bytes of one result, or of the slices that a loop stacks.
    pub memory: u64,
}

impl Budget {
    /// Anything.
    pub const NONE: Budget = Budget { work: u64::MAX, memory: u64::MAX };

    /// Takes a call of so many operations from what is left.
    pub(crate) fn spend(&mut self, operations: u64) -> Result<(), OpError> {
        match self.work.checked_sub(operations.saturating_add(CALL)) {
            Some(left) => {
                self.work = left;
                Ok(())
            }
            None => Err(OpError::limit("it takes more operations than a run may")),
        }
    }

    /// Takes memory that is held to the end of the run from what is left.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), OpError> {
        self.fits(bytes)?;
        self.memory -= bytes as u64;
        Ok(())
    }

    /// Whether so many bytes may be reserved.
    pub(crate) fn fits(&self, bytes: usize) -> Result<(), OpError> {
        match bytes as u64 <= self.memory {
            true => Ok(()),
            false => {
                Err(OpError::limit(format!("it takes {bytes} bytes, more than the {} that are left", self.memory)))
            }
        }
    }
}
