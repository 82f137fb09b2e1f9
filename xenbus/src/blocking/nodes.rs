//! The operations of a [`Store`] on nodes: values, children, permissions. Each sends one request
//! and waits for the reply; only a long list of children takes more.

use super::{Store, StoreError, unexpected};
use crate::blocking::Port;
use crate::directory::{Listing, Step};
use xen_types::DomId;

use crate::permission::Permission;
use crate::reply::{Names, Reply};
use crate::request::Request;

impl<P: Port> Store<'_, P> {
    /// Copies the value of a node to the front of `into` and returns it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn read<'b>(&mut self, path: &str, into: &'b mut [u8]) -> Result<&'b [u8], StoreError> {
        let mut length = 0;
        self.have(Request::Read { path }, &mut |reply| match reply {
            Reply::Value(value) => {
                length = value.len();
                copy(value, into)
            }
            _ => Err(unexpected()),
        })?;
        Ok(into.get(..length).unwrap_or(&[]))
    }

    /// Replaces the value of a node, and creates the node if it is missing.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn write(&mut self, path: &str, value: &[u8]) -> Result<(), StoreError> {
        self.order(Request::Write { path, value })
    }

    /// Creates a node if it is missing.
    ///
    /// ```
    /// # use xenbus::{Client, blocking::Store, fake::FakePort};
    /// # let (mut client, mut port) = (Client::new(), FakePort::new());
    /// # client.start(1);
    /// # let mut store = Store::new(&mut client, &mut port);
    /// store.make_directory("data/box")?;
    /// assert_eq!(store.read("data/box", &mut [0; 1])?, b"");
    /// # Ok::<(), xenbus::blocking::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn make_directory(&mut self, path: &str) -> Result<(), StoreError> {
        self.order(Request::MakeDirectory { path })
    }

    /// Removes a node and its descendants.
    ///
    /// ```
    /// # use xenbus::{Client, Errno, blocking::Store, fake::FakePort};
    /// # let (mut client, mut port) = (Client::new(), FakePort::new());
    /// # client.start(1);
    /// # let mut store = Store::new(&mut client, &mut port);
    /// store.write("data/x/y", b"1")?;
    /// store.remove("data/x")?;
    /// assert!(store.read("data/x/y", &mut [0; 1]).unwrap_err().is(Errno::Enoent));
    /// # Ok::<(), xenbus::blocking::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn remove(&mut self, path: &str) -> Result<(), StoreError> {
        self.order(Request::Remove { path })
    }

    /// The names of a node's children, stored in `buffer`. Each takes its length plus one byte.
    ///
    /// ```
    /// # use xenbus::{Client, blocking::Store, fake::FakePort};
    /// # let (mut client, mut port) = (Client::new(), FakePort::new());
    /// # client.start(1);
    /// # let mut store = Store::new(&mut client, &mut port);
    /// store.write("data/a", b"1")?;
    /// store.write("data/b", b"2")?;
    /// assert!(store.directory("data", &mut [0; 64])?.eq(["a", "b"]));
    /// # Ok::<(), xenbus::blocking::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn directory<'b>(
        &mut self,
        path: &str,
        buffer: &'b mut [u8],
    ) -> Result<Names<'b>, StoreError> {
        let mut listing = Listing::new(path);
        loop {
            let id = self.submit(listing.request())?;
            let mut step = Ok(Step::Ask);
            self.answer(id, &mut |result| step = listing.answer(result, buffer))?;
            if step.map_err(StoreError::List)? == Step::Complete {
                return Ok(listing.names(buffer));
            }
        }
    }

    /// The permissions of a node, copied to the front of `into`.
    ///
    /// ```
    /// # use xenbus::{Client, DomId, Permission, blocking::Store, fake::FakePort};
    /// # let (mut client, mut port) = (Client::new(), FakePort::new());
    /// # client.start(1);
    /// # let mut store = Store::new(&mut client, &mut port);
    /// let wanted = [Permission::owner(DomId(1)), Permission::read(DomId(2))];
    /// store.write("data/x", b"1")?;
    /// store.set_permissions("data/x", &wanted)?;
    /// let mut room = [Permission::owner(DomId(0)); 4];
    /// assert_eq!(store.permissions("data/x", &mut room)?, wanted);
    /// # Ok::<(), xenbus::blocking::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn permissions<'b>(
        &mut self,
        path: &str,
        into: &'b mut [Permission],
    ) -> Result<&'b [Permission], StoreError> {
        let count = self.ask(Request::GetPermissions { path }, |reply| match reply {
            Reply::Permissions(permissions) => {
                let needed = permissions.count();
                let room = into.get_mut(..needed).ok_or(StoreError::BufferTooSmall { needed })?;
                for (place, permission) in room.iter_mut().zip(permissions) {
                    *place = permission;
                }
                Ok(needed)
            }
            _ => Err(unexpected()),
        })?;
        Ok(into.get(..count).unwrap_or(&[]))
    }

    /// Replaces the permissions of a node; the first names its owner.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn set_permissions(
        &mut self,
        path: &str,
        permissions: &[Permission],
    ) -> Result<(), StoreError> {
        self.order(Request::SetPermissions { path, permissions })
    }

    /// The home path of a domain, copied to the front of `into`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn domain_path<'b>(
        &mut self,
        domain: DomId,
        into: &'b mut [u8],
    ) -> Result<&'b [u8], StoreError> {
        let mut length = 0;
        self.have(Request::GetDomainPath(domain), &mut |reply| match reply {
            Reply::DomainPath(path) => {
                length = path.len();
                copy(path.as_bytes(), into)
            }
            _ => Err(unexpected()),
        })?;
        Ok(into.get(..length).unwrap_or(&[]))
    }
}

fn copy(value: &[u8], into: &mut [u8]) -> Result<(), StoreError> {
    let needed = value.len();
    into.get_mut(..needed).ok_or(StoreError::BufferTooSmall { needed })?.copy_from_slice(value);
    Ok(())
}
