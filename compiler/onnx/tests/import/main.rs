//! What the importer makes of models, one small model per claim, built here field by field.

mod build;
mod contrib;
mod damage;
mod errors;
mod examples;
mod external;
mod functions;
mod nested;
mod tensors;
mod upgrades;
