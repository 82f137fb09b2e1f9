//! Memory that two domains share, as one of them sees it.

/// Pages that another domain reads and writes at the same time. They are copied from and to, never
/// borrowed: a reference into them would let the compiler assume that they hold still.
///
/// Dropping a view must not give its memory back to be used again: a connection or a quarantine may be
/// dropped while its pages are granted, and only they know. Memory is given back with an owned
/// [`PageSet`](crate::PageSet), which they hand out once every grant is ended.
///
/// Offsets are bytes over `pages() * 4096`, contiguous whatever frames lie below. Offsets of words
/// are multiples of four. Out-of-range offsets are the caller's bug and may panic; this crate
/// computes them from its own numbers only, never from what the peer wrote.
pub trait SharedPages {
    /// Reads an aligned word, with acquire order.
    fn load_u32(&self, at: usize) -> u32;
    /// Writes an aligned word, with release order.
    fn store_u32(&self, at: usize, value: u32);
    /// Copies bytes out; they may be torn if the peer writes them meanwhile.
    fn copy_from(&self, at: usize, into: &mut [u8]);
    /// Copies bytes in.
    fn copy_to(&self, at: usize, from: &[u8]);
    /// A sequentially consistent fence: what was stored before it is visible before what is loaded
    /// after it.
    fn full_barrier(&self);
    /// Fills all pages with zeros.
    fn zero(&self);
    /// How many pages there are.
    fn pages(&self) -> usize;
}
