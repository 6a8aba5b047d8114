//! Element types below eight bits, and floats of eight bits and less. Each element takes a byte of its own in memory;
//! files pack them.

use serde::{Deserialize, Serialize};

/// A float format of at most eight bits.
///
/// ```text
/// value = (-1)^s * 2^(e - bias) * 1.m      e > 0
/// value = (-1)^s * 2^(1 - bias) * 0.m      e = 0
/// ```
/// Source: the ONNX text on 8-bit floats, and OCP "Microscaling Formats" 1.0 for E2M1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmallFloat {
    /// Bits of the exponent.
    pub exponent: u32,
    /// Bits of the mantissa.
    pub mantissa: u32,
    /// What is subtracted from the exponent's code.
    pub bias: i32,
    /// Magnitude bits of the largest finite value.
    pub largest: u8,
    /// Which codes are not finite.
    pub special: Special,
}

/// Codes of a [`SmallFloat`] that are no finite number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// All exponent and mantissa bits set are NaN; there is no infinity.
    NanOnly,
    /// As in IEEE 754: an exponent of ones is infinity or NaN.
    Ieee,
    /// The code of minus zero is the one NaN; there is neither infinity nor minus zero.
    NanAtMinusZero,
    /// None at all.
    Finite,
}

/// What becomes of values beyond the largest finite one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overflow {
    /// They become the largest finite value of their sign.
    Saturate,
    /// They become infinity, or NaN where there is none.
    Leave,
}

/// 4 exponent and 3 mantissa bits without infinities.
pub const E4M3FN: SmallFloat =
    SmallFloat { exponent: 4, mantissa: 3, bias: 7, largest: 0x7e, special: Special::NanOnly };
/// 4 exponent and 3 mantissa bits without infinities and minus zero.
pub const E4M3FNUZ: SmallFloat =
    SmallFloat { exponent: 4, mantissa: 3, bias: 8, largest: 0x7f, special: Special::NanAtMinusZero };
/// 5 exponent and 2 mantissa bits.
pub const E5M2: SmallFloat = SmallFloat { exponent: 5, mantissa: 2, bias: 15, largest: 0x7b, special: Special::Ieee };
/// 5 exponent and 2 mantissa bits without infinities and minus zero.
pub const E5M2FNUZ: SmallFloat =
    SmallFloat { exponent: 5, mantissa: 2, bias: 16, largest: 0x7f, special: Special::NanAtMinusZero };
/// 2 exponent bits and 1 mantissa bit: 0, 0.5, 1, 1.5, 2, 3, 4, 6.
pub const E2M1: SmallFloat = SmallFloat { exponent: 2, mantissa: 1, bias: 1, largest: 0x7, special: Special::Finite };

impl SmallFloat {
    fn sign_bit(self) -> u8 {
        1 << (self.exponent + self.mantissa)
    }

    fn nan(self) -> u8 {
        match self.special {
            Special::NanOnly => self.sign_bit() - 1,
            Special::Ieee => self.sign_bit() - 1,
            Special::NanAtMinusZero => self.sign_bit(),
            // The standard leaves it open; its implementation gives minus zero.
            Special::Finite => self.sign_bit(),
        }
    }

    /// Value of a code.
    pub fn decode(self, code: u8) -> f64 {
        let sign = if code & self.sign_bit() != 0 { -1.0 } else { 1.0 };
        let magnitude = code & (self.sign_bit() - 1);
        match self.special {
            Special::NanAtMinusZero if magnitude == 0 && sign < 0.0 => return f64::NAN,
            Special::Ieee if magnitude == self.largest + 1 => return sign * f64::INFINITY,
            Special::Ieee | Special::NanOnly if magnitude > self.largest => return f64::NAN,
            _ => {}
        }
        let exponent = i32::from(magnitude >> self.mantissa);
        let fraction = f64::from(magnitude & ((1 << self.mantissa) - 1)) / f64::from(1u32 << self.mantissa);
        let value = if exponent == 0 {
            fraction * f64::from(1 - self.bias).exp2()
        } else {
            (1.0 + fraction) * f64::from(exponent - self.bias).exp2()
        };
        sign * value
    }

    /// Nearest code, ties to the even one. NaN where the format has none becomes minus zero.
    pub fn encode(self, x: f64, overflow: Overflow) -> u8 {
        if x.is_nan() {
            return self.nan();
        }
        let negative = x.is_sign_negative();
        let signed = |magnitude: u8| {
            let unsigned_zero = self.special == Special::NanAtMinusZero && magnitude == 0;
            if negative && !unsigned_zero { magnitude | self.sign_bit() } else { magnitude }
        };
        let magnitude = self.round(x.abs());
        if magnitude <= u32::from(self.largest) {
            return signed(magnitude as u8);
        }
        match (overflow, self.special) {
            (Overflow::Saturate, _) | (_, Special::Finite) => signed(self.largest),
            (Overflow::Leave, Special::Ieee) => signed(self.largest + 1),
            (Overflow::Leave, Special::NanAtMinusZero) => self.nan(),
            (Overflow::Leave, Special::NanOnly) => signed(self.nan()),
        }
    }

    /// Magnitude bits of the nearest value if exponents had no end.
    fn round(self, x: f64) -> u32 {
        if x.is_infinite() {
            return u32::MAX;
        }
        let lowest = 1 - self.bias;
        // Exponent of the value's binade; subnormals share the lowest one.
        let exponent = if x == 0.0 { lowest } else { (x.to_bits() >> 52) as i32 - 1023 }.max(lowest);
        let steps = (x * f64::from(self.mantissa as i32 - exponent).exp2()).round_ties_even();
        // A mantissa that rounds up to the next binade carries into the exponent by itself.
        let base = (exponent - lowest) as u32;
        (base << self.mantissa).saturating_add(steps.min(f64::from(u32::MAX / 2)) as u32)
    }
}

macro_rules! small_float {
    ($($name:ident $format:ident $doc:literal)*) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
        #[repr(transparent)]
        pub struct $name(pub u8);

        impl $name {
            /// Value.
            pub fn to_f64(self) -> f64 {
                $format.decode(self.0)
            }

            /// Nearest value; what is too large becomes the largest finite one.
            pub fn from_f64(x: f64) -> Self {
                Self($format.encode(x, Overflow::Saturate))
            }
        }
    )*};
}

small_float! {
    F8E4M3 E4M3FN "A float of 4 exponent and 3 mantissa bits, without infinities."
    F8E4M3Uz E4M3FNUZ "A float of 4 exponent and 3 mantissa bits, without infinities and minus zero."
    F8E5M2 E5M2 "A float of 5 exponent and 2 mantissa bits."
    F8E5M2Uz E5M2FNUZ "A float of 5 exponent and 2 mantissa bits, without infinities and minus zero."
    F4E2M1 E2M1 "A float of 2 exponent bits and 1 mantissa bit."
}

/// A power of two, `2^(code - 127)`; 255 is NaN. The scale of blocks in microscaling formats.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct F8E8M0(pub u8);

impl F8E8M0 {
    /// Value.
    pub fn to_f64(self) -> f64 {
        if self.0 == 255 { f64::NAN } else { (f64::from(self.0) - 127.0).exp2() }
    }

    /// Nearest power of two of a positive number, ties upwards; what is too small or not positive becomes the smallest,
    /// what is too large the largest.
    pub fn from_f64(x: f64) -> Self {
        if x.is_nan() {
            return Self(255);
        }
        if x <= 0.0 {
            return Self(0);
        }
        let floor = x.log2().floor();
        let up = x >= 1.5 * floor.exp2();
        Self((floor + if up { 128.0 } else { 127.0 }).clamp(0.0, 254.0) as u8)
    }
}

macro_rules! small_int {
    ($($name:ident $bits:literal $base:ident $doc:literal)*) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(transparent)]
        pub struct $name(pub $base);

        impl $name {
            /// The number with the lowest bits of `x`.
            pub fn wrapped(x: i128) -> Self {
                const SHIFT: u32 = <$base>::BITS - $bits;
                Self(((x as $base) << SHIFT) >> SHIFT)
            }

            /// Value.
            pub fn to_f64(self) -> f64 {
                f64::from(self.0)
            }

            /// Truncates; what is too large or too small becomes the end of the range, NaN zero.
            pub fn from_f64(x: f64) -> Self {
                let signed = <$base>::MIN != 0;
                let (low, high): (f64, f64) = if signed {
                    (-f64::from(1 << ($bits - 1)), f64::from((1 << ($bits - 1)) - 1))
                } else {
                    (0.0, f64::from((1 << $bits) - 1))
                };
                Self(if x.is_nan() { 0 } else { x.clamp(low, high) as $base })
            }
        }
    )*};
}

small_int! {
    I4 4 i8 "A signed integer of 4 bits."
    U4 4 u8 "An unsigned integer of 4 bits."
    I2 2 i8 "A signed integer of 2 bits."
    U2 2 u8 "An unsigned integer of 2 bits."
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [SmallFloat; 5] = [E4M3FN, E4M3FNUZ, E5M2, E5M2FNUZ, E2M1];

    #[test]
    fn every_code_is_its_value_again() {
        for format in FORMATS {
            for code in 0..format.sign_bit() {
                for code in [code, code | format.sign_bit()] {
                    let value = format.decode(code);
                    let again = format.decode(format.encode(value, Overflow::Leave));
                    assert!(
                        value.is_nan() && again.is_nan() || value == again,
                        "{format:?} {code:#x}: {value} {again}"
                    );
                }
            }
        }
    }

    #[test]
    fn rounds_to_the_nearest_code_and_ties_to_even() {
        for format in FORMATS {
            for code in 0..format.largest {
                let (a, b) = (format.decode(code), format.decode(code + 1));
                let encode = |x| format.encode(x, Overflow::Saturate);
                assert_eq!(encode(f64::midpoint(a, b)), if code % 2 == 0 { code } else { code + 1 }, "{format:?}");
                assert_eq!(encode(a + (b - a) * 0.49), code);
                assert_eq!(encode(a + (b - a) * 0.51), code + 1);
            }
        }
    }

    #[test]
    fn largest_values_are_those_of_the_text() {
        let largest = FORMATS.map(|f| f.decode(f.largest));
        assert_eq!(largest, [448.0, 240.0, 57344.0, 57344.0, 6.0]);
        assert_eq!(E4M3FN.encode(1e9, Overflow::Saturate), 0x7e);
        assert_eq!(E4M3FN.encode(-f64::INFINITY, Overflow::Leave), 0xff);
        assert_eq!(E5M2.encode(f64::INFINITY, Overflow::Leave), 0x7c);
        assert_eq!(E5M2FNUZ.encode(1e9, Overflow::Leave), 0x80);
        assert_eq!(E4M3FNUZ.encode(-0.0, Overflow::Leave), 0);
    }

    #[test]
    fn small_integers_wrap_or_saturate() {
        assert_eq!(I4::wrapped(8), I4(-8));
        assert_eq!(U4::wrapped(-1), U4(15));
        assert_eq!(I2::wrapped(2), I2(-2));
        assert_eq!(U2::from_f64(9.0), U2(3));
        assert_eq!(I4::from_f64(-7.9), I4(-7));
    }

    #[test]
    fn powers_of_two_round_to_the_nearest() {
        assert_eq!(F8E8M0::from_f64(1.0), F8E8M0(127));
        assert_eq!(F8E8M0::from_f64(1.5), F8E8M0(128));
        assert_eq!(F8E8M0::from_f64(1.49), F8E8M0(127));
        assert_eq!(F8E8M0::from_f64(0.0), F8E8M0(0));
        assert_eq!(F8E8M0(0).to_f64(), 2f64.powi(-127));
    }
}
