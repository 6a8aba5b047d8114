//! `LeakyRelu`.

crate::elementwise::unary::float_function_with!("LeakyRelu", "x if x >= 0, else alpha * x.", [alpha = 0.01], |x| if x
    >= 0.0
{
    x
} else {
    alpha * x
});
