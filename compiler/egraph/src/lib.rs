//! Equality saturation: a graph and rules in, the cheapest equivalent graph out.
