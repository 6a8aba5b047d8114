//! Recurrent layers: one cell walked along a sequence, in one or both directions.

mod cell;
pub(crate) mod gru;
pub(crate) mod lstm;
pub(crate) mod lstm_steps;
pub(crate) mod rnn;
