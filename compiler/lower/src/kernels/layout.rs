//! How a tensor lies in its buffer: channels last, with a halo around every image.
//!
//! A convolution that pads reads its padding from the halo of its input, which the planner fills once with the zero
//! point; the loop over the interior and the border is then the same. A tensor may also be a slice of the channels of
//! a wider buffer, so that a concatenation is written in place.

/// Bytes every buffer must have behind its last element: kernels read whole registers, never write them there.
pub const SLACK: usize = 64;

/// Type of the elements in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Elem {
    /// Unsigned codes.
    U8,
    /// Signed codes.
    I8,
    /// Signed codes of 16 bits.
    I16,
    /// Accumulators and indices.
    I32,
    /// Single precision.
    F32,
}

impl Elem {
    /// Bytes of one element.
    pub const fn bytes(self) -> usize {
        match self {
            Elem::U8 | Elem::I8 => 1,
            Elem::I16 => 2,
            Elem::I32 | Elem::F32 => 4,
        }
    }

    /// Lowest and highest code, for the types of codes.
    pub const fn code_range(self) -> Option<(i32, i32)> {
        match self {
            Elem::U8 => Some((0, 255)),
            Elem::I8 => Some((-128, 127)),
            Elem::I16 => Some((-32768, 32767)),
            Elem::I32 | Elem::F32 => None,
        }
    }
}

/// Rows and columns of padding kept around every image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Halo {
    /// Rows above.
    pub top: usize,
    /// Columns before.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns after.
    pub right: usize,
}

/// A tensor of `n` images of `h x w` pixels of `c` channels in a buffer.
///
/// Element `(n, y, x, c)` is at `((n * (top + h + bottom) + top + y) * (left + w + right) + left + x) * pitch + first + c`
/// elements from the start of the buffer. A matrix `[M, K]` is `n = 1, h = 1, w = M, c = K`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TensorLayout {
    /// Images.
    pub n: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Channels.
    pub c: usize,
    /// Element type.
    pub elem: Elem,
    /// Padding around each image.
    pub halo: Halo,
    /// Elements from one pixel to the next, at least `first + c`.
    pub pitch: usize,
    /// Channel of the buffer that is channel 0 of the tensor.
    pub first: usize,
}

impl TensorLayout {
    /// A tensor alone in its buffer, without halo.
    pub const fn dense(n: usize, h: usize, w: usize, c: usize, elem: Elem) -> TensorLayout {
        let halo = Halo { top: 0, left: 0, bottom: 0, right: 0 };
        TensorLayout { n, h, w, c, elem, halo, pitch: c, first: 0 }
    }

    /// A matrix of `rows` rows and `columns` columns.
    pub const fn matrix(rows: usize, columns: usize, elem: Elem) -> TensorLayout {
        TensorLayout::dense(1, 1, rows, columns, elem)
    }

    /// The same tensor with a halo.
    pub const fn with_halo(self, halo: Halo) -> TensorLayout {
        TensorLayout { halo, ..self }
    }

    /// Channels `first .. first + c` of this tensor.
    pub const fn channels(self, first: usize, c: usize) -> TensorLayout {
        TensorLayout { c, first: self.first + first, ..self }
    }

    /// Bytes from one pixel to the next.
    pub const fn pixel_stride(&self) -> usize {
        self.pitch * self.elem.bytes()
    }

    /// Bytes from one row to the next.
    pub const fn row_stride(&self) -> usize {
        (self.halo.left + self.w + self.halo.right) * self.pixel_stride()
    }

    /// Bytes from one image to the next.
    pub const fn image_stride(&self) -> usize {
        (self.halo.top + self.h + self.halo.bottom) * self.row_stride()
    }

    /// Byte offset of channel 0 of pixel `(y, x)` of image 0; pixels of the halo have negative or large coordinates.
    pub const fn offset(&self, y: isize, x: isize) -> isize {
        (self.halo.top as isize + y) * self.row_stride() as isize
            + (self.halo.left as isize + x) * self.pixel_stride() as isize
            + (self.first * self.elem.bytes()) as isize
    }

    /// Bytes of the elements, halo included, slack not.
    pub const fn data_bytes(&self) -> usize {
        self.n * self.image_stride()
    }

    /// Bytes of the buffer: the elements and the slack.
    pub const fn bytes(&self) -> usize {
        self.data_bytes() + SLACK
    }

    /// Elements of the tensor, without halo.
    pub const fn len(&self) -> usize {
        self.n * self.h * self.w * self.c
    }

    /// Whether the tensor has no elements.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the pixels of all images are equally spaced, so that they may be walked as one row.
    pub const fn is_flat(&self) -> bool {
        let halo = self.halo;
        halo.left + halo.right == 0 && (halo.top + halo.bottom == 0 || self.n == 1) || self.n * self.h * self.w == 1
    }
}
