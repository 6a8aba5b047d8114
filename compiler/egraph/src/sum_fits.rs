//! Whether a bias and a sum of products stay within 32 bits, whatever the codes are.

use qcc_tensor::{DType, Tensor};

/// Whether `|bias[o]| + reach * sum |weights[o, …] - zero[o]|` is below 2^31 for every index `o` of `axis`.
///
/// Every partial sum then fits as well, in any order. `zero` and `bias` hold one number, or one per index.
///
/// # Errors
/// Numbers that are no integers, an axis that is not there, as many numbers as fit no axis.
pub(crate) fn sum_fits(
    weights: &Tensor,
    zero: Option<&Tensor>,
    bias: &Tensor,
    axis: i64,
    reach: i64,
) -> Result<bool, String> {
    const LIMIT: i128 = i32::MAX as i128;
    let integers = |t: &Tensor| t.to_i64_vec().ok_or_else(|| format!("{} holds no integers", t.ty()));
    let axis = usize::try_from(axis).ok().filter(|&a| a < weights.rank()).ok_or("the axis is not there")?;
    let channels = weights.shape()[axis];
    let (zero, bias) = (zero.map(integers).transpose()?.unwrap_or_else(|| vec![0]), integers(bias)?);
    if [&zero, &bias].iter().any(|v| v.len() != 1 && v.len() != channels) {
        return Err(format!("{} zero points and {} biases for {channels} channels", zero.len(), bias.len()));
    }
    let of = |v: &[i64], channel: usize| i128::from(if v.len() == 1 { v[0] } else { v[channel] });
    let inner: usize = weights.shape()[axis + 1..].iter().product();
    let small = zero.iter().all(|z| z.unsigned_abs() < 1 << 16);
    let sums = match weights.dtype() {
        DType::I8 if small => sums(weights.slice(), &zero, channels, inner, magnitudes_of_8_bits::<i8>),
        DType::U8 if small => sums(weights.slice(), &zero, channels, inner, magnitudes_of_8_bits::<u8>),
        _ => sums(&integers(weights)?, &zero, channels, inner, magnitudes),
    };
    Ok((0..channels).all(|c| of(&bias, c).abs() + i128::from(reach) * i128::from(sums[c]) <= LIMIT))
}

/// What `of` says of every run of weights and its zero, added up by channel; more than 64 bits hold is as much as they hold.
fn sums<T>(weights: &[T], zero: &[i64], channels: usize, inner: usize, of: impl Fn(&[T], i64) -> i64) -> Vec<i64> {
    let mut sums = vec![0i64; channels];
    if inner > 0 {
        for (run, channel) in weights.chunks_exact(inner).zip((0..channels).cycle()) {
            let zero = if zero.len() == 1 { zero[0] } else { zero[channel] };
            sums[channel] = sums[channel].saturating_add(of(run, zero));
        }
    }
    sums
}

/// Sum of the magnitudes of `weights - zero`.
fn magnitudes(weights: &[i64], zero: i64) -> i64 {
    weights.iter().fold(0, |sum: i64, w| sum.saturating_add(w.saturating_sub(zero).saturating_abs()))
}

/// The same of weights of 8 bits and a zero of at most 16: 4096 of them fit 32 bits, which are added many at a time.
fn magnitudes_of_8_bits<T: Copy + Into<i32>>(weights: &[T], zero: i64) -> i64 {
    let some = |part: &[T]| part.iter().map(|&w| (w.into() - zero as i32).unsigned_abs()).sum::<u32>();
    weights.chunks(4096).map(|part| i64::from(some(part))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(weights: [i8; 4], zero: Option<i8>, bias: [i32; 2], axis: i64) -> bool {
        let zero = zero.map(|z| Tensor::new([], vec![z]));
        let (weights, bias) = (Tensor::new([2, 2], weights.to_vec()), Tensor::new([2], bias.to_vec()));
        sum_fits(&weights, zero.as_ref(), &bias, axis, 255).expect("the arguments fit each other")
    }

    #[test]
    fn the_last_sum_that_fits_fits_and_the_next_does_not() {
        let room = i32::MAX - 255 * 3;
        assert!(fits([1, -2, 0, 0], None, [room, i32::MAX], 0));
        assert!(fits([1, -2, 0, 0], None, [-room, -i32::MAX], 0));
        assert!(!fits([1, -2, 0, 0], None, [room + 1, 0], 0));
        assert!(!fits([1, -2, 0, 0], None, [0, i32::MIN], 0), "the lowest number has no magnitude in 32 bits");
    }

    #[test]
    fn channels_lie_along_the_axis_and_zeros_are_subtracted() {
        let room = i32::MAX - 255 * 3;
        assert!(!fits([1, 0, 2, 1], None, [room + 1, 0], 1), "columns sum to 3 and 1");
        assert!(fits([1, 0, 2, 1], None, [room + 1, 0], 0), "rows sum to 1 and 3");
        assert!(fits([5, 5, 5, 5], Some(5), [i32::MAX, -i32::MAX], 0));
    }

    #[test]
    fn sums_beyond_64_bits_do_not_fit() {
        let weights = Tensor::new([1, 3], vec![i64::MAX, i64::MIN, 1]);
        assert_eq!(sum_fits(&weights, None, &Tensor::new([], vec![0i32]), 0, 1), Ok(false));
        assert_eq!(sum_fits(&weights, None, &Tensor::new([], vec![0i32]), 0, 0), Ok(true));
    }

    #[test]
    fn as_many_biases_as_no_axis_has_are_refused() {
        let weights = Tensor::new([2, 2], vec![1i8; 4]);
        let why = |bias: usize, axis| sum_fits(&weights, None, &Tensor::new([bias], vec![0i32; bias]), axis, 255);
        assert_eq!(why(3, 0), Err("1 zero points and 3 biases for 2 channels".into()));
        assert_eq!(why(2, 2), Err("the axis is not there".into()));
    }
}
