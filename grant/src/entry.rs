//! Constants of Xen's grant tables: reserved references, entry flags and status codes, as defined
//! by `xen/include/public/grant_table.h`.

use core::fmt;

/// The first entries belong to the toolstack: 0 is the console page, 1 the xenstore page
/// (`xen/include/public/grant_table.h`, `GNTTAB_NR_RESERVED_ENTRIES`). This crate never changes
/// them.
pub const RESERVED_REFS: u32 = 8;

/// Flags of a version-1 entry (`xen/include/public/grant_table.h`, `GTF_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantFlags(pub u16);

impl GrantFlags {
    /// `GTF_invalid`: the entry grants nothing and is free.
    pub const INVALID: Self = Self(0);
    /// `GTF_permit_access`: the domain may map the frame, for reading and writing.
    pub const PERMIT_ACCESS: Self = Self(1);
    /// `GTF_reading`: set by Xen while the frame is mapped for reading.
    pub const READING: Self = Self(1 << 3);
    /// `GTF_writing`: set by Xen while the frame is mapped for writing.
    pub const WRITING: Self = Self(1 << 4);

    /// True while at least one mapping of the entry exists.
    pub const fn in_use(self) -> bool {
        self.0 & (Self::READING.0 | Self::WRITING.0) != 0
    }

    /// True if the entry is unused: not granted and not mapped.
    pub const fn is_free(self) -> bool {
        self.0 == Self::INVALID.0
    }
}

/// Status of one map or unmap operation. The hypercall may succeed although every operation in it
/// was refused (`xen/include/public/grant_table.h`, `GNTST_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantStatus(pub i16);

impl GrantStatus {
    /// `GNTST_okay`.
    pub const OKAY: Self = Self(0);
    /// `GNTST_general_error`: among others, the grant is for another domain, or ended.
    pub const GENERAL_ERROR: Self = Self(-1);
    /// `GNTST_bad_domain`: no such domain.
    pub const BAD_DOMAIN: Self = Self(-2);
    /// `GNTST_bad_gntref`: the reference grants us nothing.
    pub const BAD_REF: Self = Self(-3);
    /// `GNTST_bad_handle`: no such mapping.
    pub const BAD_HANDLE: Self = Self(-4);
    /// `GNTST_bad_virt_addr`: the address does not hold this mapping.
    pub const BAD_ADDRESS: Self = Self(-5);
    /// `GNTST_permission_denied`: a security module (SILO, Flask) forbids it.
    pub const PERMISSION_DENIED: Self = Self(-8);
    /// `GNTST_bad_page`: the granted frame is not a page of memory.
    pub const BAD_PAGE: Self = Self(-9);

    /// A description of the code.
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            0 => "okay",
            -1 => "undefined error",
            -2 => "no such domain",
            -3 => "the reference grants us nothing",
            -4 => "no such mapping",
            -5 => "bad address",
            -6 => "bad device address",
            -7 => "no room in the device tables",
            -8 => "permission denied",
            -9 => "bad page",
            -10 => "bad copy argument",
            -11 => "address too big",
            -12 => "not done, try again",
            -13 => "no space for another mapping",
            _ => "unknown status",
        }
    }
}

impl fmt::Display for GrantStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.meaning(), i32::from(self.0))
    }
}
