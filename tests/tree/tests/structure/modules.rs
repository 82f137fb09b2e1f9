//! The modules of a package: which file each is in, what it defines, and which paths it writes.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

pub(crate) type Segments = Vec<String>;

/// A name that a `use` line brings in, or a path that stands in the code.
pub(crate) struct Mention {
    pub(crate) path: Segments,
    /// A `use` that is visible outside its module: a re-export.
    pub(crate) is_reexport: bool,
}

#[derive(Default)]
pub(crate) struct Module {
    pub(crate) file: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
    pub(crate) items: BTreeSet<String>,
    pub(crate) uses: BTreeMap<String, Segments>,
    pub(crate) globs: Vec<Segments>,
    pub(crate) mentions: Vec<Mention>,
}

/// All targets of a package: library, programs, tests and examples.
pub(crate) struct Package {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) modules: Vec<Module>,
    /// The module that `crate` names, for each module.
    pub(crate) roots: Vec<usize>,
    /// The library's name and root, for the other targets.
    pub(crate) library: Option<(String, usize)>,
    /// Names of the types that the package defines, each as often as it does.
    pub(crate) types: Vec<(String, usize)>,
    /// Macros that every module sees as `crate::name`.
    pub(crate) macros: BTreeMap<String, usize>,
}

impl Package {
    pub(crate) fn read(folder: &Path, name: &str) -> Self {
        let mut package = Self {
            files: Vec::new(),
            modules: Vec::new(),
            roots: Vec::new(),
            library: None,
            types: Vec::new(),
            macros: BTreeMap::new(),
        };
        for library in ["src/lib.rs", "lib.rs"].map(|file| folder.join(file)) {
            if library.exists() {
                let root = package.target(&library);
                package.library = Some((name.replace('-', "_"), root));
            }
        }
        for file in ["src/main.rs", "build.rs"].map(|file| folder.join(file)) {
            if file.exists() {
                package.target(&file);
            }
        }
        for targets in ["src/bin", "tests", "examples", "benches"] {
            for entry in entries(&folder.join(targets)) {
                let main = entry.join("main.rs");
                if entry.extension().is_some_and(|it| it == "rs") {
                    package.target(&entry);
                } else if main.exists() {
                    package.target(&main);
                }
            }
        }
        package
    }

    /// Reads the text instead of a file: for tests of this reader.
    pub(crate) fn of_texts(texts: &[(&str, &str)]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tether-structure-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        for (path, text) in texts {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let mut package = Self::read(&folder, "sample");
        for file in &mut package.files {
            *file = file.strip_prefix(&folder).expect("below the folder").to_owned();
        }
        fs::remove_dir_all(&folder).expect("the folder is ours");
        package
    }

    fn target(&mut self, file: &Path) -> usize {
        let root = self.modules.len();
        let folder = file.parent().expect("in a folder").to_owned();
        self.module(None, root, file.to_owned(), folder)
    }

    fn module(&mut self, parent: Option<usize>, root: usize, file: PathBuf, dir: PathBuf) -> usize {
        let text = fs::read_to_string(&file);
        let text = text.unwrap_or_else(|it| panic!("{}: {it}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|it| panic!("{}: {it}", file.display()));
        self.files.push(file);
        let id = self.add(parent, root, self.files.len() - 1);
        let mut reader = Reader { package: self, module: id, root, dir };
        reader.visit_file(&parsed);
        id
    }

    fn add(&mut self, parent: Option<usize>, root: usize, file: usize) -> usize {
        self.modules.push(Module { file, parent, ..Module::default() });
        self.roots.push(root);
        self.modules.len() - 1
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|it| it.expect("an entry").path()).collect();
    paths.sort();
    paths
}

struct Reader<'a> {
    package: &'a mut Package,
    module: usize,
    root: usize,
    /// Where files of child modules are.
    dir: PathBuf,
}

impl Reader<'_> {
    fn here(&mut self) -> &mut Module {
        &mut self.package.modules[self.module]
    }

    fn enter(&mut self, item: &ItemMod) {
        let name = item.ident.to_string();
        let dir = self.dir.join(&name);
        let child = if let Some((_, items)) = &item.content {
            let file = self.here().file;
            let child = self.package.add(Some(self.module), self.root, file);
            let (root, package) = (self.root, &mut *self.package);
            let mut reader = Reader { package, module: child, root, dir };
            items.iter().for_each(|item| reader.visit_item(item));
            child
        } else {
            let own = &self.package.files[self.package.modules[self.module].file];
            let stated = attribute_path(&item.attrs);
            let (found, dir) = if let Some(path) = stated {
                let file = own.parent().expect("in a folder").join(path);
                (file.clone(), file.parent().expect("in a folder").to_owned())
            } else {
                let flat = self.dir.join(format!("{name}.rs"));
                (if flat.exists() { flat } else { dir.join("mod.rs") }, dir)
            };
            self.package.module(Some(self.module), self.root, found, dir)
        };
        self.here().children.insert(name, child);
    }

    fn import(&mut self, tree: &UseTree, mut path: Segments, is_reexport: bool) {
        let alias = match tree {
            UseTree::Path(it) => {
                path.push(it.ident.to_string());
                return self.import(&it.tree, path, is_reexport);
            }
            UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|it| self.import(it, path.clone(), is_reexport));
            }
            UseTree::Glob(_) => return self.here().globs.push(path),
            UseTree::Name(it) if it.ident == "self" => path.last().cloned().unwrap_or_default(),
            UseTree::Name(it) => {
                path.push(it.ident.to_string());
                it.ident.to_string()
            }
            UseTree::Rename(it) => {
                if it.ident != "self" {
                    path.push(it.ident.to_string());
                }
                it.rename.to_string()
            }
        };
        self.here().uses.insert(alias, path.clone());
        self.here().mentions.push(Mention { path, is_reexport });
    }

    fn mention(&mut self, path: Segments) {
        self.here().mentions.push(Mention { path, is_reexport: false });
    }

    /// Paths of two segments and more in the arguments of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Segments::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(it) if it.as_char() == ':' => colons += 1,
                TokenTree::Ident(it) => {
                    if colons != 2 {
                        self.end_of(&mut path);
                    }
                    path.push(it.to_string());
                    colons = 0;
                }
                other => {
                    self.end_of(&mut path);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.end_of(&mut path);
    }

    fn end_of(&mut self, path: &mut Segments) {
        let path = core::mem::take(path);
        if path.len() > 1 {
            self.mention(path);
        }
    }

    fn define(&mut self, name: String, is_type: bool) {
        let module = self.module;
        if is_type {
            self.package.types.push((name.clone(), module));
        }
        self.here().items.insert(name);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        match item {
            Item::Const(it) => self.define(it.ident.to_string(), false),
            Item::Static(it) => self.define(it.ident.to_string(), false),
            Item::Fn(it) => self.define(it.sig.ident.to_string(), false),
            Item::Struct(it) => self.define(it.ident.to_string(), true),
            Item::Enum(it) => self.define(it.ident.to_string(), true),
            Item::Union(it) => self.define(it.ident.to_string(), true),
            Item::Trait(it) => self.define(it.ident.to_string(), true),
            Item::Type(it) => self.define(it.ident.to_string(), true),
            Item::Macro(it) => {
                if let Some(name) = &it.ident {
                    let module = self.module;
                    self.package.macros.insert(name.to_string(), module);
                    self.define(name.to_string(), false);
                }
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.enter(item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, Vec::new(), is_reexport);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.mention(path.segments.iter().map(|it| it.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, it: &'ast Macro) {
        self.tokens(it.tokens.clone());
        visit::visit_macro(self, it);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// Unit tests stand above the code, so they may use anything.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|it| it.path().is_ident("cfg")).any(|it| {
        let Ok(list) = it.meta.require_list() else { return false };
        let text = list.tokens.to_string();
        let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.clone().any(|word| word == "test") && !words.any(|word| word == "not")
    })
}

fn attribute_path(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|it| it.path().is_ident("path"))?;
    let value = &attribute.meta.require_name_value().ok()?.value;
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = value else { return None };
    Some(text.value())
}
