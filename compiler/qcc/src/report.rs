//! What quantization decided, as one page for a browser: nothing is loaded from elsewhere.

use crate::curve;
use crate::quantize::Quantized;
use qcc_quantize::{Choice, Histogram, LayerError, Precision};
use std::fmt::Write;

const STYLE: &str = "body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1c2733}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}table{border-collapse:collapse;width:100%}\
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #e3e8ee;white-space:nowrap}\
th:first-child,td:first-child{text-align:left;max-width:26rem;overflow:hidden;text-overflow:ellipsis}th{background:#f4f6f9}\
th:last-child,td:last-child{white-space:normal}\
.value{display:inline-block;width:21rem;margin:.5rem .8rem .5rem 0;vertical-align:top}.value b{font-weight:600;display:block;\
overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.value small{color:#5b6b7c}.float{color:#a4490b}svg{display:block}\
p{max-width:48rem}";

/// Width and height of a histogram (pixels).
const PLOT: (f64, f64) = (330.0, 110.0);

/// Columns of a histogram.
const COLUMNS: usize = 110;

/// The page.
pub fn page(quantized: &Quantized, errors: &[LayerError]) -> String {
    let mut out = String::new();
    let name = escaped(&quantized.float.graph().name);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{name} quantized</title>\n<style>{STYLE}</style>\n\
         <h1>{name} quantized</h1>\n"
    );
    summary(&mut out, quantized);
    curve::plot(&mut out, quantized);
    layers(&mut out, quantized, errors);
    values(&mut out, quantized);
    out.push_str("</html>\n");
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn summary(out: &mut String, quantized: &Quantized) {
    let plan = &quantized.plan;
    let precisions = plan.precisions();
    let int8 = precisions.iter().filter(|p| p.is_integer()).count();
    let share = quantized.integer_share();
    let _ = write!(
        out,
        "<p>{int8} of {} layers run on integers, with {:.1} % of their multiply-accumulates; {} grids of values.</p>\n\
         <h2>Against the float model</h2>\n<p>Outputs on calibration samples held out, after each step.</p>\n\
         <table><tr><th>step</th><th>signal over noise</th><th>decisions that agree</th></tr>\n",
        plan.layers.len(),
        100.0 * share,
        plan.grids.len()
    );
    for (step, loss) in &quantized.steps {
        let _ = writeln!(
            out,
            "<tr><td>{step}</td><td>{:.2} dB{}</td><td>{:.2} %</td></tr>",
            loss.sqnr_db(),
            loss.logits_db().map_or(String::new(), |db| format!(", {db:.2} dB in front of probabilities")),
            100.0 * loss.agreement
        );
    }
    out.push_str("</table>\n");
    if let Some(speed) = &quantized.speed {
        let _ = writeln!(out, "<p>{speed} (one thread of the CPU it was made on).</p>");
    }
}

fn layers(out: &mut String, quantized: &Quantized, errors: &[LayerError]) {
    out.push_str(
        "<h2>Layers</h2>\n<p>Signal over noise of each layer's result: <i>alone</i>, computed from the float model's values, and \
         <i>here</i>, with the layers in front of it quantized. <i>Outputs alone</i>: of the model's outputs (in front of a last softmax), with only this layer \
         quantized, where it was measured, and the same with weights of 7 bits. <i>Next choice</i>: the next more accurate one, the \
         time it is expected to cost, and the signal over noise of the model's outputs with it.</p>\n",
    );
    chart(out, errors);
    out.push_str(
        "<table><tr><th>layer</th><th>kind</th><th>MMAC</th><th>runs on</th><th>alone</th><th>here</th><th>cosine</th>\
         <th>clipped</th><th>outputs alone</th><th>with 7 bits</th><th>next choice</th></tr>\n",
    );
    for (i, (layer, choice)) in quantized.plan.layers.iter().zip(&quantized.plan.choices).enumerate() {
        let error = errors.iter().find(|e| e.layer == i);
        let number = |value: Option<f64>, digits: usize, unit: &str| {
            value.map_or("–".to_string(), |v| format!("{v:.digits$}{unit}"))
        };
        let sensitivity = quantized.sensitivities.get(i).filter(|s| s.int8 > 0.0);
        let alone = sensitivity.map(|s| -10.0 * s.int8.log10());
        let seven = sensitivity.map(|s| -10.0 * s.int7.log10());
        let runs_on = match choice {
            Choice::Integer(Precision::Int16, _) => "integers, values of 16 bits",
            Choice::Integer(Precision::Int7, _) => "integers, weights of 7 bits",
            Choice::Integer(Precision::Dynamic, _) => "8-bit integers of a range found at run time",
            Choice::Integer(Precision::WeightOnly8, _) => "floats, weights stored in 8 bits",
            Choice::Integer(Precision::WeightOnly4, _) => "floats, weights stored in 4 bits",
            Choice::Integer(..) => "8-bit integers",
            Choice::Float => "<span class=\"float\">floats</span>",
        };
        let _ = writeln!(
            out,
            "<tr><td title=\"{0}\">{0}</td><td>{1}</td><td>{2:.2}</td><td>{runs_on}</td><td>{3}</td><td>{4}</td><td>{5}</td><td>{6}</td>\
             <td>{7}</td><td>{8}</td><td>{9}</td></tr>",
            escaped(&layer.name),
            layer.op,
            quantized.calibration.layers[i].macs(&quantized.calibration.graph) as f64 / 1e6,
            number(error.map(|e| e.local.sqnr_db()), 1, " dB"),
            number(error.map(|e| e.whole.sqnr_db()), 1, " dB"),
            number(error.map(|e| e.whole.cosine()), 5, ""),
            number(error.map(|e| 100.0 * e.clipped), 3, " %"),
            number(alone, 1, " dB"),
            number(seven, 1, " dB"),
            quantized.next.get(i).copied().flatten().map_or("–".to_string(), |next| next.to_string())
        );
    }
    out.push_str("</table>\n");
}

/// Lines across a plot, one every ten decibels up to `top`, with their numbers left of them.
pub(crate) fn decibels(out: &mut String, top: f64, (left, right): (f64, f64), y: impl Fn(f64) -> f64) {
    for line in 0..=(top / 10.0) as usize {
        let at = y(line as f64 * 10.0);
        let _ = write!(
            out,
            "<line x1=\"{left}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#e3e8ee\"/><text x=\"{}\" y=\"{:.1}\" \
             font-size=\"11\" text-anchor=\"end\" fill=\"#5b6b7c\">{} dB</text>",
            left - 4.0,
            at + 4.0,
            line * 10
        );
    }
}

/// Signal over noise by layer, alone as a line and in the model as bars.
fn chart(out: &mut String, errors: &[LayerError]) {
    if errors.is_empty() {
        return;
    }
    const HEIGHT: f64 = 180.0;
    const WIDTH: f64 = 1040.0;
    const LEFT: f64 = 40.0;
    let finite = |db: f64| if db.is_finite() { db.max(0.0) } else { 0.0 };
    let top = errors.iter().flat_map(|e| [finite(e.local.sqnr_db()), finite(e.whole.sqnr_db())]).fold(10.0, f64::max);
    let top = (top / 10.0).ceil() * 10.0;
    let step = (WIDTH - LEFT) / errors.len() as f64;
    let y = |db: f64| HEIGHT * (1.0 - finite(db) / top) + 8.0;
    let _ =
        write!(out, "<svg width=\"{WIDTH}\" height=\"{}\" role=\"img\" aria-label=\"error by layer\">", HEIGHT + 16.0);
    decibels(out, top, (LEFT, WIDTH), y);
    let mut path = String::new();
    for (i, error) in errors.iter().enumerate() {
        let (x, here) = (LEFT + i as f64 * step, y(error.whole.sqnr_db()));
        let _ = write!(
            out,
            "<rect x=\"{:.1}\" y=\"{here:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#4c86c6\"/>",
            x + step * 0.1,
            step * 0.8,
            (HEIGHT + 8.0 - here).max(0.0)
        );
        let _ =
            write!(path, "{}{:.1},{:.1} ", if i == 0 { "M" } else { "L" }, x + step / 2.0, y(error.local.sqnr_db()));
    }
    let _ = writeln!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"#d2691e\" stroke-width=\"1.5\"/></svg>");
    out.push_str("<p><small>Bars: here. Line: alone.</small></p>\n");
}

fn values(out: &mut String, quantized: &Quantized) {
    out.push_str(
        "<h2>Ranges</h2>\n<p>Counts of the values of every grid on the calibration samples, on a logarithmic scale. The range of \
         the grid is shaded.</p>\n",
    );
    for (class, chosen) in quantized.plan.flow.classes.iter().zip(&quantized.plan.grids) {
        let limits = chosen.grid.limits();
        let mut method = chosen.method.map_or("its operator".to_string(), |m| m.to_string());
        let divided = quantized.plan.factors.contains_key(&class.root);
        if divided {
            method += ", after a division of every channel by its factor";
        }
        let _ = write!(
            out,
            "<div class=\"value\"><b title=\"{0}\">{0}</b><small>{1:.4} to {2:.4}, scale {3:.3e}, zero at {4}, by {method}</small>",
            escaped(&class.name),
            limits.0,
            limits.1,
            chosen.grid.scale,
            chosen.grid.zero_point
        );
        if let Some(moments) = quantized.calibration.moments.get(&class.root) {
            // What is divided is covered whole.
            let shaded = if divided { moments.extremes() } else { limits };
            histogram(out, &moments.histogram, moments.extremes(), shaded);
        }
        out.push_str("</div>\n");
    }
}

fn histogram(out: &mut String, histogram: &Histogram, extremes: (f64, f64), limits: (f64, f64)) {
    let (width, height) = PLOT;
    let (low, high) = (extremes.0.min(limits.0), extremes.1.max(limits.1));
    if high <= low {
        return;
    }
    let x = |v: f64| (v - low) / (high - low) * width;
    let mut columns = vec![0u64; COLUMNS];
    for (start, count) in histogram.bins() {
        let at = (start + histogram.width() / 2.0 - low) / (high - low) * COLUMNS as f64;
        columns[(at.max(0.0) as usize).min(COLUMNS - 1)] += count;
    }
    let log = |count: u64| ((count + 1) as f64).ln();
    let most = columns.iter().map(|&c| log(c)).fold(1.0, f64::max);
    let _ = write!(
        out,
        "<svg width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"histogram\"><rect x=\"{:.1}\" y=\"0\" width=\"{:.1}\" \
         height=\"{height}\" fill=\"#e6f0e6\"/>",
        x(limits.0),
        x(limits.1) - x(limits.0)
    );
    let each = width / COLUMNS as f64;
    for (i, &count) in columns.iter().enumerate().filter(|(_, count)| **count > 0) {
        let tall = log(count) / most * (height - 4.0);
        let _ = write!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{each:.1}\" height=\"{tall:.1}\" fill=\"#4c86c6\"/>",
            i as f64 * each,
            height - tall
        );
    }
    out.push_str("</svg>");
}
