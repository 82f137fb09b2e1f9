//! One domain's view of memory that two domains share.

/// Pages that another domain reads and writes at the same time. Bytes are copied in and out, never
/// borrowed: a reference would let the compiler assume that the memory does not change.
///
/// Dropping a view must not free its memory for reuse, because a connection or a quarantine may be
/// dropped while its pages are still granted. They return an owned [`PageSet`](crate::PageSet) once
/// every grant is ended; only that may be freed.
///
/// Offsets are in bytes, below `pages() * 4096`, and contiguous whatever the frames are. Offsets of
/// words are multiples of four. An offset out of range is a bug of the caller and may panic; this
/// crate never computes offsets from values that the peer wrote.
pub trait SharedPages {
    /// Reads an aligned word, with acquire order.
    fn load_u32(&self, at: usize) -> u32;
    /// Writes an aligned word, with release order.
    fn store_u32(&self, at: usize, value: u32);
    /// Copies bytes out. They may be torn if the peer writes at the same time.
    fn copy_from(&self, at: usize, into: &mut [u8]);
    /// Copies bytes in.
    fn copy_to(&self, at: usize, from: &[u8]);
    /// A sequentially consistent fence: stores before it become visible before any load after it.
    fn full_barrier(&self);
    /// Fills all pages with zeros.
    fn zero(&self);
    /// Number of pages.
    fn pages(&self) -> usize;
}
