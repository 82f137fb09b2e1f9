//! Strict stand-ins for Xen's grant tables, the foreign window and shared memory, for host tests.
//! What the real thing punishes late or never (a page reused while mapped, a double map) fails
//! here at once.
