//! No code: this package has tests of the tree itself, in tests/.
