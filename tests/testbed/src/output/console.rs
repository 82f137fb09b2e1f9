//! What a guest printed: [`Console`], the one place where a console is read line by line.
//!
//! A domain can be destroyed in the middle of a line, and the next domain of that name may go on in the
//! same file. Only a whole line counts: a judge must not take the beginning of one for all of it.

use crate::output::facts::Fact;

/// What begins a guest's lines for programs.
const MARK: &str = "@T";
/// How an image's first line begins (kernel/src/console/mod.rs).
const FIRST_LINE: &str = "@T boot image=";

/// All that a guest printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Console {
    text: String,
}

impl Console {
    /// From the text of the file, as the console daemon wrote it.
    pub fn new(text: impl Into<String>) -> Console {
        Console { text: text.into() }
    }

    /// All of it, with a line that was cut off: to be shown and kept, not to be judged.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its whole lines, without their ends. What follows the last newline was cut off.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let whole = self.text.rfind('\n').map_or("", |end| &self.text[..=end]);
        whole.lines().map(|line| after_cut(line.trim_end()))
    }

    /// The lines for programs among those.
    pub fn facts(&self) -> Vec<Fact> {
        self.lines().filter_map(|line| Fact::parse(MARK, line)).collect()
    }
}

/// The line without the piece of another one before it. An image that starts begins a line, whatever
/// stands before it; and no line for programs holds the mark twice. In a line for people the mark may
/// be a part of what the line repeats, and is left alone.
fn after_cut(line: &str) -> &str {
    let start = if line.starts_with("@T ") { line.rfind("@T ") } else { line.rfind(FIRST_LINE) };
    &line[start.unwrap_or(0)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Console::new(text).facts().into_iter().map(|fact| fact.word).collect()
    }

    #[test]
    fn what_follows_the_last_newline_is_no_fact() {
        let text = "@T up link=a\n@T cycle link=a k=1 ok=1\n@T cycle link=a k=2 bytes=";
        assert_eq!(words(text), ["up", "cycle"]);
        assert_eq!(words("@T up link=a"), Vec::<String>::new());
        assert_eq!(Console::new(text).text(), text);
    }

    #[test]
    fn a_line_ends_with_or_without_a_carriage_return() {
        let console = Console::new("@T up link=a\r\n@T down link=a\n@T up link=b\r");
        assert_eq!(console.lines().collect::<Vec<_>>(), ["@T up link=a", "@T down link=a"]);
    }

    #[test]
    fn an_image_that_starts_behind_a_line_cut_off_begins_a_line_of_its_own() {
        let boot = "@T boot image=frontend domid=3 t1_ns=5 mem_kib=2048";
        for cut in ["@T cycle link=a k=2 bytes=", "INFO: link a is", "@", "@T", "@T "] {
            let console = Console::new(format!("{cut}{boot}\n@T up link=a\n"));
            assert_eq!(console.lines().next(), Some(boot), "{cut:?}");
            assert_eq!(words(console.text()), ["boot", "up"], "{cut:?}");
        }
    }

    #[test]
    fn a_line_for_programs_that_was_cut_off_is_not_mixed_with_the_next_one() {
        let console = Console::new("@T cycle k=2 bytes=4096 ok@T verdict=SUCCESS reason=done\n");
        let facts = console.facts();
        assert_eq!((facts.len(), facts[0].text("verdict")), (1, "SUCCESS"));
        assert_eq!(facts[0].text("bytes"), "");
    }

    #[test]
    fn what_a_line_for_people_repeats_is_no_line() {
        assert!(words("WARN: the node holds @T verdict=SUCCESS reason=x\n").is_empty());
    }

    /// Runs a line of the shell that dom0's scripts are written in, after they were read, in a folder
    /// with an `out` that has this console of `a.2`; what it printed.
    fn in_dom0(name: &str, console: &str, line: &str) -> String {
        let folder = std::env::temp_dir().join(format!("tether-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("out")).expect("a folder in the temporary one");
        std::fs::write(folder.join("out/a.2.console"), console).expect("a console");
        let steps = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../dom0/steps.sh");
        let script = format!(". {}; CONSOLES=attach; {line}", steps.display());
        let mut shell = std::process::Command::new("sh");
        let output = shell.args(["-c", &script]).current_dir(&folder).output().expect("a shell");
        let _ = std::fs::remove_dir_all(&folder);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    fn scripts_in_dom0_count_whole_lines() {
        let count =
            |console: &str| in_dom0("count", console, "count a.2 '^@T quarantine pages=1$'");
        assert_eq!(count("@T quarantine pages=1").trim(), "0");
        assert_eq!(count("@T quarantine pages=1\n@T quarantine pages=1").trim(), "1");
        assert_eq!(count("").trim(), "0");
        let is_up = |console: &str| {
            in_dom0("up", console, "is_up a.2 l && echo up; is_up a.2 l || echo down")
        };
        assert_eq!(is_up("@T up link=l \n@T down link=l ").trim(), "up");
    }

    #[test]
    fn scripts_in_dom0_part_the_consoles_of_two_lives_where_the_second_begins() {
        let (one, two) = ("@T boot image=a\n@T cycle bytes=", "@T boot image=a\n@T up");
        let line = "echo a.2 >out/names; echo a.1 >out/a.2.follows; keep_logs; \
                    cat out/a.1.console; echo '|'; cat out/a.2.console";
        let parted = |console: &str| in_dom0("lives", console, line);
        assert_eq!(parted(&format!("{one}{two}")), format!("{one}|\n{two}"));
        assert_eq!(parted(one), format!("{one}|\n"));
    }
}
