//! Time over error, as a plot of the report: what other budgets would give.

use crate::quantize::Quantized;
use crate::report;
use std::fmt::Write as _;

/// Size of the plot and its margins, in pixels.
const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 34.0;

/// Adds the plot, if there is a curve.
pub fn plot(out: &mut String, quantized: &Quantized) {
    let points: Vec<_> = quantized.curve.iter().filter(|p| p.sqnr_db.is_finite()).collect();
    if points.len() < 2 {
        return;
    }
    let most_db = points.iter().map(|p| p.sqnr_db).fold(10.0, f64::max);
    let top = (most_db / 10.0).ceil() * 10.0;
    let slowest = points.iter().map(|p| p.cost_ns).fold(1.0, f64::max);
    let x = |ns: f64| LEFT + ns / slowest * (WIDTH - LEFT - 36.0);
    let y = |db: f64| (HEIGHT - BOTTOM) * (1.0 - db.max(0.0) / top) + 8.0;
    out.push_str(
        "<h2>Time over error</h2>\n<p>The fastest program that is expected within other budgets (<code>--min-sqnr</code>), all layers \
         together. Times are predicted for one thread.</p>\n",
    );
    let _ =
        write!(out, "<svg width=\"{WIDTH}\" height=\"{}\" role=\"img\" aria-label=\"time over error\">", HEIGHT + 8.0);
    report::decibels(out, top, (LEFT, WIDTH), y);
    let mut path = String::new();
    for (i, point) in points.iter().enumerate() {
        let (x, y) = (x(point.cost_ns), y(point.sqnr_db));
        let _ = write!(path, "{}{x:.1},{y:.1} ", if i == 0 { "M" } else { "L" });
        let _ = write!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"#4c86c6\"><title>{:.1} dB, {:.3} ms, {} layers on \
             integers</title></circle>",
            point.sqnr_db,
            point.cost_ns / 1e6,
            point.integer
        );
    }
    for share in [0.25, 0.5, 0.75, 1.0] {
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" font-size=\"11\" text-anchor=\"middle\" fill=\"#5b6b7c\">{:.3} ms</text>",
            x(share * slowest),
            HEIGHT - 6.0,
            share * slowest / 1e6
        );
    }
    let _ = writeln!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"#4c86c6\" stroke-width=\"1.5\"/></svg>");
}
