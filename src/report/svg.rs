//! Figures as a picture in a file: SVG, with the reader's light or dark ground.

use std::fmt::Write;

use jiff::{Timestamp, tz::TimeZone};

use super::{
    plot::{Panel, panels},
    series::Curves,
    status::number,
};

const WIDTH: f64 = 760.0;
/// One panel with its title, its axis and its legend.
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 56.0;
const PLOT: f64 = 140.0;
/// Lines that have a colour of their own; further ones are dashed too.
const COLORS: usize = 6;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#333}\
.t{font-weight:600;font-size:14px}\
.g{stroke:#ddd;stroke-width:1}\
.b{fill:#fff}\
.l{fill:none;stroke-width:1.8;stroke-linejoin:round}\
.d{stroke-dasharray:5 3}\
.c0{stroke:#0b62b0}.c1{stroke:#b0328a}.c2{stroke:#a35a00}.c3{stroke:#1b7f3b}.c4{stroke:#5b4bc4}.c5{stroke:#b3261e}\
@media(prefers-color-scheme:dark){\
text{fill:#ddd}.g{stroke:#3a3a3a}.b{fill:#16181c}\
.c0{stroke:#63b3f3}.c1{stroke:#ee86cb}.c2{stroke:#f0b35c}.c3{stroke:#6fd391}.c4{stroke:#aaa0ff}.c5{stroke:#ff8a80}}";

/// The picture of a stage's figures.
pub fn render(curves: &Curves, title: &str) -> String {
    let panels = panels(curves);
    #[allow(clippy::cast_precision_loss, reason = "there are a few panels")]
    let height = HEIGHT * panels.len().max(1) as f64;
    let mut svg = String::new();
    // Writing to a string doesn't fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\"><title>{}</title><style>{STYLE}</style>\
         <rect class=\"b\" width=\"100%\" height=\"100%\"/>",
        escape(title)
    );
    for (index, panel) in panels.iter().enumerate() {
        #[allow(clippy::cast_precision_loss, reason = "there are a few panels")]
        let top = HEIGHT * index as f64;
        draw(&mut svg, panel, curves, top);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: &Panel, curves: &Curves, at: f64) {
    let _ = write!(
        svg,
        "<g transform=\"translate(0 {at})\"><text class=\"t\" x=\"{LEFT}\" y=\"22\">{}</text>",
        escape(&panel.title)
    );
    let top = panel.top();
    let steps = steps(top);
    for step in 0..=steps {
        let share = f64::from(step) / f64::from(steps);
        let y = TOP + PLOT * (1.0 - share);
        let _ = write!(
            svg,
            "<line class=\"g\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            escape(&number(Some(top * share), panel.unit))
        );
    }
    let (since, until) = (curves.window.since, curves.window.until);
    for (share, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            x_of(share),
            TOP + PLOT + 18.0,
            escape(&clock(between(since, until, share), curves))
        );
    }
    let mut legend = LEFT;
    for (index, (name, values)) in panel.lines.iter().enumerate() {
        let class = format!(
            "l c{}{}",
            index % COLORS,
            if index >= COLORS { " d" } else { "" }
        );
        let _ = write!(
            svg,
            "<path class=\"{class}\" d=\"{}\"/>\
             <line class=\"{class}\" x1=\"{legend}\" x2=\"{}\" y1=\"38\" y2=\"38\"/>\
             <text x=\"{}\" y=\"42\">{}</text>",
            path(values, top),
            legend + 16.0,
            legend + 21.0,
            escape(name)
        );
        #[allow(clippy::cast_precision_loss, reason = "a name is short")]
        let wide = name.chars().count() as f64 * 6.6;
        legend += wide + 40.0;
    }
    svg.push_str("</g>");
}

/// How many lines go across, so that each stands for a round number: a scale ends at 1, 2 or 5 of a power of ten.
fn steps(top: f64) -> u32 {
    let leading = top / 10_f64.powf(top.log10().floor());
    if (1.5..3.0).contains(&leading) { 4 } else { 5 }
}

/// A line through the values; it's broken where there's none, and a lone value is a dot.
fn path(values: &[Option<f64>], top: f64) -> String {
    let mut path = String::new();
    let mut is_drawing = false;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            is_drawing = false;
            continue;
        };
        #[allow(clippy::cast_precision_loss, reason = "there are some hundred periods")]
        let x = x_of((index as f64 + 0.5) / values.len() as f64);
        let y = TOP + PLOT * (1.0 - (value / top).clamp(0.0, 1.0));
        let follows = values.get(index + 1).copied().flatten().is_some();
        let _ = match (is_drawing, follows) {
            (true, _) => write!(path, "L{x:.1} {y:.1}"),
            (false, true) => write!(path, "M{x:.1} {y:.1}"),
            (false, false) => write!(path, "M{:.1} {y:.1}h2", x - 1.0),
        };
        is_drawing = true;
    }
    path
}

fn x_of(share: f64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * share
}

fn between(since: Timestamp, until: Timestamp, share: f64) -> Timestamp {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "seconds of at most 455 days"
    )]
    let offset = ((until.as_second() - since.as_second()) as f64 * share) as i64;
    Timestamp::from_second(since.as_second() + offset).unwrap_or(since)
}

fn clock(at: Timestamp, curves: &Curves) -> String {
    let zoned = at.to_zoned_datetime(TimeZone::system());
    let format = if curves.window.seconds() < 86_400 {
        "%H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    zoned.strftime(format).to_string()
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML has no other control characters.
            control if control.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::series::tests::{curves, measured};

    #[test]
    fn a_picture_has_a_line_a_legend_and_a_scale_for_both_grounds() {
        let curves = curves(
            vec![
                measured("messages-in", "Sum", &[(0, 3.0), (2, 4.0)]),
                measured("latency-p95", "p95", &[(1, 12.0)]),
            ],
            3,
        );
        let svg = render(&curves, "chat dev <&>");
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(svg.contains("<title>chat dev &lt;&amp;&gt;</title>"));
        assert!(svg.contains("prefers-color-scheme:dark"));
        for text in [
            ">messages<",
            ">messages-in<",
            ">5<",
            ">latency-p95<",
            ">20.0 ms<",
        ] {
            assert!(svg.contains(text), "{text} isn't in {svg}");
        }
        assert_eq!(svg.matches("<path").count(), 2);
    }

    #[test]
    fn a_scale_has_round_numbers_only() {
        assert_eq!([1.0, 2.0, 5.0, 10.0, 200.0].map(steps), [5, 4, 5, 5, 4]);
    }

    #[test]
    fn a_line_is_broken_where_there_is_nothing() {
        let values = [Some(1.0), Some(1.0), None, Some(1.0), None];
        let path = path(&values, 2.0);
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert_eq!(path.matches('L').count(), 1, "{path}");
        assert!(path.ends_with("h2"), "{path}");
    }

    #[test]
    fn nothing_to_draw_is_a_picture_all_the_same() {
        assert!(render(&curves(Vec::new(), 3), "chat").ends_with("</svg>\n"));
    }
}
