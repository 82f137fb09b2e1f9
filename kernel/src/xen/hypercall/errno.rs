//! Xen's error numbers: xen/include/public/errno.h.
//!
//! A number with a name is enough: no caller does more than tell a few of them apart and print.

/// An error number as Xen returned it, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub u32);

impl Errno {
    /// Not allowed; between two domUs this is how SILO shows.
    pub const EPERM: Errno = Errno(1);
    /// No such domain.
    pub const ESRCH: Errno = Errno(3);
    /// Try again.
    pub const EAGAIN: Errno = Errno(11);
    /// No memory.
    pub const ENOMEM: Errno = Errno(12);
    /// Not allowed.
    pub const EACCES: Errno = Errno(13);
    /// Bad argument, or a thing in another state than asked for.
    pub const EINVAL: Errno = Errno(22);
    /// No room.
    pub const ENOSPC: Errno = Errno(28);
    /// No such hypercall, or not for this kind of domain.
    pub const ENOSYS: Errno = Errno(38);

    /// As Xen returned it: negative.
    pub fn negative(self) -> i32 {
        i32::try_from(self.0).map_or(i32::MIN, |number| -number)
    }

    /// What a hypercall returned: negative is an error.
    pub(super) fn check(result: i64) -> Result<u64, Errno> {
        match u64::try_from(result) {
            Ok(value) => Ok(value),
            Err(_) => Err(Errno(u32::try_from(result.unsigned_abs()).unwrap_or(u32::MAX))),
        }
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = match *self {
            Errno::EPERM => "EPERM",
            Errno::ESRCH => "ESRCH",
            Errno::EAGAIN => "EAGAIN",
            Errno::ENOMEM => "ENOMEM",
            Errno::EACCES => "EACCES",
            Errno::EINVAL => "EINVAL",
            Errno::ENOSPC => "ENOSPC",
            Errno::ENOSYS => "ENOSYS",
            Errno(number) => return write!(f, "errno-{number}"),
        };
        f.write_str(name)
    }
}
