//! Curves on two logarithmic axes, as an SVG picture that is readable on light and dark pages.

use std::fmt::Write;

/// One curve.
#[derive(Clone, Debug)]
pub struct Curve {
    pub name: String,
    /// Pairs of positive numbers, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// What stands around the curves.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub title: &'a str,
    pub x_name: &'a str,
    pub y_name: &'a str,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 460.0;
/// Left, top, right (for the names of the curves) and bottom.
const MARGINS: [f64; 4] = [64.0, 44.0, 250.0, 52.0];
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7f3fbf", "#888888"];
/// Pixels between the names of two curves.
const NAME_HEIGHT: f64 = 16.0;

/// Draws the curves; a point that is not positive is left out.
pub fn draw(frame: Frame<'_>, curves: &[Curve]) -> String {
    let good = |point: &&(f64, f64)| {
        point.0 > 0.0 && point.1 > 0.0 && point.0.is_finite() && point.1.is_finite()
    };
    let all: Vec<(f64, f64)> =
        curves.iter().flat_map(|curve| curve.points.iter().filter(good).copied()).collect();
    let x = Axis::of(all.iter().map(|point| point.0), MARGINS[0], WIDTH - MARGINS[2]);
    let y = Axis::of(all.iter().map(|point| point.1), HEIGHT - MARGINS[3], MARGINS[1]);
    let mut out = String::new();
    // Writing to memory does not fail.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"{0}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <style>text{{fill:#1b1b1b}}.grid{{stroke:#9a9a9a;stroke-opacity:.35}}\
         @media(prefers-color-scheme:dark){{text{{fill:#e8e8e8}}}}</style>\n\
         <text x=\"{1}\" y=\"24\" font-size=\"15\" font-weight=\"600\">{0}</text>",
        escape(frame.title),
        MARGINS[0],
    );
    grid(&mut out, &x, &y);
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
         <text x=\"16\" y=\"{1}\" transform=\"rotate(-90 16 {3})\" text-anchor=\"middle\" \
         dy=\"-{4}\">{5}</text>",
        (MARGINS[0] + WIDTH - MARGINS[2]) / 2.0,
        HEIGHT - 12.0,
        escape(frame.x_name),
        HEIGHT / 2.0,
        HEIGHT / 2.0 - 16.0,
        escape(frame.y_name),
    );
    let mut names = Vec::new();
    for (curve_idx, curve) in curves.iter().enumerate() {
        let colour = COLOURS[curve_idx % COLOURS.len()];
        let points: Vec<(f64, f64)> = curve
            .points
            .iter()
            .filter(good)
            .map(|point| (x.place(point.0), y.place(point.1)))
            .collect();
        let text: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            text.join(" ")
        );
        for (x, y) in &points {
            let _ =
                writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        if let Some((_, y)) = points.last() {
            names.push((*y, colour, curve.name.as_str()));
        }
    }
    write_names(&mut out, names);
    out.push_str("</svg>\n");
    out
}

/// Names stand right of the last point of their curve, and below one another.
fn write_names(out: &mut String, mut names: Vec<(f64, &str, &str)>) {
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let lowest = HEIGHT - MARGINS[3] - NAME_HEIGHT * (names.len().saturating_sub(1)) as f64;
    let mut next = MARGINS[1];
    for (idx, (y, colour, name)) in names.into_iter().enumerate() {
        let y = y.clamp(next, (lowest + NAME_HEIGHT * idx as f64).max(next));
        let x = WIDTH - MARGINS[2] + 12.0;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{:.1}\" width=\"10\" height=\"3\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{:.1}\">{}</text>",
            y - 1.5,
            x + 15.0,
            y + 4.0,
            escape(name)
        );
        next = y + NAME_HEIGHT;
    }
}

fn grid(out: &mut String, x: &Axis, y: &Axis) {
    for n in x.decades() {
        let at = x.place(n);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            y.low_px,
            y.high_px,
            y.low_px + 18.0,
            short(n)
        );
    }
    for n in y.decades() {
        let at = y.place(n);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            x.low_px,
            x.high_px,
            x.low_px - 8.0,
            at + 4.0,
            short(n)
        );
    }
}

/// A logarithmic axis over whole decades.
struct Axis {
    low: f64,
    high: f64,
    low_px: f64,
    high_px: f64,
}

impl Axis {
    fn of(numbers: impl Iterator<Item = f64>, low_px: f64, high_px: f64) -> Axis {
        let (mut least, mut most) = (f64::INFINITY, 0.0f64);
        for n in numbers {
            (least, most) = (least.min(n), most.max(n));
        }
        if !least.is_finite() {
            (least, most) = (1.0, 10.0);
        }
        let low = least.log10().floor();
        let high = most.log10().ceil().max(low + 1.0);
        Axis { low, high, low_px, high_px }
    }

    fn place(&self, n: f64) -> f64 {
        let part = (n.log10() - self.low) / (self.high - self.low);
        self.low_px + part * (self.high_px - self.low_px)
    }

    fn decades(&self) -> impl Iterator<Item = f64> {
        (self.low as i32..=self.high as i32).map(|exponent| 10f64.powi(exponent))
    }
}

/// `10000` as `10 k`.
fn short(n: f64) -> String {
    match n {
        n if n >= 1e9 => format!("{:.0} G", n / 1e9),
        n if n >= 1e6 => format!("{:.0} M", n / 1e6),
        n if n >= 1e3 => format!("{:.0} k", n / 1e3),
        n if n >= 1.0 => format!("{n:.0}"),
        n => format!("{n}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_drawn_within_the_frame() {
        let curve = |name: &str, points: &[(f64, f64)]| Curve {
            name: name.to_owned(),
            points: points.to_vec(),
        };
        let curves = [
            curve("reads & writes", &[(1e4, 0.2), (1e7, 0.4)]),
            curve("same place", &[(1e4, 0.2), (1e7, 0.4)]),
            curve("broken", &[(0.0, 1.0), (1e5, f64::NAN)]),
        ];
        let svg = draw(Frame { title: "T", x_name: "x", y_name: "ms" }, &curves);
        assert_eq!(svg.matches("<polyline").count(), 3);
        assert_eq!(svg.matches("<circle").count(), 4, "what is not positive is left out");
        assert!(svg.contains("reads &amp; writes") && svg.contains(">10 M<"), "{svg}");
        assert!(svg.contains("cx=\"64.0\""), "the left edge: {svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let empty = draw(Frame { title: "T", x_name: "x", y_name: "y" }, &[]);
        assert!(!empty.contains("NaN"), "{empty}");
    }

    #[test]
    fn names_do_not_cover_each_other() {
        let mut out = String::new();
        write_names(
            &mut out,
            vec![(400.0, "#000", "a"), (400.0, "#000", "b"), (402.0, "#000", "c")],
        );
        let ys: Vec<f64> = out
            .match_indices("<text")
            .filter_map(|(at, _)| out[at..].split("y=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        assert_eq!(ys.len(), 3);
        assert!(ys.windows(2).all(|pair| pair[1] - pair[0] >= NAME_HEIGHT), "{ys:?}");
        assert!(ys[2] <= HEIGHT - MARGINS[3] + 4.0, "{ys:?}");
    }
}
