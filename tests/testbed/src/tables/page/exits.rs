//! How often the images leave their processor to Xen, and why: a table.

use core::fmt::Write;
use std::collections::BTreeSet;

use super::svg::{escape, not_measured};
use crate::evaluation::bench::Exits;

/// The part of the page for one daemon.
pub(super) fn section(page: &mut String, daemon: &str, rows: &[Exits]) {
    let _ = write!(page, "<h2>Exits to Xen, {daemon}</h2>");
    if rows.is_empty() {
        page.push_str(&not_measured("exits"));
        return;
    }
    let reasons: BTreeSet<&String> = rows.iter().flat_map(|row| row.reasons.keys()).collect();
    // A column a stage: there are more reasons than a page is wide.
    page.push_str("<table><tr><th>one, on the average</th>");
    for row in rows {
        let side = if row.side == "fe" { "front" } else { "back" };
        let _ = write!(page, "<th>{}, {side}, of {}</th>", escape(&row.stage), row.n);
    }
    page.push_str("</tr><tr><td>all</td>");
    for row in rows {
        let _ = write!(page, "<td>{:.1}</td>", row.each());
    }
    page.push_str("</tr>");
    for reason in reasons {
        let _ = write!(page, "<tr><td>{}</td>", escape(reason));
        for row in rows {
            let said = row.each_for(reason).map_or("-".into(), |each| format!("{each:.1}"));
            let _ = write!(page, "<td>{said}</td>");
        }
        page.push_str("</tr>");
    }
    page.push_str(
        "</table><p class=\"note\">From Xen's own trace, of a boot and a pair of their own: tracing \
         takes time, so nothing is timed meanwhile. A boot is counted from the first guest instruction \
         to the first doorbell for xenstored, that one included. A stage of a cycle has the front's rest \
         behind it in it, which is one sched_op.</p>",
    );
}
